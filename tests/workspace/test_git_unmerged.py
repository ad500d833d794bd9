"""A merge that is not finished: the lock holds one side without a marker, and nothing may be decided on it."""

from __future__ import annotations

import re

import pytest
from branches import BASE, EVALS, finish, git, join, merge, two_domains
from workspaces import write_mix

from olmixctl.committed import unmerged
from olmixctl.errors import BlockedError
from olmixctl.workspace import Workspace


def unmerged_of(workspace):
    """The plan's check, and the detail of verify's; None where there is none."""
    plan = next((check for check in workspace.plan().checks if check.name == "unmerged"), None)
    found = next((check for check in workspace.verify().checks if check.name == "unmerged"), None)
    assert found is None or found.ok is None
    return plan, found


def test_a_lock_in_conflict_blocks_plan_and_apply_until_it_is_joined(parted):
    two_domains(parted)
    workspace = Workspace.open(cwd=parted)
    before = workspace.lock_path.read_bytes()
    plan = workspace.plan()
    (check,) = plan.blocked
    assert (check.level, check.name) == ("block", "unmerged")
    assert check.message == "the lock is in conflict: a merge of books is unfinished"
    assert check.remedy == "olmixctl resolve"
    with pytest.raises(BlockedError, match="a merge of books is unfinished"):
        workspace.apply(plan)
    assert workspace.lock_path.read_bytes() == before
    assert "`olmixctl resolve`" in unmerged_of(workspace)[1].detail
    join(parted)
    # Written, and not yet added: what is left is Git's, not a decision.
    assert unmerged_of(Workspace.open(cwd=parted)) == (None, None)
    finish(parted)
    assert unmerged_of(Workspace.open(cwd=parted)) == (None, None)


def test_a_plan_without_changes_is_blocked_too(parted):
    merge(parted, "books")
    write_mix(parted, BASE | {"papers": ""}, evals=EVALS)
    workspace = Workspace.open(cwd=parted)
    plan = workspace.plan()
    assert not plan.has_changes
    with pytest.raises(BlockedError):
        workspace.apply(plan)


def test_a_merge_that_left_the_lock_alone_is_nobodys_business(parted):
    git(parted, "checkout", "-q", "-b", "notes", "main")
    (parted / "notes.txt").write_text("one\n")
    git(parted, "add", "notes.txt")
    git(parted, "commit", "-qm", "One")
    git(parted, "checkout", "-q", "papers")
    (parted / "notes.txt").write_text("two\n")
    git(parted, "add", "notes.txt")
    git(parted, "commit", "-qm", "Two")
    merge(parted, "notes")
    assert (parted / ".git/MERGE_HEAD").exists()
    assert unmerged_of(Workspace.open(cwd=parted)) == (None, None)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("rebase", "books"), "a rebase of papers is unfinished"),
        (("cherry-pick", "books"), "a cherry-pick of [0-9a-f]{7} is unfinished"),
        (("merge", "--no-edit", "COMMIT"), "a merge of [0-9a-f]{7} is unfinished"),
    ],
)
def test_other_operations_are_named(parted, command, words):
    command = [git(parted, "rev-parse", "books") if word == "COMMIT" else word for word in command]
    git(parted, *command, check=False)
    assert re.fullmatch(words, unmerged(parted / "mixes/base.lock.yaml"))


def test_a_linked_working_tree_has_its_own_merge(parted, tmp_path):
    other = tmp_path / "other"
    git(parted, "worktree", "add", "-q", str(other), "books")
    merge(other, "papers")
    assert unmerged(other / "mixes/base.lock.yaml") == "a merge of papers is unfinished"
    assert unmerged(parted / "mixes/base.lock.yaml") == ""


def test_without_an_operation_under_way_git_is_not_asked(parted, monkeypatch):
    monkeypatch.setattr("olmixctl.repository.conflict.opened", None)
    assert unmerged(parted / "mixes/base.lock.yaml") == ""


def test_outside_a_repository_nothing_is_unfinished(tmp_path):
    assert unmerged(tmp_path / "base.lock.yaml") == ""
