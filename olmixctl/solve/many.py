"""One problem under many sets of laws, solved in one batch: what resampling asks again and again.

The rows and KL are built once; the programs differ in their laws, and in guardrails, which follow from laws. All are
stepped together by a primal–dual interior-point method (Boyd & Vandenberghe, Convex Optimization, §11.7, with
Mehrotra's predictor and corrector), each until its residuals are below 1e-9. No answer is certified: a program that
does not get there is solved by `optimum`, which is.

Array dimensions: N programs, n of them still open, C free coordinates, M metrics with weight, F families, K inequality
rows, I = K + C with x ≥ 0 appended, E equality rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from olmixctl.errors import OlmixctlError
from olmixctl.solve.exact import optimum
from olmixctl.solve.exponents import Array, Exponents
from olmixctl.solve.feasible import with_room
from olmixctl.solve.problem import ConvexMetric, MixProblem
from olmixctl.solve.program import LEAST, Program, build

__all__ = ["ManyPrograms"]

Index = NDArray[np.intp]

_ITERATIONS = 60
_GOAL = 1e-9
_TO_BOUNDARY = 0.995
_FLOOR = 1e-14
_BATCH = 2_000_000
"""Entries of the largest array of a batch: 16 MB."""


@dataclass(frozen=True, slots=True)
class _Stack:
    """N functions-of-x each: `Exponents`, one set a program. Without returns nothing is computed for them."""

    shift_NM: Array
    A_NMC: Array
    returns_NMC: Array | None
    scale_NMC: Array | None

    @classmethod
    def of(cls, each: Sequence[Exponents]) -> _Stack:
        """Those of every program."""
        shape = (len(each), *each[0].A_NC.shape)
        curved = any(len(one.curved_V) for one in each)
        returns_NMC, scale_NMC = (np.zeros(shape), np.ones(shape)) if curved else (None, None)
        if returns_NMC is not None and scale_NMC is not None:
            for n, one in enumerate(each):
                returns_NMC[n, one.curved_V], scale_NMC[n, one.curved_V] = one.returns_VC, one.scale_VC
        shift_NM, A_NMC = np.stack([one.shift_N for one in each]), np.stack([one.A_NC for one in each])
        return cls(shift_NM, A_NMC, returns_NMC, scale_NMC)

    def take(self, index: Index) -> _Stack:
        """Those of some programs."""
        if self.returns_NMC is None or self.scale_NMC is None:
            return _Stack(self.shift_NM[index], self.A_NMC[index], None, None)
        return _Stack(self.shift_NM[index], self.A_NMC[index], self.returns_NMC[index], self.scale_NMC[index])

    def values(self, x_NC: Array) -> Array:
        """N × M."""
        values_NM = self.shift_NM + np.matmul(self.A_NMC, x_NC[:, :, None])[:, :, 0]
        if self.returns_NMC is not None:
            values_NM -= (self.returns_NMC * np.log1p(x_NC[:, None] / self.scale_NMC)).sum(axis=2)
        return np.asarray(values_NM)

    def slopes(self, x_NC: Array) -> Array:
        """N × M × C."""
        if self.returns_NMC is None:
            return self.A_NMC
        return np.asarray(self.A_NMC - self.returns_NMC / (self.scale_NMC + x_NC[:, None]))

    def bend(self, x_NC: Array, weight_NM: Array) -> Array:
        """The diagonals of Σ weight ∂² / ∂x²: N × C."""
        if self.returns_NMC is None:
            return np.zeros_like(x_NC)
        second_NMC = self.returns_NMC / (self.scale_NMC + x_NC[:, None]) ** 2
        return np.asarray(np.matmul(weight_NM[:, None], second_NMC)[:, 0])


@dataclass(frozen=True, slots=True)
class ManyPrograms:
    """The programs of one problem under many sets of laws.

    Attributes:
        problem: the first one; guardrails of the others may have other limits.
        laws: the metrics of each.
        limits: guardrail limits of each.
        program: the first one as arrays, with room.
        offset_NM: c of each.
        exponents: of the laws.
        left: of the inequality rows; one for all where they are the same.
        limit_NK: right sides of the rows.
    """

    problem: MixProblem
    laws: Sequence[Sequence[ConvexMetric]]
    limits: Sequence[tuple[tuple[str, float], ...]]
    program: Program
    offset_NM: Array
    exponents: _Stack
    left: _Stack
    limit_NK: Array

    @classmethod
    def of(
        cls,
        problem: MixProblem,
        laws: Sequence[Sequence[ConvexMetric]],
        limits: Sequence[Mapping[str, float]] | None = None,
    ) -> ManyPrograms:
        """The programs.

        Args:
            problem: what is solved.
            laws: the fitted metrics of each program, at least one.
            limits: guardrail limits of each program; those of `problem` if left out.

        Raises:
            InfeasibleError: the bounds exclude each other, or a guardrail lies below its metric's floor.
            ValueError: a metric has no fit.
        """
        own = [tuple(sorted(each.items())) for each in limits] if limits else [problem.guardrails] * len(laws)
        program = with_room(build(replace(problem, guardrails=own[0]), laws[0]))
        if own[0]:
            pairs = zip(own, laws, strict=True)
            programs = [build(replace(problem, guardrails=guards), metrics) for guards, metrics in pairs]
            exponents, left = [p.exponents for p in programs], [p.rows.left for p in programs]
            limit_NK = np.stack([p.rows.limit_K for p in programs]) + program.room
            offset_NM = np.stack([p.offset_M for p in programs])
        else:
            chosen = [_counted(problem, metrics) for metrics in laws]
            exponents = [Exponents.of(metrics, program.names, program.held) for metrics in chosen]
            left, limit_NK = [program.rows.left], program.limits[None]
            offset_NM = np.array([[m.offset for m in metrics] for metrics in chosen])
        return cls(problem, laws, own, program, offset_NM, _Stack.of(exponents), _Stack.of(left), limit_NK)
