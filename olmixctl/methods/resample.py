"""How sure is a mix? The bootstrap over runs: draw the evidence anew, refit, solve again.

Runs of one mixture are drawn together: apart, a copy of a run would stand on both sides of every choice the fit makes
by leaving runs out. Draw i depends on the seed and on i alone, so more draws start with the fewer. Laws keep their
hyperparameters (`Family.refit`), and every draw is solved under the problem's bounds; rounding is left out, it moves a
share by a millionth.

Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap, §9.5 (cases) and §13 (percentiles). How often its
intervals hold the truth is measured in docs/numerics.md. Array dimensions: N draws, R runs, G different mixtures,
C coordinates, M metrics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from olmixctl.errors import OlmixctlError
from olmixctl.methods.laws import best_from, landscapes
from olmixctl.methods.objective import divergence, losses_of
from olmixctl.methods.olmix import Fitted, fitted_problem
from olmixctl.methods.problem import convex_metrics, is_convex
from olmixctl.mixture import Coordinates
from olmixctl.plan.model import Observed
from olmixctl.solve.many import optima
from olmixctl.solve.problem import ConvexMetric, MixProblem
from olmixctl.surrogate.draws import Draws
from olmixctl.surrogate.model import Array, Evidence, Fit
from olmixctl.surrogate.registry import FAMILIES

__all__ = [
    "ENDS",
    "Bootstrap",
    "Interval",
    "Judged",
    "Resampled",
    "mixture_draws",
    "resample",
    "resample_mix",
    "share_of",
]

ENDS = (6.0, 94.0)
"""Percentiles that hold the truth in nine of ten cases: draws of few runs spread a little wider than the decided mix is
off (docs/numerics.md)."""
_STREAM = 0xB007
"""Tells this use of the seed from others."""
_LEAST = 10
"""Solved draws below which percentiles say nothing."""
_ENTRIES = 200_000
"""Coefficients of the laws that are solved at once."""
_STEPS, _GAIN = 12, 1e-6
"""Steps towards the minimum of laws that are not convex, and what a step has to lower the objective by for another one
to be taken: less moves a draw by far less than draws differ."""
_BENDS, _MOST_BEND = 4.0, 64.0
"""How much more the model after a refused step bends, and where no step is looked for any more."""
_NOTHING: Mapping[str, Mapping[str, float]] = MappingProxyType({})


def _silent(_done: int, _total: int) -> None:
    """Nobody listens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bootstrap:
    """What is asked for: how many resamples (0 for none), and who hears (resamples done, of) as they are solved."""

    resamples: int = 100
    on_progress: Callable[[int, int], None] = _silent


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """In which a number lies in nine of ten cases."""

    low: float
    high: float

    @classmethod
    def of(cls, values_N: Array, *, ratio: float = 1.0) -> Interval:
        """That of some values, or of `ratio` of them."""
        low, high = np.percentile(values_N, ENDS)
        return cls(low=float(low) * ratio, high=float(high) * ratio)

    def holding(self, value: float) -> Interval:
        """The interval, widened to hold `value`: what was decided lies in its own interval."""
        return Interval(low=min(self.low, value), high=max(self.high, value))

    def part(self, ratio: float) -> Interval:
        """That of a member with `ratio` of the whole."""
        return Interval(low=self.low * ratio, high=self.high * ratio)


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A mix under the laws of each solved draw.

    Attributes:
        metrics_NM: predicted metrics, in the order of the laws.
        losses_N: what the objective counts of them: the weighted mean, or the worst family's change.
        objectives_N: that and λ KL.
    """

    metrics_NM: Array
    losses_N: Array
    objectives_N: Array


@dataclass(frozen=True, kw_only=True, slots=True)
class Resampled:
    """Optimal mixes of resampled evidence.

    Attributes:
        names: C coordinates, sorted.
        metrics: M names, sorted.
        shares_NC: the optimum of each solved draw, in their order.
        optima_N: its objective.
        judged: name of a mix that was asked about → what each solved draw says of it.
        asked: resamples drawn.
        failed: those whose laws did not converge or whose bounds could not be met.
    """

    names: tuple[str, ...]
    metrics: tuple[str, ...]
    shares_NC: Array
    optima_N: Array
    judged: Mapping[str, Judged] = field(default_factory=dict)
    asked: int = 0
    failed: int = 0

    @property
    def enough(self) -> bool:
        """Whether so many draws were solved that percentiles and shares of them mean something."""
        return len(self.optima_N) >= max(_LEAST, self.asked // 2)

    def interval(self, coordinate: str, *, ratio: float = 1.0) -> Interval | None:
        """That of a coordinate, or of a member with `ratio` of it; None where too few resamples were solved."""
        if not self.enough:
            return None
        return Interval.of(self.shares_NC[:, self.names.index(coordinate)], ratio=ratio)

    def regrets(self, name: str) -> Array:
        """By how much each draw's own optimum beats the mix `name`, in the objective: N, not negative."""
        return np.asarray(np.maximum(self.judged[name].objectives_N - self.optima_N, 0.0))

    def confidence(self, name: str, regret: float) -> float:
        """P(the mix `name` is within `regret` of the optimum); 0 where too few resamples were solved."""
        return share_of(self.regrets(name) < regret) if self.enough else 0.0

    def better(self, name: str, than: str) -> float | None:
        """P(the losses of `name` are below those of `than`); None where too few draws, or either mix is not known."""
        if not self.enough or not {name, than} <= set(self.judged):
            return None
        return share_of(self.judged[name].losses_N < self.judged[than].losses_N)


def share_of(true_N: NDArray[np.bool_]) -> float:
    """The share of draws, by Laplace's rule of succession: some draws never make a thing certain or impossible."""
    return (float(np.count_nonzero(true_N)) + 1.0) / (len(true_N) + 2.0)


def resample_mix(
    observed: Observed,
    coordinates: Coordinates,
    fitted: Fitted,
    bootstrap: Bootstrap,
    mixes: Mapping[str, Mapping[str, float]] = _NOTHING,
) -> Resampled:
    """Refit and solve resamples of the evidence behind `fitted`.

    Args:
        observed: spec and data.
        coordinates: of the mix.
        fitted: laws on all runs.
        bootstrap: how many, and who hears.
        mixes: name → point over the coordinates, mixes that every resample is to judge; the decided one first, near
            which laws that are not convex are solved again.
    """
    draws = mixture_draws(fitted.evidence, observed.spec.swarm.seed, range(bootstrap.resamples))
    return resample(
        fitted, lambda each: fitted_problem(observed, coordinates, each), draws, mixes, bootstrap.on_progress
    )


def resample(
    fitted: Fitted,
    problem_of: Callable[[Fitted], MixProblem],
    draws: Draws,
    mixes: Mapping[str, Mapping[str, float]] = _NOTHING,
    on_progress: Callable[[int, int], None] = _silent,
) -> Resampled:
    """`resample_mix` on draws that are given, of a problem that follows from the laws."""
    problem = problem_of(fitted)
    # Guardrails and families count from what each draw's laws predict of the reference mix.
    own = bool(problem.guardrails or problem.worst_case)
    fits: Iterator[Fit] = FAMILIES[fitted.family].refits(fitted.fit, fitted.evidence, draws)
    # Convex laws are solved from anywhere; others near the decided mix, or where the laws on all runs lead.
    start = None if is_convex(fitted.fit) else next(iter(mixes.values()), None) or best_from(problem, fitted, []).point
    found: list[_Draw] = []
    done = 0
    size = max(1, _ENTRIES // (len(fitted.fit.coordinates) * len(fitted.fit.metrics)))
    while some := list(islice(fits, size)):
        drawn = [replace(fitted, fit=fit) for fit in some if fit.status.converged]
        problems = [problem_of(each) for each in drawn] if own else [problem]
        found += _solved(problems, drawn, mixes, start)
        done += len(some)
        on_progress(done, len(draws))
    return _joined(fitted.fit, found, tuple(mixes), len(draws))


def mixture_draws(evidence: Evidence, seed: int, numbers: Iterable[int]) -> Draws:
    """Draws of these numbers: as many mixtures as there are, with replacement, each with all its runs."""
    _, group_R = np.unique(evidence.weights_RC, axis=0, return_inverse=True)
    group_R = group_R.reshape(-1)
    groups = int(group_R.max()) + 1
    streams = tuple((seed, _STREAM, number) for number in numbers)
    rows = []
    for stream in streams:
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(stream)))
        rows.append(np.bincount(rng.integers(0, groups, groups), minlength=groups)[group_R])
    return Draws(np.array(rows, dtype=np.float64).reshape(len(rows), len(group_R)), streams=streams)


@dataclass(frozen=True, slots=True)
class _Draw:
    """A solved draw: its optimum, and metrics, losses and objectives at the optimum and at the mixes asked about."""

    point_C: Array
    metrics_JM: Array
    losses_J: Array
    objectives_J: Array


def _solved(
    problems: Sequence[MixProblem],
    drawn: Sequence[Fitted],
    mixes: Mapping[str, Mapping[str, float]],
    start: Mapping[str, float] | None,
) -> Iterator[_Draw]:
    """The draws that have an optimum."""
    if not drawn:
        return
    names = drawn[0].fit.coordinates
    mixes_JC = np.array([[mix[name] for name in names] for mix in mixes.values()]).reshape(len(mixes), len(names))
    kl = divergence(problems[0], names)
    known_J = kl(mixes_JC)
    found = _optima(problems, drawn) if start is None else _minima(problems, drawn, start)
    for n, (fitted, point_C) in enumerate(zip(drawn, found, strict=True)):
        if point_C is None:
            continue
        metrics_JM = fitted.fit.predict(np.concatenate([point_C[None], mixes_JC]))
        losses_J = losses_of(problems[min(n, len(problems) - 1)], fitted.fit.metrics, metrics_JM)
        yield _Draw(point_C, metrics_JM, losses_J, losses_J + np.append(kl(point_C[None]), known_J))


def _optima(problems: Sequence[MixProblem], drawn: Sequence[Fitted]) -> list[Array | None]:
    """The optimum under each law, over the coordinates in their order; None where there is none."""
    return _solved_at_once(problems, [convex_metrics(fitted.fit) for fitted in drawn])


def _minima(problems: Sequence[MixProblem], drawn: Sequence[Fitted], start: Mapping[str, float]) -> list[Array | None]:
    """The minimum near `start` under each law that is not convex: steps of the local solve, all draws at once.

    A step that does not lower the objective, or breaks a guardrail, is not taken: the next one is under a model that
    bends more.
    """
    lands = landscapes(problems, drawn)
    at_NC = np.array([[start[name] for name in drawn[0].fit.coordinates]] * len(drawn))
    value_N = np.array([land.kept(x_C) for land, x_C in zip(lands, at_NC, strict=True)])
    moving, bend_N = list(range(len(drawn))), np.ones(len(drawn))
    for _ in range(_STEPS):
        models = [lands[n].model(at_NC[n], bend_N[n]) for n in moving]
        asked = [problems[min(n, len(problems) - 1)] for n in moving]
        still = []
        for n, ahead_C in zip(moving, _solved_at_once(asked, models), strict=True):
            value, before = math.inf if ahead_C is None else lands[n].kept(ahead_C), float(value_N[n])
            if ahead_C is not None and value < before:
                at_NC[n], value_N[n] = ahead_C, value
            elif value > before + _GAIN:
                bend_N[n] *= _BENDS
            if abs(value - before) > _GAIN and bend_N[n] <= _MOST_BEND:
                still.append(n)
        if not (moving := still):
            break
    return [x_C if math.isfinite(value) else None for x_C, value in zip(at_NC, value_N.tolist(), strict=True)]


def _solved_at_once(problems: Sequence[MixProblem], laws: Sequence[Sequence[ConvexMetric]]) -> list[Array | None]:
    try:
        found = optima(problems, laws)
    except OlmixctlError:
        return [None] * len(laws)
    return [point_C if solved else None for point_C, solved in zip(found.points(), found.solved_N, strict=True)]


def _joined(fit: Fit, found: Sequence[_Draw], mixes: tuple[str, ...], asked: int) -> Resampled:
    """All draws as arrays."""
    shape = (len(found), len(fit.coordinates))
    metrics_NJM = np.array([draw.metrics_JM for draw in found]).reshape(len(found), 1 + len(mixes), len(fit.metrics))
    losses_NJ = np.array([draw.losses_J for draw in found]).reshape(metrics_NJM.shape[:2])
    objectives_NJ = np.array([draw.objectives_J for draw in found]).reshape(metrics_NJM.shape[:2])
    return Resampled(
        names=fit.coordinates,
        metrics=fit.metrics,
        shares_NC=np.array([draw.point_C for draw in found]).reshape(shape),
        optima_N=objectives_NJ[:, 0],
        judged={
            name: Judged(metrics_NM=metrics_NJM[:, j], losses_N=losses_NJ[:, j], objectives_N=objectives_NJ[:, j])
            for j, name in enumerate(mixes, start=1)
        },
        asked=asked,
        failed=asked - len(found),
    )
