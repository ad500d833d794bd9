"""Diminishing returns: f(p) = c + exp(b − Σ_j a_j log(1 + p_j / s_j)), a_j ≥ 0, one law a metric.

Convex in p: −log is convex, a_j ≥ 0 keeps the sum convex, and exp is increasing and convex. Each domain has its own
scale s_j, at which its returns begin to diminish, in every metric.

Objective per metric, in units of its standard deviation: ½ (R + 2) log(Σ residuals² + 2 · 0.05²), the likelihood of
normal noise whose variance is integrated out, plus normal priors on the logarithms of slopes and scales, on the
level and on the logit of c over the least loss. All starts (three scales, two offsets) of all metrics are searched in
one batch; the lowest wins, and Newton's method takes it to its last digits (`polish`). The priors decide where runs are
fewer than the 2 C + 2 parameters.

Array dimensions: R runs, C coordinates, S sampled ones, M metrics, K metrics that move, B problems, N mixtures,
P = 2 S + 2 parameters (level, logit of the offset, log slopes, log scales).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from olmixctl.surrogate.descent import Index, descend
from olmixctl.surrogate.draws import Draws
from olmixctl.surrogate.model import Array, Evidence, Fit, FitStatus
from olmixctl.surrogate.polish import polish
from olmixctl.surrogate.relaw import Drawn, Prior, refine
from olmixctl.surrogate.returns import by_scale, returns
from olmixctl.surrogate.targets import Targets, status_of

__all__ = ["Saturating", "SaturatingFit"]

# Mean and standard deviation of the priors; slopes are in units of the spread of the losses over their height above c.
_LEVEL, _OFFSET, _SLOPE, _SCALE = (0.0, 2.0), (0.85, 1.5), (-1.5, 1.3), (float(np.log(0.02)), 1.5)
_START_SCALES = (0.005, 0.03, 0.15)
_START_OFFSETS = (0.85, 2.2)
_LEAST_NOISE = 2 * 0.05**2
_NOISE_COUNT = 2
_MAX_EXPONENT = 40.0
# Past these the law is level or a step, and its logarithms lose their digits.
_LEAST, _MOST = (-30.0, -12.0, -12.0, -12.0), (30.0, 12.0, 6.0, 9.0)
# Iterations of every start; starts of a metric that go on; their iterations; and the fall at which they end, where
# Newton's method takes over.
_EARLY, _KEPT, _ITERATIONS, _TOLERANCE = 40, 2, 600, 1e-7
_BATCH = 4_000_000


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
        """Fit every metric; deterministic, and independent of the order of runs, metrics and coordinates.

        Never-sampled coordinates get no slope and are named by the status.

        Raises:
            IntegrityError: a loss that is not positive.
        """
        targets = Targets.of(evidence)
        size = max(1, _BATCH // (targets.weights_RS.size * len(_START_SCALES) * len(_START_OFFSETS)))
        at_KP = np.zeros((len(targets.losses_KR), 2 * targets.weights_RS.shape[1] + 2))
        settled_K, iterations = np.ones(len(targets.losses_KR), dtype=bool), 0
        for start in range(0, len(targets.losses_KR), size):
            batch = slice(start, start + size)
            laws = _Laws.of(targets, batch)
            at_KP[batch], settled_K[batch], done = _best(laws)
            iterations = max(iterations, done)
        moving = [name for name, moves in zip(evidence.metrics, targets.moving_M, strict=True) if moves]
        still = tuple(name for name, done in zip(moving, settled_K, strict=True) if not done)
        return _as_laws(evidence, targets, at_KP, status_of(evidence, at_KP.shape[1], still, iterations))

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
        weights_RS = np.ascontiguousarray(evidence.weights_RC[:, targets.sampled_C])
        losses_KR = evidence.losses_RM[:, targets.moving_M].T
        (least_K, mean_K, unit_K), weight_K = _units(targets), _weight(start)
        for part in draws.batches(weights_RS.size * max(metrics, 1)):
            every = np.tile(np.arange(metrics), len(part))
            drawn = Drawn(
                weights_RS=weights_RS,
                losses_BR=losses_KR[every],
                counts_BR=np.repeat(part.counts_NR, metrics, axis=0),
                least_B=least_K[every],
                mean_B=mean_K[every],
                unit_B=unit_K[every],
                weight_B=weight_K[every],
                prior=_prior(weights_RS.shape[1]),
            )
            at_BP, settled_B = refine(drawn, start.inner_KP[every])
            for n in range(len(part)):
                own = slice(n * metrics, (n + 1) * metrics)
                status = replace(start.status, converged=bool(settled_B[own].all()), notes=())
                yield _as_laws(evidence, targets, at_BP[own], status)


@dataclass(frozen=True, slots=True)
class _Laws:
    """B problems over the same mixtures: what the losses are, their least, mean and standard deviation.

    With c and h = ȳ − c the law is c + h exp((sd / h) (b − Σ a u)), so that near-level losses leave no valley: the
    offset bends the law and moves nothing.
    """

    weights_RS: Array
    losses_BR: Array
    least_B: Array
    mean_B: Array
    unit_B: Array

    @classmethod
    def of(cls, targets: Targets, batch: slice) -> _Laws:
        part = targets.losses_KR[batch]
        return cls(targets.weights_RS, part, part.min(axis=1), part.mean(axis=1), part.std(axis=1))

    def repeated(self, copies: int) -> _Laws:
        """Every problem so many times, side by side."""
        fields = (self.losses_BR, self.least_B, self.mean_B, self.unit_B)
        return _Laws(self.weights_RS, *(np.repeat(field, copies, axis=0) for field in fields))

    def objective(self, at_BP: Array, index: Index) -> tuple[Array, Array]:
        """Minus the log posterior (up to a constant) and its gradient."""
        coordinates = self.weights_RS.shape[1]
        inside_BP = np.clip(at_BP, _spread(_LEAST, coordinates), _spread(_MOST, coordinates))
        value_B, slope_BP = self._likelihood(inside_BP, index)
        away_BP = at_BP - _spread([p[0] for p in (_LEVEL, _OFFSET, _SLOPE, _SCALE)], coordinates)
        pull_BP = away_BP * _spread([p[1] ** -2 for p in (_LEVEL, _OFFSET, _SLOPE, _SCALE)], coordinates)
        value_B = value_B + 0.5 * (away_BP * pull_BP).sum(axis=1)
        return value_B, np.where(at_BP == inside_BP, slope_BP, 0.0) + pull_BP

    def _likelihood(self, at_BP: Array, index: Index) -> tuple[Array, Array]:
        coordinates, runs = self.weights_RS.shape[1], len(self.weights_RS)
        slope_BS, scale_BS = np.exp(at_BP[:, 2 : 2 + coordinates]), at_BP[:, 2 + coordinates :]
        share_B1, unit_B1 = 1.0 / (1.0 + np.exp(-at_BP[:, 1:2])), self.unit_B[index, None]
        offset_B1 = self.least_B[index, None] * share_B1
        height_B1 = self.mean_B[index, None] - offset_B1
        u_BRS = returns(self.weights_RS, scale_BS)
        inner_BR = at_BP[:, :1] - np.matmul(u_BRS, slope_BS[:, :, None])[:, :, 0]
        power_BR = np.minimum(unit_B1 / height_B1 * inner_BR, _MAX_EXPONENT)
        growth_BR = np.exp(power_BR)
        residual_BR = (height_B1 * np.expm1(power_BR) - (self.losses_BR - self.mean_B[:, None])[index]) / unit_B1
        total_B = (residual_BR**2).sum(axis=1) + _LEAST_NOISE
        pull_BR = (runs + _NOISE_COUNT) * residual_BR / total_B[:, None]
        along_BR = pull_BR * growth_BR
        slope_BP = np.empty_like(at_BP)
        slope_BP[:, 0] = along_BR.sum(axis=1)
        bend_BR = power_BR * growth_BR - np.expm1(power_BR)
        slope_BP[:, 1] = (pull_BR * bend_BR * (offset_B1 * (1.0 - share_B1) / unit_B1)).sum(axis=1)
        slope_BP[:, 2 : 2 + coordinates] = -slope_BS * np.matmul(along_BR[:, None], u_BRS)[:, 0]
        turned_BRS = by_scale(self.weights_RS, scale_BS, u_BRS)
        slope_BP[:, 2 + coordinates :] = -slope_BS * np.matmul(along_BR[:, None], turned_BRS)[:, 0]
        return 0.5 * (runs + _NOISE_COUNT) * np.log(total_B), slope_BP

    def start(self, scale: float, offset: float) -> Array:
        """A start with these scales and offsets, level with the mean of the losses: B × P."""
        coordinates = self.weights_RS.shape[1]
        at_BP = np.repeat(_spread([0.0, offset, _SLOPE[0], np.log(scale)], coordinates)[None], len(self.unit_B), axis=0)
        mean_return = returns(self.weights_RS, np.full((1, coordinates), np.log(scale)))[0].sum(axis=1).mean()
        at_BP[:, 0] = np.exp(_SLOPE[0]) * mean_return
        return at_BP


def _best(laws: _Laws) -> tuple[Array, NDArray[np.bool_], int]:
    """The lowest end over the starts of each metric, whether it settled, and the iterations.

    All starts go a part of the way, and the lowest few of each metric to the end.
    """
    starts_BGP = np.stack([laws.start(scale, c) for scale in _START_SCALES for c in _START_OFFSETS], axis=1)
    metrics, copies, parameters = starts_BGP.shape
    every = laws.repeated(copies).objective
    early = descend(every, starts_BGP.reshape(-1, parameters), iterations=_EARLY, tolerance=_TOLERANCE)
    order_BG = np.argsort(early.value_B.reshape(metrics, copies), axis=1, kind="stable")[:, :_KEPT]
    kept_B = (np.arange(metrics)[:, None] * copies + order_BG).ravel()
    kept = laws.repeated(_KEPT)
    found = descend(kept.objective, early.parameters_BP[kept_B], iterations=_ITERATIONS, tolerance=_TOLERANCE)
    # The lowest of their ends: on the way last bits would decide between them.
    ended = polish(kept.objective, found.parameters_BP)
    value_B = kept.objective(ended.parameters_BP, np.arange(len(kept_B)))[0]
    best_B = np.arange(metrics) * _KEPT + np.argmin(value_B.reshape(metrics, _KEPT), axis=1)
    return ended.parameters_BP[best_B], ended.settled_B[best_B], early.iterations + found.iterations


def _as_laws(evidence: Evidence, targets: Targets, at_KP: Array, status: FitStatus) -> SaturatingFit:
    """The laws that these parameters stand for, over all metrics and coordinates."""
    sampled = int(targets.sampled_C.sum())
    inside_KP = np.clip(at_KP, _spread(_LEAST, sampled), _spread(_MOST, sampled))
    shape = (len(evidence.metrics), len(evidence.coordinates))
    slopes_MC, scales_MC = np.zeros(shape), np.full(shape, np.exp(_SCALE[0]))
    offsets_M, levels_M = 0.7 * targets.level_M, np.log(0.3 * targets.level_M)
    rows, columns = np.flatnonzero(targets.moving_M), np.flatnonzero(targets.sampled_C)
    scale_KS = np.exp(inside_KP[:, 2 + sampled :])
    least_K, mean_K, unit_K = _units(targets)
    offset_K = least_K / (1.0 + np.exp(-inside_KP[:, 1]))
    size_K = unit_K / (mean_K - offset_K)
    slopes_KS = size_K[:, None] * np.exp(inside_KP[:, 2 : 2 + sampled]) / np.log1p(1.0 / scale_KS)
    scales_MC[np.ix_(rows, columns)], slopes_MC[np.ix_(rows, columns)] = scale_KS, slopes_KS
    offsets_M[rows], levels_M[rows] = offset_K, np.log(mean_K - offset_K) + size_K * inside_KP[:, 0]
    return SaturatingFit(
        coordinates=evidence.coordinates,
        metrics=evidence.metrics,
        offsets_M=offsets_M,
        levels_M=levels_M,
        slopes_MC=slopes_MC,
        scales_MC=scales_MC,
        targets=targets,
        inner_KP=at_KP,
        status=status,
    )


def _units(targets: Targets) -> tuple[Array, Array, Array]:
    """Least, mean and standard deviation of the losses of each metric that moves: K each."""
    losses_KR = targets.losses_KR
    return losses_KR.min(axis=1), losses_KR.mean(axis=1), losses_KR.std(axis=1)


def _weight(start: SaturatingFit) -> Array:
    """One over the variance of residuals at which a refit on the same runs stays where it is: K."""
    targets, ones_K = start.targets, np.ones(len(start.inner_KP))
    least_K, mean_K, unit_K = _units(targets)
    own = Drawn(
        weights_RS=targets.weights_RS,
        losses_BR=targets.losses_KR,
        counts_BR=np.ones_like(targets.losses_KR),
        least_B=least_K,
        mean_B=mean_K,
        unit_B=unit_K,
        weight_B=ones_K,
        prior=_prior(targets.weights_RS.shape[1]),
    )
    return np.asarray((len(targets.weights_RS) + _NOISE_COUNT) / (own.squares(start.inner_KP) + _LEAST_NOISE))


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
