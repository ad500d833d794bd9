"""A primal-dual interior-point method for the program, to the last digits: numpy alone.

The exact solve takes cvxpy's answer as the verdict and this one as the digits, each a check of the other; `verify`
and bootstrap re-solves use this one alone.

Source of the method: Boyd & Vandenberghe, Convex Optimization, §11.7, with Mehrotra's predictor and corrector.

Array dimensions: C free coordinates, K inequality rows here with x ≥ 0 appended, E equality rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from olmixctl.solve.program import Program
from olmixctl.solve.rows import Array

__all__ = ["Interior", "minimise"]

_ITERATIONS = 120
_TO_BOUNDARY = 0.995
_GOAL = 1e-13
_GOOD = 1e-8


@dataclass(frozen=True, kw_only=True, slots=True)
class Interior:
    """Where the method ended.

    Attributes:
        x_C: the point, on the simplex.
        duals_K: multipliers of the inequality rows, as declared (unscaled), not negative.
        duals_E: multipliers of the equality rows.
        residual: the largest of stationarity, feasibility and complementarity at the end.
        converged: residual ≤ 1e-8.
        iterations: steps taken.
    """

    x_C: Array
    duals_K: Array
    duals_E: Array
    residual: float
    converged: bool
    iterations: int


@dataclass(frozen=True, slots=True)
class _State:
    x: Array
    s: Array
    z: Array
    y: Array

    def moved(self, step: _State, size: float) -> _State:
        return _State(self.x + size * step.x, self.s + size * step.s, self.z + size * step.z, self.y + size * step.y)

    def reach(self, step: _State) -> float:
        """The largest step ≤ 1 that keeps s, z and x not negative."""
        now = np.concatenate([self.s, self.z, self.x])
        by = np.concatenate([step.s, step.z, step.x])
        falling = by < 0
        return float(min(1.0, (-now[falling] / by[falling]).min(initial=1.0)))


def minimise(program: Program) -> Interior:
    """The optimum of a feasible program; with kl = 0 the centre of the optimal face."""
    rows, count = program.rows, len(program.names)
    if count == 0:
        nothing = np.zeros(0)
        return Interior(
            x_C=nothing, duals_K=np.zeros(len(rows.limit_K)), duals_E=np.zeros(len(rows.target_E)),
            residual=0.0, converged=True, iterations=0,
        )  # fmt: skip
    G = np.concatenate([rows.G_KC, -np.eye(count)])
    h = np.concatenate([rows.limit_K, np.zeros(count)])
    state = best = _start(program, G, h)
    lowest, stale, done = np.inf, 0, 0
    for done in range(_ITERATIONS):  # noqa: B007  (how many it took is reported)
        size = max(float(np.abs(part).max(initial=0.0)) for part in _residuals(program, G, h, state))
        size = max(size, float(state.s @ state.z) / len(h))
        if size < lowest:
            best, lowest, stale = state, size, 0
        else:
            stale += 1
        # After the goal is met a few more steps are free and gain digits until rounding stops them.
        if stale >= (3 if lowest <= _GOAL else 25):
            break
        state = _advance(program, G, h, state)
    x_C = np.maximum(best.x, 0.0)
    return Interior(
        x_C=x_C * (rows.target_E[0] / x_C.sum()),
        duals_K=best.z[: len(rows.limit_K)] / rows.scale_K,
        duals_E=best.y,
        residual=lowest,
        converged=lowest <= _GOOD,
        iterations=done,
    )


def _start(program: Program, G: Array, h: Array) -> _State:
    """Inside the simplex, between the reference and the uniform mix; slacks at least a hundredth."""
    count = len(program.names)
    weights_C = program.reference_C / max(float(program.reference_C.sum()), 1e-300) + 1.0 / count
    x_C = weights_C / weights_C.sum() * max(float(program.rows.target_E[0]), 1e-6)
    s = np.maximum(h - G @ x_C, 0.01)
    s[-count:] = x_C
    return _State(x_C, s, 0.01 / s, np.zeros(len(program.rows.target_E)))


def _residuals(program: Program, G: Array, h: Array, at: _State) -> tuple[Array, Array, Array]:
    rows = program.rows
    stationarity = program.gradient(at.x) + G.T @ at.z + rows.B_EC.T @ at.y
    return stationarity, G @ at.x + at.s - h, rows.B_EC @ at.x - rows.target_E


def _advance(program: Program, G: Array, h: Array, at: _State) -> _State:
    """One predictor–corrector step."""
    residuals = _residuals(program, G, h, at)
    system = _system(program, G, at)
    mu = float(at.s @ at.z) / len(h)
    guess = _direction(program, G, at, system, residuals, at.s * at.z)
    reach = at.reach(guess)
    ahead = at.moved(guess, reach)
    sigma = min(1.0, (max(float(ahead.s @ ahead.z) / len(h), 0.0) / mu) ** 3) if mu > 0 else 0.0
    target = at.s * at.z + guess.s * guess.z * min(1.0, reach**2) - max(sigma * mu, 1e-18)
    step = _direction(program, G, at, system, residuals, target)
    size = min(1.0, _TO_BOUNDARY * at.reach(step))
    return _shorten(program, G, h, at, step, size)


def _shorten(program: Program, G: Array, h: Array, at: _State, step: _State, size: float) -> _State:
    """Halve the step while it makes the residuals much worse: Newton's model does not hold that far."""
    before = _norm(program, G, h, at)
    for _ in range(12):
        ahead = at.moved(step, size)
        if _norm(program, G, h, ahead) <= max(2.0 * before, 1e-9):
            return ahead
        size /= 2
    return ahead


def _norm(program: Program, G: Array, h: Array, at: _State) -> float:
    parts = np.concatenate(_residuals(program, G, h, at))
    return float(np.sqrt(parts @ parts))


def _system(program: Program, G: Array, at: _State) -> Array:
    """The reduced KKT matrix [[H + Gᵀ (z/s) G, Bᵀ], [B, 0]], with a trace of regularisation."""
    B_EC = program.rows.B_EC
    count, equalities = len(at.x), len(B_EC)
    system = np.zeros((count + equalities, count + equalities))
    system[:count, :count] = program.hessian(at.x) + G.T @ ((at.z / at.s)[:, None] * G)
    system[:count, :count] += 1e-14 * np.eye(count)
    system[:count, count:], system[count:, :count] = B_EC.T, B_EC
    system[count:, count:] -= 1e-14 * np.eye(equalities)
    return system


def _direction(
    program: Program, G: Array, at: _State, system: Array, residuals: tuple[Array, Array, Array], target: Array
) -> _State:
    """The Newton step that brings s·z to s·z − target and the residuals to zero."""
    stationarity, inside, equality = residuals
    right = -stationarity + G.T @ ((target - at.z * inside) / at.s)
    solved = np.linalg.solve(system, np.concatenate([right, -equality]))
    dx, dy = solved[: len(at.x)], solved[len(at.x) :]
    ds = -inside - G @ dx
    dz = -(target + at.z * ds) / at.s
    return _State(dx, ds, dz, dy)
