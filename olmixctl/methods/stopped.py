"""Did training end early for the reason that the lock gives? Computed again from the runs it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from olmixctl.errors import InfeasibleError
from olmixctl.lock.model import Lock, Stopped
from olmixctl.methods.checks import VerifyCheck
from olmixctl.methods.olmix import Fitted, solve_mix
from olmixctl.methods.sequential import confidence_of, standing_of
from olmixctl.plan.model import Observed
from olmixctl.plan.strategies import swarm_runs
from olmixctl.spec.model import StopSpec

__all__ = ["stopped_check"]

_NEAR = Decimal("0.02")
"""Draws of another processor may fall to the other side of the limit, in a few of some hundred."""


def stopped_check(lock: Lock, observed: Observed, fitted: Fitted) -> Iterator[VerifyCheck]:
    """One check for a lock that says it stopped early; none for another.

    Args:
        lock: what is stated.
        observed: the mix file over the data as the lock states it.
        fitted: the laws, refitted on the lock's evidence.
    """
    stated, stop = lock.stopped, observed.spec.swarm.stop
    if stated is None:
        return
    if stop is None:
        yield VerifyCheck(name="stopped", ok=False, detail="the mix file does not let training stop early")
        return
    wrong = [*_counts(lock, observed, stated), *_reason(stated, stop), *_found(lock, observed, fitted, stated)]
    probability = f"probability {stated.probability:.2f} of a regret below {stop.regret:g}"
    detail = f"after {stated.trained} of {stated.planned} runs, with {probability}"
    yield VerifyCheck(name="stopped", ok=not wrong, detail=f"misstated: {'; '.join(wrong)}" if wrong else detail)


def _counts(lock: Lock, observed: Observed, stated: Stopped) -> Iterator[str]:
    most = swarm_runs(observed, len(lock.coordinates.names))
    if stated.planned > most:
        yield f"{stated.planned} runs planned, the mix file asks for {most}"
    if stated.trained >= stated.planned:
        yield f"{stated.trained} runs are not fewer than the {stated.planned} planned"
    known = len({*lock.evidence, *(item.run for item in lock.excluded)})
    if stated.trained > known:
        yield f"{stated.trained} runs trained, {known} are named"


def _reason(stated: Stopped, stop: StopSpec) -> Iterator[str]:
    if stated.regret != Decimal(str(stop.regret)).quantize(stated.regret):
        yield f"regret {stated.regret}, the mix file says {stop.regret:g}"
    if stated.probability < Decimal(str(stop.confidence)).quantize(stated.probability):
        yield f"probability {stated.probability} is below the {stop.confidence:g} of the mix file"


def _found(lock: Lock, observed: Observed, fitted: Fitted, stated: Stopped) -> Iterator[str]:
    try:
        solved = solve_mix(observed, lock.coordinates, fitted)
    except InfeasibleError as error:
        yield error.message
        return
    standing = standing_of(observed, lock.coordinates, fitted, solved)
    found = Decimal(confidence_of(standing, float(stated.regret)).probability)
    if abs(found - stated.probability) > _NEAR:
        yield f"probability {stated.probability}, found {found:.6f}"
