from __future__ import annotations

import shutil

import pytest
from branches import BASE, EVALS, commit, edit, git
from workspaces import make_workspace, write_domain, write_mix

from olmixctl.workspace import Workspace


@pytest.fixture
def root(tmp_path):
    make_workspace(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def started(tmp_path_factory):
    """The first lock, committed on main, and the data that branches bring."""
    root = tmp_path_factory.mktemp("git")
    make_workspace(root)
    write_mix(root, BASE, evals=EVALS)
    for domain, documents in (("papers", 50), ("books", 30)):
        write_domain(root, domain, documents)
    (root / ".gitattributes").write_text("*.lock.yaml -merge\n*.runs/** linguist-generated\n")
    git(root, "init", "-q", "-b", "main")
    workspace = Workspace.open(cwd=root)
    workspace.apply(workspace.plan())
    commit(root, "first lock")
    return root


@pytest.fixture(scope="session")
def branched(started, tmp_path_factory):
    """A adds papers; B bounds docs and adds books."""
    root = tmp_path_factory.mktemp("branched") / "repository"
    shutil.copytree(started, root)
    git(root, "checkout", "-q", "-b", "papers")
    edit(root, BASE | {"papers": ""}, subject="Add papers")
    git(root, "checkout", "-q", "-b", "books", "main")
    edit(root, BASE | {"docs": "max: 0.3", "books": ""}, subject="Add books, bound docs")
    git(root, "checkout", "-q", "papers")
    return root


@pytest.fixture
def parted(branched, tmp_path):
    """Both branches, papers checked out."""
    target = tmp_path / "parted"
    shutil.copytree(branched, target)
    return target


@pytest.fixture
def begun(started, tmp_path):
    """The first lock alone."""
    target = tmp_path / "repository"
    shutil.copytree(started, target)
    return target
