"""The two commands of the README, as far as they can be tried without installing anything."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def make(tmp_path):
    """Run make in a folder that has the Makefile and no environment yet."""
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    env = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["make", *arguments], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    return run


def test_make_alone_names_the_two_commands(make):
    done = make()
    assert done.returncode == 0
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [["make", "demo"], ["make", "test"]]


def test_without_a_fitting_python_it_says_what_is_needed(make, tmp_path):
    done = make("demo", f"PYTHON={tmp_path / 'python3.8'}")
    assert done.returncode != 0
    assert "olmixctl needs Python 3.11 or newer" in done.stderr
    assert "python3.8" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_make_test_runs_every_check_and_make_demo_the_demo(make):
    steps = make("--dry-run", "test").stdout
    for step in ("ruff check", "ruff format --check", "lint-imports", "mypy", "pytest"):
        assert step in steps
    demo = make("--dry-run", "demo").stdout
    assert "docs/demo/run.py" in demo
    assert "[train]" in demo
    assert "parquet" not in demo


def test_an_environment_that_is_there_is_used_as_it_is(make, tmp_path):
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name in ("bin/python", ".torch", ".train", ".dev"):
        (tmp_path / ".venv" / name).touch()
    assert "pip install" not in make("--dry-run", "test").stdout
    (tmp_path / "constraints.txt").touch()
    os.utime(tmp_path / "constraints.txt", (4e9, 4e9))
    assert "pip install" in make("--dry-run", "test").stdout


def test_ci_runs_make_test():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text()
