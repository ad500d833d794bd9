"""What a lock states of its own uncertainty, resampled again and compared.

The resamples are the same ones, draw by draw. On another processor one of them may end elsewhere where a step of its
search stands on a border, so that ends of intervals may move by a rank and probabilities by a draw: no more is allowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import numpy as np

from olmixctl.ledger.model import RunRecord
from olmixctl.lock.model import Ends, Lock, LockedConfidence, LockedNoise
from olmixctl.methods.checks import VerifyCheck
from olmixctl.methods.olmix import Fitted
from olmixctl.methods.resample import ENDS
from olmixctl.methods.steady import masses
from olmixctl.methods.uncertainty import PREVIOUS, Uncertainty, mixes_of, uncertainty_of
from olmixctl.mixture import GRID
from olmixctl.plan.model import Observed
from olmixctl.report.numbers import plural

__all__ = ["uncertainty_check"]

_ENDS = Decimal("0.00001")
"""Ends of intervals of weights, beside a rank."""
_BITS = Decimal("0.000005")
"""Noise, and predicted change."""
_WIDTH = 0.001
"""Ends of intervals of predictions, in parts of the interval."""
_DRAWS = 2
"""Draws that may be solved on one processor and not on another."""
_PROBABILITY = Decimal("0.03")
"""Two draws of a hundred, and rounding."""


def uncertainty_check(
    lock: Lock,
    observed: Observed,
    fitted: Fitted,
    before: Mapping[str, float] | None,
    replicates: Sequence[RunRecord],
) -> Iterator[VerifyCheck]:
    """Intervals, comparisons and noise; nothing where the lock states none, as older ones do.

    Args:
        lock: what is stated.
        observed: the mix file over the data as the lock states it.
        fitted: the laws, refitted.
        before: the mix of the lock before over domains, under their present names; None where it is not known.
        replicates: further results of runs of the ledger.
    """
    stated = lock.confidence
    if stated is None and not lock.uncertainty and all(m.interval is None for m in lock.predicted.values()):
        return
    mixes = mixes_of(observed, lock.coordinates, masses(lock.coordinates, lock.weights), before)
    found = uncertainty_of(observed, lock.coordinates, fitted, mixes, replicates)
    if stated is None or found is None or set(lock.uncertainty) != set(lock.weights):
        detail = "intervals are stated for a part of the mix, or the runs say nothing of them"
        yield VerifyCheck(name="uncertainty", ok=False, detail=detail)
        return
    alone = before is None and bool(lock.parents)
    wrong = [*_weights(lock, found), *_metrics(lock, found)]
    wrong += _confidence(stated, found.confidence, compared=not alone)
    rest = ", but for what needs the lock before" if alone and PREVIOUS not in mixes else ""
    again = plural(found.confidence.solved, "resample")
    detail = f"misstated: {'; '.join(wrong)}" if wrong else f"intervals, comparisons and noise from {again} again{rest}"
    yield VerifyCheck(name="uncertainty", ok=not wrong, detail=detail)


def _weights(lock: Lock, found: Uncertainty) -> Iterator[str]:
    """Ends that stand further than a rank from those found."""
    ranks, mix = 100.0 / found.confidence.solved, masses(lock.coordinates, lock.weights)
    for name, members in lock.coordinates.members().items():
        shares_N = found.resampled.shares_NC[:, found.resampled.names.index(name)]
        lowest, low, high, highest = np.percentile(
            shares_N, [ENDS[0] - ranks, ENDS[0] + ranks, ENDS[1] - ranks, ENDS[1] + ranks]
        )
        at = mix[name] / GRID
        room = ((min(lowest, at), low), (high, max(highest, at)))
        for leaf, ratio in members.items():
            for end, (least, most), text in zip(lock.uncertainty[leaf], room, ("low", "high"), strict=True):
                if not _within(end, least * float(ratio), most * float(ratio)):
                    yield f"{text} end of {leaf} {end}"


def _within(end: Decimal, least: float, most: float) -> bool:
    return Decimal(least) - _ENDS <= end <= Decimal(most) + _ENDS


def _metrics(lock: Lock, found: Uncertainty) -> Iterator[str]:
    for name, metric in lock.predicted.items():
        again = found.metrics.get(name)
        if metric.interval is None or again is None or _apart(metric.interval, again):
            yield f"interval of {name}"


def _apart(stated: Ends, found: Ends) -> bool:
    room = _BITS + (found[1] - found[0]) * Decimal(_WIDTH)
    return any(abs(a - b) > room for a, b in zip(stated, found, strict=True))


def _confidence(stated: LockedConfidence, found: LockedConfidence, *, compared: bool) -> Iterator[str]:
    impossible = stated.drawn != found.drawn or stated.solved > stated.drawn
    if impossible or abs(stated.solved - found.solved) > _DRAWS:
        yield f"{stated.solved} of {stated.drawn} resamples, found {found.solved} of {found.drawn}"
    pairs = {"natural": (stated.better_than_natural, found.better_than_natural)}
    pairs |= {"previous": (stated.better_than_previous, found.better_than_previous)} if compared else {}
    yield from (f"better than {name} {a}, found {b}" for name, (a, b) in pairs.items() if _differ(a, b, _PROBABILITY))
    yield from _noise(stated.noise, found.noise)
    if compared and _differ(stated.change, found.change, _BITS):
        yield f"change {stated.change}, found {found.change}"
    if compared and stated.pull is not None and (stated.change is None or abs(stated.change) > _BITS):
        yield from _worse(stated, found)


def _worse(stated: LockedConfidence, found: LockedConfidence) -> Iterator[str]:
    """Why a mix is predicted worse than the one before; locks written before it was said do not say."""
    if _differ(stated.pull, found.pull, _BITS):
        yield f"pull {stated.pull}, found {found.pull}"
    if stated.breaks != found.breaks:
        yield f"bounds that the previous mix breaks: {', '.join(stated.breaks)}, found {', '.join(found.breaks)}"


def _noise(stated: LockedNoise, found: LockedNoise) -> Iterator[str]:
    """Runs that were repeated after the lock was written measure more than it could."""
    if (stated.basis, stated.degrees) != (found.basis, found.degrees):
        later = found.basis == "replicates" and (stated.basis == "errors" or stated.degrees < found.degrees)
        if not later:
            yield f"noise from {stated.degrees} {stated.basis}, found {found.degrees} {found.basis}"
    elif _differ(stated.run, found.run, _BITS) or _differ(stated.two_runs, found.two_runs, _BITS):
        yield f"noise {stated.run}, found {found.run}"


def _differ(a: Decimal | None, b: Decimal | None, room: Decimal) -> bool:
    return a is not b if a is None or b is None else abs(a - b) > room * max(Decimal(1), abs(b))
