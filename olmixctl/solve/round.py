"""A solution on the grid of millionths, inside every bound.

Caps are floored and minima ceiled to the grid, so the rounded mix keeps them exactly, in whole numbers; rows over
several domains are then checked in exact arithmetic and repaired by moving single millionths, or several together.

Guardrails are predictions, not token budgets: rounding may move them by some 1e-6 bits per byte, and does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from olmixctl.errors import InfeasibleError
from olmixctl.mixture import GRID, GridMixture, Mixture, round_to_grid
from olmixctl.solve.exponents import Array
from olmixctl.solve.grid import Millionths, least
from olmixctl.solve.problem import ConvexMetric, LinearBound, MixProblem
from olmixctl.solve.program import Program, build

__all__ = ["Rounded", "round_solution"]

Points = dict[str, int]

_NEAR, _HELD = (1000.0, 30_000.0), 2.0
"""Millionths that a share may be moved when moves are searched for together, and where none are found; that one that
is held may be."""
_OF_RAILS = 5e-6
"""What such moves may break a guardrail by, bits per byte."""


@dataclass(frozen=True, slots=True)
class Rounded:
    """The decided mix: over leaves, and the same in coordinates (a block's points are those of its members)."""

    leaves: GridMixture
    coordinates: GridMixture


def round_solution(problem: MixProblem, point: Mapping[str, float], laws: Sequence[ConvexMetric] = ()) -> Rounded:
    """`point` (coordinate → weight) on the grid by largest remainder, under the bounds.

    Args:
        problem: its bounds are kept.
        point: the optimum.
        laws: by which it is one; where rows force moves of many millionths, they say which cost least. Without laws
            the nearest mix is taken.

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
    leaves = _repair(problem, leaves, low, high) or _together(problem, laws, point, (leaves, low, high))
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


def _over_several(problem: MixProblem) -> list[LinearBound]:
    return [row for row in problem.rows if not _single(row)]


def _single(row: LinearBound) -> bool:
    return len(row.coefficients) == 1 and next(iter(row.coefficients.values())) > 0


def _exact(row: LinearBound, divisor: Fraction) -> tuple[Fraction | None, Fraction | None]:
    """The bounds as the decimals people wrote (0.29, not the float below it), divided."""
    bounds = (None if b is None else Fraction(repr(float(b))) / divisor for b in (row.lower, row.upper))
    lower, upper = bounds
    return lower, upper


def _repair(problem: MixProblem, leaves: Points, low: Points, high: Points) -> Points | None:
    """Move single millionths between leaves until every row over several leaves holds exactly; None where no single
    move helps before that.

    Each move lowers the total violation the most; ties go to domains that have points already, then by name.
    Rounding breaks a row by at most a millionth a leaf, so the moves are few.
    """
    rows = _over_several(problem)
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
    return None


def _together(
    problem: MixProblem, laws: Sequence[ConvexMetric], point: Mapping[str, float], at: tuple[Points, Points, Points]
) -> Points:
    """Several moves at once, the best there are: where none helps alone, as with a ratio held from both sides.

    Raises:
        InfeasibleError: none were found.
    """
    leaves, low, high = at
    program = _objective(problem, laws, point)
    some = _admissible(problem, program, program.vector(point), (leaves, low, high))
    found_V = None
    for near in _NEAR:
        found_V = found_V if found_V is not None else least(program, program.vector(point), _within(some, near))[0]
    found = leaves if found_V is None else dict(zip(sorted(leaves), found_V.astype(int).tolist(), strict=True))
    broken = [row for row in _over_several(problem) if _violation(row, found) > 0]
    if broken:
        raise _no_room(problem, f"{broken[0].name} cannot be kept by whole millionths")
    return found


def _admissible(
    problem: MixProblem, program: Program, optimum_C: Array, at: tuple[Points, Points, Points]
) -> Millionths:
    """All whole millionths of leaves, sorted, that keep the rows over several; guardrails within `_OF_RAILS`."""
    names = sorted(at[0])
    start_V, low_V, high_V = (np.array([points[name] for name in names], dtype=np.float64) for points in at)
    members = problem.coordinates.members()
    into_CV = np.array([[float(name in members[c]) for name in names] for c in program.names])
    row_KV, lower_K, upper_K = _as_arrays(_over_several(problem), names)
    rail_K = np.array([side.name.startswith("guardrail:") for side in program.rows.sides_K], dtype=bool)
    rail_KC, limit_K = program.rows.linearised(optimum_C)
    into_CV = into_CV.reshape(len(program.names), len(names))
    return Millionths(
        start_V=start_V,
        low_V=low_V,
        high_V=high_V,
        rows_KV=np.vstack([row_KV, rail_KC[rail_K] @ into_CV]),
        lower_K=np.append(lower_K, np.full(np.count_nonzero(rail_K), -np.inf)),
        upper_K=np.append(upper_K, GRID * (limit_K[rail_K] + _OF_RAILS / program.rows.scale_K[rail_K])),
        into_CV=into_CV,
    )


def _within(some: Millionths, near: float) -> Millionths:
    """Those that are so near to the start; held ones stay where they are but for rounding."""
    near_V = np.where(some.into_CV.any(axis=0), near, _HELD)
    low_V, high_V = np.maximum(some.low_V, some.start_V - near_V), np.minimum(some.high_V, some.start_V + near_V)
    return replace(some, low_V=low_V, high_V=high_V)


def _objective(problem: MixProblem, laws: Sequence[ConvexMetric], point: Mapping[str, float]) -> Program:
    """What rounding keeps low: the objective, or without laws KL(mix ‖ point)."""
    if laws:
        return build(problem, laws)
    near = Mixture.normalised(problem.coordinates.expand(point))
    bare = replace(problem, reference=near, kl=1.0, metric_weights={}, guardrails=(), worst_case=(), hold={})
    return build(bare, ())


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
