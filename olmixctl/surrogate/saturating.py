"""Diminishing returns: f(p) = c + exp(b − Σ_j a_j log(1 + p_j / s_j)), a_j ≥ 0, one law a metric.

Convex in p: −log is convex, a_j ≥ 0 keeps the sum convex, and exp is increasing and convex. Each domain has its own
scale s_j, at which its returns begin to diminish, in every metric.

What is minimised per metric (`saturation`): ½ Σ residuals² / variance, in units of the metric's standard deviation,
plus normal priors on the logarithms of slopes and scales, on the level and on the logit of c over the least loss. All
starts (three scales, two offsets) of all metrics are searched in one batch under usual noise; the lowest is followed
while law and noise settle in turn, the variance being what its evidence is largest for, and Newton's method takes it to
its last digits (`polish`). The priors decide where runs are fewer than the 2 C + 2 parameters.

Array dimensions: R runs, C coordinates, S sampled ones, M metrics, K metrics that move, B problems, N mixtures,
P = 2 S + 2 parameters (level, logit of the offset, log slopes, log scales).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from olmixctl.surrogate.descent import descend
from olmixctl.surrogate.draws import Draws
from olmixctl.surrogate.model import Array, Evidence, Fit, FitStatus
from olmixctl.surrogate.polish import polish
from olmixctl.surrogate.returns import returns
from olmixctl.surrogate.saturation import USUAL_NOISE, Laws, Prior, refine
from olmixctl.surrogate.targets import Targets, status_of

__all__ = ["Saturating", "SaturatingFit"]

# Mean and standard deviation of the priors; slopes are in units of the spread of the losses over their height above c.
_LEVEL, _OFFSET, _SLOPE, _SCALE = (0.0, 2.0), (0.85, 1.5), (-2.25, 1.5), (float(np.log(0.02)), 1.5)
_START_SCALES = (0.005, 0.03, 0.15)
_START_OFFSETS = (0.85, 2.2)
# Past these the law is level or a step, and its logarithms lose their digits.
_LEAST, _MOST = (-30.0, -12.0, -12.0, -12.0), (30.0, 12.0, 6.0, 9.0)
# Of every start: iterations, and the fall at which they end; and starts of a metric that go on where runs outnumber the
# parameters. Where they do not there are several ends, and early values do not tell which start leads to the lowest.
_ITERATIONS, _TOLERANCE, _KEPT = 40, 1e-7, 2
_TURNS, _SAME_NOISE = 60, 1e-8
"""Of noise and law: how many at most, and the change of the logarithm of the variance that ends them."""
_BATCH = 4_000_000
_STREAM, _REDRAWN = 83, 0.75
"""How far the centres of the priors are drawn away, in widths of the priors: whole widths cover too much, since drawn
runs already move what the others decide."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SaturatingFit:
    """Fitted laws of diminishing returns.

    Attributes:
        coordinates: C names.
        metrics: M names.
        offsets_M: c.
        levels_M: b.
        slopes_MC: a; zero for coordinates that no run sampled.
        scales_MC: s.
        targets: the runs, as the fit saw them.
        inner_KP: the parameters as they are searched for.
        variance_K: of residuals, in units of the metric's standard deviation squared.
        status: read first.
    """

    coordinates: tuple[str, ...]
    metrics: tuple[str, ...]
    offsets_M: Array
    levels_M: Array
    slopes_MC: Array
    scales_MC: Array
    targets: Targets
    inner_KP: Array
    variance_K: Array
    status: FitStatus

    @property
    def family(self) -> str:
        """`saturating`."""
        return "saturating"

    def predict(self, weights_NC: Array) -> Array:
        """The law at each mixture: N × M."""
        columns = [
            np.log1p(weights_NC / scale_C) @ slope_C
            for slope_C, scale_C in zip(self.slopes_MC, self.scales_MC, strict=True)
        ]
        return np.asarray(self.offsets_M + np.exp(self.levels_M - np.stack(columns, axis=1)))

    def spread(self, weights_NC: Array) -> Array:
        """As uncertain everywhere: N × M ones."""
        return np.ones((len(weights_NC), len(self.metrics)))

    def gradient(self, weights_C: Array) -> Array:
        """−a_j exp(…) / (s_j + p_j): M × C."""
        above_M = self.predict(weights_C[None])[0] - self.offsets_M
        return np.asarray(-above_M[:, None] * self.slopes_MC / (self.scales_MC + weights_C))

    def parameters(self) -> dict[str, Array]:
        """Offsets, levels, slopes and scales."""
        return {
            "offsets": self.offsets_M,
            "levels": self.levels_M,
            "slopes": self.slopes_MC,
            "scales": self.scales_MC,
        }


@dataclass(frozen=True, slots=True)
class Saturating:
    """The family."""

    @property
    def name(self) -> str:
        """Registry name."""
        return "saturating"

    def fit(self, evidence: Evidence) -> SaturatingFit:
        """Fit every metric; deterministic, and independent of the order and names of runs, metrics and coordinates.

        Never-sampled coordinates get no slope and are named by the status.
        """
        targets = Targets.of(evidence)
        laws, metrics = _laws(targets), len(targets.losses_KR)
        size = max(1, _BATCH // (targets.weights_RS.size * len(_START_SCALES) * len(_START_OFFSETS)))
        at_KP, variance_K = np.zeros((metrics, len(laws.prior.mean_P))), np.ones(metrics)
        settled_K, iterations = np.ones(metrics, dtype=bool), 0
        for start in range(0, metrics, size):
            batch = np.arange(start, min(start + size, metrics))
            at_KP[batch], variance_K[batch], settled_K[batch], done = _search(laws.take(batch))
            iterations = max(iterations, done)
        moving = [name for name, moves in zip(evidence.metrics, targets.moving_M, strict=True) if moves]
        still = tuple(name for name, done in zip(moving, settled_K, strict=True) if not done)
        found = _Found(at_KP, variance_K, status_of(evidence, at_KP.shape[1], still, iterations))
        return _as_laws(evidence, targets, found)

    def refit(self, start: Fit, evidence: Evidence) -> SaturatingFit:
        """The law of `start` on other runs; see `Family`."""
        return next(self.refits(start, evidence, Draws(np.ones((1, len(evidence.runs))))))

    def refits(self, start: Fit, evidence: Evidence, draws: Draws) -> Iterator[SaturatingFit]:
        """A few damped Gauss–Newton steps from `start`, all metrics of many draws in one batch; see `Family`.

        Raises:
            TypeError: `start` is of another family.
        """
        if not isinstance(start, SaturatingFit):
            raise TypeError(f"a {start.family} law is not refitted as saturating")
        targets, metrics = start.targets, len(start.inner_KP)
        weights_RS = np.ascontiguousarray(evidence.weights_RC[:, targets.places_S])
        losses_KR = targets.above(evidence)
        own = replace(_laws(targets), variance_B=start.variance_K)
        for part in draws.batches(weights_RS.size * max(metrics, 1)):
            every = np.tile(np.arange(metrics), len(part))
            drawn = replace(
                own.take(every),
                weights_RS=weights_RS,
                losses_BR=losses_KR[every],
                counts_BR=np.repeat(part.counts_NR, metrics, axis=0),
                centre_BP=_centres(own, part),
            )
            at_BP, settled_B = refine(drawn, start.inner_KP[every])
            for n in range(len(part)):
                rows = slice(n * metrics, (n + 1) * metrics)
                status = replace(start.status, converged=bool(settled_B[rows].all()), notes=())
                yield _as_laws(evidence, targets, _Found(at_BP[rows], start.variance_K, status))


class _Found(NamedTuple):
    """Parameters of the metrics that move, the variance of their residuals, and the status."""

    at_KP: Array
    variance_K: Array
    status: FitStatus


def _search(laws: Laws) -> tuple[Array, Array, NDArray[np.bool_], int]:
    """Parameters of each metric, the variance of its residuals, whether they settled, and iterations."""
    at_BP, iterations = _lowest(laws)
    at_BP, variance_B = _settled_noise(laws, at_BP)
    ended = polish(replace(laws, variance_B=variance_B).objective, at_BP)
    return ended.parameters_BP, variance_B, ended.settled_B, iterations


def _lowest(laws: Laws) -> tuple[Array, int]:
    """The lowest end over the starts of each metric, and the iterations.

    All starts go a part of the way, and the lowest few of each metric, of few runs all of them, to the end.
    """
    starts_GBP = np.stack([_start(laws, scale, offset) for scale in _START_SCALES for offset in _START_OFFSETS])
    copies, metrics, parameters = starts_GBP.shape
    early = descend(
        laws.take(np.tile(np.arange(metrics), copies)).objective,
        starts_GBP.reshape(-1, parameters),
        iterations=_ITERATIONS,
        tolerance=_TOLERANCE,
    )
    ends = _KEPT if len(laws.weights_RS) > parameters else copies
    order_GB = np.argsort(early.value_B.reshape(copies, metrics), axis=0, kind="stable")[:ends]
    kept = laws.take(np.tile(np.arange(metrics), ends))
    at_BP, _ = refine(kept, early.parameters_BP[(order_GB * metrics + np.arange(metrics)).ravel()])
    best_B = np.argmin(kept.value(at_BP).reshape(ends, metrics), axis=0)
    return at_BP[best_B * metrics + np.arange(metrics)], early.iterations


def _settled_noise(laws: Laws, at_BP: Array) -> tuple[Array, Array]:
    """Law and noise in turn, until the noise stays: parameters and variances.

    Searched for together, a law with as many parameters as runs would go through all of them, leave no residuals and
    seem to be without noise.
    """
    at_BP, variance_B, open_b = at_BP.copy(), laws.variance_B.copy(), np.arange(len(at_BP))
    for _ in range(_TURNS):
        part = replace(laws.take(open_b), variance_B=variance_B[open_b])
        at_BP[open_b], _ = refine(part, at_BP[open_b])
        after_b = part.evident_noise(at_BP[open_b])
        moved_b = np.abs(np.log(after_b / variance_B[open_b])) > _SAME_NOISE
        variance_B[open_b], open_b = after_b, open_b[moved_b]
        if not len(open_b):
            break
    return at_BP, variance_B


def _start(laws: Laws, scale: float, offset: float) -> Array:
    """A start with these scales and offsets, level with the mean of the losses: B × P."""
    coordinates = laws.weights_RS.shape[1]
    at_P = _spread([0.0, offset, _SLOPE[0], np.log(scale)], coordinates)
    returns_RS = returns(laws.weights_RS, np.full((1, coordinates), np.log(scale)))[0]
    at_P[0] = np.exp(_SLOPE[0]) * returns_RS.sum(axis=1).mean()
    return np.repeat(at_P[None], len(laws.unit_B), axis=0)


def _as_laws(evidence: Evidence, targets: Targets, found: _Found) -> SaturatingFit:
    """The laws that these parameters stand for, over all metrics and coordinates."""
    sampled = len(targets.places_S)
    inside_KP = np.clip(found.at_KP, _spread(_LEAST, sampled), _spread(_MOST, sampled))
    shape = (len(evidence.metrics), len(evidence.coordinates))
    slopes_MC, scales_MC = np.zeros(shape), np.full(shape, np.exp(_SCALE[0]))
    # What is the same in every run is level: any split into offset and the rest says so.
    rest_M = np.where(targets.level_M == 0, 1.0, 0.3 * np.abs(targets.level_M))
    offsets_M, levels_M = targets.level_M - rest_M, np.log(rest_M)
    rows, columns = np.flatnonzero(targets.moving_M), targets.places_S
    scale_KS = np.exp(inside_KP[:, 2 + sampled :])
    losses_KR = targets.losses_KR
    least_K, mean_K, unit_K = losses_KR.min(axis=1), losses_KR.mean(axis=1), losses_KR.std(axis=1)
    offset_K = least_K / (1.0 + np.exp(-inside_KP[:, 1]))
    size_K = unit_K / (mean_K - offset_K)
    slopes_KS = size_K[:, None] * np.exp(inside_KP[:, 2 : 2 + sampled]) / np.log1p(1.0 / scale_KS)
    scales_MC[np.ix_(rows, columns)], slopes_MC[np.ix_(rows, columns)] = scale_KS, slopes_KS
    offsets_M[rows], levels_M[rows] = targets.base_K + offset_K, np.log(mean_K - offset_K) + size_K * inside_KP[:, 0]
    return SaturatingFit(
        coordinates=evidence.coordinates,
        metrics=evidence.metrics,
        offsets_M=offsets_M,
        levels_M=levels_M,
        slopes_MC=slopes_MC,
        scales_MC=scales_MC,
        targets=targets,
        inner_KP=found.at_KP,
        variance_K=found.variance_K,
        status=found.status,
    )


def _laws(targets: Targets) -> Laws:
    """The problem of each metric that moves, residuals in its own standard deviation, of usual variance."""
    losses_KR, prior = targets.losses_KR, _prior(targets.weights_RS.shape[1])
    return Laws(
        weights_RS=targets.weights_RS,
        losses_BR=losses_KR,
        counts_BR=np.ones_like(losses_KR),
        least_B=losses_KR.min(axis=1),
        mean_B=losses_KR.mean(axis=1),
        unit_B=losses_KR.std(axis=1),
        variance_B=np.full(len(losses_KR), USUAL_NOISE**2),
        centre_BP=np.repeat(prior.mean_P[None], len(losses_KR), axis=0),
        prior=prior,
    )


def _centres(laws: Laws, draws: Draws) -> Array:
    """Where the priors are centred in each draw, all metrics of the first draw first: N K × P.

    Drawn anew where draws are random: what the priors decide and no run does is as uncertain as they are wide, and a
    draw of runs alone would leave it where it is (Bardsley et al. 2014, Randomize-then-optimize).
    """
    if not draws.streams:
        return np.tile(laws.centre_BP, (len(draws), 1))
    width_P, found = _REDRAWN / np.sqrt(laws.prior.precision_P), []
    for stream in draws.streams:
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((*stream, _STREAM))))
        found.append(laws.centre_BP + width_P * rng.standard_normal(laws.centre_BP.shape))
    return np.concatenate(found)


def _prior(coordinates: int) -> Prior:
    """The priors of all parameters."""
    priors = (_LEVEL, _OFFSET, _SLOPE, _SCALE)
    return Prior(
        mean_P=_spread([p[0] for p in priors], coordinates),
        precision_P=_spread([p[1] ** -2 for p in priors], coordinates),
        least_P=_spread(_LEAST, coordinates),
        most_P=_spread(_MOST, coordinates),
    )


def _spread(four: tuple[float, ...] | list[float], coordinates: int) -> Array:
    """A value for each kind of parameter → one for each parameter."""
    return np.repeat(np.array(four), [1, 1, coordinates, coordinates])
