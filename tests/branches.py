"""Branches of a mix in a real repository: edits, merges and joins, as people make them."""

from __future__ import annotations

import subprocess

from workspaces import write_mix

from olmixctl.plan import PlanOptions
from olmixctl.resolving import find_merging, next_commands, plan_merging, resolve
from olmixctl.workspace import Workspace

BASE = {"code": "", "docs": "", "web": ""}
EVALS = ("code", "docs")
IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false", "-c", "core.editor=true")


def git(root, *words, check=True):
    done = subprocess.run(["git", *IDENTITY, *words], cwd=root, check=False, capture_output=True, text=True)
    assert not check or done.returncode == 0, f"git {words}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


def commit(root, subject):
    git(root, "add", "-A", "mixes", ".gitattributes")
    git(root, "commit", "-q", "-m", subject)
    return git(root, "rev-parse", "HEAD")


def edit(root, domains, *, subject=None, evals=EVALS, **options):
    """Edit the mix on the branch that is checked out, apply, commit."""
    write_mix(root, domains, evals=evals)
    workspace = Workspace.open(cwd=root)
    result = workspace.apply(workspace.plan(PlanOptions(**{"reuse": "full", **options})))
    commit(root, subject or f"{', '.join(domains)}")
    return result


def merge(root, branch):
    """Merge `branch`: the lock conflicts; what the mix file says is for the caller to decide."""
    git(root, "merge", "--no-edit", branch, check=False)


def join(root, **options):
    workspace = Workspace.open(cwd=root)
    merging = find_merging(workspace)
    plan = plan_merging(workspace, merging, PlanOptions(**options))
    return plan, resolve(workspace, merging, plan)


def finish(root):
    for command in next_commands(Workspace.open(cwd=root)):
        subprocess.run(
            f"git {' '.join(IDENTITY)} {command.removeprefix('git ')}{' --no-edit' if 'commit' in command else ''}",
            shell=True,
            cwd=root,
            check=True,
            capture_output=True,
        )


def check_settled(root):
    """After a join nothing is left to do, and the lock verifies."""
    workspace = Workspace.open(cwd=root)
    assert not workspace.plan().has_changes
    found = workspace.verify()
    assert found.ok, [check for check in found.checks if check.ok is False]


def sides(root):
    """The locks of both branches of `branched`."""
    return tuple(Workspace.open(cwd=root).lock_at(branch) for branch in ("papers", "books"))


def two_domains(root):
    """The branches of `branched`, merged, and the mix file by hand; the locks of both."""
    ours, theirs = sides(root)
    merge(root, "books")
    write_mix(root, BASE | {"docs": "max: 0.3", "papers": "", "books": ""}, evals=EVALS)
    return ours, theirs
