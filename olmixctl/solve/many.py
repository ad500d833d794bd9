"""One problem under many sets of laws, solved in one batch: what resampling asks again and again.

All programs are stepped together by a primal–dual interior-point method (Boyd & Vandenberghe, Convex Optimization,
§11.7, with Mehrotra's predictor and corrector), each until its residuals are below 1e-9. The worst of several families
is lifted into a variable t that no family's loss may exceed, as `tasks` lifts it. Nothing is certified here; a program
that does not get there is left to `quick_optimum`.

Array dimensions: N programs, n of them still open, C free coordinates, V = C variables or C + 1 with t, K inequality
rows, F families, I = K + C or K + F + C rows with families and x ≥ 0 appended, E equality rows.
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
_ABOVE = 0.1
"""How far above the losses of its families t starts, bits per byte."""
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
    if coordinates:
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
    """Variables v (x, then t), slacks s and multipliers z of the rows (x ≥ 0 last), multipliers y of the equalities."""

    v: Array
    s: Array
    z: Array
    y: Array

    def take(self, index: Index) -> _State:
        return _State(self.v[index], self.s[index], self.z[index], self.y[index])

    def moved(self, step: _State, size_n: Array) -> _State:
        size = size_n[:, None]
        return _State(self.v + size * step.v, self.s + size * step.s, self.z + size * step.z, self.y + size * step.y)

    def reach(self, step: _State, count: int) -> Array:
        """The largest steps ≤ 1 that keep s, z and x, the first `count` of v, not negative: n."""
        now = np.concatenate([self.s, self.z, self.v[:, :count]], axis=1)
        by = np.concatenate([step.s, step.z, step.v[:, :count]], axis=1)
        falling = by < 0
        ratio = np.where(falling, -now / np.where(falling, by, -1.0), 1.0)
        return np.asarray(np.minimum(ratio.min(axis=1), 1.0))


def _minimised(stack: Stack) -> tuple[Array, NDArray[np.bool_]]:
    """The optima of programs, and whether each was reached."""
    state, count = _start(stack), len(stack.first.names)
    found_NC, reached_N = state.v[:, :count].copy(), np.zeros(len(stack), dtype=bool)
    open_n = np.arange(len(stack))
    for _ in range(_ITERATIONS):
        # An exponential that overflows on a wild step fails its own program alone.
        with np.errstate(all="ignore"):
            ahead, size_n = _advanced(stack, state)
        done_n = size_n <= _GOAL
        found_NC[open_n[done_n]], reached_N[open_n[done_n]] = state.v[done_n, :count], True
        going = np.flatnonzero(~done_n & np.isfinite(size_n))
        if not len(going):
            break
        stack, state, open_n = stack.take(going), ahead.take(going), open_n[going]
    return found_NC, reached_N


def _start(stack: Stack) -> _State:
    """Inside the simplex, between the reference and the uniform mix; t above the losses."""
    rows, count = stack.first.rows, len(stack)
    x = v = np.tile(inside(stack.first), (count, 1))
    room = stack.limit_NK - stack.left.values(x)
    slacks = [np.broadcast_to(room, (count, room.shape[1]))]
    if stack.several:
        losses = stack.losses(x)
        v = np.column_stack([x, losses.max(axis=1) + _ABOVE])
        slacks.append(v[:, -1:] - losses)
    s = np.concatenate([*(np.maximum(slack, 0.01) for slack in slacks), x], axis=1)
    return _State(v, s, 0.01 / s, np.zeros((count, len(rows.target_E))))


def _advanced(stack: Stack, at: _State) -> tuple[_State, Array]:
    """One predictor–corrector step of every program, and the residuals before it: n."""
    system, count = _System.of(stack, at), len(stack.first.names)
    direction = system.directions(at)
    mu_n = (at.s * at.z).mean(axis=1)
    guess = direction(at.s * at.z)
    reach_n = at.reach(guess, count)
    ahead = at.moved(guess, reach_n)
    sigma_n = np.clip(((ahead.s * ahead.z).mean(axis=1) / mu_n) ** 3, 0.0, 1.0)
    centre_n1 = np.maximum(sigma_n * mu_n, _FLOOR)[:, None]
    step = direction(at.s * at.z + guess.s * guess.z * reach_n[:, None] ** 2 - centre_n1)
    return at.moved(step, np.minimum(1.0, _TO_BOUNDARY * at.reach(step, count))), system.size(at)


@dataclass(frozen=True, slots=True)
class _System:
    """Newton's system at a point: residuals, Jacobian of the rows, second derivatives."""

    count: int
    families: slice
    stationarity: Array
    inside: Array
    equality: Array
    jacobian: Array
    hessian: Array
    B_EV: Array

    @classmethod
    def of(cls, stack: Stack, at: _State) -> _System:
        count, rows = len(stack.first.names), stack.limit_NK.shape[1]
        every, x, t = np.arange(count), at.v[:, :count], at.v[:, count:]
        of_families = at.z[:, rows:-count] if stack.several else np.ones((len(x), 1))
        losses, slopes, hessian = stack.families(x, of_families)
        slope, bend = stack.divergence(x)
        hessian[:, every, every] += bend + stack.left.bend(x, at.z[:, :rows])
        left, excess = stack.left.slopes(x), stack.left.values(x) - stack.limit_NK
        if stack.several:
            # min t + divergence, where t may not lie below the loss of a family.
            slope, hessian = _wider(slope, 1.0), _wider(np.pad(hessian, ((0, 0), (0, 1), (0, 0))))
            left, excess = _stacked([_wider(left), _wider(slopes, -1.0)]), np.concatenate([excess, losses - t], axis=1)
        else:
            slope = slope + slopes[:, 0]
        jacobian, B_EV = _stacked([left, -np.eye(count, at.v.shape[1])[None]]), stack.first.rows.B_EC
        B_EV = _wider(B_EV) if stack.several else B_EV
        return cls(
            count=count,
            families=slice(rows, at.z.shape[1] - count),
            stationarity=slope + np.matmul(at.z[:, None], jacobian)[:, 0] + at.y @ B_EV,
            inside=np.concatenate([excess, -x], axis=1) + at.s,
            equality=at.v @ B_EV.T - stack.first.rows.target_E,
            jacobian=jacobian,
            hessian=hessian,
            B_EV=B_EV,
        )

    def size(self, at: _State) -> Array:
        """The largest residual of each program; stationarity of vanishing shares hardly counts."""
        weight = np.ones_like(at.v)
        weight[:, : self.count] = np.minimum(1.0, 10.0 * np.sqrt(at.v[:, : self.count]))
        parts = (self.stationarity * weight, self.inside, self.equality, at.s * at.z)
        return np.asarray(np.max([np.abs(part).max(axis=1) for part in parts], axis=0))

    def directions(self, at: _State) -> Callable[[Array], _State]:
        """Newton's direction as a function of what s·z is to fall by.

        Rows are eliminated, but for those of families: t bends nothing, and with them eliminated it would stand on
        nothing but z/s, whose size at the end of the path loses the digits of the others.
        """
        kept, of_rows = self.families, np.ones(at.z.shape[1], dtype=bool)
        of_rows[kept] = False
        variables, border = len(self.B_EV.T), _stacked([self.jacobian[:, kept], self.B_EV[None]])
        size = variables + border.shape[1]
        system, eliminated = np.zeros((len(at.v), size, size)), self.jacobian[:, of_rows]
        weight = (at.z / at.s)[:, of_rows]
        system[:, :variables, :variables] = self.hessian
        system[:, :variables, :variables] += np.matmul(eliminated.transpose(0, 2, 1) * weight[:, None], eliminated)
        system[:, :variables, variables:], system[:, variables:, :variables] = border.transpose(0, 2, 1), border
        held = np.arange(variables, variables + kept.stop - kept.start)
        system[:, held, held] = -(at.s / at.z)[:, kept]
        inverse = _inverted(system)

        def direction(target: Array) -> _State:
            pushed = ((target - at.z * self.inside) / at.s)[:, of_rows]
            top = np.matmul(pushed[:, None], eliminated)[:, 0] - self.stationarity
            right = np.concatenate([top, (target / at.z - self.inside)[:, kept], -self.equality], 1)
            solved = np.matmul(inverse, right[:, :, None])[:, :, 0]
            dv = solved[:, :variables]
            ds = -self.inside - np.matmul(self.jacobian, dv[:, :, None])[:, :, 0]
            dz = -(target + at.z * ds) / at.s
            dz[:, kept] = solved[:, held]
            return _State(dv, ds, dz, solved[:, size - len(self.B_EV) :])

        return direction


def _wider(array: Array, value: float = 0.0) -> Array:
    """With one more entry, that of t, on the last axis."""
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, 1)], constant_values=value)


def _stacked(blocks: Sequence[Array]) -> Array:
    """Rows of every program one above the other; blocks of one program are of all."""
    count = max(len(block) for block in blocks)
    return np.concatenate([np.broadcast_to(block, (count, *block.shape[1:])) for block in blocks], axis=1)


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
