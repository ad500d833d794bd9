"""A solution on the grid of millionths, inside every bound.

Caps are floored and minima ceiled to the grid, so the rounded mix keeps them exactly, in whole numbers; rows over
several domains are then checked in exact arithmetic and repaired by moving single millionths, or several together.

Guardrails are predictions, not token budgets: rounding may move them by some 1e-6 bits per byte, and does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from olmixctl.errors import InfeasibleError
from olmixctl.mixture import GRID, GridMixture, round_to_grid
from olmixctl.solve.problem import LinearBound, MixProblem

__all__ = ["Rounded", "round_solution"]

Points = dict[str, int]

_NEAR, _NODES = 1000, 5000
"""Millionths that a share may be moved when moves are searched for together; how many cases are looked at."""


@dataclass(frozen=True, slots=True)
class Rounded:
    """The decided mix: over leaves, and the same in coordinates (a block's points are those of its members)."""

    leaves: GridMixture
    coordinates: GridMixture


def round_solution(problem: MixProblem, point: Mapping[str, float]) -> Rounded:
    """`point` (coordinate → weight) on the grid by largest remainder, under the bounds.

    Raises:
        InfeasibleError: no mix of whole millionths near the point meets the bounds (a bound pair narrower than the
            grid, say); the message names the bound.
    """
    low, high = _leaf_bounds(problem, point)
    coordinates = problem.coordinates
    members = coordinates.members()
    amounts = {name: Fraction(point[name]) * GRID for name in members}
    try:
        units = round_to_grid(
            amounts,
            lower={name: sum(low[leaf] for leaf in leaves) for name, leaves in members.items()},
            upper={name: min(GRID, sum(high[leaf] for leaf in leaves)) for name, leaves in members.items()},
        )
        leaves = dict(coordinates.expand_to_grid(GridMixture(units), lower=low, upper=high))
    except ValueError as error:
        raise _no_room(problem, str(error)) from error
    leaves = _repair(problem, leaves, low, high)
    mass = {name: sum(leaves[leaf] for leaf in inside) for name, inside in members.items()}
    return Rounded(GridMixture(leaves), GridMixture(mass))


def _leaf_bounds(problem: MixProblem, point: Mapping[str, float]) -> tuple[Points, Points]:
    """Least and most millionths of each leaf, from the rows over one leaf.

    Raises:
        InfeasibleError: a bound pair has no whole millionth between.
    """
    low = dict.fromkeys(problem.coordinates.leaves, 0)
    high = dict.fromkeys(problem.coordinates.leaves, GRID)
    for row in problem.rows:
        if not _single(row):
            continue
        ((leaf, coefficient),) = row.coefficients.items()
        lower, upper = _exact(row, Fraction(repr(coefficient)))
        low[leaf] = max(low[leaf], math.ceil(lower * GRID)) if lower is not None else low[leaf]
        high[leaf] = min(high[leaf], math.floor(upper * GRID)) if upper is not None else high[leaf]
        if low[leaf] > high[leaf]:
            raise _no_room(problem, f"{row.name} leaves no whole millionth for {leaf}")
    for name, members in problem.coordinates.members().items():
        # The solver leaves exact zeros only where a domain is held there; rounding does not bring it in.
        if point[name] == 0.0:
            high |= dict.fromkeys(members, 0)
    return low, high


def _single(row: LinearBound) -> bool:
    return len(row.coefficients) == 1 and next(iter(row.coefficients.values())) > 0


def _exact(row: LinearBound, divisor: Fraction) -> tuple[Fraction | None, Fraction | None]:
    """The bounds as the decimals people wrote (0.29, not the float below it), divided."""
    bounds = (None if b is None else Fraction(repr(float(b))) / divisor for b in (row.lower, row.upper))
    lower, upper = bounds
    return lower, upper


def _repair(problem: MixProblem, leaves: Points, low: Points, high: Points) -> Points:
    """Move single millionths between leaves until every row over several leaves holds exactly.

    Each move lowers the total violation the most; ties go to domains that have points already, then by name.
    Rounding breaks a row by at most a millionth a leaf, so the moves are few.
    """
    rows = [row for row in problem.rows if not _single(row)]
    if not rows:
        return leaves
    names = sorted(leaves)
    points = dict(leaves)
    for _ in range(4 * len(names)):
        if all(_violation(row, points) == 0 for row in rows):
            return points
        move = _best_move(rows, names, points, low, high)
        if move is None:
            break
        source, target = move
        points[source] -= 1
        points[target] += 1
    found = _nearest(rows, leaves, low, high)
    if found is None or any(_violation(row, found) > 0 for row in rows):
        broken = next(row for row in rows if _violation(row, points) > 0)
        raise _no_room(problem, f"{broken.name} cannot be kept by whole millionths")
    return found


def _nearest(rows: list[LinearBound], leaves: Points, low: Points, high: Points) -> Points | None:
    """The whole millionths nearest to `leaves` that keep every row, by branch and bound; None where none is near.

    Rows that need several moves at once, none of which helps alone (a ratio held from both sides), end the repair by
    single moves. The variables are the changes and, after them, their sizes.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    names = sorted(leaves)
    start_L, count = np.array([leaves[name] for name in names], dtype=np.float64), len(names)
    coefficient_KL, lower_K, upper_K = _as_arrays(rows, names)
    now_K, rest_KL = coefficient_KL @ start_L, np.zeros_like(coefficient_KL)
    one, none = np.eye(count), np.zeros((1, count))
    solved = milp(
        np.append(np.zeros(count), np.ones(count)),
        constraints=[
            LinearConstraint(np.hstack([none + 1, none]), 0, 0),
            LinearConstraint(np.hstack([coefficient_KL, rest_KL]), lower_K - now_K, upper_K - now_K),
            LinearConstraint(np.hstack([one, -one]), -np.inf, 0),
            LinearConstraint(np.hstack([-one, -one]), -np.inf, 0),
        ],
        integrality=np.append(np.ones(count), np.zeros(count)),
        bounds=Bounds(
            np.append(np.maximum([low[name] for name in names] - start_L, -_NEAR), np.zeros(count)),
            np.append(np.minimum([high[name] for name in names] - start_L, _NEAR), np.full(count, _NEAR)),
        ),
        options={"node_limit": _NODES},
    )
    if solved.x is None:
        return None
    moved = dict(zip(names, np.round(solved.x[:count]).astype(int).tolist(), strict=True))
    return {name: leaves[name] + moved[name] for name in names}


def _as_arrays(rows: list[LinearBound], names: list[str]) -> tuple[NDArray[np.float64], ...]:
    """Coefficients, lower and upper bounds in millionths."""
    return (
        np.array([[row.coefficients.get(name, 0.0) for name in names] for row in rows]),
        np.array([-np.inf if row.lower is None else row.lower * GRID for row in rows]),
        np.array([np.inf if row.upper is None else row.upper * GRID for row in rows]),
    )


def _violation(row: LinearBound, points: Points) -> Fraction:
    """By how much a row is broken, in exact arithmetic; zero when it holds."""
    total = sum((Fraction(repr(c)) * points[leaf] for leaf, c in row.coefficients.items()), Fraction(0)) / GRID
    lower, upper = _exact(row, Fraction(1))
    below = lower - total if lower is not None else Fraction(0)
    above = total - upper if upper is not None else Fraction(0)
    return max(below, above, Fraction(0))


def _best_move(
    rows: list[LinearBound], names: list[str], points: Points, low: Points, high: Points
) -> tuple[str, str] | None:
    """The pair (from, to) whose single millionth lowers the violation most, or None when none lowers it."""
    coefficient_KL, lower_K, upper_K = _as_arrays(rows, names)
    total_K = coefficient_KL @ np.array([points[name] for name in names], dtype=np.float64)

    def broken(total: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.maximum(np.maximum(lower_K - total, total - upper_K), 0.0).sum(axis=-1))

    now = float(broken(total_K))
    gain_LL = now - broken(total_K + (coefficient_KL.T[None, :, :] - coefficient_KL.T[:, None, :]))
    may_give = np.array([points[name] > low[name] for name in names])
    may_take = np.array([points[name] < high[name] for name in names])
    gain_LL -= 1e-6 * np.array([points[name] == 0 for name in names])
    gain_LL[~(may_give[:, None] & may_take[None, :])] = -np.inf
    best = int(np.argmax(np.round(gain_LL, 9)))
    if gain_LL.flat[best] <= 1e-8:
        return None
    return names[best // len(names)], names[best % len(names)]


def _no_room(problem: MixProblem, why: str) -> InfeasibleError:
    names = tuple(row.name for row in problem.rows)
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return InfeasibleError(
        f"the bounds leave a mix, but none of whole millionths: {why}; bounds: {', '.join(names[:6])}{more}",
        remedy="loosen a bound by a few millionths (for max_repetition: lower target.tokens or raise it a little)",
        conflict=names,
    )
