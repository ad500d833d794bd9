from __future__ import annotations

import subprocess
import sys

import pytest

import olmixctl


def test_every_public_name_loads_and_none_is_missing():
    for name in olmixctl.__all__:
        assert getattr(olmixctl, name) is not None
    assert set(olmixctl._HOME) == set(olmixctl.__all__) - {"__version__"}
    with pytest.raises(AttributeError, match="nonsense"):
        _ = olmixctl.nonsense


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, olmixctl; print(*sorted(m for m in sys.modules if m.split('.')[0] in %r))"
    heavy = ("torch", "numpy", "scipy", "cvxpy", "yaml", "git", "jsonschema", "typer", "rich")
    done = subprocess.run([sys.executable, "-c", code % (heavy,)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
