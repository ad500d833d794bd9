"""One problem under many sets of laws, solved in one batch: what resampling asks again and again.

All programs are stepped together by a primal–dual interior-point method (Boyd & Vandenberghe, Convex Optimization,
§11.7, with Mehrotra's predictor and corrector), each until its residuals are below 1e-9. Nothing is certified here; a
program that does not get there, or whose objective is the worst of several families, is left to `quick_optimum`.

Array dimensions: N programs, n of them still open, C free coordinates, K inequality rows, I = K + C with x ≥ 0
appended, E equality rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmixctl.errors import OlmixctlError
from olmixctl.solve.exact import quick_optimum
from olmixctl.solve.exponents import Array
from olmixctl.solve.problem import ConvexMetric, MixProblem
from olmixctl.solve.stack import Index, Stack
from olmixctl.solve.tasks import inside

__all__ = ["Optima", "optima"]

_ITERATIONS = 60
_GOAL = 1e-9
_TO_BOUNDARY = 0.995
# Complementarity is not driven below this: the step would be made of rounding errors.
_FLOOR = 1e-14
_BATCH = 1_000_000
"""Entries of the Hessians of a batch: 8 MB."""


@dataclass(frozen=True, slots=True)
class Optima:
    """The optimum of each program.

    Attributes:
        stack: the programs.
        x_NC: optima over the free coordinates.
        solved_N: whether there is one.
    """

    stack: Stack
    x_NC: Array
    solved_N: NDArray[np.bool_]

    def points(self) -> Array:
        """The optima over all coordinates, sorted, held ones included: N × (C + held)."""
        first = self.stack.first
        held_NH = np.tile(np.array(list(first.held.values())), (len(self.x_NC), 1)).reshape(len(self.x_NC), -1)
        names = [*first.names, *first.held]
        return np.concatenate([self.x_NC, held_NH], axis=1)[:, np.argsort(np.array(names), kind="stable")]


def optima(problems: Sequence[MixProblem], laws: Sequence[Sequence[ConvexMetric]]) -> Optima:
    """Solve every program.

    Args:
        problems: one for each set of laws, or one for all. They may differ in guardrails and baselines alone.
        laws: fitted metrics, at least one set.

    Raises:
        InfeasibleError: the bounds of the first exclude each other, or a guardrail lies below its metric's floor.
        ValueError: a metric has no fit.
    """
    stack = Stack.of(problems, laws)
    count, coordinates = len(stack), len(stack.first.names)
    x_NC, solved_N = np.zeros((count, coordinates)), np.zeros(count, dtype=bool)
    if len(stack.first.families) == 1 and coordinates:
        size = max(1, _BATCH // coordinates**2)
        for start in range(0, count, size):
            rows = np.arange(start, min(start + size, count))
            x_NC[rows], solved_N[rows] = _minimised(stack.take(rows))
    for n in np.flatnonzero(~solved_N).tolist():
        try:
            point = quick_optimum(problems[min(n, len(problems) - 1)], laws[n])
        except (OlmixctlError, np.linalg.LinAlgError):
            continue
        x_NC[n], solved_N[n] = stack.first.vector(point), True
    return Optima(stack, x_NC, solved_N)


@dataclass(frozen=True, slots=True)
class _State:
    """Points x, slacks s and multipliers z of the rows (x ≥ 0 last), multipliers y of the equalities."""

    x: Array
    s: Array
    z: Array
    y: Array

    def take(self, index: Index) -> _State:
        return _State(self.x[index], self.s[index], self.z[index], self.y[index])

    def moved(self, step: _State, size_n: Array) -> _State:
        size = size_n[:, None]
        return _State(self.x + size * step.x, self.s + size * step.s, self.z + size * step.z, self.y + size * step.y)

    def reach(self, step: _State) -> Array:
        """The largest steps ≤ 1 that keep s, z and x not negative: n."""
        now = np.concatenate([self.s, self.z, self.x], axis=1)
        by = np.concatenate([step.s, step.z, step.x], axis=1)
        falling = by < 0
        ratio = np.where(falling, -now / np.where(falling, by, -1.0), 1.0)
        return np.asarray(np.minimum(ratio.min(axis=1), 1.0))


def _minimised(stack: Stack) -> tuple[Array, NDArray[np.bool_]]:
    """The optima of programs with one family, and whether each was reached."""
    state = _start(stack)
    found_NC, reached_N = state.x.copy(), np.zeros(len(stack), dtype=bool)
    open_n = np.arange(len(stack))
    for _ in range(_ITERATIONS):
        # An exponential that overflows on a wild step fails its own program alone.
        with np.errstate(all="ignore"):
            ahead, size_n = _advanced(stack, state)
        done_n = size_n <= _GOAL
        found_NC[open_n[done_n]], reached_N[open_n[done_n]] = state.x[done_n], True
        going = np.flatnonzero(~done_n & np.isfinite(size_n))
        if not len(going):
            break
        stack, state, open_n = stack.take(going), ahead.take(going), open_n[going]
    return found_NC, reached_N


def _start(stack: Stack) -> _State:
    """Inside the simplex, between the reference and the uniform mix."""
    rows, count = stack.first.rows, len(stack)
    x = np.tile(inside(stack.first), (count, 1))
    room = stack.limit_NK - stack.left.values(x)
    s = np.concatenate([np.maximum(np.broadcast_to(room, (count, room.shape[1])), 0.01), x], axis=1)
    return _State(x, s, 0.01 / s, np.zeros((count, len(rows.target_E))))


def _advanced(stack: Stack, at: _State) -> tuple[_State, Array]:
    """One predictor–corrector step of every program, and the residuals before it: n."""
    system = _System.of(stack, at)
    direction = system.directions(at)
    mu_n = (at.s * at.z).mean(axis=1)
    guess = direction(at.s * at.z)
    reach_n = at.reach(guess)
    ahead = at.moved(guess, reach_n)
    sigma_n = np.clip(((ahead.s * ahead.z).mean(axis=1) / mu_n) ** 3, 0.0, 1.0)
    centre_n1 = np.maximum(sigma_n * mu_n, _FLOOR)[:, None]
    step = direction(at.s * at.z + guess.s * guess.z * reach_n[:, None] ** 2 - centre_n1)
    return at.moved(step, np.minimum(1.0, _TO_BOUNDARY * at.reach(step))), system.size(at)


@dataclass(frozen=True, slots=True)
class _System:
    """Newton's system at a point: residuals, Jacobian of the rows, second derivatives."""

    stationarity: Array
    inside: Array
    equality: Array
    jacobian: Array
    hessian: Array
    B_EC: Array

    @classmethod
    def of(cls, stack: Stack, at: _State) -> _System:
        rows, every = stack.first.rows, np.arange(at.x.shape[1])
        slope, hessian = stack.slopes(at.x)
        left = stack.left.slopes(at.x)
        jacobian = np.concatenate([left, np.broadcast_to(-np.eye(len(every)), (len(left), len(every), len(every)))], 1)
        hessian[:, every, every] += stack.left.bend(at.x, at.z[:, : left.shape[1]])
        excess = np.concatenate([stack.left.values(at.x) - stack.limit_NK, -at.x], axis=1)
        stationarity = slope + np.matmul(at.z[:, None], jacobian)[:, 0] + at.y @ rows.B_EC
        return cls(stationarity, excess + at.s, at.x @ rows.B_EC.T - rows.target_E, jacobian, hessian, rows.B_EC)

    def size(self, at: _State) -> Array:
        """The largest residual of each program; stationarity of vanishing shares hardly counts."""
        parts = (self.stationarity * np.minimum(1.0, 10.0 * np.sqrt(at.x)), self.inside, self.equality, at.s * at.z)
        return np.asarray(np.max([np.abs(part).max(axis=1) for part in parts], axis=0))

    def directions(self, at: _State) -> Callable[[Array], _State]:
        """Newton's direction as a function of what s·z is to fall by, all rows eliminated."""
        coordinates, equalities = len(self.B_EC.T), len(self.B_EC)
        system = np.zeros((len(at.x), coordinates + equalities, coordinates + equalities))
        transposed = self.jacobian.transpose(0, 2, 1)
        system[:, :coordinates, :coordinates] = self.hessian
        system[:, :coordinates, :coordinates] += np.matmul(transposed * (at.z / at.s)[:, None], self.jacobian)
        system[:, :coordinates, coordinates:], system[:, coordinates:, :coordinates] = self.B_EC.T, self.B_EC
        inverse = _inverted(system)

        def direction(target: Array) -> _State:
            pushed = (target - at.z * self.inside) / at.s
            right = np.concatenate(
                [np.matmul(pushed[:, None], self.jacobian)[:, 0] - self.stationarity, -self.equality], 1
            )
            solved = np.matmul(inverse, right[:, :, None])[:, :, 0]
            dx = solved[:, :coordinates]
            ds = -self.inside - np.matmul(self.jacobian, dx[:, :, None])[:, :, 0]
            return _State(dx, ds, -(target + at.z * ds) / at.s, solved[:, coordinates:])

        return direction


def _inverted(system: Array) -> Array:
    """The inverses; not a number where a system has none, which ends that program alone."""
    try:
        return np.asarray(np.linalg.inv(system))
    except np.linalg.LinAlgError:
        each = np.full_like(system, np.nan)
        for n, one in enumerate(system):
            if np.isfinite(one).all() and np.linalg.matrix_rank(one) == len(one):
                each[n] = np.linalg.inv(one)
        return each
