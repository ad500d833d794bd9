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
_PATIENCE, _LAST_STEPS = 25, 3
# Complementarity is not driven below this: the step would be made of rounding errors.
_FLOOR = 1e-18


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class _Task:
    """The program with x ≥ 0 among its rows: G x + s = h, s ≥ 0."""

    program: Program
    G: Array
    h: Array

    def start(self) -> _State:
        """Inside the simplex, between the reference and the uniform mix; slacks at least a hundredth."""
        program, count = self.program, len(self.program.names)
        weights_C = program.reference_C / max(float(program.reference_C.sum()), 1e-300) + 1.0 / count
        x = weights_C / weights_C.sum() * max(float(program.rows.target_E[0]), 1e-6)
        s = np.maximum(self.h - self.G @ x, 0.01)
        s[-count:] = x
        return _State(x, s, 0.01 / s, np.zeros(len(program.rows.target_E)))

    def residuals(self, at: _State) -> tuple[Array, Array, Array]:
        """Stationarity, inequality feasibility, equality feasibility."""
        rows = self.program.rows
        stationarity = self.program.gradient(at.x) + self.G.T @ at.z + rows.B_EC.T @ at.y
        return stationarity, self.G @ at.x + at.s - self.h, rows.B_EC @ at.x - rows.target_E

    def size(self, at: _State) -> float:
        """The largest residual, complementarity included."""
        feasible = max(float(np.abs(part).max(initial=0.0)) for part in self.residuals(at))
        return max(feasible, float((at.s * at.z).max()))

    def system(self, at: _State) -> Array:
        """The reduced KKT matrix [[H + Gᵀ (z/s) G, Bᵀ], [B, 0]], with a trace of regularisation."""
        B = self.program.rows.B_EC
        count, equalities = len(at.x), len(B)
        system = np.zeros((count + equalities, count + equalities))
        system[:count, :count] = self.program.hessian(at.x) + self.G.T @ ((at.z / at.s)[:, None] * self.G)
        system[:count, :count] += 1e-14 * np.eye(count)
        system[:count, count:], system[count:, :count] = B.T, B
        system[count:, count:] -= 1e-14 * np.eye(equalities)
        return system

    def direction(self, at: _State, system: Array, target: Array) -> _State:
        """The Newton step that brings s·z to s·z − target and the residuals to zero."""
        stationarity, inside, equality = self.residuals(at)
        right = -stationarity + self.G.T @ ((target - at.z * inside) / at.s)
        solved = np.linalg.solve(system, np.concatenate([right, -equality]))
        dx, dy = solved[: len(at.x)], solved[len(at.x) :]
        ds = -inside - self.G @ dx
        return _State(dx, ds, -(target + at.z * ds) / at.s, dy)

    def advance(self, at: _State) -> _State:
        """One predictor–corrector step."""
        system = self.system(at)
        mu = float(at.s @ at.z) / len(self.h)
        guess = self.direction(at, system, at.s * at.z)
        reach = at.reach(guess)
        ahead = at.moved(guess, reach)
        sigma = min(1.0, (max(float(ahead.s @ ahead.z) / len(self.h), 0.0) / mu) ** 3) if mu > 0 else 0.0
        target = at.s * at.z + guess.s * guess.z * reach**2 - max(sigma * mu, _FLOOR)
        step = self.direction(at, system, target)
        return self.shortened(at, step, min(1.0, _TO_BOUNDARY * at.reach(step)))

    def shortened(self, at: _State, step: _State, size: float) -> _State:
        """Halve the step while it makes the residuals much worse: Newton's model does not hold that far."""
        before = self.norm(at)
        ahead = at.moved(step, size)
        for _ in range(12):
            if self.norm(ahead) <= max(2.0 * before, 1e-9):
                break
            size /= 2
            ahead = at.moved(step, size)
        return ahead

    def norm(self, at: _State) -> float:
        """Euclidean size of the residuals, without complementarity."""
        parts = np.concatenate(self.residuals(at))
        return float(np.sqrt(parts @ parts))


def minimise(program: Program) -> Interior:
    """The optimum of a feasible program; with kl = 0 the centre of the optimal face."""
    rows, count = program.rows, len(program.names)
    inequalities, equalities = len(rows.limit_K), len(rows.target_E)
    if count == 0:
        return Interior(np.zeros(0), np.zeros(inequalities), np.zeros(equalities), 0.0, True, 0)
    task = _Task(program, np.concatenate([rows.G_KC, -np.eye(count)]), np.concatenate([rows.limit_K, np.zeros(count)]))
    state = best = task.start()
    lowest, stale, done = np.inf, 0, 0
    while done < _ITERATIONS:
        size = task.size(state)
        best, lowest, stale = (state, size, 0) if size < lowest else (best, lowest, stale + 1)
        # After the goal is met a few more steps gain digits until rounding stops them.
        if stale >= (_LAST_STEPS if lowest <= _GOAL else _PATIENCE):
            break
        state, done = task.advance(state), done + 1
    x_C = np.maximum(best.x, 0.0)
    x_C = x_C * (rows.target_E[0] / x_C.sum())
    return Interior(x_C, best.z[:inequalities] / rows.scale_K, best.y, lowest, lowest <= _GOOD, done)
