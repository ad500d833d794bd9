"""Mixes on the front that a mix lies on, found by solves of the same problem for other objectives.

Two cuts through it: the best mix at several strengths of the pull, λ; and of the mixes that are no further from the
reference than the present one, those that are best for each family alone, for the weighted mean, and for the worst
family. None of the latter can be better for one family without being worse for another, or further away. A pull of its
own leads each there (λ is the multiplier of the distance).

Changes are from the reference mix, in units of the metrics; lower is better. With two families two mixes between them
are added. Where there are many, those families that the present mix serves worst are looked at. Every bound holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from olmixctl.errors import InfeasibleError
from olmixctl.methods.laws import Fitted, best_near, predict
from olmixctl.methods.objective import divergence, losses_of
from olmixctl.methods.problem import collapsed_reference, worst_case
from olmixctl.plan.model import Observed
from olmixctl.solve.exact import SolveError
from olmixctl.solve.problem import MixProblem, WorstCase
from olmixctl.spec.families import declared_families

__all__ = ["FamilyPoint", "OnProgress", "PullPoint", "Search"]

_MOST = 4
"""Families that are looked at on their own."""
_FACTORS = (0.0, 0.25, 1.0, 4.0, 16.0)
_NEAR, _STEPS, _LEAST_PULL = 1e-3, 24, 1e-5
"""Distances that differ by this part are the same; solves to get there; a pull below this is none."""
_USUAL = 0.05
"""λ that others are multiples of where the mix file has none (Chen et al. 2026, arXiv 2602.12237)."""
_DIGITS = 6
"""Decimals that are the same on every machine."""

_NOWHERE = 1e-6
"""A distance from the reference that is none."""

Point = Mapping[str, float]
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class PullPoint:
    """The best mix at one strength of the pull.

    Attributes:
        kl: λ.
        distance: KL(mix ‖ reference), nats.
        change: predicted, of the weighted mean of the metrics, or of the worst family where that counts.
        chosen: it is the declared λ.
    """

    kl: float
    distance: float
    change: float
    chosen: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class FamilyPoint:
    """A mix on the front between families.

    Attributes:
        best_for: what it is best for: `weighted mean`, `worst family`, a family, or two with their weights.
        distance: KL(mix ‖ reference), nats.
        changes: family → predicted change of its weighted mean.
        chosen: it is what the mix file asks for.
    """

    best_for: str
    distance: float
    changes: Mapping[str, float]
    chosen: bool


@dataclass(frozen=True, slots=True)
class _Wish:
    """A mix on the front between families: what it is best for, the problem that says so, whether it is declared."""

    label: str
    problem: MixProblem
    chosen: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """The problem of the mix file under its laws, to be solved for other objectives from `starts`.

    Attributes:
        observed: spec and data.
        fitted: the laws.
        problem: what the mix file asks for.
        starts: points over the coordinates, of use to laws that are not convex alone.
    """

    observed: Observed
    fitted: Fitted
    problem: MixProblem
    starts: tuple[Point, ...]

    def best(self, problem: MixProblem) -> Point | None:
        """The solution of a problem that differs in what it asks for; None where it has none."""
        try:
            return best_near(problem, self.fitted, self.starts).point
        except (InfeasibleError, SolveError):
            return None

    def front(self, here: Point, on_progress: OnProgress) -> tuple[tuple[PullPoint, ...], tuple[FamilyPoint, ...]]:
        """All that is found around the present solution `here`."""
        wishes = self.wishes(here)
        total = len(_FACTORS) + len(wishes)
        pull: list[PullPoint] = []
        families: list[FamilyPoint] = []
        for done, factor in enumerate(_FACTORS, 1):
            pull += filter(None, [self.pull_point(factor, here)])
            on_progress(done, total)
        for done, wish in enumerate(wishes, len(_FACTORS) + 1):
            families += filter(None, [self.family_point(wish, here)])
            on_progress(done, total)
        return tuple(pull), tuple(families)

    def pull_point(self, factor: float, here: Point) -> PullPoint | None:
        """The best mix with so many times the pull; `here` is the present solution."""
        declared = self.problem.kl
        kl = factor * (declared or _USUAL)
        point = here if kl == declared else self.best(replace(self.problem, kl=kl))
        if point is None:
            return None
        return PullPoint(
            kl=round(kl, _DIGITS),
            distance=self._distance(point),
            change=round(self._counted(point) - self._counted(self._reference), _DIGITS) + 0.0,
            chosen=kl == declared,
        )

    def wishes(self, here: Point) -> list[_Wish]:
        """Extremes of the front first, then what weighs families against each other; none with one family, or where the
        present mix is the reference.
        """
        every = declared_families(self.observed.spec.evals)
        if len(every) < 2 or self._distance(here) < _NOWHERE:
            return []
        weights = [(name, every[name]) for name in self._looked_at(here)]
        if len(every) == 2:
            one, other = every
            weights[1:1] = [(f"{one} 3 : 1 {other}", _mixed(every, {one: 3, other: 1}))]
            weights[2:2] = [(f"{one} 1 : 3 {other}", _mixed(every, {one: 1, other: 3}))]
        declared = bool(self.problem.worst_case)
        alone = [
            _Wish(label, replace(self.problem, metric_weights=wanted, worst_case=()), chosen=False)
            for label, wanted in weights
        ]
        mean = _Wish("weighted mean", replace(self.problem, worst_case=()), chosen=not declared)
        worst = _Wish("worst family", replace(self.problem, worst_case=self._worst()), chosen=declared)
        return [*alone, mean, worst]

    def family_point(self, wish: _Wish, here: Point) -> FamilyPoint | None:
        """The mix that is wished for, no further from the reference than `here`."""
        point = here if wish.chosen else self._as_near(wish.problem, here)
        if point is None:
            return None
        distance, changes = self._distance(point), self._changes(point)
        return FamilyPoint(best_for=wish.label, distance=distance, changes=changes, chosen=wish.chosen)

    def _as_near(self, problem: MixProblem, here: Point) -> Point | None:
        """The best mix for `problem` of those no further from the reference than `here`; None where a solve fails."""
        wanted, pull = self._distance(here), self.problem.kl or _USUAL
        weak: tuple[float, float] | None = None
        strong: tuple[float, float] | None = None
        found = None
        for _ in range(_STEPS):
            point = self.best(replace(problem, kl=pull))
            if point is None:
                return None
            distance = self._distance(point)
            if distance > wanted:
                weak = (pull, distance)
            else:
                strong, found = (pull, distance), point
            if abs(distance - wanted) <= _NEAR * wanted or (distance <= wanted and pull < _LEAST_PULL):
                return point
            pull = _next_pull(weak, strong, wanted)
        return found

    def left_out(self, here: Point) -> tuple[str, ...]:
        """Families that are not looked at on their own."""
        names = self._looked_at(here)
        return tuple(name for name in declared_families(self.observed.spec.evals) if name not in names)

    def _looked_at(self, here: Point) -> list[str]:
        """The families that the present mix serves worst, in their order."""
        changes = self._changes(here)
        worst = sorted(changes, key=lambda name: (-changes[name], name))[:_MOST]
        return [name for name in changes if name in worst]

    @property
    def _reference(self) -> Point:
        return collapsed_reference(self.problem.coordinates, self.observed.reference)

    def _worst(self) -> tuple[WorstCase, ...]:
        spec = self.observed.spec
        return worst_case(replace(spec, objective=replace(spec.objective, worst_case=True)), self._predicted_reference)

    @property
    def _predicted_reference(self) -> Mapping[str, float]:
        return predict(self.fitted, self._reference)

    def _counted(self, point: Point) -> float:
        """What the objective counts of the predicted metrics."""
        metrics = self.fitted.fit.metrics
        predicted = predict(self.fitted, point)
        return float(losses_of(self.problem, metrics, np.array([[predicted[name] for name in metrics]]))[0])

    def _changes(self, point: Point) -> dict[str, float]:
        """Family → predicted change from the reference mix."""
        now, then = predict(self.fitted, point), self._predicted_reference
        return {
            name: round(math.fsum(w * (now[m] - then[m]) for m, w in members.items()) / sum(members.values()), _DIGITS)
            + 0.0
            for name, members in declared_families(self.observed.spec.evals).items()
        }

    def _distance(self, point: Point) -> float:
        names = self.problem.coordinates.names
        row_1C = np.array([[point[name] for name in names]])
        return round(float(divergence(replace(self.problem, kl=1.0), names)(row_1C)[0]), _DIGITS) + 0.0


def _next_pull(weak: tuple[float, float] | None, strong: tuple[float, float] | None, wanted: float) -> float:
    """Where the distance is likely the one that is wanted, between a pull (with its distance) that is too weak and one
    that is not: on the straight line between their logarithms, well inside.
    """
    if weak is None:
        return math.inf if strong is None else strong[0] / 4
    if strong is None:
        return weak[0] * 4
    share = math.log(weak[1] / wanted) / math.log(weak[1] / max(strong[1], 1e-9))
    return float(weak[0] * (strong[0] / weak[0]) ** min(max(share, 0.1), 0.9))


def _mixed(families: Mapping[str, Mapping[str, float]], shares: Mapping[str, float]) -> dict[str, float]:
    """Metric → weight, where each family counts with its share, whatever its evals' weights sum to."""
    return {
        metric: shares[name] * weight / math.fsum(members.values())
        for name, members in families.items()
        for metric, weight in members.items()
    }
