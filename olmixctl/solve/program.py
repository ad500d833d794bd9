"""A `MixProblem` as arrays: held coordinates eliminated, the objective with its derivatives, the rows.

    value(x) = max_f Σ_m weight_fm (offset_m + exp(e_m(x))) − baseline_f  +  λ Σ_j (x_j log(x_j / ref_j) + tilt_j x_j)

The weighted mean is one family without a baseline. The KL of the expanded mix is the collapsed KL plus
r_v · KL(ratios ‖ reference inside v) for each block v: `tilt`.

Array dimensions: C free coordinates, M metrics with weight, F families.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from olmixctl.errors import InfeasibleError
from olmixctl.solve.exponents import Array, Exponents
from olmixctl.solve.problem import ConvexMetric, MixProblem
from olmixctl.solve.rows import Rows, build_rows

__all__ = ["LEAST", "Program", "build", "objective_at"]

LEAST = 1e-12
"""KL continues as a straight line below this share, a millionth of the grid: its gradient has no limit at zero, and
in floats no digits. The objective itself is exact; the optimum moves by less than λ · 1e-12 a coordinate."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """The program over the free coordinates x.

    Attributes:
        names: C free coordinates, sorted.
        held: the other coordinates and their weights.
        zero_reference: coordinates held at zero because a reference of theirs is zero.
        families: what the worst is taken over; one without a name where the weighted mean counts.
        weight_FM: weights of metrics in each family, summing to one.
        baseline_F: what the losses of each family are counted from.
        offset_M: c.
        exponents: of the laws.
        kl: λ.
        reference_C: collapsed reference.
        tilt_C: KL inside each coordinate.
        constant: KL of the held coordinates times λ.
        rows: the constraints.
        room: by how much their inequalities are loosened while the optimum is looked for (`feasible.with_room`).
    """

    names: tuple[str, ...]
    held: Mapping[str, float]
    zero_reference: tuple[str, ...]
    families: tuple[str, ...]
    weight_FM: Array
    baseline_F: Array
    offset_M: Array
    exponents: Exponents
    kl: float
    reference_C: Array
    tilt_C: Array
    constant: float
    rows: Rows
    room: float = 0.0

    @property
    def limits(self) -> Array:
        """Right sides of the inequality rows with their room: what solvers are given."""
        return np.asarray(self.rows.limit_K + self.room)

    def value(self, x_C: Array) -> float:
        """The objective; 0 log 0 is 0."""
        return float(self.losses(x_C).max()) + self.divergence(x_C)

    def losses(self, x_C: Array) -> Array:
        """Predicted loss of each family, less its baseline: F."""
        return np.asarray(self.weight_FM @ (self.offset_M + np.exp(self.exponents.values(x_C))) - self.baseline_F)

    def divergence(self, x_C: Array) -> float:
        """λ KL of the expanded mix; 0 log 0 is 0."""
        return float(self.divergences(x_C).sum()) + self.constant if self.kl > 0 else 0.0

    def divergences(self, x_C: Array) -> Array:
        """What each free coordinate adds to `divergence`: C."""
        logs_C = np.log(np.where(x_C > 0, x_C, 1.0) / self.reference_C)
        return np.asarray(self.kl * (x_C * logs_C + self.tilt_C * x_C))

    def loss_slopes(self, x_C: Array) -> Array:
        """∂ losses / ∂ x: F × C."""
        return np.asarray((self.weight_FM * np.exp(self.exponents.values(x_C))) @ self.exponents.slopes(x_C))

    def pull(self, x_C: Array) -> Array:
        """∂ divergence / ∂ x, not below its value at `LEAST`: C."""
        if self.kl == 0:
            return np.zeros(len(x_C))
        return np.asarray(self.kl * (np.log(np.maximum(x_C, LEAST) / self.reference_C) + 1 + self.tilt_C))

    def hessian(self, x_C: Array, multiplier_F: Array | None = None) -> Array:
        """∂² of Σ_f multiplier_f losses_f + divergence, multipliers of one by default: C × C."""
        share_M = self.weight_FM.sum(axis=0) if multiplier_F is None else multiplier_F @ self.weight_FM
        slope_M = share_M * np.exp(self.exponents.values(x_C))
        slopes_MC = self.exponents.slopes(x_C)
        hessian_CC = slopes_MC.T @ (slope_M[:, None] * slopes_MC)
        diagonal_C = self.kl / np.maximum(x_C, LEAST) + self.exponents.bend(x_C, slope_M)
        return np.asarray(hessian_CC + np.diag(diagonal_C))

    def point(self, x_C: Array) -> dict[str, float]:
        """Coordinate → weight, held ones included."""
        return dict(sorted([*self.held.items(), *zip(self.names, (float(v) for v in x_C), strict=True)]))

    def vector(self, point: Mapping[str, float]) -> Array:
        """The free part of a point."""
        return np.array([point[name] for name in self.names])


def build(problem: MixProblem, metrics: Sequence[ConvexMetric]) -> Program:
    """The arrays of a problem and its fitted metrics.

    Raises:
        ValueError: a metric with weight or a guardrail has no fit, or a fit lacks a coordinate.
        InfeasibleError: a guardrail lies below the metric's own floor.
    """
    fitted = {metric.name: metric for metric in metrics}
    families = [(family.weights, family.baseline) for family in problem.worst_case] or [(problem.metric_weights, 0.0)]
    counted = sorted({name for weights, _ in families for name, weight in weights.items() if weight > 0})
    lost = sorted({*counted, *(name for name, _ in problem.guardrails)} - set(fitted))
    if lost:
        raise ValueError(f"metric {lost[0]!r} has no fit")
    zero = _zero_reference(problem)
    held = {**problem.hold, **dict.fromkeys(zero, 0.0)}
    names = tuple(name for name in problem.coordinates.names if name not in held)
    reference, tilt = _collapsed(problem)
    constant = math.fsum(w * (math.log(w / reference[c]) + tilt[c]) for c, w in held.items() if w > 0 < problem.kl)
    return Program(
        names=names,
        held=dict(sorted(held.items())),
        zero_reference=zero,
        families=tuple(family.name for family in problem.worst_case) or ("",),
        weight_FM=np.array([_shares(weights, counted) for weights, _ in families]).reshape(len(families), -1),
        baseline_F=np.array([baseline for _, baseline in families]),
        offset_M=np.array([fitted[name].offset for name in counted]),
        exponents=Exponents.of([fitted[name] for name in counted], names, held),
        kl=problem.kl,
        reference_C=np.array([reference[c] for c in names]),
        tilt_C=np.array([tilt[c] for c in names]),
        constant=problem.kl * constant,
        rows=build_rows(problem, fitted, held, {name: reference[name] for name in names}),
    )


def _shares(weights: Mapping[str, float], names: Sequence[str]) -> list[float]:
    """Weights of `names`, summing to one."""
    total = math.fsum(weights.values())
    return [weights.get(name, 0.0) / total for name in names]


def _zero_reference(problem: MixProblem) -> tuple[str, ...]:
    """Coordinates whose KL would be infinite; a hold above zero on one of them contradicts it.

    Raises:
        InfeasibleError: such a coordinate is held above zero.
    """
    if problem.kl == 0:
        return ()
    zero = tuple(
        name
        for name, members in problem.coordinates.members().items()
        if any(ratio > 0 and problem.reference[leaf] == 0 for leaf, ratio in members.items())
    )
    for name in zero:
        if problem.hold.get(name, 0.0) > 0:
            raise InfeasibleError(
                f"{name} is held at {problem.hold[name]:.6g}, but its reference share is 0 and KL is then infinite",
                remedy="give it a reference share, or set objective.kl to 0",
                conflict=(f"hold:{name}", f"zero_reference:{name}"),
            )
    return zero


def _collapsed(problem: MixProblem) -> tuple[dict[str, float], dict[str, float]]:
    """Coordinate → reference mass, and KL(ratios ‖ reference inside it)."""
    mass: dict[str, float] = {}
    tilt: dict[str, float] = {}
    for name, members in problem.coordinates.members().items():
        mass[name] = math.fsum(problem.reference[leaf] for leaf, ratio in members.items() if ratio > 0)
        terms = [(float(ratio), problem.reference[leaf]) for leaf, ratio in members.items() if ratio > 0]
        if any(reference == 0 for _, reference in terms):
            tilt[name] = 0.0  # held at zero where KL counts
            continue
        tilt[name] = math.fsum(ratio * math.log(ratio * mass[name] / reference) for ratio, reference in terms)
    return mass, tilt


def objective_at(problem: MixProblem, metrics: Sequence[ConvexMetric], point: Mapping[str, float]) -> float:
    """The objective at a point over coordinates, rounded or not; feasibility is not asked.

    Raises:
        ValueError: the point lacks a coordinate, or a metric has no fit.
    """
    program = build(problem, metrics)
    missing = sorted(set(program.names) - set(point))
    if missing:
        raise ValueError(f"the point lacks coordinate {missing[0]!r}")
    return program.value(program.vector(point))
