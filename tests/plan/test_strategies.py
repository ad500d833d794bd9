"""Which way is taken, and why: `auto` with laws made up for the purpose, everything else as it is."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import pytest
from workspaces import write_domain, write_mix

from olmixctl.errors import IncompleteError
from olmixctl.methods.olmix import design
from olmixctl.plan import PlanOptions
from olmixctl.plan.build import build_plan
from olmixctl.plan.model import Gap
from olmixctl.plan.strategies import LEAST_GAIN
from olmixctl.workspace import Workspace

NAMES = ("a", "b", "c", "d", "e")


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """A lock over five domains, then a sixth: what a plan is made of."""
    folder = tmp_path_factory.mktemp("strategies")
    for domain in NAMES:
        write_domain(folder, domain, 40)
    write_mix(folder, dict.fromkeys(NAMES, ""))
    workspace = Workspace.open(cwd=folder)
    workspace.apply(workspace.plan())
    write_domain(folder, "new", 40)
    write_mix(folder, dict.fromkeys((*NAMES, "new"), ""))
    workspace = Workspace.open(cwd=folder)
    return workspace.plan().observed, workspace.lock(), workspace.ledger.records()


@dataclass
class MadeUp:
    """Laws under which freeing a domain gains what is written here, whatever else is free."""

    gains: dict[str, float] = field(default_factory=dict)
    doubt: dict[str, float] = field(default_factory=dict)
    wrong_by: float = 0.0
    runs: int = 18
    guesses: dict[str, str] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)

    def error(self):
        return self.wrong_by

    def gap(self, coordinates, at=None):
        total = sum(self.gains.values())
        left = total if at is not None else total - sum(self.gains.get(d, 0.0) for d in coordinates.free)
        return Gap(loss=left, kappa=1.0, freed=0.5)

    def lowest(self, coordinates):
        sure = 1.0 - sum(self.gains.get(d, 0.0) for d in coordinates.free)
        return sure, sure + sum(self.doubt.get(d, 0.0) for d in coordinates.free)


def planned(grown, laws, **options):
    observed, lock, records = grown
    return build_plan(observed, lock, records, design, PlanOptions(**options), appraise=lambda _: laws)


def chosen(plan):
    (row,) = [row for row in plan.strategies if row.chosen]
    return row


def test_auto_adds_what_gains_most_a_run_and_stops_where_gains_do_not_count(grown):
    plan = planned(grown, MadeUp({"b": 0.02, "d": 0.05, "e": 1e-4}))
    assert plan.coordinates.free == ("b", "d", "new")
    assert (chosen(plan).name, chosen(plan).recompute) == ("partial", ("b", "d"))
    assert len(plan.missing) == 3 * (4 + 1)
    assert plan.laws.choice == "auto adds b, d; nothing more gains 0.0015, the least that counts"


@pytest.mark.parametrize(
    ("laws", "why"),
    [
        (MadeUp({"b": LEAST_GAIN * 3 * 0.9}), "below 0.0015"),
        (MadeUp({"b": 0.02, "d": 0.02}, wrong_by=0.05), "below 0.05"),
        (MadeUp({"b": 0.02, "d": 0.04}, wrong_by=0.045), "nothing more gains 0.045"),
        (MadeUp({"b": 0.02}, doubt={"b": 0.019}), "nothing more gains"),
        ("too few runs", "too few runs"),
    ],
    ids=["a small gain", "all within the error", "each within the error", "a gain of the guess", "no laws"],
)
def test_auto_is_full_where_a_gain_cannot_be_told(grown, laws, why):
    plan = planned(grown, laws)
    assert plan.coordinates.free == ("new",)
    assert chosen(plan).name == "full"
    assert plan.laws.choice.startswith("auto is full: ")
    assert why in plan.laws.choice


def test_auto_stays_within_the_budget(grown):
    laws = MadeUp({"b": 0.02, "d": 0.05})
    limited = planned(grown, laws, max_runs=13)
    assert limited.coordinates.free == ("d", "new")
    assert "more would not fit 13 runs" in limited.laws.choice
    assert not limited.blocked
    assert planned(grown, laws, max_runs=11).coordinates.free == ("new",)


def test_auto_frees_together_what_only_helps_together(grown):
    class Together(MadeUp):
        def lowest(self, coordinates):
            freed = len(set(coordinates.free) & {"a", "b", "c", "d", "e"})
            return (1.0 if freed < 2 else 0.5,)

        def gap(self, coordinates, at=None):
            del at
            return Gap(loss=self.lowest(coordinates)[0] - 0.5, kappa=1.0, freed=0.5)

    assert len(planned(grown, Together()).coordinates.free) == 3


def test_auto_is_the_same_whatever_the_order(grown):
    gains = {"a": 0.02, "b": 0.02, "c": 0.02}
    first = planned(grown, MadeUp(gains)).coordinates
    assert first == planned(grown, MadeUp(dict(reversed(gains.items())))).coordinates


def test_every_strategy_is_counted_and_appraised(grown):
    plan = planned(grown, MadeUp({"b": 0.02}))
    rows = {row.name: row for row in plan.strategies}
    assert list(rows) == ["solve-only", "full", "partial", "none"]
    assert [row.needed for row in rows.values()] == [0, 9, 12, 21]
    assert [row.cost.runs for row in rows.values()] == [0, 9, 12, 21]
    assert [row.gap.loss for row in rows.values()] == [0.02, 0.02, 0.0, 0.0]
    # The eighteen runs over five domains lie on a face of the simplex over six: evidence where every share is free.
    assert [row.evidence for row in rows.values()] == [0, 0, 0, 18]


def test_old_runs_are_evidence_for_a_whole_recomputation(grown):
    plan = planned(grown, MadeUp(), reuse="none")
    assert (len(plan.runs), len(plan.extra_evidence)) == (21, 18)
    assert chosen(plan).evidence == 18


def test_without_laws_no_gap_is_made_up(grown):
    plan = planned(grown, "no laws today")
    assert {row.gap for row in plan.strategies} == {None}
    assert plan.laws.reason == "no laws today"
    assert plan.laws.scores == {}


def test_a_first_plan_has_one_way(grown):
    observed, _, _ = grown
    plan = build_plan(observed, None, {}, design)
    assert plan.strategies == ()
    with pytest.raises(IncompleteError, match="no recorded run is evidence"):
        build_plan(observed, None, {}, design, PlanOptions(solve_only=True))


def test_recorded_runs_of_a_strategy_that_is_not_taken_are_counted(grown):
    observed, lock, records = grown
    none = planned(grown, MadeUp(), reuse="none")

    some = next(iter(records.values()))
    done = {run.key: dataclasses.replace(some, inputs=run.inputs, mixture=run.weights) for run in none.runs[:5]}
    plan = build_plan(observed, lock, {**records, **done}, design, appraise=lambda _: "no laws")
    row = next(row for row in plan.strategies if row.name == "none")
    assert (row.needed, row.recorded, row.cost.runs, row.evidence) == (21, 5, 16, 18)
