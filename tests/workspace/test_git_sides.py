"""The sides of a merge: where they are found, the run files of both, and what cannot be joined."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from branches import BASE, EVALS, check_settled, commit, edit, finish, git, join, merge, sides, two_domains
from workspaces import write_mix

from olmixctl.errors import IntegrityError, SpecError, StaleError, UsageError
from olmixctl.ledger.files import dump_run, parse_run
from olmixctl.lock import dump, parse
from olmixctl.lock.codec import digest_of
from olmixctl.plan import PlanOptions
from olmixctl.resolving import find_merging, next_commands, plan_merging, refuse_markers, resolve, take_side
from olmixctl.workspace import Workspace


@pytest.fixture
def root(begun):
    return begun


# Run files


def measured_elsewhere(record, *, by=0.0):
    """`record` as another machine would have found it."""
    metrics = {name: value + by for name, value in record.metrics.items()}
    return dump_run(replace(record, metrics=metrics, provenance={**record.provenance, "hardware": "another"}))


def conflict_run(root, second):
    """A run trained on both branches; `second` gives the text of the other result. Returns its file."""
    git(root, "checkout", "-q", "-b", "one")
    edit(root, BASE | {"papers": ""}, subject="Papers here")
    git(root, "checkout", "-q", "-b", "two", "main")
    edit(root, BASE | {"papers": "max: 0.5"}, subject="Papers there")
    name = git(root, "diff", "--name-only", "--diff-filter=A", "HEAD~1", "--", "mixes/base.runs/r1-*").split()[0]
    path = root / name
    path.write_text(second(parse_run(path.read_bytes(), path.name, path.name)))
    commit(root, "measured elsewhere")
    git(root, "checkout", "-q", "one")
    merge(root, "two")
    write_mix(root, BASE | {"papers": "max: 0.5"}, evals=EVALS)
    return path


@pytest.mark.parametrize("same", [True, False])
def test_a_run_trained_on_both_sides_stays_and_the_other_result_is_a_replicate(root, same):
    path = conflict_run(root, lambda record: measured_elsewhere(record, by=0.0 if same else 0.001))
    assert b"<<<<<<<" in path.read_bytes()
    before = path.read_bytes()
    workspace = Workspace.open(cwd=root)
    merging = find_merging(workspace)
    assert path.read_bytes() == before, "finding the sides writes nothing"
    assert any("trained on both sides" in note for note in merging.notes)
    plan = plan_merging(workspace, merging, PlanOptions())
    assert path.read_bytes() == before, "planning writes nothing"
    result = resolve(workspace, merging, plan)
    assert result.trained == 0
    ours = git(root, "show", f"one:mixes/base.runs/{path.name}")
    assert path.read_text().strip() == ours
    replicate = path.with_name(path.name.replace(".json", ".2.json"))
    assert replicate.exists() is not same
    check_settled(root)
    finish(root)
    check_settled(root)


def test_a_damaged_run_of_one_side_is_named(root):
    path = conflict_run(root, lambda record: dump_run(record).replace('"status": "done"', '"status": "diverged"'))
    with pytest.raises(IntegrityError, match=rf"{path.name} \(theirs\)"):
        find_merging(Workspace.open(cwd=root))


def test_half_a_conflict_in_a_run_file_is_named(root):
    path = conflict_run(root, measured_elsewhere)
    path.write_text(path.read_text().replace(">>>>>>> two", ""))
    git(root, "add", str(path))
    with pytest.raises(IntegrityError, match="not whole") as error:
        find_merging(Workspace.open(cwd=root))
    assert error.value.place.file == str(path)


def test_run_files_that_were_added_with_their_markers_are_settled_too(root):
    path = conflict_run(root, lambda record: measured_elsewhere(record, by=0.001))
    git(root, "add", str(path))
    _, result = join(root)
    assert result.trained == 0
    assert path.with_name(path.name.replace(".json", ".2.json")).exists()
    check_settled(root)


# Which sides


def test_sides_by_revision_bring_their_runs_along(parted):
    ours, theirs = sides(parted)
    write_mix(parted, BASE | {"docs": "max: 0.3", "papers": "", "books": ""}, evals=EVALS)
    workspace = Workspace.open(cwd=parted)
    assert find_merging(workspace) is None
    merging = find_merging(workspace, "papers", "books")
    plan = plan_merging(workspace, merging, PlanOptions())
    result = resolve(workspace, merging, plan)
    assert result.trained == 0
    assert set(result.lock.evidence) == set(ours.evidence) | set(theirs.evidence)
    check_settled(parted)


def test_markers_in_the_lock_are_read_where_git_knows_of_no_conflict(parted):
    ours, theirs = two_domains(parted)
    lock = parted / "mixes/base.lock.yaml"
    lock.write_text(f"<<<<<<< HEAD\n{dump(ours)}=======\n{dump(theirs)}>>>>>>> books\n")
    git(parted, "add", "mixes/base.lock.yaml")
    workspace = Workspace.open(cwd=parted)
    merging = find_merging(workspace)
    assert merging.merge.base is None
    plan = plan_merging(workspace, merging, PlanOptions())
    assert "planned from ours" in next(check.message for check in plan.checks if check.name == "merge")
    resolve(workspace, merging, plan)
    check_settled(parted)


def test_without_the_attribute_git_merges_lines_and_the_index_still_has_the_sides(parted):
    (parted / ".gitattributes").write_text("")
    commit(parted, "no attributes")
    ours, theirs = two_domains(parted)
    assert "<<<<<<<" in (parted / "mixes/base.lock.yaml").read_text()
    _, result = join(parted)
    assert set(result.lock.parents) == {digest_of(ours), digest_of(theirs)}
    check_settled(parted)


def test_a_rebase_is_joined_and_continued(parted):
    git(parted, "rebase", "books", check=False)
    write_mix(parted, BASE | {"docs": "max: 0.3", "papers": "", "books": ""}, evals=EVALS)
    _, result = join(parted)
    assert result.trained == 0
    assert next_commands(Workspace.open(cwd=parted))[-1] == "git rebase --continue"
    finish(parted)
    assert git(parted, "log", "-2", "--format=%s").splitlines() == ["Add papers", "Add books, bound docs"]
    check_settled(parted)


def test_a_side_that_goes_on_from_the_other_is_taken(root):
    git(root, "checkout", "-q", "-b", "papers")
    ours = edit(root, BASE | {"papers": ""}).lock
    workspace = Workspace.open(cwd=root)
    for words in (("papers", "main"), ("main", "papers")):
        merging = find_merging(workspace, *words)
        assert merging.merge.standing == ("ours" if words[0] == "papers" else "theirs")
        assert take_side(workspace, merging) == ours
    assert find_merging(workspace, "main", "main").merge.standing == "same"


def test_no_conflict_is_nothing_to_join(root):
    assert find_merging(Workspace.open(cwd=root)) is None


def test_locks_of_other_lineages_do_not_join(root):
    git(root, "checkout", "-q", "--orphan", "apart")
    (root / "mixes/base.lock.yaml").unlink()
    edit(root, BASE | {"papers": ""}, subject="apart")
    git(root, "checkout", "-q", "main")
    git(root, "merge", "--no-edit", "--allow-unrelated-histories", "apart", check=False)
    write_mix(root, BASE, evals=EVALS)
    with pytest.raises(StaleError, match="different lineages") as error:
        find_merging(Workspace.open(cwd=root))
    assert error.value.exit_code == 4
    assert "git checkout --ours" in error.value.remedy


def test_a_damaged_side_is_named(root):
    git(root, "checkout", "-q", "-b", "papers")
    edit(root, BASE | {"papers": ""})
    git(root, "checkout", "-q", "-b", "hand", "main")
    lock = root / "mixes/base.lock.yaml"
    lock.write_text(lock.read_text().replace("serial: 1", "serial: 2"))
    commit(root, "by hand")
    merge(root, "papers")
    with pytest.raises(IntegrityError, match=r"base.lock.yaml \(ours\)") as error:
        find_merging(Workspace.open(cwd=root))
    assert "--ours REV --theirs REV" in error.value.remedy


def test_a_lock_that_one_side_removed_is_said(root):
    git(root, "checkout", "-q", "-b", "papers")
    edit(root, BASE | {"papers": ""})
    git(root, "checkout", "-q", "-b", "gone", "main")
    git(root, "rm", "-q", "mixes/base.lock.yaml")
    git(root, "commit", "-qm", "no lock")
    merge(root, "papers")
    with pytest.raises(UsageError, match="ours has no lock"):
        find_merging(Workspace.open(cwd=root))


def test_one_revision_alone_is_refused(root):
    with pytest.raises(UsageError, match="go together"):
        find_merging(Workspace.open(cwd=root), "main")


def test_a_mix_file_with_markers_is_for_a_person(root):
    git(root, "checkout", "-q", "-b", "one")
    edit(root, BASE | {"papers": ""})
    git(root, "checkout", "-q", "-b", "two", "main")
    edit(root, BASE | {"books": ""})
    merge(root, "one")
    with pytest.raises(SpecError, match="conflict markers") as error:
        refuse_markers(root / "mixes/base.yaml")
    assert error.value.place.line > 1


def test_runs_know_the_commit_they_were_trained_on(root):
    head = git(root, "rev-parse", "HEAD")
    git(root, "checkout", "-q", "-b", "papers")
    edit(root, BASE | {"papers": ""})
    new = git(root, "diff", "--name-only", "--diff-filter=A", "HEAD~1", "--", "mixes/base.runs").splitlines()
    bodies = [json.loads((root / name).read_text()) for name in new if "/r1-" in name]
    assert len(bodies) == 9
    assert {(body["provenance"]["commit"], body["provenance"]["dirty"]) for body in bodies} == {(head, True)}


def test_the_text_of_a_joined_lock_reads_back(parted):
    two_domains(parted)
    lock = join(parted)[1].lock
    assert parse(dump(lock)) == lock
