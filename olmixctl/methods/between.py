"""Between two batches of a swarm: is enough known, and what to train next.

Functions of the recorded runs that they are given: whoever asks with the same runs gets the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from olmixctl.errors import IncompleteError
from olmixctl.ledger.model import RunRecord
from olmixctl.methods.laws import Fitted
from olmixctl.methods.olmix import draw, fit_evidence, gather
from olmixctl.methods.sequential import next_batch
from olmixctl.methods.stopped import standing_after, sureness
from olmixctl.mixture import GridMixture
from olmixctl.plan.model import Plan
from olmixctl.plan.steps import evidence_of
from olmixctl.surrogate.spikes import without_spikes

__all__ = ["following", "probability"]


def probability(plan: Plan, records: Mapping[str, RunRecord]) -> float:
    """P(the mix that the runs of `plan` lead to is within its `stop.regret` of the best one).

    Args:
        plan: with the runs so far, and when they are enough.
        records: the ledger.

    Returns:
        0 where the runs so far lead to no mix, or are too few to tell (`sureness`).
    """
    stop, fitted = plan.rounds.stop, _fitted(plan, records)
    assert stop is not None, "who never stops is not asked"
    return 0.0 if fitted is None else sureness(plan.observed, plan.coordinates, fitted, stop.regret)


def following(plan: Plan, records: Mapping[str, RunRecord], count: int) -> tuple[GridMixture, ...]:
    """The next mixtures, at most `count`, none of them among the runs of `plan`.

    Those that lower the expected regret most; where the runs so far lead to no mix, those that the design goes on with.
    """
    observed, coordinates = plan.observed, plan.coordinates
    fitted, tried = _fitted(plan, records), [run.point for run in plan.runs]
    standing = None if fitted is None else standing_after(observed, coordinates, fitted)
    if standing is None:
        return _untried(partial(draw, observed, coordinates), tried, count)
    return _untried(partial(next_batch, standing), tried, count)


def _untried(
    ask: Callable[[int], tuple[GridMixture, ...]], tried: Sequence[GridMixture], count: int
) -> tuple[GridMixture, ...]:
    """The first `count` mixtures that were not tried; fewer where there are no more.

    Args:
        ask: number → as many mixtures, those of fewer first.
        tried: mixtures to leave out.
        count: how many.
    """
    number = count
    while True:
        found = ask(number)
        fresh = tuple(point for point in found if point not in tried)
        if len(fresh) >= count or len(found) < number:
            return fresh[:count]
        number += count - len(fresh)


def _fitted(plan: Plan, records: Mapping[str, RunRecord]) -> Fitted | None:
    """The laws after the runs of `plan`; None where none fit them."""
    observed = plan.observed
    try:
        screened = without_spikes(gather(observed, plan.coordinates, evidence_of(plan), records))
        fitted = fit_evidence(observed, plan.coordinates, screened.evidence)
    except IncompleteError:
        return None
    return fitted if fitted.fit.status.converged else None
