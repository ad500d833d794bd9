"""One problem under many sets of laws, as arrays: the programs differ in their laws, and in the rows that follow from
laws.

Array dimensions: N programs, C free coordinates, M metrics with weight, F families, K inequality rows, L functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmixctl.solve.exponents import Array, Exponents
from olmixctl.solve.feasible import ROOM, with_room
from olmixctl.solve.problem import ConvexMetric, MixProblem
from olmixctl.solve.program import LEAST, Program, build

__all__ = ["Functions", "Index", "Stack"]

Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Functions:
    """L convex functions for each program (`Exponents`); none has returns where they are None."""

    shift_NL: Array
    A_NLC: Array
    returns_NLC: Array | None
    scale_NLC: Array | None

    @classmethod
    def of(cls, each: Sequence[Exponents]) -> Functions:
        """Those of every program."""
        shift_NL, A_NLC = np.stack([one.shift_N for one in each]), np.stack([one.A_NC for one in each])
        if not any(len(one.curved_V) for one in each):
            return cls(shift_NL, A_NLC, None, None)
        returns_NLC, scale_NLC = np.zeros_like(A_NLC), np.ones_like(A_NLC)
        for n, one in enumerate(each):
            returns_NLC[n, one.curved_V], scale_NLC[n, one.curved_V] = one.returns_VC, one.scale_VC
        return cls(shift_NL, A_NLC, returns_NLC, scale_NLC)

    def take(self, index: Index) -> Functions:
        """Those of some programs; of one for all, that one."""
        if len(self.shift_NL) == 1:
            return self
        bent = [None if part is None else part[index] for part in (self.returns_NLC, self.scale_NLC)]
        return Functions(self.shift_NL[index], self.A_NLC[index], bent[0], bent[1])

    def values(self, x_NC: Array) -> Array:
        """N × L."""
        values_NL = self.shift_NL + np.matmul(self.A_NLC, x_NC[:, :, None])[:, :, 0]
        if self.returns_NLC is not None and self.scale_NLC is not None:
            values_NL -= (self.returns_NLC * np.log1p(x_NC[:, None] / self.scale_NLC)).sum(axis=2)
        return np.asarray(values_NL)

    def slopes(self, x_NC: Array) -> Array:
        """∂ / ∂x: N × L × C; one for all where they are straight and one for all."""
        if self.returns_NLC is None or self.scale_NLC is None:
            return self.A_NLC
        return np.asarray(self.A_NLC - self.returns_NLC / (self.scale_NLC + x_NC[:, None]))

    def bend(self, x_NC: Array, weight_NL: Array) -> Array:
        """The diagonals of Σ_l weight_l ∂² / ∂x²: N × C."""
        if self.returns_NLC is None or self.scale_NLC is None:
            return np.zeros_like(x_NC)
        second_NLC = self.returns_NLC / (self.scale_NLC + x_NC[:, None]) ** 2
        return np.asarray(np.matmul(weight_NL[:, None], second_NLC)[:, 0])


@dataclass(frozen=True, slots=True)
class Stack:
    """Programs side by side.

    Attributes:
        first: one of them; what is the same for all is taken from it.
        exponents: of the laws.
        constant_NF: of the losses of families: weighted offsets less the baseline.
        left: of the inequality rows.
        limit_NK: their right sides, with room.
    """

    first: Program
    exponents: Functions
    constant_NF: Array
    left: Functions
    limit_NK: Array

    @classmethod
    def of(cls, problems: Sequence[MixProblem], laws: Sequence[Sequence[ConvexMetric]]) -> Stack:
        """The programs of `laws`.

        Args:
            problems: one for each set of laws, or one for all. They may differ in guardrails and baselines alone.
            laws: fitted metrics, at least one set.

        Raises:
            InfeasibleError: the bounds exclude each other, or a guardrail lies below its metric's floor.
            ValueError: a metric has no fit.
        """
        programs = [_roomy(build(problem, metrics)) for problem, metrics in zip(problems, laws, strict=False)]
        first = programs[0]
        families = problems[0].worst_case
        weights = [family.weights for family in families] or [problems[0].metric_weights]
        names = sorted({name for each in weights for name, weight in each.items() if weight > 0})
        fitted = [{metric.name: metric for metric in metrics} for metrics in laws]
        counted = [[each[name] for name in names] for each in fitted]
        offset_NM = np.array([[metric.offset for metric in metrics] for metrics in counted]).reshape(len(laws), -1)
        return cls(
            first=first,
            exponents=Functions.of([Exponents.of(metrics, first.names, first.held) for metrics in counted]),
            constant_NF=offset_NM @ first.weight_FM.T - np.stack([program.baseline_F for program in programs]),
            left=Functions.of([program.rows.left for program in programs]),
            limit_NK=np.stack([program.limits for program in programs]),
        )

    def __len__(self) -> int:
        """N."""
        return len(self.exponents.shift_NL)

    def take(self, index: Index) -> Stack:
        """Some of the programs."""
        return Stack(
            self.first,
            self.exponents.take(index) if len(self) > 1 else self.exponents,
            self.constant_NF[index],
            self.left.take(index),
            self.limit_NK if len(self.limit_NK) == 1 else self.limit_NK[index],
        )

    @property
    def several(self) -> bool:
        """Whether the worst of several families counts."""
        return len(self.first.families) > 1

    def losses(self, x_NC: Array) -> Array:
        """Loss of each family, less its baseline: N × F."""
        return np.asarray(np.exp(self.exponents.values(x_NC)) @ self.first.weight_FM.T + self.constant_NF)

    def families(self, x_NC: Array, multiplier_NF: Array) -> tuple[Array, Array, Array]:
        """Losses of families, their slopes (N × F × C), and second derivatives of Σ multiplier · loss (N × C × C)."""
        growth_NM, slopes_NMC = np.exp(self.exponents.values(x_NC)), self.exponents.slopes(x_NC)
        weight_FM = self.first.weight_FM
        slopes_NFC = np.matmul(growth_NM[:, None] * weight_FM, slopes_NMC)
        counted_NM = (multiplier_NF @ weight_FM) * growth_NM
        hessian_NCC = np.matmul(slopes_NMC.transpose(0, 2, 1) * counted_NM[:, None], slopes_NMC)
        every = np.arange(x_NC.shape[1])
        hessian_NCC[:, every, every] += self.exponents.bend(x_NC, counted_NM)
        return growth_NM @ weight_FM.T + self.constant_NF, slopes_NFC, hessian_NCC

    def divergence(self, x_NC: Array) -> tuple[Array, Array]:
        """∂ λ KL, and the diagonal of its second derivatives: N × C each."""
        first, inside_NC = self.first, np.maximum(x_NC, LEAST)
        if first.kl == 0:
            return np.zeros_like(x_NC), np.zeros_like(x_NC)
        return first.kl * (np.log(inside_NC / first.reference_C) + 1.0 + first.tilt_C), first.kl / inside_NC


def _roomy(program: Program) -> Program:
    """With room, but not with as much as bounds that exclude each other would need: those are left to fail."""
    loosened = with_room(program)
    return loosened if loosened.room <= 2 * ROOM else program
