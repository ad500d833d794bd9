"""Training what a plan lacks: every run is on disk before it is counted, so that nothing is ever lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from olmixctl.execute.events import OnEvent
from olmixctl.execute.protocol import Executor, Outcome, TrainingData
from olmixctl.ledger.model import RunRecord
from olmixctl.ledger.store import Ledger
from olmixctl.plan.model import Plan, PlannedRun

__all__ = ["train_missing"]


def train_missing(
    plan: Plan,
    executor: Executor,
    ledger: Ledger,
    data: Callable[[], TrainingData],
    *,
    provenance: Mapping[str, Any],
    on_event: OnEvent,
) -> int:
    """Train the missing runs of `plan` and record each as it ends; returns how many were recorded.

    Raises:
        IncompleteError: stopped or failed before all were done.
        OlmixctlError: a record could not be written; training stops.
    """
    runs = _distinct(plan)
    if not runs:
        return 0
    recorded = 0

    def record(outcome: Outcome) -> None:
        nonlocal recorded
        assert outcome.status != "interrupted", "interrupted runs have no outcome to record"
        ledger.add(
            RunRecord(
                inputs=outcome.run.inputs,
                mixture=outcome.run.weights,
                evals=dict(plan.observed.evals),
                status=outcome.status,
                metrics=outcome.metrics,
                provenance={**outcome.provenance, **provenance},
            )
        )
        recorded += 1

    executor.execute(runs, data, record, on_event)
    return recorded


def _distinct(plan: Plan) -> list[PlannedRun]:
    """Missing runs, one a key, in design order."""
    return list({run.key: run for run in plan.missing}.values())
