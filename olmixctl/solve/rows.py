"""The constraints of a `MixProblem` as arrays over the free coordinates.

A guardrail offset + exp(e(r)) ≤ limit is the row e(r) ≤ log(limit − offset), linear where the law is log-linear and
convex where its returns diminish: nothing is approximated.

Array dimensions: C free coordinates, K inequality rows, E equality rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from olmixctl.errors import InfeasibleError
from olmixctl.solve.exponents import Array, Exponents
from olmixctl.solve.problem import ConvexMetric, MixProblem

__all__ = ["Array", "Rows", "Side", "build_rows", "in_coordinates"]

_LEAST_SHARE = 1e-6
"""A point of the grid: the slope of returns that a curved row is scaled by is taken at this share or more."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a named bound: `max:code ≤ 0.3`. `sense` is `≤`, `≥` or `=`; `bound` is as declared."""

    name: str
    sense: str
    bound: float

    def __str__(self) -> str:
        return f"{self.name} {self.sense} {self.bound:.6g}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """left(x) ≤ limit and B x = target; x ≥ 0 is understood.

    Attributes:
        left: left sides of the inequality rows, linear but for guardrails on laws with returns; each is scaled to a
            greatest slope of one (at the reference mix, where slopes differ).
        limit_K: their right sides.
        scale_K: what each row was divided by.
        sides_K: what each row says.
        B_EC: equality rows; the first is the simplex.
        target_E: their right sides.
        sides_E: what each says.
    """

    left: Exponents
    limit_K: Array
    scale_K: Array
    sides_K: tuple[Side, ...]
    B_EC: Array
    target_E: Array
    sides_E: tuple[Side, ...]

    @property
    def linear(self) -> NDArray[np.bool_]:
        """Which rows are linear."""
        linear_K = np.ones(len(self.limit_K), dtype=bool)
        linear_K[self.left.curved_V] = False
        return linear_K

    def excess(self, x_C: Array) -> Array:
        """left(x) − limit: K, not positive where a row holds."""
        return np.asarray(self.left.values(x_C) - self.limit_K)

    def violation(self, x_C: Array) -> float:
        """The most by which x breaks a row (scaled), an equality or x ≥ 0; zero where it breaks none."""
        over = float(self.excess(x_C).max(initial=0.0))
        off = float(np.abs(self.B_EC @ x_C - self.target_E).max(initial=0.0))
        return max(over, off, float((-x_C).max(initial=0.0)))

    def linearised(self, x_C: Array) -> tuple[Array, Array]:
        """G and h with G y ≤ h wherever y keeps the rows: linear rows as they are, tangents at x of the others."""
        slopes_KC = self.left.slopes(x_C)
        tangent_K = slopes_KC @ x_C - self.excess(x_C)
        return slopes_KC, np.where(self.linear, self.limit_K, tangent_K)

    def kept(self, keep_K: NDArray[np.bool_], keep_E: NDArray[np.bool_]) -> Rows:
        """Some of the rows, in their order."""
        return Rows(
            left=self.left.kept(keep_K),
            limit_K=self.limit_K[keep_K],
            scale_K=self.scale_K[keep_K],
            sides_K=tuple(side for side, keep in zip(self.sides_K, keep_K, strict=True) if keep),
            B_EC=self.B_EC[keep_E],
            target_E=self.target_E[keep_E],
            sides_E=tuple(side for side, keep in zip(self.sides_E, keep_E, strict=True) if keep),
        )


def build_rows(
    problem: MixProblem, fitted: Mapping[str, ConvexMetric], held: Mapping[str, float], reference: Mapping[str, float]
) -> Rows:
    """The rows over the free coordinates, those of `reference`; held coordinates are moved to the right sides.

    Raises:
        InfeasibleError: a guardrail lies at or below the metric's own floor.
    """
    names = tuple(reference)
    inequalities: list[tuple[Array, float, Side]] = []
    equalities = [(np.ones(len(names)), 1.0 - math.fsum(held.values()), Side("simplex", "=", 1.0))]
    for coefficients, bound, side in _bounds(problem):
        row_C = np.array([coefficients.get(name, 0.0) for name in names])
        rest = bound - math.fsum(coefficients.get(name, 0.0) * weight for name, weight in held.items())
        if side.sense == "=":
            equalities.append((row_C, rest, side))
        else:
            sign = 1.0 if side.sense == "≤" else -1.0
            inequalities.append((sign * row_C, sign * rest, side))
    rails, limits, sides = _guardrails(problem, fitted, names, held)
    G_KC = np.array([row for row, _, _ in inequalities]).reshape(len(inequalities), len(names))
    left = Exponents.joined(Exponents.straight(G_KC), rails)
    limit_K = np.array([*(rest for _, rest, _ in inequalities), *limits]) - left.shift_N
    steepest_K = np.abs(left.slopes(np.maximum(list(reference.values()), _LEAST_SHARE))).max(axis=1, initial=0.0)
    scale_K = np.where(steepest_K > 0, steepest_K, 1.0)
    return Rows(
        left=replace(left, shift_N=np.zeros(len(limit_K))).divided(scale_K),
        limit_K=limit_K / scale_K,
        scale_K=scale_K,
        sides_K=(*(side for _, _, side in inequalities), *sides),
        B_EC=np.array([row for row, _, _ in equalities]).reshape(len(equalities), len(names)),
        target_E=np.array([rest for _, rest, _ in equalities]),
        sides_E=tuple(side for _, _, side in equalities),
    )


def in_coordinates(coefficients: Mapping[str, float], problem: MixProblem) -> dict[str, float]:
    """A row over leaves as a row over coordinates: row · E."""
    return _in_coordinates(coefficients, problem.coordinates.names, _places(problem))


def _places(problem: MixProblem) -> dict[str, tuple[str, float]]:
    """Leaf → its coordinate and its ratio in it: the entries of E, looked up once for all rows."""
    table = problem.coordinates.members()
    return {leaf: (name, float(ratio)) for name, members in table.items() for leaf, ratio in members.items()}


def _in_coordinates(
    coefficients: Mapping[str, float], names: tuple[str, ...], places: Mapping[str, tuple[str, float]]
) -> dict[str, float]:
    terms: dict[str, list[float]] = {name: [] for name in names}
    for leaf, coefficient in coefficients.items():
        name, ratio = places[leaf]
        terms[name].append(coefficient * ratio)
    return {name: math.fsum(values) for name, values in terms.items()}


def _bounds(problem: MixProblem) -> Iterator[tuple[dict[str, float], float, Side]]:
    names, places = problem.coordinates.names, _places(problem)
    for row in problem.rows:
        coefficients = _in_coordinates(row.coefficients, names, places)
        if row.lower is not None and row.lower == row.upper:
            yield coefficients, row.lower, Side(row.name, "=", row.lower)
            continue
        if row.upper is not None:
            yield coefficients, row.upper, Side(row.name, "≤", row.upper if row.ratio is None else row.ratio)
        if row.lower is not None:
            yield coefficients, row.lower, Side(row.name, "≥", row.lower if row.ratio is None else row.ratio)


def _guardrails(
    problem: MixProblem, fitted: Mapping[str, ConvexMetric], names: tuple[str, ...], held: Mapping[str, float]
) -> tuple[Exponents, list[float], list[Side]]:
    """Exponents of the guarded laws, what they may be, and what each says."""
    limits, sides = [], []
    for name, limit in problem.guardrails:
        offset = fitted[name].offset
        side = Side(f"guardrail:{name}", "≤", limit)
        if limit <= offset:
            raise InfeasibleError(
                f"{side} cannot be met: the fit says that no mixture brings {name} below {offset:.6g}",
                remedy="raise the guardrail's max_regression",
                conflict=(side.name,),
            )
        limits.append(math.log(limit - offset))
        sides.append(side)
    return Exponents.of([fitted[name] for name, _ in problem.guardrails], names, held), limits, sides
