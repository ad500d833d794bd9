"""Fitted laws of any family, and what is solved and certified under them.

Log-linear and saturating laws are convex: the program is exact, its optimum proven. A Gaussian process is not: its mix
is the lowest minimum found from many starts, never worse than the convex answer, which is the optimum under saturating
laws of the same runs (`Fitted.guide`).

Array dimensions: R runs, C coordinates, N mixtures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from olmixctl.methods.objective import divergence, losses_of
from olmixctl.methods.problem import collapsed_reference, convex_metrics, is_convex
from olmixctl.solve.certificate import ROUNDED_TOLERANCE, Certificate, certify
from olmixctl.solve.exact import Solution, optimum, solve
from olmixctl.solve.landscape import Landscape
from olmixctl.solve.local import certify_local, keeps_guardrails, local_optimum
from olmixctl.solve.problem import ConvexMetric, MixProblem
from olmixctl.surrogate.model import Array, Evidence, Fit
from olmixctl.surrogate.registry import FAMILIES
from olmixctl.surrogate.validation import CrossValidation, HeldOut, Objective, hold_out

__all__ = [
    "Fitted",
    "best_from",
    "best_near",
    "certified",
    "convex_at",
    "landscapes",
    "objective_of",
    "predict",
    "predicted",
]

_BEST_RUNS, _BEST_DRAWS, _DRAWS = 3, 4, 256
"""Starts of a local solve: recorded runs and drawn mixtures with the lowest predicted objective, of so many drawn."""
_STREAM = 0x10CA1
"""Tells this use of the seed from others."""

Point = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Laws fitted on recorded runs. Not slotted: predictions of held-out runs are made once, when they are asked for.

    Attributes:
        family: registry name of the law.
        reason: why that law.
        evidence: the runs.
        fit: the laws.
        guide: saturating laws of the same runs, where `fit` is not convex; None where it is.
        seed: of the folds that runs are held out in.
        chosen: `auto` took the family just now, for `reason`.
        scores: how the families that were compared predict the objective of unseen runs; empty where none was chosen.
        known: predictions of held-out runs, where the choice made them.
        objective: what is counted of metrics, where it is the worst family's change; None for their weighted mean.
    """

    family: str
    reason: str
    evidence: Evidence
    fit: Fit
    guide: Fit | None = None
    seed: int = 0
    chosen: bool = False
    scores: Mapping[str, CrossValidation] = field(default_factory=dict)
    known: HeldOut | None = None
    objective: Objective | None = None

    @cached_property
    def held(self) -> HeldOut | None:
        """Every run predicted by laws that had not seen it; None with fewer than three different mixtures."""
        return self.known or hold_out(self.evidence, FAMILIES[self.family], seed=self.seed)


def best_from(problem: MixProblem, fitted: Fitted, starts: Sequence[Point], *, seed: int = 0) -> Solution:
    """The solution of a mix that is decided: convex laws exactly, others from `starts` and many more.

    Args:
        problem: under these laws.
        fitted: the laws.
        starts: points over the coordinates, of use to laws that are not convex alone.
        seed: of the drawn starts.

    Raises:
        InfeasibleError: the bounds exclude each other.
        SolveError: the solver gave no answer that can be trusted.
    """
    if is_convex(fitted.fit):
        return solve(problem, convex_metrics(fitted.fit))
    return local_optimum(problem, fitted.fit, _curves(fitted), [*starts, *_promising(problem, fitted, seed)])


def best_near(problem: MixProblem, fitted: Fitted, starts: Sequence[Point]) -> Solution:
    """The solution where only digits are looked for, or how a looser bound moves it: from `starts` alone, no cvxpy.

    Raises:
        InfeasibleError: the bounds exclude each other.
        SolveError: it cannot be proven.
    """
    if is_convex(fitted.fit):
        return optimum(problem, convex_metrics(fitted.fit))
    return local_optimum(problem, fitted.fit, _curves(fitted), starts)


def certified(
    problem: MixProblem, fitted: Fitted, point: Point, *, tolerance: float = ROUNDED_TOLERANCE
) -> Certificate:
    """How far a point can be from optimal; under laws that are not convex, from where no step leads down."""
    if is_convex(fitted.fit):
        return certify(problem, convex_metrics(fitted.fit), point, tolerance=tolerance)
    return certify_local(problem, fitted.fit, _curves(fitted), point, tolerance=tolerance)


def convex_at(problem: MixProblem, fitted: Fitted, point: Point) -> tuple[ConvexMetric, ...]:
    """The laws as the solver sees them: themselves where they are convex, else models that touch them at `point`."""
    if is_convex(fitted.fit):
        return convex_metrics(fitted.fit)
    land = Landscape.of(problem, fitted.fit, _curves(fitted))
    return land.model(land.vector(point))


def landscapes(problems: Sequence[MixProblem], drawn: Sequence[Fitted]) -> list[Landscape]:
    """The landscape of each of several fits of laws that are not convex; the bounds are checked once.

    Args:
        problems: one for each fit, or one for all. They may differ in guardrails and baselines alone.
        drawn: fits of the same runs.

    Raises:
        InfeasibleError: the linear bounds exclude each other.
    """
    first = Landscape.of(problems[0], drawn[0].fit, _curves(drawn[0]))
    return [first.under(problems[min(n, len(problems) - 1)], fitted.fit) for n, fitted in enumerate(drawn)]


def objective_of(problem: MixProblem, fitted: Fitted, point: Point) -> float | None:
    """The objective at a point over the coordinates; None where it breaks a guardrail of `problem`."""
    names = problem.coordinates.names
    predicted = predict(fitted, point)
    if not keeps_guardrails(problem, predicted):
        return None
    x_1C = np.array([[point[name] for name in names]])
    losses_1M = np.array([[predicted[metric] for metric in fitted.fit.metrics]])
    loss = float(losses_of(problem, fitted.fit.metrics, losses_1M)[0])
    return loss + float(divergence(problem, names)(x_1C)[0])


def predict(fitted: Fitted, point: Point) -> dict[str, float]:
    """Metric → bits per byte at a point in coordinates."""
    return predicted(fitted.fit, point)


def predicted(fit: Fit, point: Point) -> dict[str, float]:
    """`predict` by laws alone."""
    row_NC = np.array([[point[name] for name in fit.coordinates]], dtype=np.float64)
    return {m: float(v) for m, v in zip(fit.metrics, fit.predict(row_NC)[0], strict=True)}


def _curves(fitted: Fitted) -> tuple[ConvexMetric, ...]:
    assert fitted.guide is not None, "laws that are not convex have a guide"
    return convex_metrics(fitted.guide)


def _promising(problem: MixProblem, fitted: Fitted, seed: int) -> list[Point]:
    """Recorded runs, and mixtures drawn around the reference, whose predicted objective is low."""
    names = problem.coordinates.names
    reference = collapsed_reference(problem.coordinates, problem.reference)
    prior_C = len(names) * np.array([reference[name] for name in names]) + 0.05
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, _STREAM))))
    drawn_NC = rng.dirichlet(prior_C, _DRAWS)
    runs_NC = np.unique(fitted.evidence.weights_RC, axis=0)
    found = [*_lowest(problem, fitted, runs_NC)[:_BEST_RUNS], *_lowest(problem, fitted, drawn_NC)[:_BEST_DRAWS]]
    return [dict(zip(names, point_C.tolist(), strict=True)) for point_C in found]


def _lowest(problem: MixProblem, fitted: Fitted, points_NC: Array) -> Array:
    """The points, the lowest predicted objective first; bounds and guardrails are not asked."""
    losses_N = losses_of(problem, fitted.fit.metrics, fitted.fit.predict(points_NC))
    values_N = losses_N + divergence(problem, problem.coordinates.names)(points_NC)
    return np.asarray(points_NC[np.argsort(values_N, kind="stable")])
