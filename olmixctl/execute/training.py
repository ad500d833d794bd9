"""Training what a plan lacks: every run is in the ledger before it is counted, so that nothing is ever lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from olmixctl.errors import OlmixctlError
from olmixctl.execute.events import OnEvent
from olmixctl.execute.protocol import Executor, Outcome, TrainingData
from olmixctl.execute.spool import hand_over, put_by
from olmixctl.execute.work import SharedWork, Sharing
from olmixctl.ledger.home import Home
from olmixctl.ledger.leases import Lease
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
    spool: Home | None = None,
) -> int:
    """Train the missing runs of `plan`, record each as it ends, and wait for those that another apply trains.

    Args:
        plan: what is missing.
        executor: where it is trained.
        sharing: ledger and leases, and whether to wait for others.
        data: prepares what the runs read.
        provenance: of every record.
        on_event: takes progress.
        spool: where results wait that the ledger could not take; None: they are lost with the error.

    Returns:
        How many this apply recorded.

    Raises:
        IncompleteError: stopped or failed before all were done.
        LeaseError: another apply trains what is left, and `sharing` says not to wait.
        OlmixctlError: a record could not be written; training stops.
    """
    runs = _distinct(plan)
    if runs and spool is not None:
        with sharing.leases.beating():
            hand_over(sharing, spool)
    recorded = sharing.ledger.usable_keys() if runs else frozenset()
    runs = [run for run in runs if run.key not in recorded]
    if not runs:
        return 0
    known = {**provenance, "predicted_device_seconds": _predicted_seconds(plan)}

    def keep(outcome: Outcome, lease: Lease) -> bool:
        record = _record(plan, outcome, known)
        try:
            held = sharing.leases.holds(lease)
            sharing.ledger.add(record, fenced=not held)
        except OlmixctlError as error:
            raise error if spool is None else put_by(record, spool, error) from error
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
