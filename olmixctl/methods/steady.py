"""Hysteresis: weights that are still optimal stay, to the last digit.

The optimum of a program that was solved before is found again only within rounding, and on another machine within
another rounding. A mix under review must not flicker for that, nor when a bound is loosened that did not bind: where
the committed weights keep every bound and are proven to be within the certificate's tolerance of the new optimum,
nothing moves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from olmixctl.lock.identity import under_present_names
from olmixctl.lock.model import Lock
from olmixctl.methods.problem import broken_rows
from olmixctl.mixture import GRID, Coordinates, GridMixture
from olmixctl.plan.model import Plan
from olmixctl.solve.certificate import ROUNDED_TOLERANCE, Certificate
from olmixctl.solve.problem import MixProblem
from olmixctl.solve.round import Rounded

__all__ = ["committed_weights", "masses", "still_optimal"]

_ROUNDED = 2 / GRID
"""Members of a block stand within two millionths of their exact share: rounding, and a bound that moved it."""


def committed_weights(plan: Plan, previous: Lock | None, evidence: Sequence[str]) -> GridMixture | None:
    """The weights that may stay: those of `previous` under their present names, where its evidence is solved again.

    Args:
        plan: what is done.
        previous: the lock it starts from.
        evidence: keys of the runs that the new mix rests on, sorted.

    Returns:
        None where there is no lock, other evidence, or other domains.
    """
    if previous is None or not (plan.kind == "resolve" or tuple(evidence) == previous.evidence):
        return None
    weights = under_present_names(previous.weights, plan.renames)
    return GridMixture(weights) if set(weights) == set(plan.observed.states) else None


def still_optimal(
    problem: MixProblem,
    judge: Callable[[Mapping[str, float]], Certificate],
    weights: GridMixture,
    *,
    best: float = math.inf,
) -> tuple[Rounded, Certificate] | None:
    """`weights` with their certificate, where they lie in the coordinates, keep every bound, and are near enough.

    Args:
        problem: under the laws.
        judge: the certificate of a point over the coordinates.
        weights: over domains.
        best: objective of the solution; under laws that are not convex the certificate does not bound it.
    """
    coordinates = problem.coordinates
    if coordinates.collapse(weights.as_mixture(), tolerance=_ROUNDED) is None or broken_rows(problem.rows, weights):
        return None
    point = masses(coordinates, weights)
    found = judge(point.as_mixture())
    near = found.objective - best <= ROUNDED_TOLERANCE + found.forced
    return (Rounded(weights, point), found) if found.ok and near else None


def masses(coordinates: Coordinates, weights: Mapping[str, int]) -> GridMixture:
    """Weights over domains as weights over coordinates: a block's is the sum of its members'."""
    return GridMixture({
        name: sum(weights[leaf] for leaf in leaves) for name, leaves in coordinates.members().items()
    })  # fmt: skip
