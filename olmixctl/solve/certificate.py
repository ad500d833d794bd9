"""Is a mix optimal? The proof, without cvxpy: what `verify` and every solve end with.

For a convex objective F and any point y of its domain, F(y) + min over feasible s of ∇F(y)·(s − y) lies under the
optimum (Frank & Wolfe 1956); the minimum is a linear program. Where the worst family counts, each family has its
tangent at y, and the bound is the least their greatest can be; a guardrail that is not linear is replaced by its
tangent too, which every mix that keeps it keeps (Kelley 1960). The bound is taken at y = the optimum the
interior-point method finds, where it is tight; at a rounded point itself it would be loose, because the gradient of
KL changes by the *relative* rounding of the smallest weight. The gap F(point) − bound is then a fact about the point,
whatever found y.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from olmixctl.solve.exponents import Array
from olmixctl.solve.feasible import with_room
from olmixctl.solve.grid import forced
from olmixctl.solve.interior import Interior, minimise
from olmixctl.solve.problem import ConvexMetric, MixProblem
from olmixctl.solve.program import LEAST, Program, build

__all__ = ["EXACT_TOLERANCE", "ROUNDED_TOLERANCE", "Certificate", "certify", "certify_program", "on_grid"]

EXACT_TOLERANCE = 1e-7
"""Objective units (bits per byte) for a solution in floats."""
ROUNDED_TOLERANCE = 2e-5
"""For a mix on the grid of millionths: each of up to some dozen shares moves by 1e-6 against multipliers of order 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """How far a point can be from optimal.

    Attributes:
        primal: the most by which it breaks a bound (rows scaled to a greatest coefficient of one) or leaves the
            simplex, or moves a held coordinate.
        dual: stationarity and complementarity residual of the multipliers behind the bound.
        gap: objective at the point minus a proven lower bound of the optimum; negative only by rounding error or by
            what `primal` allows.
        objective: at the point.
        bound: the proven lower bound.
        ok: primal and gap are within the tolerance; the gap less what the grid forces.
        forced: how far above the bound every mix of whole millionths is proven to lie that keeps the rows exactly
            (`solve.grid`). Looked for only where the gap of a rounded mix is above the tolerance; else 0.
    """

    primal: float
    dual: float
    gap: float
    objective: float
    bound: float
    ok: bool
    forced: float = 0.0


def certify(
    problem: MixProblem,
    metrics: Sequence[ConvexMetric],
    point: Mapping[str, float],
    *,
    tolerance: float = ROUNDED_TOLERANCE,
) -> Certificate:
    """The certificate of `point` (coordinate → weight), rounded or not; not ok when the bounds leave no mix.

    Raises:
        InfeasibleError: a guardrail lies below its metric's floor, or a domain without reference is held above zero.
        ValueError: the point lacks a coordinate, or a metric has no fit.
    """
    program = with_room(build(problem, metrics))
    anchor = minimise(program)
    found = certify_program(program, point, anchor, tolerance=tolerance)
    return on_grid(problem, program, found, anchor, point, tolerance=tolerance)


def on_grid(
    problem: MixProblem, program: Program, found: Certificate, anchor: Interior, point: Mapping[str, float],
    *, tolerance: float,
) -> Certificate:  # fmt: skip
    """`found`, less what the grid forces, where it is the gap alone that is too large."""
    if found.ok or found.primal > tolerance or not tolerance < found.gap < math.inf or not problem.rows:
        return found
    least = forced(problem, program, anchor.x_C, point, (tolerance, found.primal))
    return replace(found, forced=least, ok=found.gap <= tolerance + least)


def certify_program(program: Program, point: Mapping[str, float], anchor: Interior, *, tolerance: float) -> Certificate:
    """`certify` with the optimum already found."""
    missing = sorted({*program.names, *program.held} - set(point))
    if missing:
        raise ValueError(f"the point lacks coordinate {missing[0]!r}")
    x_C = program.vector(point)
    moved = max((abs(point[name] - weight) for name, weight in program.held.items()), default=0.0)
    primal = max(program.rows.violation(x_C), moved)
    bound = lower_bound(program, anchor.x_C)
    objective = program.value(x_C)
    gap = objective - bound
    ok = primal <= tolerance and -_gain(program, anchor, primal) <= gap <= tolerance
    return Certificate(primal=primal, dual=anchor.residual, gap=gap, objective=objective, bound=bound, ok=ok)


def lower_bound(program: Program, y_C: Array) -> float:
    """A proven lower bound of the optimum from the tangents at y; −∞ when the linear program fails."""
    from scipy.optimize import linprog

    if not len(y_C):
        return program.value(y_C)
    # The bound holds from any point of the domain; a hair inside it the gradient of KL is finite.
    inside_C = np.maximum(y_C, LEAST)
    losses_F, slopes_FC = program.losses(inside_C), program.loss_slopes(inside_C)
    pull_C, rows = program.pull(inside_C), program.rows
    G_KC, limit_K = rows.linearised(inside_C)
    # The variables are the mix and t, which no tangent of a family exceeds.
    tangents = np.hstack([slopes_FC, np.full((len(losses_F), 1), -1.0)])
    solved = linprog(
        np.append(pull_C, 1.0),
        A_ub=np.vstack([np.pad(G_KC, ((0, 0), (0, 1))), tangents]),
        b_ub=np.concatenate([limit_K + program.room, slopes_FC @ inside_C - losses_F]),
        A_eq=np.pad(rows.B_EC, ((0, 0), (0, 1))),
        b_eq=rows.target_E,
        bounds=[(0, None)] * len(y_C) + [(None, None)],
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if solved.status != 0 or solved.fun is None:
        return -math.inf
    return program.divergence(inside_C) + float(solved.fun) - float(pull_C @ inside_C)


def _gain(program: Program, anchor: Interior, primal: float) -> float:
    """How far below the bound a point may lie that breaks rows by `primal`: that, times the rows' multipliers.

    F(x) + Σ multiplier · (row − limit) is at least the optimum for every x (weak duality).
    """
    multipliers = float(anchor.duals_K @ program.rows.scale_K + np.abs(anchor.duals_E).sum())
    return 1e-8 + primal * multipliers
