"""The constraints of a `MixProblem` as arrays over the free coordinates.

A guardrail offset + exp(A·r) ≤ limit is the linear row A·r ≤ log(limit − offset): nothing is approximated.

Array dimensions: C free coordinates, K inequality rows, E equality rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmixctl.errors import InfeasibleError
from olmixctl.solve.problem import ConvexMetric, MixProblem

__all__ = ["Array", "Rows", "Side", "build_rows", "in_coordinates"]

Array = NDArray[np.float64]


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
    """G x ≤ limit and B x = target; x ≥ 0 is understood.

    Attributes:
        G_KC: inequality rows, each scaled to a greatest coefficient of one.
        limit_K: their right sides.
        scale_K: what each row was divided by.
        sides_K: what each row says.
        B_EC: equality rows; the first is the simplex.
        target_E: their right sides.
        sides_E: what each says.
    """

    G_KC: Array
    limit_K: Array
    scale_K: Array
    sides_K: tuple[Side, ...]
    B_EC: Array
    target_E: Array
    sides_E: tuple[Side, ...]

    def violation(self, x_C: Array) -> float:
        """The most by which x breaks a row (scaled), an equality or x ≥ 0; zero where it breaks none."""
        over = float((self.G_KC @ x_C - self.limit_K).max(initial=0.0))
        off = float(np.abs(self.B_EC @ x_C - self.target_E).max(initial=0.0))
        return max(over, off, float((-x_C).max(initial=0.0)))


def build_rows(
    problem: MixProblem, fitted: Mapping[str, ConvexMetric], names: tuple[str, ...], held: Mapping[str, float]
) -> Rows:
    """The rows over the free coordinates `names`, held coordinates moved to the right sides.

    Raises:
        InfeasibleError: a guardrail lies at or below the metric's own floor.
    """
    declared = [*_bounds(problem), *_guardrails(problem, fitted)]
    inequalities: list[tuple[Array, float, Side]] = []
    equalities = [(np.ones(len(names)), 1.0 - math.fsum(held.values()), Side("simplex", "=", 1.0))]
    for coefficients, bound, side in declared:
        row_C = np.array([coefficients.get(name, 0.0) for name in names])
        rest = bound - math.fsum(coefficients.get(name, 0.0) * weight for name, weight in held.items())
        if side.sense == "=":
            equalities.append((row_C, rest, side))
        else:
            sign = 1.0 if side.sense == "≤" else -1.0
            inequalities.append((sign * row_C, sign * rest, side))
    scale_K = np.array([float(np.abs(row).max(initial=0.0)) or 1.0 for row, _, _ in inequalities])
    return Rows(
        G_KC=np.array([row for row, _, _ in inequalities]).reshape(len(inequalities), len(names)) / scale_K[:, None],
        limit_K=np.array([rest for _, rest, _ in inequalities]) / scale_K,
        scale_K=scale_K,
        sides_K=tuple(side for _, _, side in inequalities),
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
            yield coefficients, row.upper, Side(row.name, "≤", row.upper)
        if row.lower is not None:
            yield coefficients, row.lower, Side(row.name, "≥", row.lower)


def _guardrails(
    problem: MixProblem, fitted: Mapping[str, ConvexMetric]
) -> Iterator[tuple[Mapping[str, float], float, Side]]:
    for name, limit in problem.guardrails:
        metric = fitted[name]
        side = Side(f"guardrail:{name}", "≤", limit)
        if limit <= metric.offset:
            raise InfeasibleError(
                f"{side} cannot be met: the fit says that no mixture brings {name} below {metric.offset:.6g}",
                remedy="raise the guardrail's max_regression",
                conflict=(side.name,),
            )
        yield metric.coefficients, math.log(limit - metric.offset), side
