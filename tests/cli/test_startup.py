"""Starting is cheap: `--help` loads the parser and nothing of weight."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "cvxpy", "scipy", "numpy", "yaml", "jsonschema", "git", "fsspec", "rich", "hypothesis", "blake3")


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["plan", "--help"], ["runs", "list", "--help"]])
def test_help_loads_nothing_heavy(words):
    code = (
        "import sys\n"
        f"sys.argv = ['olmixctl', *{words!r}]\n"
        "from olmixctl.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        f"print('LOADED', *[m for m in {HEAVY!r} if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.rsplit("LOADED", 1)[1].split() == []


def test_help_is_plain_and_names_every_exit_code():
    done = subprocess.run([sys.executable, "-m", "olmixctl", "--help"], check=True, capture_output=True, text=True)
    assert "\x1b" not in done.stdout
    for code in ("64 usage", "70 a defect", "7 infeasible"):
        assert code in " ".join(done.stdout.split())


def test_show_and_validate_need_no_solver_and_no_torch(tmp_path):
    from workspaces import make_workspace

    make_workspace(tmp_path)
    code = (
        "import sys\nsys.argv = ['olmixctl', 'validate']\n"
        "from olmixctl.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('LOADED', *[m for m in ('torch', 'cvxpy', 'scipy') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert "valid" in done.stdout
    assert done.stdout.rsplit("LOADED", 1)[1].split() == []
