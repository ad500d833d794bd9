"""Domains that take other domains' names in one edit: their documents tell who is who, in every command."""

from __future__ import annotations

import pytest
from branches import EVALS, commit
from workspaces import write_mix

from olmixctl.committed import lock_trail
from olmixctl.lock.diff import diff_locks
from olmixctl.lock.history import domain_history, lock_history
from olmixctl.workspace import Workspace

SWAP = {"web": "code", "code": "web"}
CHAIN = {"code2": "code", "code": "web"}


def rename(root, was):
    """Give folders and domains new names; `was` is new name → old one."""
    corpora = root / "corpora"
    for old in was.values():
        (corpora / old).rename(corpora / f"{old}.aside")
    for new, old in was.items():
        (corpora / f"{old}.aside").rename(corpora / new)


@pytest.fixture(params=[SWAP, CHAIN], ids=["swap", "chain"])
def renamed(begun, request):
    """Root, new name → old one, and the locks before and after, committed."""
    was = request.param
    before = Workspace.open(cwd=begun).lock()
    names = {old: new for new, old in was.items()}
    rename(begun, was)
    write_mix(begun, {names.get(d, d): "" for d in before.domains}, evals=tuple(names.get(e, e) for e in EVALS))
    workspace = Workspace.open(cwd=begun)
    plan = workspace.plan()
    assert plan.renames == was
    assert not plan.missing
    after = workspace.apply(plan).lock
    commit(begun, "take names")
    return begun, was, before, after


def test_the_lock_verifies_and_no_weight_moved(renamed):
    root, was, before, after = renamed
    assert {new: before.weights[was.get(new, new)] for new in after.weights} == dict(after.weights)
    found = Workspace.open(cwd=root).verify()
    assert found.ok, [check for check in found.checks if check.ok is False]
    assert not Workspace.open(cwd=root).plan().has_changes


def test_the_diff_says_moved(renamed):
    _, was, before, after = renamed
    diff = diff_locks(before, after)
    assert {(change.domain, change.kind, change.was) for change in diff.data} == {
        (new, "moved", old) for new, old in was.items()
    }
    assert not diff.weights


def test_the_history_says_moved_and_follows_the_documents(renamed):
    root, was, _, _ = renamed
    trail = lock_trail(Workspace.open(cwd=root).lock_path).locks
    newest, _ = lock_history(trail)
    assert {(f.subject, f.before) for f in newest.facts if f.kind == "moved"} == set(was.items())
    assert not [f for f in newest.facts if f.kind in {"revised", "added", "removed"}]
    for new, old in was.items():
        entries = domain_history(trail, new)
        assert [entry.name for entry in entries] == [new, old]
        assert entries[0].reason.startswith(f"renamed from {old}")
