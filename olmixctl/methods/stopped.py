"""How sure the mix is that runs lead to, and whether a lock that says training ended early for that reason is right."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from olmixctl.errors import InfeasibleError
from olmixctl.lock.model import Lock, Stopped
from olmixctl.methods.checks import VerifyCheck
from olmixctl.methods.laws import Fitted
from olmixctl.methods.olmix import solve_mix
from olmixctl.methods.sequential import Standing, confidence_of, standing_of
from olmixctl.mixture import Coordinates
from olmixctl.plan.evidence import covers
from olmixctl.plan.model import Observed
from olmixctl.plan.strategies import swarm_runs
from olmixctl.spec.model import StopSpec

__all__ = ["standing_after", "stopped_check", "sureness"]

_FEWEST = 1.5
"""Laws of fewer mixtures a parameter go through nearly all of them, and what they leave says nothing of their error."""
_NEAR = Decimal("0.02")
"""Draws of another processor may fall to the other side of the limit, in a few of some hundred."""


def sureness(observed: Observed, coordinates: Coordinates, fitted: Fitted, regret: float) -> float:
    """P(the mix that `fitted` leads to is within `regret` of the best one).

    Returns:
        0 where there is no such mix, or where the runs are too few to contradict any law: a coordinate that none of
        them samples, or fewer than `_FEWEST` mixtures a parameter.
    """
    evidence = fitted.evidence
    rows = dict(zip(evidence.runs, evidence.weights_RC.tolist(), strict=True))
    points = {run: dict(zip(evidence.coordinates, row, strict=True)) for run, row in rows.items()}
    many = len({tuple(row) for row in rows.values()}) >= _FEWEST * (len(coordinates.names) + 1)
    standing = standing_after(observed, coordinates, fitted) if many and covers(points, coordinates) else None
    return 0.0 if standing is None else confidence_of(standing, regret).probability


def standing_after(observed: Observed, coordinates: Coordinates, fitted: Fitted) -> Standing | None:
    """Where the swarm stands after the runs of `fitted`; None where the laws leave no mix under the bounds."""
    try:
        return standing_of(observed, coordinates, fitted, solve_mix(observed, coordinates, fitted))
    except InfeasibleError:
        return None


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
    known = len(lock.considered)
    if stated.trained > known:
        yield f"{stated.trained} runs trained, {known} are named"


def _reason(stated: Stopped, stop: StopSpec) -> Iterator[str]:
    if stated.regret != Decimal(str(stop.regret)).quantize(stated.regret):
        yield f"regret {stated.regret}, the mix file says {stop.regret:g}"
    if stated.probability < Decimal(str(stop.confidence)).quantize(stated.probability):
        yield f"probability {stated.probability} is below the {stop.confidence:g} of the mix file"


def _found(lock: Lock, observed: Observed, fitted: Fitted, stated: Stopped) -> Iterator[str]:
    found = Decimal(sureness(observed, lock.coordinates, fitted, float(stated.regret)))
    if abs(found - stated.probability) > _NEAR:
        yield f"probability {stated.probability}, found {found:.6f}"
