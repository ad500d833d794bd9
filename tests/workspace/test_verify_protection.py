"""A protected domain leaves with a word only, and the word is asked for by the lock, not by the file being edited."""

from __future__ import annotations

import pytest
from workspaces import make_workspace, write_domain, write_mix

from olmixctl.errors import BlockedError
from olmixctl.plan import PlanOptions
from olmixctl.workspace import Workspace

PROTECTED = {"code": "", "docs": "protected: true", "web": ""}


@pytest.fixture
def root(tmp_path):
    make_workspace(tmp_path)
    write_mix(tmp_path, PROTECTED, evals=("code",))
    apply(tmp_path)
    return tmp_path


def apply(root, **options):
    workspace = Workspace.open(cwd=root)
    return workspace.apply(workspace.plan(PlanOptions(**options)))


def blocking(root, **options):
    return [c.name for c in Workspace.open(cwd=root).plan(PlanOptions(**options)).blocked]


def test_removing_it_is_blocked_and_writes_nothing(root):
    before = (root / "mixes/base.lock.yaml").read_bytes()
    write_mix(root, {"code": "", "web": ""}, evals=("code",))
    assert blocking(root) == ["protected"]
    with pytest.raises(BlockedError, match="docs is protected"):
        apply(root)
    assert (root / "mixes/base.lock.yaml").read_bytes() == before
    assert apply(root, allow_remove=frozenset({"docs"})).written


def test_removing_and_unprotecting_in_one_edit_is_blocked_all_the_same(root):
    """The edit that removes a domain removes its `protected` line too: that must not count as the word."""
    write_mix(root, {"code": "", "web": ""}, evals=("code",))
    assert "docs" not in (root / "mixes/base.yaml").read_text().replace("docs-bpb", "")
    assert blocking(root) == ["protected"]


def test_unprotecting_first_is_a_change_of_its_own_in_git(root):
    write_mix(root, PROTECTED | {"docs": ""}, evals=("code",))
    plan = Workspace.open(cwd=root).plan()
    assert not plan.blocked
    assert not plan.missing
    assert [(c.subject, c.before, c.after) for c in plan.changes if "protected" in c.subject] == [
        ("docs.protected", True, False)
    ]
    # Until that is applied, the lock still rules.
    write_mix(root, {"code": "", "web": ""}, evals=("code",))
    assert blocking(root) == ["protected"]
    write_mix(root, PROTECTED | {"docs": ""}, evals=("code",))
    before = Workspace.open(cwd=root).lock()
    after = apply(root).lock
    assert after.weights == before.weights
    assert not after.domains["docs"].protected
    write_mix(root, {"code": "", "web": ""}, evals=("code",))
    assert blocking(root) == []


def test_a_rename_keeps_the_protection(root):
    (root / "corpora/docs").rename(root / "corpora/manuals")
    write_mix(root, {"code": "", "manuals": "", "web": ""}, evals=("code",))
    plan = Workspace.open(cwd=root).plan()
    assert not plan.blocked
    apply(root)
    write_mix(root, {"code": "", "manuals": "protected: true", "web": ""}, evals=("code",))
    apply(root)
    write_mix(root, {"code": "", "web": ""}, evals=("code",))
    assert blocking(root) == ["protected"]


def test_replacing_it_by_other_documents_under_another_name_is_a_removal(root):
    write_domain(root, "manuals", 40)
    write_mix(root, {"code": "", "manuals": "protected: true", "web": ""}, evals=("code",))
    assert blocking(root) == ["protected"]


def test_verify_sees_a_lock_that_says_otherwise_than_the_mix_file(root):
    write_mix(root, PROTECTED | {"web": "protected: true"}, evals=("code",))
    failed = {c.name: c.detail for c in Workspace.open(cwd=root).verify().checks if c.ok is False}
    assert list(failed) == ["protection"]
    assert "web" in failed["protection"]
    apply(root)
    assert Workspace.open(cwd=root).verify().ok
