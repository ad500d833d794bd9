"""Training what a plan lacks: every run is in the ledger before it is counted, so that nothing is ever lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from olmixctl.execute.events import OnEvent
from olmixctl.execute.protocol import Executor, Outcome, TrainingData
from olmixctl.execute.work import SharedWork, Sharing
from olmixctl.ledger.model import RunRecord
from olmixctl.plan.model import Plan, PlannedRun

__all__ = ["train_missing"]


def train_missing(
    plan: Plan,
    executor: Executor,
    sharing: Sharing,
    data: Callable[[], TrainingData],
    *,
    provenance: Mapping[str, Any],
    on_event: OnEvent,
) -> int:
    """Train the missing runs of `plan`, record each as it ends, and wait for those that another apply trains.

    Returns:
        How many this apply recorded.

    Raises:
        IncompleteError: stopped or failed before all were done.
        LeaseError: another apply trains what is left, and `sharing` says not to wait.
        OlmixctlError: a record could not be written; training stops.
    """
    runs = _distinct(plan)
    if not runs:
        return 0
    known = {**provenance, "predicted_device_seconds": _predicted_seconds(plan)}

    def keep(outcome: Outcome, held: bool) -> bool:
        record = _record(plan, outcome, known)
        sharing.ledger.add(record, fenced=not held)
        return held

    work = SharedWork(runs, sharing, keep, on_event)
    with sharing.leases.beating():
        executor.execute(work, data, on_event)
    return work.done


def _record(plan: Plan, outcome: Outcome, provenance: Mapping[str, Any]) -> RunRecord:
    assert outcome.status != "interrupted", "interrupted runs have no outcome to record"
    return RunRecord(
        inputs=outcome.run.inputs,
        mixture=outcome.run.weights,
        evals=dict(plan.observed.evals),
        status=outcome.status,
        metrics=outcome.metrics,
        provenance={**outcome.provenance, **provenance},
    )


def _predicted_seconds(plan: Plan) -> list[float] | None:
    """What the plan expected of one run: p10, p50 and p90 of its device-seconds; None where it had nothing to go by."""
    cost = plan.cost
    if cost.device_seconds is None or not cost.runs:
        return None
    return [round(seconds / cost.runs, 3) for seconds in cost.device_seconds]


def _distinct(plan: Plan) -> list[PlannedRun]:
    """Missing runs, one a key, in design order."""
    return list({run.key: run for run in plan.missing}.values())
