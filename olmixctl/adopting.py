"""Which runs a mix rests on: those trained here, or those adopted from others. The two are never fitted together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from olmixctl.errors import UsageError
from olmixctl.ledger.model import RunRecord, is_adopted
from olmixctl.lock.model import Lock
from olmixctl.plan.adopt import adopted_swarms, with_trainer
from olmixctl.plan.model import Check, Observed, Plan

__all__ = ["plan_on", "standing_trainer"]


def standing_trainer(lock: Lock | None, own: str) -> str:
    """The trainer of the runs behind `lock` where these were adopted, else the one that trains here."""
    trainer = "" if lock is None else str(lock.inputs.get("trainer", ""))
    return trainer if is_adopted(trainer) else own


def plan_on(
    make: Callable[[Observed], Plan],
    observed: Observed,
    lock: Lock | None,
    records: Mapping[str, RunRecord],
    *,
    solve_only: bool,
) -> Plan:
    """The plan on adopted runs for as long as these answer, else one that trains here.

    A lock on adopted runs stays on them until something has to be trained. Where there is no lock yet, adopted runs
    are decided on when nothing may be trained.

    Args:
        make: a plan from the present, whose trainer says which runs are evidence.
        observed: the present, with the trainer that would train here.
        lock: the lock a plan starts from.
        records: the ledger; read only where there is no lock.
        solve_only: nothing may be trained.

    Raises:
        UsageError: runs of several swarms were adopted, and there is no lock to say which counts.
    """
    trainer = standing_trainer(lock, "")
    swarms = adopted_swarms(records.values()) if lock is None else {}
    if lock is None and solve_only and swarms:
        trainer = _only(swarms)
    if trainer:
        plan = make(with_trainer(observed, trainer))
        if plan.kind != "train":
            return replace(plan, checks=(*plan.checks, _adopted(plan)))
    plan = make(observed)
    left = sum(swarms.values())
    note = (_unused(left),) if left else (_replaced(plan),) if trainer and plan.kind == "train" else ()
    return replace(plan, checks=(*plan.checks, *note))


def _only(swarms: Mapping[str, int]) -> str:
    if len(swarms) > 1:
        raise UsageError(
            f"runs of {len(swarms)} swarms were adopted ({', '.join(swarms)}), and they are not comparable",
            remedy="remove the run files of all but one; `olmixctl runs list` shows them",
        )
    return next(iter(swarms))


def _adopted(plan: Plan) -> Check:
    message = "the evidence was adopted from tables of others: nothing of it was trained or measured here"
    return Check(level="note", name="adopted", message=f"{message} ({plan.observed.trainer})")


def _unused(count: int) -> Check:
    return Check(
        level="note",
        name="adopted",
        message=f"{count} adopted runs are recorded and not used: what is trained here is not comparable with them",
        remedy="`olmixctl apply --solve-only` decides on them, and trains nothing",
    )


def _replaced(plan: Plan) -> Check:
    kept = "; its ratios of what did not change are kept" if plan.coordinates.blocks else ""
    return Check(
        level="note",
        name="adopted",
        message=f"the lock rests on adopted runs, which are not comparable with what is trained here{kept}",
        remedy="--solve-only stays on the adopted runs, or carries shares over",
    )
