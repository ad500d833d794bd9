"""Planning the join of two branches: from where they parted, with the runs of both as evidence. Pure.

The mix file and the data are merged already, so all that both branches changed is a change since the lock they share.
What either branch estimated anew is estimated anew; its runs are points on a face of the joint simplex. Only the runs
that the evidence of both lacks are trained.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from olmixctl.ledger.model import RunRecord
from olmixctl.lock.merge import LockMerge
from olmixctl.lock.model import Lock
from olmixctl.plan.build import PlanOptions
from olmixctl.plan.checks import budget_checks
from olmixctl.plan.cost import calibrate
from olmixctl.plan.evidence import Recorded
from olmixctl.plan.model import Plan, PlannedRun
from olmixctl.plan.rounds import Rounds, chain_of, rounds_after, with_recorded

__all__ = ["join_options", "plan_join"]

_BUDGET = ("max-runs", "max-gpu-hours", "uncalibrated")


def join_options(options: PlanOptions, merge: LockMerge, kept: frozenset[str], reuse: str) -> PlanOptions:
    """`options` with the strategy that frees what either side freed, so that the runs of both are evidence.

    Args:
        options: from the command line.
        merge: the locks.
        kept: domains of the merged mix that are what they were at the start.
        reuse: strategy of the mix file; `none` stays.
    """
    if options.reuse is not None or reuse == "none":
        return options
    freed = {d for side in (merge.ours, merge.theirs) for d in _freed(side, merge.start) if d in kept}
    if freed:
        return replace(options, reuse="partial", recompute=tuple(sorted(freed)))
    return replace(options, reuse="full")


def _freed(side: Lock, start: Lock) -> set[str]:
    """Domains that a side estimated anew although their documents stayed: their ratios vary in its runs."""
    if not set(side.evidence) - set(start.evidence):
        return set()
    stayed = {d for d in side.coordinates.free if d in start.domains}
    return {d for d in stayed if side.domains[d].content == start.domains[d].content}


def plan_join(plan: Plan, merge: LockMerge, records: Mapping[str, RunRecord], max_runs: int | None) -> Plan:
    """`plan`, made from the lock both sides started from, as the plan of their join.

    Of the designed runs those are left that are recorded, and those that the evidence lacks: as many as bring it to the
    size of the swarm, the first in the design's order, and further ones until every coordinate is sampled as often as
    the mix file asks for. Which ones does not depend on how far an interrupted resolve came.

    Where the mix file asks for rounds, that is their first: the runs of both sides stand for the beginning of the
    swarm, and what they leave of it is trained in the later ones. Their chain names both locks, so that runs which a
    side trained in rounds of its own are evidence like any other.

    Args:
        plan: from `merge.start` to the present.
        merge: the locks.
        records: the ledger, with the runs of both sides.
        max_runs: a further limit on missing runs.
    """
    recorded, chain = Recorded.of(plan.observed, records), chain_of(plan.observed, plan.runs, merge.parents)
    extra = recorded.beside(plan.runs, plan.coordinates, chain) if plan.rounds.later else plan.extra_evidence
    points = recorded.within(plan.coordinates)
    needed, lacking = _needed(plan, [points[key] for key in extra])
    runs = tuple(run for run in plan.runs if run.recorded or run.key in needed)
    rounds = _rounds(plan, runs, len(extra), lacking)
    rounds = with_recorded(rounds, chain, (*(run.key for run in runs), *extra), records)
    missing = len({run.key for run in runs if not run.recorded}) + rounds.missing
    cost = calibrate(plan.observed, records.values(), merge.start.evidence).of(missing)
    others = tuple(check for check in plan.checks if check.name not in _BUDGET)
    return replace(
        plan,
        base=replace(plan.base, serial=merge.serial),
        runs=runs,
        extra_evidence=extra,
        cost=cost,
        checks=(*budget_checks(plan.observed, cost, max_runs), *others),
        strategies=(),
        rounds=rounds,
    )


def _rounds(plan: Plan, runs: Sequence[PlannedRun], known: int, lacking: int) -> Rounds:
    """How `runs`, and what they and `known` recorded ones leave of the swarm of `plan`, are trained.

    Later rounds have at least the samples that a coordinate is `lacking`, where there are any.
    """
    if not plan.rounds.open:
        return plan.rounds
    whole = len({run.key for run in plan.runs}) + plan.rounds.more
    left = max(whole - known - len(runs), lacking if plan.rounds.later else 0)
    return rounds_after(plan.observed, len(plan.coordinates.names), known=known, runs=len(runs), left=left)


def _needed(plan: Plan, points: Sequence[Mapping[str, float]]) -> tuple[set[str], int]:
    """Keys of the designed runs that evidence at `points` lacks, and how many samples some coordinate lacks then."""
    observed, coordinates = plan.observed, plan.coordinates
    sampled = {name: sum(point.get(name, 0) > 0 for point in points) for name in coordinates.names}
    distinct = list({run.key: run for run in plan.runs}.values())
    chosen = distinct[: max(len(distinct) - len(points), 0)]
    for run in chosen:
        _count(sampled, run)
    least = max(math.floor(observed.spec.swarm.runs_per_coordinate), 1)
    for run in distinct[len(chosen) :]:
        if any(run.point[name] and sampled[name] < least for name in coordinates.names):
            _count(sampled, run)
            chosen.append(run)
    return {run.key for run in chosen}, max(least - min(sampled.values()), 0)


def _count(sampled: dict[str, int], run: PlannedRun) -> None:
    for name, points in run.point.items():
        sampled[name] += points > 0
