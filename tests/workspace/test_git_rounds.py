"""A join of two branches in rounds, or with an early stop: as apply does it, the same bytes on either branch."""

from __future__ import annotations

import shutil

import pytest
from branches import BASE, EVALS, check_settled, commit, git, join, merge
from interrupted import Interrupted
from workspaces import write_domain, write_mix

from olmixctl.errors import IncompleteError
from olmixctl.execute.events import Looked
from olmixctl.lock import dump
from olmixctl.methods import between
from olmixctl.mixture import GRID, GridMixture
from olmixctl.plan import PlanOptions
from olmixctl.plan.codec import plan_as_json
from olmixctl.report.look import Look
from olmixctl.report.text_plan import plan_text
from olmixctl.resolving import find_merging, plan_merging, resolve
from olmixctl.spec.schema import load_schema, violations
from olmixctl.workspace import Workspace

JOINED = BASE | {"docs": "max: 0.3", "papers": "", "books": ""}
SWARM = "swarm: {runs_per_coordinate: 6, rounds: 3}"
BOTH = "swarm: {runs_per_coordinate: 6, rounds: 3, stop: {regret: 0.01}}"
STOP = "swarm: {runs_per_coordinate: 6, stop: {regret: 0.01}}"
LACKING = 6 * 4 - 18
"""Runs that the join of `parted` lacks: six a parameter, four parameters, nine runs from either side."""


@pytest.fixture
def merging(parted):
    """Books merged into papers; calling it gives the merged mix file another `swarm`."""
    merge(parted, "books")

    def asked(extra, root=parted, domains=JOINED):
        write_mix(root, domains, evals=EVALS, extra=extra)
        return root

    return asked


@pytest.fixture
def enough_after(monkeypatch):
    """Make enough known once so many planned runs are trained, and list the looks."""
    looks = []

    def known(count):
        def probability(plan, records):
            looks.append(len(plan.runs))
            return 0.95 if len(plan.runs) >= count else 0.4

        monkeypatch.setattr(between, "probability", probability)
        return looks

    return known


def planned(root):
    workspace = Workspace.open(cwd=root)
    return plan_merging(workspace, find_merging(workspace), PlanOptions())


def later_runs(root):
    """Key → what it was chosen by, of the recorded runs of later rounds."""
    records = Workspace.open(cwd=root).ledger.records()
    return {key: run.provenance["results"] for key, run in records.items() if "chain" in run.provenance}


def test_the_runs_of_both_sides_count_as_the_first_rounds(merging):
    root = merging(SWARM)
    plan = planned(root)
    assert (plan.runs, plan.rounds.later, plan.cost.runs) == ((), (3, 3), LACKING)
    document = plan_as_json(plan)
    assert not [v for v in violations(document, load_schema("plan")) if v.path not in (("mix_file",), ("digest",))]
    text = " ".join(plan_text(document, Look()).split())
    assert "up to 6, in 2 rounds, are chosen by what is recorded and what those before measured" in text
    _, result = join(root)
    assert result.trained == LACKING
    assert len(result.lock.evidence) == 24
    assert sorted(list(later_runs(root).values()).count(by) for by in set(later_runs(root).values())) == [3, 3]
    check_settled(root)


def test_rounds_of_a_join_write_the_same_bytes_on_either_branch(parted, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(parted, other)
    git(other, "checkout", "-q", "books")
    for place, branch in ((parted, "books"), (other, "papers")):
        merge(place, branch)
        write_mix(place, JOINED, evals=EVALS, extra=SWARM)
    assert dump(join(parted)[1].lock) == dump(join(other)[1].lock)
    assert later_runs(parted) == later_runs(other)


@pytest.mark.parametrize("after", [2, 4])
def test_an_interrupted_join_in_rounds_chooses_the_same_runs_again(merging, tmp_path, after):
    root = merging(SWARM)
    other = tmp_path / "other"
    shutil.copytree(root, other)
    whole = join(root)[1].lock
    workspace = Workspace.open(cwd=other)
    Interrupted.left = after
    workspace._executor = lambda evals, _=None: Interrupted(evals)
    sides = find_merging(workspace)
    with pytest.raises(IncompleteError):
        resolve(workspace, sides, plan_merging(workspace, sides, PlanOptions()))
    assert planned(other).cost.runs == LACKING - after
    again = join(other)[1]
    assert again.trained == LACKING - after
    assert dump(again.lock) == dump(whole)


def test_what_both_sides_know_may_be_enough(merging, enough_after):
    looks, events = enough_after(0), []
    root = merging(BOTH)
    workspace = Workspace.open(cwd=root)
    sides = find_merging(workspace)
    plan = plan_merging(workspace, sides, PlanOptions())
    document = plan_as_json(plan)
    assert not [v for v in violations(document, load_schema("plan")) if v.path not in (("mix_file",), ("digest",))]
    assert "apply looks before the first and after each round whether" in " ".join(plan_text(document, Look()).split())
    result = resolve(workspace, sides, plan, on_event=events.append)
    assert (looks, result.trained) == ([0], 0)
    assert [(e.runs, e.planned, e.enough) for e in events if isinstance(e, Looked)] == [(0, LACKING, True)]
    assert (result.lock.stopped.planned, result.lock.stopped.trained) == (LACKING, 0)
    assert not Workspace.open(cwd=root).plan().has_changes


def test_a_join_stops_after_a_round(merging, enough_after):
    looks = enough_after(3)
    root = merging(BOTH)
    result = join(root)[1]
    assert (looks, result.trained) == ([0, 3], 3)
    assert (result.lock.stopped.planned, result.lock.stopped.trained) == (LACKING, 3)


def test_a_join_in_one_round_looks_after_quarters(merging, enough_after):
    looks = enough_after(99)
    root = merging(STOP)
    plan, result = join(root)
    assert (plan.rounds.looks, plan.rounds.later) == ((0, 2, 3, 5), ())
    assert (looks, result.trained) == ([0, 2, 3, 5], LACKING)
    assert result.lock.stopped is None
    check_settled(root)


def test_with_no_stand_in_the_probability_verifies(merging):
    root = merging("swarm: {runs_per_coordinate: 6, rounds: 3, stop: {regret: 50}}")
    assert join(root)[1].lock.stopped.trained == 0
    check_settled(root)


def test_where_both_sides_have_all_there_are_no_rounds(merging):
    root = merging("swarm: {runs_per_coordinate: 3, rounds: 3}")
    plan, result = join(root)
    assert (result.trained, plan.rounds.open) == (0, False)


def test_rounds_of_one_side_are_evidence_of_the_join(begun):
    """Ours trained the very mix that the merge comes to, in rounds: its later runs are evidence, and none is new."""
    three = "swarm: {rounds: 3}"
    git(begun, "checkout", "-q", "-b", "theirs")
    apply_in(begun, BASE | {"papers": ""}, three)
    commit(begun, "Add papers")
    git(begun, "checkout", "-q", "-b", "ours", "main")
    mine = apply_in(begun, BASE | {"papers": "", "books": ""}, three)
    commit(begun, "Add papers and books")
    assert later_runs(begun)
    merge(begun, "theirs")
    write_mix(begun, BASE | {"papers": "", "books": ""}, evals=EVALS, extra=three)
    result = join(begun)[1]
    assert result.trained == 0
    assert set(mine.evidence) < set(result.lock.evidence)
    check_settled(begun)


def apply_in(root, domains, extra):
    write_mix(root, domains, evals=EVALS, extra=extra)
    workspace = Workspace.open(cwd=root)
    return workspace.apply(workspace.plan(PlanOptions(reuse="full"))).lock


def test_what_the_first_round_lacks_of_a_coordinate_is_left_for_later_ones(merging, monkeypatch):
    """Of five designed mixtures one has the new domain; three are asked for, so two runs more may follow."""
    write_domain(merging(SWARM), "news", 30)
    root = merging("swarm: {rounds: 3}", domains=JOINED | {"news": ""})
    shares = [{"books": 10, "news": 10 * (n == 3), "papers": 10 + 10 * n} for n in range(5)]
    points = tuple(
        GridMixture({name: share * GRID // 100 for name, share in {**mix, "reused": 100 - sum(mix.values())}.items()})
        for mix in shares
    )
    monkeypatch.setattr("olmixctl.workspace._design", lambda *_: points)
    plan = planned(root)
    assert [run.point["news"] > 0 for run in plan.runs] == [True]
    assert plan.rounds.later == (1, 1)


def test_a_coordinate_that_no_run_sampled_gets_its_runs_in_rounds_too(merging, tmp_path):
    """As many of the first round's mixtures as have it, and what these leave of three in the later rounds."""
    write_domain(merging(SWARM), "news", 30)
    root = merging("swarm: {rounds: 3}", domains=JOINED | {"news": ""})
    other = tmp_path / "other"
    shutil.copytree(root, other)
    plan, result = join(root)
    first = sum(run.point["news"] > 0 for run in plan.runs)
    assert first > 0
    assert first + plan.rounds.more >= 3
    news = Workspace.open(cwd=root).lock().domains["news"].content
    records = Workspace.open(cwd=root).ledger.records()
    assert sum(news in records[key].inputs.content_weights() for key in result.lock.evidence) >= 3
    check_settled(root)
    workspace = Workspace.open(cwd=other)
    Interrupted.left = len(plan.runs)
    workspace._executor = lambda evals, _=None: Interrupted(evals)
    sides = find_merging(workspace)
    with pytest.raises(IncompleteError):
        resolve(workspace, sides, plan_merging(workspace, sides, PlanOptions()))
    assert dump(join(other)[1].lock) == dump(result.lock)
