"""The exact solve: cvxpy with Clarabel, its digits refined, its answer proven.

cvxpy is imported inside the function that needs it (a second, and a compiled solver, that most commands never use).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from olmixctl.mixture import Mixture
from olmixctl.solve.certificate import EXACT_TOLERANCE, Certificate, certify_program
from olmixctl.solve.exponents import Array, Exponents
from olmixctl.solve.feasible import check_program, with_room
from olmixctl.solve.interior import Interior, minimise
from olmixctl.solve.problem import ConvexMetric, MixProblem, SolveError
from olmixctl.solve.program import Program, build

__all__ = ["ACTIVE", "CLARABEL", "INTERIOR", "Solution", "SolveError", "optimum", "quick_optimum", "solve"]

CLARABEL, INTERIOR = "CLARABEL", "interior point"
"""Who gives the verdict: Clarabel, the digits being refined; or, with the proof alone, the interior-point method."""
_QUICK = 1e-10
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
    {"tol_gap_abs": 1e-5, "tol_gap_rel": 1e-5, "tol_feas": 1e-5, "max_iter": 500},
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Solution:
    """The optimal mix in coordinate space.

    Attributes:
        status: `optimal`; anything else is raised as an error, never returned.
        solver: who gave the verdict: `CLARABEL`, or `interior point` where it was not asked, or could not tell.
        point: coordinate → weight.
        objective: weighted mean metric plus λ KL, bits per byte.
        duals: bound → multiplier > 0, active bounds only: by how much the objective falls per unit of loosening. Where
            the worst family counts, `family:NAME` → its weight in the mean that has the same optimum; they sum to 1.
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
        SolveError: no attempt ended `optimal` (where laws and guardrails are log-linear: others are solved by the
            interior-point method and its proof alone then), the two solvers disagree, or the proof fails.
        ValueError: a metric has no fit.
    """
    program = build(problem, metrics)
    check_program(program, problem)
    program = with_room(program)
    refined = minimise(program)
    if not program.names:
        return _proven(program, refined, CLARABEL)
    try:
        verdict_C = _clarabel(program)
    except SolveError:
        if not _is_bent(program):
            raise
        # Hundreds of cones of very different size can end Clarabel; the proof does not need it.
        return _proven(program, refined, INTERIOR)
    return _proven(program, _agreed(program, refined, verdict_C), CLARABEL)


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
    return _proven(program, minimise(program), INTERIOR)


def quick_optimum(problem: MixProblem, metrics: Sequence[ConvexMetric]) -> Mixture:
    """The optimum (coordinate → weight) where the same problem is solved under many laws: no linear program is asked
    whether the bounds agree, how wide they are, or for a proof.

    Residuals of stationarity, bounds and complementarity below 1e-8 say that the bounds agree and that the point is
    optimal (the program is convex); where they are not reached, `optimum` decides, and says why there is none.

    Raises:
        InfeasibleError: the bounds exclude each other.
        SolveError: the proof fails, where one was needed.
        ValueError: a metric has no fit.
    """
    program = build(problem, metrics)
    found = minimise(program, goal=_QUICK)
    if not found.converged or (not program.names and program.rows.violation(found.x_C) > EXACT_TOLERANCE):
        return optimum(problem, metrics).point
    return Mixture(program.point(found.x_C))


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


def _is_bent(program: Program) -> bool:
    """Whether a law or a guardrail has returns."""
    return bool(len(program.exponents.curved_V) or len(program.rows.left.curved_V))


def _clarabel(program: Program) -> Array:
    """The answer of cvxpy; the status is read before the value."""
    import cvxpy

    cp: Any = cvxpy  # its own annotations cover a part only

    x = cp.Variable(len(program.names))
    rows = program.rows
    losses = _losses(cp, program, x)
    objective = losses[0] if len(losses) == 1 else cp.maximum(*losses)
    if program.kl > 0:
        divergence = cp.sum(cp.rel_entr(x, program.reference_C)) + program.tilt_C @ x
        objective = objective + program.kl * divergence
    constraints = [x >= 0, rows.B_EC @ x == rows.target_E]
    # A thousand kept domains have a thousand caps far above their ratios: rows of such different size end a solver.
    reach_K = np.maximum(rows.left.A_NC.max(axis=1, initial=0.0), 0.0) * max(float(rows.target_E[0]), 0.0)
    near_K = rows.linear & (program.limits < _FAR * reach_K)
    if near_K.any():
        constraints.append(rows.left.A_NC[near_K] @ x <= program.limits[near_K])
    constraints += [bent <= program.limits[k] for k, bent in _bent(cp, rows.left, x).items()]
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


def _losses(cp: Any, program: Program, x: Any) -> list[Any]:  # noqa: ANN401  (cvxpy is not annotated)
    """The loss of each family, less its offset and baseline, which change nothing but the worst."""
    laws, bent = program.exponents, _bent(cp, program.exponents, x)
    # exp(shift) is taken out of the exponent: the cone program is better scaled and the same.
    losses = [cp.exp(bent.get(m, laws.A_NC[m] @ x)) for m in range(len(laws.shift_N))]
    size_M = np.exp(laws.shift_N)
    constant_F = program.weight_FM @ program.offset_M - program.baseline_F
    return [
        sum((float(w) * loss for w, loss in zip(weight_M * size_M, losses, strict=True) if w), cp.Constant(constant))
        for weight_M, constant in zip(program.weight_FM, constant_F, strict=True)
    ]


def _bent(cp: Any, functions: Exponents, x: Any) -> dict[int, Any]:  # noqa: ANN401
    """Number → left side or exponent, without its shift, of the functions with returns.

    log(x + s) − log s in place of log(1 + x / s): the cones of small scales are then as large as the others.
    """
    parts = zip(functions.curved_V.tolist(), functions.returns_VC, functions.scale_VC, strict=True)
    return {n: functions.A_NC[n] @ x - a_C @ cp.log(x + s_C) + float(a_C @ np.log(s_C)) for n, a_C, s_C in parts}


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
    """Multipliers by the bound's name, and those of families where the worst counts; the simplex has none to report."""
    rows = program.rows
    pairs = [
        *((side.name, value) for side, value in zip(rows.sides_K, refined.duals_K, strict=True)),
        *((side.name, value) for side, value in zip(rows.sides_E, np.abs(refined.duals_E), strict=True)),
        *((f"family:{name}", value) for name, value in zip(program.families, refined.duals_F, strict=True) if name),
    ]
    duals: dict[str, float] = {}
    for name, value in pairs:
        if name != "simplex" and value > ACTIVE:
            duals[name] = duals.get(name, 0.0) + float(value)
    return dict(sorted(duals.items()))
