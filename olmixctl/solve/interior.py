"""A primal-dual interior-point method for the program, to the last digits: numpy alone.

The exact solve takes cvxpy's answer as the verdict and this one as the digits, each a check of the other; `verify`
and bootstrap re-solves use this one alone.

Source of the method: Boyd & Vandenberghe, Convex Optimization, §11.7, with Mehrotra's predictor and corrector.

Array dimensions: C free coordinates, N variables (`tasks`), I inequality rows with x ≥ 0 appended, E equality rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from olmixctl.solve.exponents import Array
from olmixctl.solve.program import Program
from olmixctl.solve.tasks import Task, inside

__all__ = ["Interior", "minimise", "widest"]

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
        duals_F: multipliers of the families, not negative, summing to one: 1 for the one that is worst alone.
        residual: the largest of stationarity, feasibility and complementarity at the end.
        converged: residual ≤ 1e-8.
        iterations: steps taken.
    """

    x_C: Array
    duals_K: Array
    duals_E: Array
    duals_F: Array
    residual: float
    converged: bool
    iterations: int


@dataclass(frozen=True, slots=True)
class _State:
    v: Array
    s: Array
    z: Array
    y: Array

    def moved(self, step: _State, size: float) -> _State:
        return _State(self.v + size * step.v, self.s + size * step.s, self.z + size * step.z, self.y + size * step.y)

    def reach(self, step: _State, count: int) -> float:
        """The largest step ≤ 1 that keeps s, z and x, the first `count` of v, not negative."""
        now = np.concatenate([self.s, self.z, self.v[:count]])
        by = np.concatenate([step.s, step.z, step.v[:count]])
        falling = by < 0
        return float(min(1.0, (-now[falling] / by[falling]).min(initial=1.0)))


@dataclass(frozen=True, slots=True)
class _Path:
    """A task with x ≥ 0 among its rows, rows(v) + s = 0, s ≥ 0; `B` and `below` are its equalities and −x over v."""

    task: Task
    count: int
    B: Array
    below: Array

    @classmethod
    def of(cls, task: Task, x_C: Array) -> tuple[_Path, _State]:
        """The path, and a start at x."""
        v, count = task.start(x_C), len(x_C)
        B, below = task.program.rows.B_EC, -np.eye(count, len(v))
        if task.lifted:
            B = np.pad(B, ((0, 0), (0, 1)))
        path = cls(task, count, B, below)
        s = np.maximum(-path.rows(v), 0.01)
        s[-count:] = x_C
        return path, _State(v, s, 0.01 / s, np.zeros(len(B)))

    def rows(self, v: Array) -> Array:
        return np.concatenate([self.task.values(v), -v[: self.count]])

    def jacobian(self, v: Array) -> Array:
        return np.concatenate([self.task.jacobian(v), self.below])

    def residuals(self, at: _State, G: Array) -> tuple[Array, Array, Array]:
        """Stationarity, inequality feasibility, equality feasibility, with the Jacobian `G` of the rows."""
        stationarity = self.task.slope(at.v) + G.T @ at.z + self.B.T @ at.y
        return stationarity, self.rows(at.v) + at.s, self.B @ at.v - self.task.program.rows.target_E

    def size(self, at: _State) -> float:
        """The largest residual, complementarity included.

        The multiplier of x ≥ 0 may take up what is left of stationarity: a share of 1e-14 is then as good as at its
        optimum, however flat the objective is there.
        """
        stationarity, inequality, equality = self.residuals(at, self.jacobian(at.v))
        x, of_x = at.v[: self.count], stationarity[: self.count]
        taken_up = at.z[-self.count :] + of_x
        left = np.where(taken_up >= 0, np.minimum(np.abs(of_x), x * np.abs(taken_up)), np.abs(of_x))
        parts = (at.s * at.z, left, stationarity[self.count :], inequality, equality)
        return max(float(np.abs(part).max(initial=0.0)) for part in parts)

    def directions(self, at: _State) -> Callable[[Array], _State]:
        """Newton's direction as a function of `target`: it brings s·z to s·z − target and the residuals to zero.

        Rows that bind (z > s) stay in the system, the others are eliminated into H. Eliminating all of them would put
        z/s, up to 1e16, beside entries of order one and lose the digits that the end of the path needs.
        """
        B, G, size = self.B, self.jacobian(at.v), len(at.v)
        stationarity, inequality, equality = self.residuals(at, G)
        bind = at.z > at.s
        loose, Gb = ~bind, G[bind]
        H = self.task.curvature(at.v, at.z[: -self.count]) + G[loose].T @ ((at.z / at.s)[loose, None] * G[loose])
        border = np.concatenate([Gb, B])
        corner = -np.concatenate([np.maximum((at.s / at.z)[bind], _RIDGE), np.full(len(B), _RIDGE)])
        system = np.block([[H, border.T], [border, np.diag(corner)]])
        inverse = np.linalg.inv(system)

        def direction(target: Array) -> _State:
            pushed = (target - at.z * inequality) / at.s
            right = np.concatenate([
                -stationarity + G[loose].T @ pushed[loose], -inequality[bind] + target[bind] / at.z[bind], -equality
            ])  # fmt: skip
            solved = inverse @ right
            solved += inverse @ (right - system @ solved)
            dv, dy = solved[:size], solved[size + len(Gb) :]
            dz = np.empty_like(at.z)
            dz[bind] = solved[size : size + len(Gb)]
            dz[loose] = (at.z * (inequality + G @ dv) - target)[loose] / at.s[loose]
            return _State(dv, -inequality - G @ dv, dz, dy)

        return direction

    def advance(self, at: _State) -> _State:
        """One predictor–corrector step."""
        direction = self.directions(at)
        mu = float(at.s @ at.z) / len(at.s)
        guess = direction(at.s * at.z)
        reach = at.reach(guess, self.count)
        ahead = at.moved(guess, reach)
        sigma = (max(float(ahead.s @ ahead.z) / len(at.s), 0.0) / mu) ** 3
        centre = max(min(sigma, 1.0) * mu, _FLOOR)
        step = direction(at.s * at.z + guess.s * guess.z * reach**2 - centre)
        return self.shortened(at, step, min(1.0, _TO_BOUNDARY * at.reach(step, self.count)))

    def shortened(self, at: _State, step: _State, size: float) -> _State:
        """Halve the step while it makes the residuals much worse: Newton's model does not hold that far."""
        weights = np.ones(len(at.v))
        weights[: self.count] = np.sqrt(at.v[: self.count])
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
        stationarity, inequality, equality = self.residuals(at, self.jacobian(at.v))
        parts = np.concatenate([weights * stationarity, inequality, equality])
        return float(np.sqrt(parts @ parts))


def minimise(program: Program) -> Interior:
    """The optimum of a feasible program; with kl = 0 the centre of the optimal face."""
    rows, families = program.rows, len(program.families)
    inequalities, equalities = len(rows.limit_K), len(rows.target_E)
    if not program.names:
        worst_F = np.eye(families)[int(np.argmax(program.losses(np.zeros(0))))]
        return Interior(np.zeros(0), np.zeros(inequalities), np.zeros(equalities), worst_F, 0.0, True, 0)
    start_C = inside(program)
    task = Task.optimum(program, start_C)
    best, lowest, done = _descend(*_Path.of(task, start_C))
    x_C = np.maximum(best.v[: len(start_C)], 0.0)
    x_C = x_C * (rows.target_E[0] / x_C.sum())
    duals_K, duals_E = task.unit * best.z[:inequalities] / rows.scale_K, task.unit * best.y
    duals_F = best.z[inequalities : inequalities + families] if task.several else np.ones(1)
    return Interior(x_C, duals_K, duals_E, duals_F, lowest, lowest <= _GOOD, done)


def widest(program: Program) -> Array:
    """The point that keeps the inequality rows by most or, where they cannot be kept, breaks them least."""
    start_C = inside(program)
    best, _, _ = _descend(*_Path.of(Task.widest(program), start_C))
    return np.maximum(best.v[: len(start_C)], 0.0)


def _descend(path: _Path, state: _State) -> tuple[_State, float, int]:
    """The best state on the way, its residual, and the steps taken."""
    best = state
    lowest, stale, done = np.inf, 0, 0
    while done < _ITERATIONS:
        size = path.size(state)
        best, lowest, stale = (state, size, 0) if size < lowest else (best, lowest, stale + 1)
        # After the goal is met a few more steps gain digits until rounding stops them.
        if stale >= (_LAST_STEPS if lowest <= _GOAL else _PATIENCE):
            break
        try:
            state, done = path.advance(state), done + 1
        except np.linalg.LinAlgError:
            # Slacks have underflowed: there is no better step, and the best state so far is judged by its residual.
            break
    return best, lowest, done
