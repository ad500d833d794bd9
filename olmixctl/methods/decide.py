"""From evidence to the next lock: the steps of a plan that come after training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from olmixctl.errors import IncompleteError
from olmixctl.execute.events import OnEvent, Solving
from olmixctl.ledger.model import RunRecord
from olmixctl.ledger.standing import Standing
from olmixctl.lock.identity import under_present_names
from olmixctl.lock.model import SPIKED, Excluded, Lock
from olmixctl.methods.carry import carried_weights
from olmixctl.methods.olmix import fit_evidence, gather, keep_ratios, solve_mix
from olmixctl.methods.record import carried_lock, kept_lock, says_the_same, solved_lock
from olmixctl.methods.steady import committed_weights
from olmixctl.methods.uncertainty import mixes_of, uncertainty_of, with_uncertainty
from olmixctl.mixture import Mixture
from olmixctl.plan.lost import TAINTED
from olmixctl.plan.model import Plan
from olmixctl.plan.smallness import check_left
from olmixctl.plan.steps import CarryShares, FitAndSolve, KeepRatios, TrainRuns, WriteLock, steps_of
from olmixctl.surrogate.spikes import without_spikes

__all__ = ["decide"]


def decide(
    plan: Plan,
    previous: Lock | None,
    records: Mapping[str, RunRecord],
    on_event: OnEvent,
    *,
    standing: Standing,
) -> Lock:
    """The lock that `plan` leads to. A function of its arguments: two applies with the same evidence decide the same.

    Args:
        plan: one with changes.
        previous: the lock it starts from, or None.
        records: the ledger, after training.
        on_event: takes progress.
        standing: of the ledger: runs without a result that may be used, and replicates.

    Raises:
        IncompleteError: no laws can be fitted on the evidence, or it is one mixture.
        InfeasibleError: the bounds exclude each other.
    """
    lock = previous
    for step in steps_of(plan):
        match step:
            case FitAndSolve():
                on_event(Solving(len(step.evidence)))
                lock = _solve(plan, previous, records, step.evidence, standing.replicates)
                lock = _without(standing.tainted, plan, previous, lock)
            case KeepRatios():
                lock = _keep(plan, previous)
            case CarryShares():
                lock = _carry(plan, previous, step.mix)
            case TrainRuns() | WriteLock():
                pass
            case _:
                assert_never(step)
    assert lock is not None, "a plan without a lock solves one"
    return previous if previous is not None and says_the_same(lock, previous) else lock


def _solve(
    plan: Plan,
    previous: Lock | None,
    records: Mapping[str, RunRecord],
    keys: tuple[str, ...],
    replicates: tuple[RunRecord, ...],
) -> Lock:
    check_left(plan.observed, plan.coordinates, keys, records)
    evidence, spikes, _ = without_spikes(gather(plan.observed, plan.coordinates, keys, records))
    fitted = fit_evidence(plan.observed, plan.coordinates, evidence)
    if not fitted.fit.status.converged:
        notes = "; ".join(fitted.fit.status.notes)
        raise IncompleteError(
            f"the search for the {fitted.family} laws did not end: {notes}",
            remedy="declare another law (`surrogate: saturating` or `gaussian`): no run is missing",
        )
    committed = committed_weights(plan, previous, evidence.runs)
    solved = solve_mix(plan.observed, plan.coordinates, fitted, committed=committed)
    lock = solved_lock(plan, previous, fitted, solved, records)
    lock = _leaving_out(lock, [Excluded(run=spike.run, reason=SPIKED) for spike in spikes])
    before = None if previous is None else under_present_names(previous.weights.as_mixture(), plan.renames)
    mixes = mixes_of(plan.observed, plan.coordinates, solved.rounded.coordinates, before)
    return with_uncertainty(lock, uncertainty_of(plan.observed, plan.coordinates, fitted, mixes, replicates))


def _without(tainted: Mapping[str, str], plan: Plan, previous: Lock | None, lock: Lock) -> Lock:
    """`lock`, saying which runs of its design, or of the lock before, a person took out of use."""
    meant = {run.key for run in plan.runs}
    if previous is not None:
        meant |= previous.considered
    return _leaving_out(lock, [Excluded(run=key, reason=TAINTED + tainted[key]) for key in meant & set(tainted)])


def _leaving_out(lock: Lock, runs: list[Excluded]) -> Lock:
    return replace(lock, excluded=tuple(sorted([*lock.excluded, *runs], key=lambda item: item.run)))


def _keep(plan: Plan, previous: Lock | None) -> Lock:
    assert previous is not None, "ratios are kept from a lock"
    weights, moved = keep_ratios(plan.observed, plan.coordinates)
    return kept_lock(plan, previous, weights, moved=moved)


def _carry(plan: Plan, previous: Lock | None, mix: Mixture) -> Lock:
    assert previous is not None, "shares are carried over from a lock"
    weights, moved = carried_weights(plan.observed, plan.coordinates, mix)
    return carried_lock(plan, previous, weights, moved=moved)
