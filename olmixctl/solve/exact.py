"""The exact solve: cvxpy with Clarabel, its digits refined, its answer proven.

cvxpy is imported inside the function that needs it (a second, and a compiled solver, that most commands never use).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from olmixctl.errors import OlmixctlError
from olmixctl.mixture import Mixture
from olmixctl.solve.certificate import EXACT_TOLERANCE, Certificate, certify_program
from olmixctl.solve.feasible import check_program, with_room
from olmixctl.solve.interior import Interior, minimise
from olmixctl.solve.problem import ConvexMetric, MixProblem
from olmixctl.solve.program import Program, build
from olmixctl.solve.rows import Array

__all__ = ["ACTIVE", "Solution", "SolveError", "optimum", "solve"]

ACTIVE = 1e-7
"""Multipliers above this make a bound active."""
_FAR = 2.0
"""Rows with a limit this many times what any mix reaches are not given to Clarabel: they neither bind nor conflict."""
_AGREE = 1e-6
"""Objectives of the two solvers agree within this, relative to the objective's size."""

# Clarabel's defaults, then less: its answer is the verdict, within `_AGREE`; the digits come from the refinement.
_ATTEMPTS: tuple[dict[str, float], ...] = (
    {},
    {"tol_gap_abs": 1e-7, "tol_gap_rel": 1e-7, "tol_feas": 1e-7, "max_iter": 500},
)


class SolveError(OlmixctlError):
    """The solver gave no answer that can be trusted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Solution:
    """The optimal mix in coordinate space.

    Attributes:
        status: `optimal`; anything else is raised as an error, never returned.
        solver: who gave the verdict.
        point: coordinate → weight.
        objective: weighted mean metric plus λ KL, bits per byte.
        duals: bound → multiplier > 0, active bounds only: by how much the objective falls per unit of loosening.
        residuals: the certificate of the point before rounding.
        zero_reference: coordinates held at zero because their reference share is zero.
    """

    status: str
    solver: str
    point: Mixture
    objective: float
    duals: Mapping[str, float]
    residuals: Certificate
    zero_reference: tuple[str, ...] = ()


def solve(problem: MixProblem, metrics: Sequence[ConvexMetric]) -> Solution:
    """The optimum.

    Raises:
        InfeasibleError: the bounds exclude each other; the message names an irreducible set.
        SolveError: neither attempt ended `optimal`, the two solvers disagree, or the proof fails.
        ValueError: a metric has no fit.
    """
    program = build(problem, metrics)
    check_program(program, problem)
    program = with_room(program)
    refined = minimise(program)
    if program.names:
        refined = _agreed(program, refined, _clarabel(program))
    return _proven(program, refined, "CLARABEL")


def optimum(problem: MixProblem, metrics: Sequence[ConvexMetric]) -> Solution:
    """The optimum by the interior-point method alone, proven as every solution is: what `verify`, `explain` and
    resampling solve again and again. cvxpy is not asked.

    Raises:
        InfeasibleError: the bounds exclude each other; the message names an irreducible set.
        SolveError: the proof fails.
        ValueError: a metric has no fit.
    """
    program = build(problem, metrics)
    check_program(program, problem)
    program = with_room(program)
    return _proven(program, minimise(program), "interior point")


def _proven(program: Program, refined: Interior, solver: str) -> Solution:
    """The solution at `refined`.

    Raises:
        SolveError: it cannot be proven optimal.
    """
    point = program.point(refined.x_C)
    certificate = certify_program(program, point, refined, tolerance=EXACT_TOLERANCE)
    if not certificate.ok:
        raise SolveError(
            f"the solution cannot be proven optimal: primal {certificate.primal:.2g}, gap {certificate.gap:.2g}",
            remedy="please report this with the mix file and its runs",
        )
    return Solution(
        status="optimal",
        solver=solver,
        point=Mixture(point),
        objective=certificate.objective,
        duals=_duals(program, refined),
        residuals=certificate,
        zero_reference=program.zero_reference,
    )


def _clarabel(program: Program) -> Array:
    """The answer of cvxpy; the status is read before the value."""
    import cvxpy

    cp: Any = cvxpy  # its own annotations cover a part only

    x = cp.Variable(len(program.names))
    rows = program.rows
    # exp(shift) is taken out of the exponent: the cone program is better scaled and the same.
    terms = [
        float(w * np.exp(s)) * cp.exp(a @ x)
        for w, s, a in zip(program.weight_M, program.shift_M, program.A_MC, strict=True)
    ]
    objective = sum(terms, start=cp.Constant(0.0))
    if program.kl > 0:
        divergence = cp.sum(cp.rel_entr(x, program.reference_C)) + program.tilt_C @ x
        objective = objective + program.kl * divergence
    constraints = [x >= 0, rows.B_EC @ x == rows.target_E]
    # A thousand kept domains have a thousand caps far above their ratios: rows of such different size end a solver.
    reach_K = np.maximum(rows.G_KC.max(axis=1, initial=0.0), 0.0) * max(float(rows.target_E[0]), 0.0)
    near_K = program.limits < _FAR * reach_K
    if near_K.any():
        constraints.append(rows.G_KC[near_K] @ x <= program.limits[near_K])
    cone = cp.Problem(cp.Minimize(objective), constraints)
    statuses = []
    for settings in _ATTEMPTS:
        statuses.append(_status(cp, cone, settings))
        if statuses[-1] == cp.OPTIMAL:
            return np.maximum(np.asarray(x.value, dtype=np.float64), 0.0)
    raise SolveError(
        f"the solver ended with: {', then '.join(statuses)}",
        remedy="loosen bounds that leave almost no room, or raise objective.kl",
    )


def _status(cp: Any, cone: Any, settings: Mapping[str, float]) -> str:  # noqa: ANN401  (cvxpy is not annotated)
    """How one attempt ended."""
    with warnings.catch_warnings():
        # The warning says in words what the status says: it is read, and `optimal_inaccurate` is refused.
        warnings.filterwarnings("ignore", message="Solution may be inaccurate")
        try:
            cone.solve(solver=cp.CLARABEL, **settings)
        except cp.SolverError as error:
            return str(error).splitlines()[0]
    return str(cone.status)


def _agreed(program: Program, refined: Interior, verdict_C: Array) -> Interior:
    """The refined point, when its objective is cvxpy's or (within what cvxpy's slack explains) a little lower.

    Raises:
        SolveError: they differ by more.
    """
    mine, theirs = program.value(refined.x_C), program.value(verdict_C)
    if not refined.converged or abs(mine - theirs) > _AGREE * max(1.0, abs(mine)):
        raise SolveError(
            f"two solvers disagree: {theirs:.9g} (Clarabel) and {mine:.9g} (refined, residual {refined.residual:.2g})",
            remedy="please report this with the mix file and its runs",
        )
    return refined


def _duals(program: Program, refined: Interior) -> dict[str, float]:
    """Multipliers by the bound's name; the simplex has none to report."""
    rows = program.rows
    pairs = [*zip(rows.sides_K, refined.duals_K, strict=True), *zip(rows.sides_E, np.abs(refined.duals_E), strict=True)]
    duals: dict[str, float] = {}
    for side, value in pairs:
        if side.name != "simplex" and value > ACTIVE:
            duals[side.name] = duals.get(side.name, 0.0) + float(value)
    return dict(sorted(duals.items()))
