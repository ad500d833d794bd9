"""Between two batches of a swarm: is enough known, and what to train next.

Functions of the recorded runs that they are given: whoever asks with the same runs gets the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping

from olmixctl.errors import IncompleteError, InfeasibleError
from olmixctl.ledger.model import RunRecord
from olmixctl.methods.olmix import draw, fit_evidence, gather, solve_mix
from olmixctl.methods.sequential import Standing, confidence_of, next_batch, standing_of
from olmixctl.mixture import GridMixture
from olmixctl.plan.model import Plan
from olmixctl.plan.steps import evidence_of

__all__ = ["following", "probability"]


def probability(plan: Plan, records: Mapping[str, RunRecord]) -> float:
    """P(the mix that the runs of `plan` lead to is within its `stop.regret` of the best one).

    Args:
        plan: with the runs so far, and when they are enough.
        records: the ledger.

    Returns:
        0 where the runs so far lead to no mix.
    """
    stop, standing = plan.rounds.stop, _standing(plan, records)
    assert stop is not None, "who never stops is not asked"
    return 0.0 if standing is None else confidence_of(standing, stop.regret).probability


def following(plan: Plan, records: Mapping[str, RunRecord], count: int) -> tuple[GridMixture, ...]:
    """The next mixtures, at most `count`, none of them among the runs of `plan`.

    Those that lower the expected regret most; where the runs so far lead to no mix, those that the design goes on with.
    """
    standing, tried = _standing(plan, records), [run.point for run in plan.runs]
    if standing is None:
        found = draw(plan.observed, plan.coordinates, len(tried) + count)
    else:
        found = next_batch(standing, count)
    return tuple(point for point in found if point not in tried)[:count]


def _standing(plan: Plan, records: Mapping[str, RunRecord]) -> Standing | None:
    """Where the swarm stands after the runs of `plan`; None where no laws fit them, or these leave no mix."""
    observed, coordinates = plan.observed, plan.coordinates
    try:
        fitted = fit_evidence(observed, gather(observed, coordinates, evidence_of(plan), records))
        if not fitted.fit.status.converged:
            return None
        return standing_of(observed, coordinates, fitted, solve_mix(observed, coordinates, fitted))
    except (IncompleteError, InfeasibleError):
        return None
