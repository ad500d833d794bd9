"""torch stays out until a run is trained, and its absence is one clear message."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from olmixctl.errors import MissingExtraError
from olmixctl.proxy.config import TrainerOptions, require_torch
from olmixctl.proxy.train import train


@pytest.mark.parametrize(
    "module", ["olmixctl.proxy", "olmixctl.proxy.config", "olmixctl.proxy.tuning", "olmixctl.proxy.train"]
)
def test_importing_loads_no_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_torch_the_remedy_is_the_install_command(monkeypatch, config, shards, evals):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    with pytest.raises(MissingExtraError, match=r'pip install "olmixctl\[train\]"'):
        require_torch()
    with pytest.raises(MissingExtraError, match="torch"):
        train(config, shards, evals, TrainerOptions())
