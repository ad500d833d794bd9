"""Training as far as it goes: batch by batch, round by round, until all is trained or enough is known.

What is trained follows from the plan and from what the runs before measured, taken in the planned order. An apply that
was interrupted, or that another one runs beside, comes to the same end: it chooses the same runs and stops at the same
place, wherever the ledger stood when it began.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

from olmixctl.execute.events import BatchStarted, Looked, OnEvent
from olmixctl.ledger.model import RunRecord
from olmixctl.lock.model import Stopped
from olmixctl.mixture import GridMixture
from olmixctl.plan.evidence import planned_runs
from olmixctl.plan.model import Plan, PlannedRun
from olmixctl.plan.rounds import CHAIN, RESULTS, results_of
from olmixctl.plan.steps import evidence_of

__all__ = ["Training", "carry_out"]

Records = Mapping[str, RunRecord]
Runs = tuple[PlannedRun, ...]


def _probability(plan: Plan, records: Records) -> float:
    """The method's answer; its numerics load only for a mix that may stop early."""
    from olmixctl.methods.between import probability

    return probability(plan, records)


def _following(plan: Plan, records: Records, count: int) -> tuple[GridMixture, ...]:
    """The method's answer; its numerics load only for a mix in rounds."""
    from olmixctl.methods.between import following

    return following(plan, records, count)


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """What training needs.

    Attributes:
        train: trains the missing runs of a plan, with this provenance beside the usual, and says how many.
        records: the ledger, read when asked.
        on_event: takes progress.
        probability: of the mix decided on the runs of a plan being within `stop.regret` of the best; 0 where unknown.
        following: at most so many mixtures that say most, given the runs of a plan; none where nothing is left to ask.
    """

    train: Callable[[Plan, Mapping[str, Any]], int]
    records: Callable[[], Records]
    on_event: OnEvent
    probability: Callable[[Plan, Records], float] = _probability
    following: Callable[[Plan, Records, int], tuple[GridMixture, ...]] = _following


def carry_out(plan: Plan, training: Training) -> tuple[Plan, int]:
    """Train `plan`.

    Returns:
        `plan` with the runs it came to, in their order, and where it stopped; and how many runs this apply trained.

    Raises:
        IncompleteError: stopped or failed before it came to its end; what finished is recorded.
        LeaseError: another apply trains what is left, and this one was told not to wait.
    """
    done, trained = replace(plan, runs=()), 0
    if (stopped := _look(plan, done, training)) is not None:
        return replace(done, stopped=stopped), trained
    parts = _parts(plan)
    for number, part in parts:
        batch, provenance = _chosen(done, training, part) if isinstance(part, int) else (part, {})
        if not batch:
            break
        asked = replace(plan, runs=batch)
        if asked.missing:
            known, most = _distinct((*done.runs, *batch)), _distinct(plan.runs) + plan.rounds.more
            training.on_event(BatchStarted(known, most, number, parts[-1][0], plan.rounds.open))
            trained += training.train(asked, provenance)
        done = replace(done, runs=(*done.runs, *batch))
        if (stopped := _look(plan, done, training)) is not None:
            return replace(done, stopped=stopped), trained
    return done, trained


def _parts(plan: Plan) -> list[tuple[int, Runs | int]]:
    """Number of the round and what it trains: planned runs, parted where apply looks, then sizes of later rounds."""
    ends = sorted({0, *plan.rounds.looks, len(plan.runs)})
    first = [plan.runs[begin:end] for begin, end in pairwise(ends)]
    return [*((1, batch) for batch in first), *enumerate(plan.rounds.later, 2 if first else 1)]


def _distinct(runs: Runs) -> int:
    return len({run.key for run in runs})


def _chosen(done: Plan, training: Training, size: int) -> tuple[Runs, dict[str, str]]:
    """At most `size` runs of the next round, and what they follow from, for their provenance."""
    count = size // done.observed.spec.proxy.repeats
    records = training.records()
    points = training.following(done, records, count)[:count]
    results = results_of(evidence_of(done), records)
    return planned_runs(done.observed, done.coordinates, points, records), {CHAIN: done.rounds.chain, RESULTS: results}


def _look(plan: Plan, done: Plan, training: Training) -> Stopped | None:
    """Whether the runs so far are enough; never asked of the whole swarm, of which there is nothing left to save."""
    stop, count, whole = plan.rounds.stop, len(done.runs), len(plan.runs) + plan.rounds.more
    if stop is None or not (count in plan.rounds.looks or len(plan.runs) < count < whole):
        return None
    probability = training.probability(done, training.records())
    enough = probability >= stop.confidence
    training.on_event(Looked(count, whole, stop.regret, probability, enough))
    if not enough:
        return None
    return Stopped(
        planned=whole,
        trained=count,
        regret=Decimal(str(stop.regret)).quantize(Decimal("0.000000001")),
        probability=Decimal(probability).quantize(Decimal("0.000001")),
    )
