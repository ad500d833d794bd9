"""What pulls a share up or down: slopes of the objective's parts, and what its bounds cost.

The direction is always "more of this coordinate, all else proportionally less": d = (e − r) / (1 − r_c), in which the
coordinate grows by one and the others, held ones apart, shrink in their ratios. At the optimum the pulls of metrics and
KL cancel, but for what a bound holds back.

Array dimensions: C coordinates, M metrics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from olmixctl.methods.laws import Fitted
from olmixctl.solve.exact import Solution
from olmixctl.solve.problem import ConvexMetric, LinearBound, MixProblem
from olmixctl.solve.program import LEAST, build
from olmixctl.solve.rows import in_coordinates

__all__ = ["BoundWorth", "Pulls", "Solve", "bounds_on", "direction", "metric_weights", "pulls_on", "repetition_for_all"]

STEP = 0.01
"""By how much a bound is loosened to say what it costs: a percentage point of share, a hundredth of a bit per byte."""
RATIO_STEP = 0.1
"""By how much of itself the bound of a ratio is loosened."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pulls:
    """Bits per byte that the objective falls per unit of the share, at the recorded mix; negative: it rises.

    Attributes:
        metrics: metric → its pull, weighted as in the objective.
        kl: of the reference mix.
    """

    metrics: Mapping[str, float]
    kl: float

    @property
    def held(self) -> float:
        """What is left: zero where the share is free, else what bounds hold back (positive: it would grow)."""
        return math.fsum([*self.metrics.values(), self.kl])


@dataclass(frozen=True, kw_only=True, slots=True)
class Solve:
    """A solve to ask about.

    Attributes:
        problem: what was solved.
        metrics: the laws as the solver saw them: where they are not convex, models that touch them at the solution.
        best: the solution.
        again: solves a problem that differs in a bound.
        repetition: k, which caps are made of.
    """

    problem: MixProblem
    metrics: tuple[ConvexMetric, ...]
    best: Solution
    again: Callable[[MixProblem], Solution]
    repetition: float

    def loosened(self, problem: MixProblem, coordinate: str) -> tuple[float, float]:
        """What `problem`, the same but for a looser bound, gains; and the coordinate's share there."""
        solved = self.again(problem)
        return self.best.objective - solved.objective, solved.point[coordinate]


@dataclass(frozen=True, kw_only=True, slots=True)
class BoundWorth:
    """An active bound and what it costs.

    Attributes:
        constraint: its name.
        domains: whose shares it is about; empty for a guardrail.
        limit: what it is now, in its own unit.
        price: bits per byte of the objective per unit of loosening: of share, of a ratio, of predicted bits for a
            guardrail.
        loosened: what it is loosened to.
        worth: by how much the objective falls then, solved again.
        share_then: the coordinate's share in that solution.
    """

    constraint: str
    domains: tuple[str, ...]
    limit: float
    price: float
    loosened: float
    worth: float
    share_then: float


def direction(point: Mapping[str, float], coordinate: str, held: Mapping[str, float]) -> dict[str, float]:
    """More of `coordinate` by one, all else that may move proportionally less; empty where nothing else may."""
    others = {name: weight for name, weight in point.items() if name != coordinate and name not in held}
    rest = math.fsum(others.values())
    if rest <= 0 or coordinate in held:
        return {}
    return {coordinate: 1.0} | {name: -weight / rest for name, weight in others.items()}


def pulls_on(coordinate: str, solve: Solve, fitted: Fitted, point: Mapping[str, float]) -> Pulls | None:
    """The pulls at `point`; None where the share cannot move."""
    problem = solve.problem
    program = build(problem, solve.metrics)
    along = direction(point, coordinate, program.held)
    if not along:
        return None
    names = fitted.fit.coordinates
    slope_M = fitted.fit.gradient(np.array([point[n] for n in names])) @ np.array([along.get(n, 0.0) for n in names])
    counted = metric_weights(solve)
    weights = [counted.get(metric, 0.0) for metric in fitted.fit.metrics]
    slopes = zip(fitted.fit.metrics, weights, slope_M.tolist(), strict=True)
    kl = math.fsum(
        along.get(name, 0.0) * (math.log(max(point[name], LEAST) / reference) + 1.0 + tilt)
        for name, reference, tilt in zip(program.names, program.reference_C, program.tilt_C, strict=True)
        if along.get(name, 0.0)
    )
    return Pulls(metrics={name: -weight * slope for name, weight, slope in slopes if weight}, kl=-problem.kl * kl)


def metric_weights(solve: Solve) -> dict[str, float]:
    """Metric → its weight at the optimum, summing to one: that of the mean, or of the worst families by multiplier."""
    problem = solve.problem
    families = [(worst.weights, solve.best.duals.get(f"family:{worst.name}", 0.0)) for worst in problem.worst_case]
    found: dict[str, float] = {}
    for weights, share in families or [(problem.metric_weights, 1.0)]:
        total = math.fsum(weights.values())
        found |= {metric: share * weight / total for metric, weight in weights.items()}
    return found


def bounds_on(coordinate: str, solve: Solve) -> tuple[BoundWorth, ...]:
    """The active bounds that touch `coordinate`, the costliest first.

    Args:
        coordinate: a free domain, or the block a domain is kept in: then through the member that binds.
        solve: of the mix.
    """
    rows = {row.name: row for row in solve.problem.rows}
    found = []
    for name, price in solve.best.duals.items():
        if name in rows and in_coordinates(rows[name].coefficients, solve.problem)[coordinate]:
            found.append(_row_worth(rows[name], price, coordinate, solve))
        elif name.startswith("guardrail:"):
            found.append(_guardrail_worth(name, price, coordinate, solve))
    return tuple(sorted(found, key=lambda bound: (-bound.worth, bound.constraint)))


def repetition_for_all(solve: Solve) -> float | None:
    """What one more pass over every domain is worth; None where no cap holds the mix."""
    if not any(name.startswith("max_repetition:") for name in solve.best.duals):
        return None
    factor = (solve.repetition + 1.0) / solve.repetition
    rows = tuple(
        replace(row, upper=row.upper * factor)
        if row.name.startswith("max_repetition:") and row.upper is not None
        else row
        for row in solve.problem.rows
    )
    return solve.best.objective - solve.again(replace(solve.problem, rows=rows)).objective


def _row_worth(row: LinearBound, price: float, coordinate: str, solve: Solve) -> BoundWorth:
    found = []
    for shown, then, loose in _looser(row, solve):
        others = tuple(other for other in solve.problem.rows if other.name != row.name)
        worth, share = solve.loosened(replace(solve.problem, rows=(*others, *loose)), coordinate)
        found.append(
            BoundWorth(
                constraint=row.name,
                domains=tuple(row.coefficients),
                limit=shown,
                price=price * _unit(row, solve),
                loosened=then,
                worth=worth,
                share_then=share,
            )
        )
    return max(found, key=lambda bound: bound.worth)


def _unit(row: LinearBound, solve: Solve) -> float:
    """By how much a unit of what people read as the bound moves the row: one, and Σ_to for a ratio."""
    if row.ratio is None:
        return 1.0
    to = {leaf: 1.0 for leaf, c in row.coefficients.items() if c < 0}
    return math.fsum(c * solve.best.point[n] for n, c in in_coordinates(to, solve.problem).items())


def _looser(row: LinearBound, solve: Solve) -> Iterator[tuple[float, float, tuple[LinearBound, ...]]]:
    """What binds now, what it is loosened to, and the looser rows; both sides of a share that is fixed."""
    if row.name.startswith("max_repetition:") and row.upper is not None:
        passes = solve.repetition
        yield passes, passes + 1.0, (replace(row, upper=row.upper * (passes + 1.0) / passes),)
        return
    if row.ratio is not None:
        yield from _looser_ratios(row, row.ratio)
        return
    value = math.fsum(c * solve.best.point[n] for n, c in in_coordinates(row.coefficients, solve.problem).items())
    below = math.inf if row.lower is None else abs(value - row.lower)
    above = math.inf if row.upper is None else abs(value - row.upper)
    if row.upper is not None and above <= below:
        yield row.upper, row.upper + STEP, (replace(row, upper=row.upper + STEP),)
    if row.lower is not None and below <= above:
        yield row.lower, row.lower - STEP, (replace(row, lower=row.lower - STEP),)


def _looser_ratios(row: LinearBound, ratio: float) -> Iterator[tuple[float, float, tuple[LinearBound, ...]]]:
    """The ratio moved by `RATIO_STEP` of itself to the side that is bounded; of a fixed one the other side stays."""
    for bounded, sign in ((row.upper, 1.0), (row.lower, -1.0)):
        if bounded is not None:
            then = ratio * (1.0 + sign * RATIO_STEP)
            moved = {leaf: c if c > 0 else -then for leaf, c in row.coefficients.items()}
            lower, upper = (None, bounded) if sign > 0 else (bounded, None)
            loose = replace(row, coefficients=moved, ratio=then, lower=lower, upper=upper)
            upper, lower = (None, row.lower) if sign > 0 else (row.upper, None)
            kept = replace(row, name=f"{row.name} held", lower=lower, upper=upper)
            fixed = row.lower is not None and row.upper is not None
            yield ratio, then, (loose, kept) if fixed else (loose,)


def _guardrail_worth(name: str, price: float, coordinate: str, solve: Solve) -> BoundWorth:
    """A guardrail's row is in logarithms, log(limit − c); its price is turned into that of a bit."""
    metric = name.partition(":")[2]
    limits = dict(solve.problem.guardrails)
    offset = next(m.offset for m in solve.metrics if m.name == metric)
    looser = limits | {metric: limits[metric] + STEP}
    worth, share = solve.loosened(replace(solve.problem, guardrails=tuple(looser.items())), coordinate)
    return BoundWorth(
        constraint=name,
        domains=(),
        limit=limits[metric],
        price=price / (limits[metric] - offset),
        loosened=looser[metric],
        worth=worth,
        share_then=share,
    )
