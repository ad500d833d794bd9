"""A primal-dual interior-point method for the program, to the last digits: numpy alone.

The exact solve takes cvxpy's answer as the verdict and this one as the digits, each a check of the other; `verify`
and bootstrap re-solves use this one alone.

Source of the method: Boyd & Vandenberghe, Convex Optimization, §11.7, with Mehrotra's predictor and corrector.

Array dimensions: C free coordinates, K inequality rows here with x ≥ 0 appended, E equality rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from olmixctl.solve.program import Program
from olmixctl.solve.rows import Array

__all__ = ["Interior", "minimise"]

_ITERATIONS = 200
_TO_BOUNDARY = 0.995
_GOAL = 1e-13
_GOOD = 1e-8
_PATIENCE, _LAST_STEPS = 60, 3
# Complementarity is not driven below this: the step would be made of rounding errors.
_FLOOR = 1e-15
_RIDGE = 1e-14


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
    """The program with x ≥ 0 among its rows, G x + s = h, s ≥ 0; the objective in units of its slope at the start."""

    program: Program
    G: Array
    h: Array
    unit: float

    @classmethod
    def of(cls, program: Program) -> tuple[_Task, _State]:
        """The task, and a start inside the simplex between the reference and the uniform mix."""
        rows, count = program.rows, len(program.names)
        weights_C = program.reference_C / max(float(program.reference_C.sum()), 1e-300) + 1.0 / count
        x = weights_C / weights_C.sum() * max(float(rows.target_E[0]), 1e-6)
        unit = max(1.0, float(np.abs(program.gradient(x)).max()))
        G, h = np.concatenate([rows.G_KC, -np.eye(count)]), np.concatenate([program.limits, np.zeros(count)])
        s = np.maximum(h - G @ x, 0.01)
        s[-count:] = x
        return cls(program, G, h, unit), _State(x, s, 0.01 / s, np.zeros(len(rows.target_E)))

    def residuals(self, at: _State) -> tuple[Array, Array, Array]:
        """Stationarity, inequality feasibility, equality feasibility."""
        rows = self.program.rows
        stationarity = self.program.gradient(at.x) / self.unit + self.G.T @ at.z + rows.B_EC.T @ at.y
        return stationarity, self.G @ at.x + at.s - self.h, rows.B_EC @ at.x - rows.target_E

    def size(self, at: _State) -> float:
        """The largest residual, complementarity included.

        The multiplier of x ≥ 0 may take up what is left of stationarity: a share of 1e-14 is then as good as at its
        optimum, however flat the objective is there.
        """
        stationarity, inside, equality = self.residuals(at)
        taken_up = at.z[-len(at.x) :] + stationarity
        left = np.where(taken_up >= 0, np.minimum(np.abs(stationarity), at.x * np.abs(taken_up)), np.abs(stationarity))
        parts = (at.s * at.z, left, np.abs(inside), np.abs(equality))
        return max(float(part.max(initial=0.0)) for part in parts)

    def directions(self, at: _State) -> Callable[[Array], _State]:
        """Newton's direction as a function of `target`: it brings s·z to s·z − target and the residuals to zero.

        Rows that bind (z > s) stay in the system, the others are eliminated into H. Eliminating all of them would put
        z/s, up to 1e16, beside entries of order one and lose the digits that the end of the path needs.
        """
        B = self.program.rows.B_EC
        stationarity, inside, equality = self.residuals(at)
        bind = at.z > at.s
        loose, Gb = ~bind, self.G[bind]
        H = self.program.hessian(at.x) / self.unit + self.G[loose].T @ ((at.z / at.s)[loose, None] * self.G[loose])
        border = np.concatenate([Gb, B])
        corner = -np.concatenate([np.maximum((at.s / at.z)[bind], _RIDGE), np.full(len(B), _RIDGE)])
        system = np.block([[H, border.T], [border, np.diag(corner)]])
        inverse = np.linalg.inv(system)

        def direction(target: Array) -> _State:
            pushed = (target - at.z * inside) / at.s
            right = np.concatenate([
                -stationarity + self.G[loose].T @ pushed[loose], -inside[bind] + target[bind] / at.z[bind], -equality
            ])  # fmt: skip
            solved = inverse @ right
            solved += inverse @ (right - system @ solved)
            dx, dy = solved[: len(at.x)], solved[len(at.x) + len(Gb) :]
            dz = np.empty_like(at.z)
            dz[bind] = solved[len(at.x) : len(at.x) + len(Gb)]
            dz[loose] = (at.z * (inside + self.G @ dx) - target)[loose] / at.s[loose]
            return _State(dx, -inside - self.G @ dx, dz, dy)

        return direction

    def advance(self, at: _State) -> _State:
        """One predictor–corrector step."""
        direction = self.directions(at)
        mu = float(at.s @ at.z) / len(self.h)
        guess = direction(at.s * at.z)
        reach = at.reach(guess)
        ahead = at.moved(guess, reach)
        sigma = (max(float(ahead.s @ ahead.z) / len(self.h), 0.0) / mu) ** 3
        centre = max(min(sigma, 1.0) * mu, _FLOOR)
        step = direction(at.s * at.z + guess.s * guess.z * reach**2 - centre)
        return self.shortened(at, step, min(1.0, _TO_BOUNDARY * at.reach(step)))

    def shortened(self, at: _State, step: _State, size: float) -> _State:
        """Halve the step while it makes the residuals much worse: Newton's model does not hold that far."""
        weights = np.sqrt(at.x)
        before = self.norm(at, weights)
        ahead = at.moved(step, size)
        for _ in range(12):
            if self.norm(ahead, weights) <= max(2.0 * before, 1e-9):
                break
            size /= 2
            ahead = at.moved(step, size)
        return ahead

    def norm(self, at: _State, weights: Array) -> float:
        """Size of the residuals; stationarity weighted by √x, the metric of KL: vanishing shares hardly count."""
        stationarity, inside, equality = self.residuals(at)
        parts = np.concatenate([weights * stationarity, inside, equality])
        return float(np.sqrt(parts @ parts))


def minimise(program: Program) -> Interior:
    """The optimum of a feasible program; with kl = 0 the centre of the optimal face."""
    rows, count = program.rows, len(program.names)
    inequalities, equalities = len(rows.limit_K), len(rows.target_E)
    if count == 0:
        return Interior(np.zeros(0), np.zeros(inequalities), np.zeros(equalities), 0.0, True, 0)
    task, state = _Task.of(program)
    best = state
    lowest, stale, done = np.inf, 0, 0
    while done < _ITERATIONS:
        size = task.size(state)
        best, lowest, stale = (state, size, 0) if size < lowest else (best, lowest, stale + 1)
        # After the goal is met a few more steps gain digits until rounding stops them.
        if stale >= (_LAST_STEPS if lowest <= _GOAL else _PATIENCE):
            break
        try:
            state, done = task.advance(state), done + 1
        except np.linalg.LinAlgError:
            # Slacks have underflowed: there is no better step, and the best state so far is judged by its residual.
            break
    x_C = np.maximum(best.x, 0.0)
    x_C = x_C * (rows.target_E[0] / x_C.sum())
    duals_K, duals_E = task.unit * best.z[:inequalities] / rows.scale_K, task.unit * best.y
    return Interior(x_C, duals_K, duals_E, lowest, lowest <= _GOOD, done)
