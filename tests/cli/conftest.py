from __future__ import annotations

import json
import shutil

import pytest
from typer.testing import CliRunner
from workspaces import make_workspace

from olmixctl.cli.app import app
from olmixctl.workspace import Workspace


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Three domains, the fake executor, and the working directory there."""
    make_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("CI", raising=False)  # a plan in CI compares with where a pull request branched off
    return tmp_path


@pytest.fixture(scope="session")
def applied_once(tmp_path_factory):
    """A workspace with its first lock, to be copied."""
    folder = tmp_path_factory.mktemp("applied")
    make_workspace(folder)
    workspace = Workspace.open(cwd=folder)
    workspace.apply(workspace.plan())
    return folder


@pytest.fixture
def applied(root, applied_once):
    """The workspace of `root`, after its first apply."""
    for name in ("base.lock.yaml", "base.runs"):
        source = applied_once / "mixes" / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, root / "mixes" / name)
    return root


@pytest.fixture
def olmixctl(root):
    """Run a command in this process and check its exit code; `.json` reads its answer."""

    def run(*words, code=0):
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == code, f"exit {result.exit_code}\n{result.stdout}\n{result.stderr}"
        return result

    def answer(*words, code=0):
        return json.loads(run(*words, "--json", code=code).stdout)

    run.json = answer
    return run
