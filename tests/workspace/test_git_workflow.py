"""Two people, two branches, one mix: a real Git repository from the first lock to the joined one."""

from __future__ import annotations

import shutil

import pytest
from branches import BASE, EVALS, check_settled, edit, finish, git, join, merge, two_domains
from workspaces import write_domain, write_mix

from olmixctl.lock import dump, read_lock
from olmixctl.lock.codec import digest_of
from olmixctl.mixture import GRID
from olmixctl.workspace import Workspace


@pytest.fixture
def root(begun):
    return begun


def test_two_branches_that_add_domains_join_without_training_again(parted):
    ours, theirs = two_domains(parted)
    assert "<<<<<<<" not in (parted / "mixes/base.lock.yaml").read_text()
    plan, result = join(parted)
    lock = result.lock
    assert result.trained == 0
    assert plan.coordinates.names == ("books", "papers", "reused")
    assert set(lock.evidence) == set(ours.evidence) | set(theirs.evidence)
    assert (lock.serial, lock.lineage) == (3, ours.lineage)
    assert set(lock.parents) == {digest_of(ours), digest_of(theirs)}
    assert list(lock.parents) == sorted(lock.parents)
    assert lock.weights["docs"] <= 0.3 * GRID
    assert f"parents: [{lock.parents[0]}, {lock.parents[1]}]" in (parted / "mixes/base.lock.yaml").read_text()
    check_settled(parted)
    finish(parted)
    assert git(parted, "status", "--porcelain", "mixes") == ""
    assert len(git(parted, "log", "-1", "--format=%P").split()) == 2
    check_settled(parted)


def test_a_join_made_on_either_branch_writes_the_same_bytes(parted, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(parted, other)
    git(other, "checkout", "-q", "books")
    for place, branch in ((parted, "books"), (other, "papers")):
        merge(place, branch)
        write_mix(place, BASE | {"docs": "max: 0.3", "papers": "", "books": ""}, evals=EVALS)
    assert dump(join(parted)[1].lock) == dump(join(other)[1].lock)


def test_kept_ratios_are_those_from_before_the_branches(parted):
    first = Workspace.open(cwd=parted).lock_at("main")
    two_domains(parted)
    lock = join(parted)[1].lock
    assert {d: lock.domains[d].share for d in BASE} == {d: first.weights[d] * 1_000_000 for d in BASE}
    assert lock.blocks["reused"].from_serial == 1


def test_a_constraint_on_one_side_and_a_domain_on_the_other(root):
    git(root, "checkout", "-q", "-b", "bound")
    edit(root, BASE | {"web": "max: 0.4"})
    git(root, "checkout", "-q", "-b", "papers", "main")
    theirs = edit(root, BASE | {"papers": ""}).lock
    git(root, "checkout", "-q", "bound")
    merge(root, "papers")
    write_mix(root, BASE | {"web": "max: 0.4", "papers": ""}, evals=EVALS)
    plan, result = join(root)
    assert result.trained == 0
    assert set(result.lock.evidence) == set(theirs.evidence)
    assert {(c.category, c.subject) for c in plan.changes} == {("added", "papers"), ("constraint", "domains.web.max")}
    check_settled(root)


def test_bounds_on_both_sides_are_solved_from_the_evidence_they_share(root):
    first = read_lock(root / "mixes/base.lock.yaml")
    git(root, "checkout", "-q", "-b", "one")
    edit(root, BASE | {"web": "max: 0.4"})
    git(root, "checkout", "-q", "-b", "two", "main")
    edit(root, BASE | {"code": "min: 0.3"})
    merge(root, "one")
    write_mix(root, BASE | {"web": "max: 0.4", "code": "min: 0.3"}, evals=EVALS)
    plan, result = join(root)
    assert plan.kind == "resolve"
    assert result.lock.evidence == first.evidence
    assert result.lock.serial == 3
    check_settled(root)


def test_both_sides_revise_one_domain_and_the_data_that_is_here_counts(root):
    git(root, "checkout", "-q", "-b", "one")
    write_domain(root, "web", 20, seed=7, start=80)
    mine = edit(root, BASE).lock
    git(root, "checkout", "-q", "-b", "two", "main")
    shutil.rmtree(root / "corpora/web")
    write_domain(root, "web", 70)
    theirs = edit(root, BASE).lock
    merge(root, "one")
    plan, result = join(root)
    assert [(c.category, c.subject) for c in plan.changes] == [("revised", "web")]
    assert result.trained == 0
    assert set(result.lock.evidence) == set(theirs.evidence)
    assert not set(result.lock.evidence) & (set(mine.evidence) - set(theirs.evidence))
    check_settled(root)


def test_a_third_state_of_the_data_is_trained(root):
    git(root, "checkout", "-q", "-b", "one")
    write_domain(root, "web", 20, seed=7, start=80)
    edit(root, BASE)
    git(root, "checkout", "-q", "-b", "two", "main")
    write_domain(root, "web", 40, seed=8, start=80)
    edit(root, BASE)
    merge(root, "one")
    write_domain(root, "web", 60, seed=9, start=80)
    plan, result = join(root)
    assert result.trained == len(plan.missing) == 9
    check_settled(root)


def test_one_side_removes_what_the_others_runs_rest_on(root):
    git(root, "checkout", "-q", "-b", "without")
    edit(root, {"code": "", "web": ""}, evals=("code",), subject="Drop docs")
    git(root, "checkout", "-q", "-b", "papers", "main")
    edit(root, BASE | {"papers": ""})
    merge(root, "without")
    write_mix(root, {"code": "", "web": "", "papers": ""}, evals=("code",))
    plan, result = join(root)
    assert plan.coordinates.names == ("papers", "reused")
    assert result.trained == len(plan.missing) == 9
    check_settled(root)


def test_what_the_evidence_of_both_lacks_is_trained_and_no_more(parted):
    two_domains(parted)
    mix = parted / "mixes/base.yaml"
    mix.write_text(mix.read_text() + "swarm: {runs_per_coordinate: 6}\n")
    plan, result = join(parted)
    assert result.trained == len(plan.missing) == 6 * 4 - 18
    assert len(result.lock.evidence) == 24
    check_settled(parted)


def test_a_coordinate_that_no_run_sampled_is_trained(parted):
    ours, _ = two_domains(parted)
    write_domain(parted, "news", 30)
    write_mix(parted, BASE | {"docs": "max: 0.3", "papers": "", "books": "", "news": ""}, evals=EVALS)
    plan, result = join(parted)
    assert 3 <= result.trained < 15
    news = [run for run in plan.runs if run.point["news"]]
    assert len(news) >= 3
    assert set(ours.evidence) <= set(result.lock.evidence)
    check_settled(parted)


def test_an_interrupted_join_goes_on_and_writes_the_same_bytes(parted, tmp_path):
    two_domains(parted)
    mix = parted / "mixes/base.yaml"
    mix.write_text(mix.read_text() + "swarm: {runs_per_coordinate: 6}\n")
    other = tmp_path / "other"
    shutil.copytree(parted, other)
    plan, result = join(parted)
    for run in plan.missing[2:5]:
        name = f"{run.key.replace(':', '-')}.json"
        shutil.copy(parted / "mixes/base.runs" / name, other / "mixes/base.runs" / name)
    resumed, again = join(other)
    assert again.trained == len(resumed.missing) == 3
    assert dump(again.lock) == dump(result.lock)


def test_the_merged_mix_may_be_that_of_one_side(parted):
    ours, _ = two_domains(parted)
    write_mix(parted, BASE | {"papers": ""}, evals=EVALS)
    _, result = join(parted)
    assert result.trained == 0
    assert result.lock.evidence == ours.evidence
    assert result.lock.weights == ours.weights
    assert result.lock.domains["papers"].changed_in == ours.serial
    check_settled(parted)


def test_the_merged_mix_may_be_that_of_before(parted):
    first = Workspace.open(cwd=parted).lock_at("main")
    two_domains(parted)
    write_mix(parted, BASE, evals=EVALS)
    plan, result = join(parted)
    assert plan.kind == "none"
    assert result.lock.weights == first.weights
    assert (result.lock.serial, len(result.lock.parents)) == (3, 2)
    check_settled(parted)


def test_what_either_side_estimated_anew_is_free_in_the_join(root):
    git(root, "checkout", "-q", "-b", "papers")
    ours = edit(root, BASE | {"papers": ""}, reuse="partial", recompute=("docs",)).lock
    git(root, "checkout", "-q", "-b", "books", "main")
    theirs = edit(root, BASE | {"books": ""}).lock
    merge(root, "papers")
    write_mix(root, BASE | {"papers": "", "books": ""}, evals=EVALS)
    plan, result = join(root)
    assert plan.coordinates.names == ("books", "docs", "papers", "reused")
    assert result.trained == 0
    assert set(result.lock.evidence) == set(ours.evidence) | set(theirs.evidence)
    check_settled(root)
