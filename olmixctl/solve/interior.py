"""A primal-dual interior-point method for the program, to the last digits: numpy alone.

The exact solve takes cvxpy's answer as the verdict and this one as the digits, each a check of the other; `verify`
and bootstrap re-solves use this one alone.

Source of the method: Boyd & Vandenberghe, Convex Optimization, §11.7, with Mehrotra's predictor and corrector.

Array dimensions: C free coordinates, N variables (`tasks`), I inequality rows with x ≥ 0 appended, E equality rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

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
# At the start of a path: least slack, least slack of one within rows, greatest multiplier.
_SLACK, _LEAST_SLACK, _MOST_START = 1e-2, 1e-14, 1e2
# A path within rows starts with this room, and a step keeps this part of each slack and of the mean complementarity.
_ROOM, _MIDDLE = 1e-8, 0.1
_HALVINGS = 25


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
class _At:
    """A state with the Jacobian `G` of the rows there, and its residuals."""

    state: _State
    G: Array
    stationarity: Array
    inequality: Array
    equality: Array

    def norm(self, weight: Array) -> float:
        """Size of the residuals; stationarity weighted by √x, the metric of KL: vanishing shares hardly count."""
        parts = np.concatenate([weight * self.stationarity, self.inequality, self.equality])
        return float(np.sqrt(parts @ parts))

    def size(self, count: int) -> float:
        """The largest residual, complementarity included.

        The multiplier of x ≥ 0 may take up what is left of stationarity: a share of 1e-14 is then as good as at its
        optimum, however flat the objective is there.
        """
        state, of_x = self.state, self.stationarity[:count]
        taken_up = state.z[-count:] + of_x
        left = np.where(taken_up >= 0, np.minimum(np.abs(of_x), state.v[:count] * np.abs(taken_up)), np.abs(of_x))
        parts = (state.s * state.z, left, self.stationarity[count:], self.inequality, self.equality)
        return max(float(np.abs(part).max(initial=0.0)) for part in parts)


@dataclass(frozen=True, slots=True)
class _Path:
    """A task with x ≥ 0 among its rows, rows(v) + s = 0, s ≥ 0; `B` and `below` are its equalities and −x over v.

    A path `within` the rows starts inside them and stays there, s being what is left of them: bent rows that leave
    almost no room would jam one from outside. It is slower, its steps are kept nearer to the middle.
    """

    task: Task
    count: int
    B: Array
    below: Array
    within: bool

    @classmethod
    def of(cls, task: Task, x_C: Array, *, within: bool = False) -> tuple[_Path, _At]:
        """The path, and its start at x."""
        v, count = task.start(x_C), len(x_C)
        B, below = task.program.rows.B_EC, -np.eye(count, len(v))
        if task.lifted:
            B = np.pad(B, ((0, 0), (0, 1)))
        s = np.concatenate([np.maximum(-task.values(v), _LEAST_SLACK if within else _SLACK), x_C])
        path = cls(task, count, B, below, within)
        return path, path.at(_State(v, s, np.minimum(_SLACK / s, _MOST_START), np.zeros(len(B))))

    def at(self, state: _State) -> _At:
        task, v = self.task, state.v
        G = np.concatenate([task.jacobian(v), self.below])
        return _At(
            state=state,
            G=G,
            stationarity=task.slope(v) + G.T @ state.z + self.B.T @ state.y,
            inequality=np.concatenate([task.values(v), -v[: self.count]]) + state.s,
            equality=self.B @ v - task.program.rows.target_E,
        )

    def directions(self, at: _At) -> Callable[[Array], _State]:
        """Newton's direction as a function of `target`: it brings s·z to s·z − target and the residuals to zero.

        Rows that bind (z > s) stay in the system, the others are eliminated into H. Eliminating all of them would put
        z/s, up to 1e16, beside entries of order one and lose the digits that the end of the path needs.
        """
        state, G, B, size = at.state, at.G, self.B, len(at.state.v)
        bind = state.z > state.s
        loose, Gb = ~bind, G[bind]
        G_loose = G[loose]
        H = self.task.curvature(state.v, state.z[: -self.count])
        H = H + G_loose.T @ ((state.z / state.s)[loose, None] * G_loose)
        border = np.concatenate([Gb, B])
        corner = -np.concatenate([np.maximum((state.s / state.z)[bind], _RIDGE), np.full(len(B), _RIDGE)])
        system = np.concatenate([np.hstack([H, border.T]), np.hstack([border, np.diag(corner)])])
        inverse = np.linalg.inv(system)

        def direction(target: Array) -> _State:
            pushed = (target - state.z * at.inequality) / state.s
            right = np.concatenate(
                [
                    -at.stationarity + G_loose.T @ pushed[loose],
                    -at.inequality[bind] + target[bind] / state.z[bind],
                    -at.equality,
                ]
            )
            solved = inverse @ right
            solved += inverse @ (right - system @ solved)
            dv, dy = solved[:size], solved[size + len(Gb) :]
            dz = np.empty_like(state.z)
            dz[bind] = solved[size : size + len(Gb)]
            dz[loose] = (state.z * (at.inequality + G @ dv) - target)[loose] / state.s[loose]
            return _State(dv, -at.inequality - G @ dv, dz, dy)

        return direction

    def advance(self, at: _At) -> _At:
        """One predictor–corrector step."""
        direction, now = self.directions(at), at.state
        mu = float(now.s @ now.z) / len(now.s)
        guess = direction(now.s * now.z)
        reach = now.reach(guess, self.count)
        ahead = now.moved(guess, reach)
        sigma = (max(float(ahead.s @ ahead.z) / len(now.s), 0.0) / mu) ** 3
        centre = max(min(max(sigma, _MIDDLE if self.within else 0.0), 1.0) * mu, _FLOOR)
        step = direction(now.s * now.z + guess.s * guess.z * reach**2 - centre)
        return self.shortened(at, step, min(1.0, _TO_BOUNDARY * now.reach(step, self.count)))

    def shortened(self, at: _At, step: _State, size: float) -> _At:
        """Halve the step while it makes the residuals much worse: Newton's model does not hold that far."""
        weight = np.ones(len(at.state.v))
        weight[: self.count] = np.sqrt(at.state.v[: self.count])
        enough = max(2.0 * at.norm(weight), 1e-9)
        ahead = self.moved(at, step, size)
        for _ in range(_HALVINGS):
            inside = not self.within or bool((ahead.state.s >= _MIDDLE * at.state.s).all())
            if inside and ahead.norm(weight) <= enough:
                break
            size /= 2
            ahead = self.moved(at, step, size)
        return ahead

    def moved(self, at: _At, step: _State, size: float) -> _At:
        """Where a step of this size ends."""
        ahead = at.state.moved(step, size)
        if self.within:
            ahead = replace(ahead, s=-np.concatenate([self.task.values(ahead.v), -ahead.v[: self.count]]))
        return self.at(ahead)


def minimise(program: Program, *, goal: float = 0.0) -> Interior:
    """The optimum of a feasible program, to a residual of `goal` or to the last digits.

    With kl = 0 the centre of the optimal face.
    """
    rows, families = program.rows, len(program.families)
    inequalities, equalities = len(rows.limit_K), len(rows.target_E)
    if not program.names:
        worst_F = np.eye(families)[int(np.argmax(program.losses(np.zeros(0))))]
        return Interior(np.zeros(0), np.zeros(inequalities), np.zeros(equalities), worst_F, 0.0, True, 0)
    start_C = inside(program)
    task = Task.optimum(program, start_C)
    best, lowest, done = _descend(*_Path.of(task, start_C), lambda at: at.size(len(start_C)) <= goal)
    if lowest > _GOOD and len(rows.left.curved_V):
        # Bent rows that leave almost no room jam a path from outside.
        x_C = np.maximum(widest(program, _ROOM), _LEAST_SLACK)
        best, lowest, done = _descend(*_Path.of(task, x_C, within=True), lambda at: at.size(len(x_C)) <= goal)
    x_C = np.maximum(best.v[: len(start_C)], 0.0)
    x_C = x_C * (rows.target_E[0] / x_C.sum())
    duals_K, duals_E = task.unit * best.z[:inequalities] / rows.scale_K, task.unit * best.y
    duals_F = best.z[inequalities : inequalities + families] if task.several else np.ones(1)
    return Interior(x_C, duals_K, duals_E, duals_F, lowest, lowest <= _GOOD, done)


def widest(program: Program, room: float) -> Array:
    """A point that keeps the inequality rows by `room`; where there is none, the one that breaks them least."""
    if not program.names:
        return np.zeros(0)
    start_C, rows = inside(program), program.rows

    def kept(at: _At) -> bool:
        excess_K = rows.excess(at.state.v[: len(start_C)]) - program.room
        return bool(excess_K.max() <= -room and np.abs(at.equality).max() <= _GOAL)

    best, _, _ = _descend(*_Path.of(Task.widest(program), start_C), kept)
    return np.maximum(best.v[: len(start_C)], 0.0)


def _descend(path: _Path, at: _At, enough: Callable[[_At], bool]) -> tuple[_State, float, int]:
    """The first state that is enough, else the best on the way; its residual, and the steps taken."""
    best, lowest, stale, done = at.state, np.inf, 0, 0
    while done < _ITERATIONS:
        size = at.size(path.count)
        best, lowest, stale = (at.state, size, 0) if size < lowest else (best, lowest, stale + 1)
        if enough(at):
            return at.state, size, done
        # After the goal is met a few more steps gain digits until rounding stops them.
        if stale >= (_LAST_STEPS if lowest <= _GOAL else _PATIENCE):
            break
        try:
            # Without a mix that meets the rows the iterates may run away; the best of them is judged by its residual.
            with np.errstate(all="ignore"):
                at, done = path.advance(at), done + 1
        except np.linalg.LinAlgError:
            # Slacks have underflowed: there is no better step, and the best state so far is judged by its residual.
            break
    return best, lowest, done
