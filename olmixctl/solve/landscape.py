"""A `MixProblem` under smooth laws that need not be convex: its objective, its guardrails, and convex models of both.

The model of a law at a point x has the law's value and slope there and is convex everywhere:

    c + exp(level + β·r − Σ_j a_j log(1 + r_j / s_j)),   β_j = ∂f/∂r_j / (f − c) + a_j / (s_j + x_j)

Its bend comes from `curves`, convex laws fitted on the same runs, times a factor. So bounds, held coordinates, KL,
guardrails and worst cases are exactly those of the convex solve: a model is solved as any convex program is.

Array dimensions: N points, C coordinates, M metrics that count, F families, G guardrails.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from olmixctl.solve.exponents import Array
from olmixctl.solve.feasible import check_program, with_room
from olmixctl.solve.problem import ConvexMetric, MixProblem
from olmixctl.solve.program import Program, build

__all__ = ["KEEPS", "Landscape", "Laws"]

KEEPS = 1e-7
"""Guardrails hold within this before rounding, as other bounds do."""
_LEAST_HEIGHT = 0.2
"""The model's part above its offset is at least this share of the loss: the less, the more its slope bends it."""
_LEAST_RETURN, _SCALE = 0.01, 0.05
"""Returns that every coordinate of a model has, so that a larger factor bends it in every direction."""


class Laws(Protocol):
    """Fitted laws with slopes; a surrogate's `Fit` is one."""

    @property
    def coordinates(self) -> tuple[str, ...]:
        """C names."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of what they predict."""

    def predict(self, weights_NC: Array) -> Array:
        """Losses at each mixture."""

    def gradient(self, weights_C: Array) -> Array:
        """∂ metric / ∂ weight at one mixture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Landscape:
    """A problem under laws, as functions of points over all its coordinates (x_C, in the order of their names).

    Attributes:
        problem: what is solved.
        laws: what predicts.
        bare: the problem without laws: KL, rows and their room, held coordinates.
        metrics: M names that count in the objective or in a guardrail.
        curves: convex laws of the same metrics.
        columns_M: where the laws have them.
        weight_FM: weights in each family, summing to one.
        baseline_F: what the losses of each family are counted from.
        rails_G: guardrails, as positions in `metrics`.
        limit_G: their limits.
    """

    problem: MixProblem
    laws: Laws
    bare: Program
    metrics: tuple[str, ...]
    curves: tuple[ConvexMetric, ...]
    columns_M: NDArray[np.intp]
    weight_FM: Array
    baseline_F: Array
    rails_G: NDArray[np.intp]
    limit_G: Array

    @classmethod
    def of(cls, problem: MixProblem, laws: Laws, curves: Sequence[ConvexMetric]) -> Landscape:
        """The landscape of a problem.

        Raises:
            ValueError: the laws are over other coordinates, or lack a metric.
            InfeasibleError: the linear bounds exclude each other.
        """
        if tuple(laws.coordinates) != problem.coordinates.names:
            raise ValueError("the laws are over other coordinates than the problem")
        families = [(f.weights, f.baseline) for f in problem.worst_case] or [(problem.metric_weights, 0.0)]
        counted = {name for weights, _ in families for name, weight in weights.items() if weight > 0}
        metrics = tuple(sorted(counted | {name for name, _ in problem.guardrails}))
        by_name = {curve.name: curve for curve in curves}
        lost = [name for name in metrics if name not in laws.metrics or name not in by_name]
        if lost:
            raise ValueError(f"metric {lost[0]!r} has no fit")
        bare = build(replace(problem, metric_weights={}, guardrails=(), worst_case=()), ())
        check_program(bare, problem)
        return cls(
            problem=problem,
            laws=laws,
            bare=with_room(bare),
            metrics=metrics,
            curves=tuple(by_name[name] for name in metrics),
            columns_M=np.array([laws.metrics.index(name) for name in metrics], dtype=np.intp),
            weight_FM=np.array([
                [weights.get(name, 0.0) / math.fsum(weights.values()) for name in metrics] for weights, _ in families
            ]),
            baseline_F=np.array([baseline for _, baseline in families]),
            rails_G=np.array([metrics.index(name) for name, _ in problem.guardrails], dtype=np.intp),
            limit_G=np.array([limit for _, limit in problem.guardrails]),
        )  # fmt: skip

    def under(self, problem: MixProblem, laws: Laws) -> Landscape:
        """The same under other laws of the same metrics, which guardrails and families count from anew."""
        families = problem.worst_case
        return replace(
            self,
            problem=problem,
            laws=laws,
            baseline_F=np.array([family.baseline for family in families]) if families else self.baseline_F,
            limit_G=np.array([limit for _, limit in problem.guardrails]),
        )

    def kept(self, x_C: Array) -> float:
        """The objective at a point; infinite where it breaks a guardrail by more than a solve lets pass."""
        return float(self.objective(x_C[None])[0]) if float(self.excess(x_C[None])[0]) <= KEEPS else math.inf

    def objective(self, x_NC: Array) -> Array:
        """The objective at each point, which need not keep any bound: N."""
        losses_NF = self.losses(x_NC) @ self.weight_FM.T - self.baseline_F
        free_C = np.isin(self.problem.coordinates.names, self.bare.names)
        return np.asarray(losses_NF.max(axis=1) + [self.bare.divergence(x_C[free_C]) for x_C in x_NC])

    def losses(self, x_NC: Array) -> Array:
        """Predicted losses of the metrics that count: N × M."""
        return np.asarray(self.laws.predict(x_NC)[:, self.columns_M])

    def excess(self, x_NC: Array) -> Array:
        """The most by which a guardrail is broken at each point, negative where all are kept: N."""
        if not len(self.rails_G):
            return np.full(len(x_NC), -np.inf)
        return np.asarray((self.losses(x_NC)[:, self.rails_G] - self.limit_G).max(axis=1))

    def breach(self, x_C: Array) -> float:
        """The most by which a point breaks a linear bound (rows scaled) or moves a held coordinate."""
        point = self.point(x_C)
        moved = max((abs(point[name] - weight) for name, weight in self.bare.held.items()), default=0.0)
        return max(self.bare.rows.violation(self.bare.vector(point)), moved)

    def on_simplex(self, x_C: Array) -> Array:
        """A point near by without negative weights whose free coordinates sum to what held ones leave."""
        free_C = np.isin(self.problem.coordinates.names, self.bare.names)
        inside_C = np.where(free_C, np.maximum(x_C, 0.0), x_C)
        total = float(inside_C[free_C].sum())
        return inside_C if total <= 0 else np.where(free_C, inside_C * (self.bare.rows.target_E[0] / total), inside_C)

    def model(self, x_C: Array, factor: float = 1.0) -> tuple[ConvexMetric, ...]:
        """A convex law a metric, with value and slope of the laws at `x_C` and `factor` times the bend of curves."""
        losses_M = self.losses(x_C[None])[0]
        slopes_MC = self.laws.gradient(x_C)[self.columns_M]
        names, point = self.problem.coordinates.names, self.point(x_C)
        found = []
        for curve, loss, slope_C in zip(self.curves, losses_M.tolist(), slopes_MC, strict=True):
            height = max(math.exp(curve.exponent(point)), _LEAST_HEIGHT * abs(loss), 1e-9)
            pairs = [curve.returns.get(name, (0.0, _SCALE)) for name in names]
            a_C = factor * (np.array([a for a, _ in pairs]) + _LEAST_RETURN)
            s_C = np.array([s for _, s in pairs])
            straight_C = slope_C / height + a_C / (s_C + x_C)
            level = math.log(height) - float(straight_C @ x_C) + float(a_C @ np.log1p(x_C / s_C))
            found.append(
                ConvexMetric(
                    name=curve.name,
                    offset=loss - height,
                    coefficients=dict(zip(names, straight_C.tolist(), strict=True)),
                    level=level,
                    returns=dict(zip(names, zip(a_C.tolist(), s_C.tolist(), strict=True), strict=True)),
                )
            )
        return tuple(found)

    def program(self, model: Sequence[ConvexMetric], problem: MixProblem | None = None) -> Program:
        """The convex program of a model, with room inside its bounds; of the landscape's problem, or of one like it."""
        program = build(problem or self.problem, model)
        return with_room(program) if len(self.rails_G) else replace(program, room=self.bare.room)

    def vector(self, point: Mapping[str, float]) -> Array:
        """A point as an array."""
        return np.array([point[name] for name in self.problem.coordinates.names], dtype=np.float64)

    def point(self, x_C: Array) -> dict[str, float]:
        """An array as a point."""
        return dict(zip(self.problem.coordinates.names, x_C.tolist(), strict=True))
