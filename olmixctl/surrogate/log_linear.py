"""The log-linear law: f(p) = c + exp(A·p), c ≥ 0, one per metric.

Source: Chen et al. 2026 (arXiv 2602.12237), after Data Mixing Laws (arXiv 2403.16952). On the simplex no intercept is
needed inside the exponent: A_j is log(f − c) when everything is domain j.

The fit works in effect coordinates (`effects`): the mean loss, effects g in units of the loss and one curvature κ, in
which c = ȳ − 1/κ and A_j = log(1/κ) + κ g_j. In (c, A), data that are nearly level or nearly straight leave a valley
along which no method settles; here weak priors say what the runs do not, so that every finite evidence has one answer.

Objective per metric, in units of its variance: mean Huber loss of the residuals + ridge · (Σ_j (g_j − ḡ)² + κ²)
+ prior · ((log κ − log κ0)² + the effect of the mean mixture, squared, / 100), with κ0 where c is half the mean loss.
The ridge pulls domains towards each other, not towards zero, and the law towards a straight line: with no evidence it
predicts the mean. It is chosen per metric from `RIDGES` by leave-one-out error, linearised at the optimum (PRESS), so
it needs no refits and no random folds.

The global optimum: for each κ on a grid the law is linear in log space and has a closed-form start; all starts of all
metrics are refined together by damped Newton with analytic derivatives (`newton`), and the lowest objective wins. The
ridge path is followed from there, and the starts are tried again at the ridge it ends with.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from olmixctl.errors import IntegrityError
from olmixctl.surrogate.draws import Draws
from olmixctl.surrogate.effects import Problems, leave_one_out
from olmixctl.surrogate.model import Array, Evidence, Fit, FitStatus, too_few
from olmixctl.surrogate.newton import LOOSE, Refined, refine

__all__ = ["RIDGES", "LogLinear", "LogLinearFit"]

RIDGES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
_FIRST_RIDGE = 2
# Starts for the curvature κ, in units of one over the metric's standard deviation: from straight to a sharp bend.
_STARTS = (0.03, 0.1, 0.3, 0.6, 1.2, 2.5)
# A constant metric has no scale of its own: a billionth of its size stands for it.
_LEAST_SCALE = 1e-9
# The Huber threshold's spread, as a share of the metric's standard deviation, is at least this: below it every residual
# of nearly exact data would be an outlier, and the priors would outweigh the runs.
_LEAST_SPREAD = 1e-2
# The prior's weight: a floor, at which 1e-13 of relative noise in the losses moves κ by less than 1e-8, and a share of
# the ridge, since noisy runs say little about curvature.
_PRIOR, _PRIOR_SHARE = 1e-5, 1e-1
# Tolerance of a refit: its Newton steps are quadratic at the end, and one more would change the last digits alone.
_AGAIN = 1e-14
# κ is at most this over the standard deviation: c is then within a thousandth of one of the mean loss.
_MOST_CURVED = 1e3


@dataclass(frozen=True, slots=True)
class Frame:
    """The units of a fit and its robustness: what the ridge is measured in.

    Attributes:
        mean_M: mean losses, around which the law is written.
        scale_M: their standard deviations.
        delta_M: Huber thresholds, over the standard deviation.
    """

    mean_M: Array
    scale_M: Array
    delta_M: Array


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLinearFit:
    """Fitted log-linear laws.

    Attributes:
        coordinates: C names.
        metrics: M names.
        offsets_M: c.
        coefficients_MC: A.
        ridges_M: the regularisation chosen.
        frame: what a refit keeps beside it.
        status: read first.
    """

    coordinates: tuple[str, ...]
    metrics: tuple[str, ...]
    offsets_M: Array
    coefficients_MC: Array
    ridges_M: Array
    frame: Frame
    status: FitStatus

    @property
    def family(self) -> str:
        """`log_linear`."""
        return "log_linear"

    def predict(self, weights_NC: Array) -> Array:
        """The law c + exp(A·p) at each mixture: N × M."""
        return np.asarray(self.offsets_M + np.exp(weights_NC @ self.coefficients_MC.T))

    def spread(self, weights_NC: Array) -> Array:
        """As uncertain everywhere: N × M ones."""
        return np.ones((len(weights_NC), len(self.metrics)))

    def gradient(self, weights_C: Array) -> Array:
        """The slopes A_j exp(A·p): M × C."""
        return np.asarray(np.exp(self.coefficients_MC @ weights_C)[:, None] * self.coefficients_MC)

    def parameters(self) -> dict[str, Array]:
        """Offsets and coefficients."""
        return {"offsets": self.offsets_M, "coefficients": self.coefficients_MC}


@dataclass(frozen=True, slots=True)
class LogLinear:
    """The family, with its robustness.

    Attributes:
        delta: Huber threshold as a multiple of each metric's residual scale (robust, from a first least-squares
            fit); 1.345 keeps 95 % efficiency under normal noise. None is least squares.
    """

    delta: float | None = 1.345

    @property
    def name(self) -> str:
        """Registry name."""
        return "log_linear"

    def fit(self, evidence: Evidence) -> LogLinearFit:
        """Fit every metric; deterministic, and independent of the order of runs, metrics and coordinates.

        Never-sampled coordinates get the mean coefficient of the others; the status names them.

        Raises:
            IntegrityError: a metric whose mean is not positive: no c ≥ 0 describes it.
        """
        _check_positive(evidence)
        sampled_C = np.any(evidence.weights_RC > 0, axis=0)
        data = _Data.of(evidence.weights_RC[:, sampled_C], evidence.losses_RM)
        found, ridges_M, delta_M = _fit(data, self.delta)
        offsets_M, coefficients_MS = data.law(found.parameters_BP)
        return LogLinearFit(
            coordinates=evidence.coordinates,
            metrics=evidence.metrics,
            offsets_M=offsets_M,
            coefficients_MC=_over_all(coefficients_MS, sampled_C),
            ridges_M=ridges_M,
            frame=Frame(data.mean_M, data.scale_M, delta_M),
            status=_status(evidence, found),
        )

    def refit(self, start: Fit, evidence: Evidence) -> LogLinearFit:
        """The law of `start` on other runs, a few Newton steps away; see `Family`."""
        return next(self.refits(start, evidence, Draws(np.ones((1, len(evidence.runs))))))

    def refits(self, start: Fit, evidence: Evidence, draws: Draws) -> Iterator[LogLinearFit]:
        """All their metrics in one batch; see `Family`.

        Raises:
            TypeError: `start` is of another family.
        """
        if not isinstance(start, LogLinearFit):
            raise TypeError(f"a {start.family} law is not refitted as log_linear")
        sampled_C = np.any(evidence.weights_RC > 0, axis=0) | ~np.isin(
            np.array(start.coordinates), start.status.never_sampled
        )
        data = _Data.framed(evidence.weights_RC[:, sampled_C], evidence.losses_RM, start.frame)
        first_MP = data.parameters(start.offsets_M, start.coefficients_MC[:, sampled_C])
        for part in draws.batches(evidence.losses_RM.size):
            problems = data.drawn(start.ridges_M, start.frame, part.shares(), part.losses(evidence))
            found = refine(problems, np.tile(first_MP, (len(part), 1)), tolerance=_AGAIN)
            yield from _laws(start, evidence, data, sampled_C, found)


@dataclass(frozen=True, slots=True)
class _Data:
    """What a fit works on: sampled coordinates only; metrics in rows, centred and in units of their scale."""

    weights_RC: Array
    outer_RQ: Array
    losses_MR: Array
    mean_M: Array
    scale_M: Array

    @classmethod
    def of(cls, weights_RC: Array, losses_RM: Array) -> _Data:
        """Centre and scale; the mean is summed exactly, so that it is the same on every machine."""
        runs = len(losses_RM)
        mean_M = np.array([math.fsum(column) / runs for column in losses_RM.T])
        around_MR = losses_RM.T - mean_M[:, None]
        around_MR[np.ptp(losses_RM, axis=0) == 0] = 0.0
        scale_M = np.maximum(np.sqrt((around_MR**2).mean(axis=1)), _LEAST_SCALE * mean_M)
        return cls(weights_RC, Problems.outer(weights_RC), around_MR / scale_M[:, None], mean_M, scale_M)

    @classmethod
    def framed(cls, weights_RC: Array, losses_RM: Array, frame: Frame) -> _Data:
        """In the units of an earlier fit."""
        around_MR = (losses_RM.T - frame.mean_M[:, None]) / frame.scale_M[:, None]
        return cls(weights_RC, Problems.outer(weights_RC), around_MR, frame.mean_M, frame.scale_M)

    def problems(self, ridges_B: Array, delta_B: Array, *, copies: int = 1) -> Problems:
        """One problem a metric, or `copies` of it side by side."""
        lower_B = np.repeat(np.log(self.scale_M / self.mean_M), copies)
        return Problems(
            self.weights_RC,
            self.outer_RQ,
            np.repeat(self.losses_MR, copies, axis=0),
            ridge_B=ridges_B,
            prior_B=_PRIOR + _PRIOR_SHARE * ridges_B,
            centre_B=lower_B + np.log(2.0),
            lower_B=lower_B,
            upper_B=np.maximum(np.log(_MOST_CURVED), lower_B + 1.0),
            delta_B=delta_B,
            share_BR=np.full((len(lower_B), len(self.weights_RC)), 1.0 / len(self.weights_RC)),
        )

    def drawn(self, ridges_M: Array, frame: Frame, share_NR: Array, losses_NRM: Array) -> Problems:
        """The problems of N draws, N · M: the metrics of the first draw first."""
        metrics = len(ridges_M)
        every = self.problems(ridges_M, frame.delta_M).take(np.tile(np.arange(metrics), len(share_NR)))
        around_NMR = (losses_NRM.transpose(0, 2, 1) - frame.mean_M[:, None]) / frame.scale_M[:, None]
        return replace(
            every,
            losses_BR=np.ascontiguousarray(around_NMR).reshape(len(every.ridge_B), -1),
            share_BR=np.repeat(share_NR, metrics, axis=0),
        )

    def parameters(self, offsets_M: Array, coefficients_MC: Array) -> Array:
        """The parameters that stand for these offsets and coefficients: the inverse of `law`."""
        lift_M = self.mean_M - offsets_M
        theta_M1 = np.log(self.scale_M / lift_M)[:, None]
        effects_MC = (coefficients_MC - np.log(lift_M)[:, None]) * np.exp(-theta_M1)
        return np.concatenate([theta_M1, effects_MC], axis=1)

    def law(self, at_MP: Array) -> tuple[Array, Array]:
        """The offsets c and coefficients A that these parameters stand for."""
        lift_M = self.scale_M * np.exp(-at_MP[:, 0])
        offsets_M = np.where(at_MP[:, 0] <= np.log(self.scale_M / self.mean_M), 0.0, self.mean_M - lift_M)
        return np.maximum(offsets_M, 0.0), np.log(lift_M)[:, None] + np.exp(at_MP[:, :1]) * at_MP[:, 1:]


def _laws(
    start: LogLinearFit, evidence: Evidence, data: _Data, sampled_C: NDArray[np.bool_], found: Refined
) -> Iterator[LogLinearFit]:
    """The fit of each draw, from the optima of all."""
    metrics = len(start.metrics)
    for first in range(0, len(found.parameters_BP), metrics):
        own = slice(first, first + metrics)
        offsets_M, coefficients_MS = data.law(found.parameters_BP[own])
        done = bool(found.converged_B[own].all())
        never = tuple(name for name, known in zip(evidence.coordinates, sampled_C, strict=True) if not known)
        yield replace(
            start,
            offsets_M=offsets_M,
            coefficients_MC=_over_all(coefficients_MS, sampled_C),
            status=FitStatus(converged=done, never_sampled=never, iterations=found.iterations),
        )


def _over_all(coefficients_MS: Array, sampled_C: NDArray[np.bool_]) -> Array:
    """Coefficients of all coordinates: what no run sampled has the mean of the others."""
    coefficients_MC = np.repeat(coefficients_MS.mean(axis=1)[:, None], len(sampled_C), axis=1)
    coefficients_MC[:, sampled_C] = coefficients_MS
    return coefficients_MC


def _check_positive(evidence: Evidence) -> None:
    for metric, column in zip(evidence.metrics, evidence.losses_RM.T, strict=True):
        mean = math.fsum(column) / len(column)
        if not mean > 0.0:
            raise IntegrityError(
                f"metric {metric!r} is {mean:.6g} on average; the law c + exp(A·p), c ≥ 0, needs it positive",
                remedy="measure a loss, such as bits per byte, or fit another family (gaussian)",
            )


def _fit(data: _Data, delta: float | None) -> tuple[Refined, Array, Array]:
    """The optimum of each metric at its chosen ridge, the ridges and the Huber thresholds."""
    metrics = len(data.losses_MR)
    plain_M, first_M = np.full(metrics, np.inf), np.full(metrics, RIDGES[_FIRST_RIDGE])
    start_MP = _best(data, first_M, plain_M, _starts(data, first_M))
    delta_M = plain_M
    if delta is not None:
        # To the last digit: the threshold is part of the objective, and a loose one would differ between machines.
        problems = data.problems(first_M, plain_M)
        start_MP = refine(problems, start_MP).parameters_BP
        residuals_MR = data.losses_MR - problems.effects(start_MP)
        spread_M = 1.4826 * np.median(np.abs(residuals_MR), axis=1)
        delta_M = delta * np.maximum(spread_M, _LEAST_SPREAD)
    ridges_M, near_MP = _ridge_path(data, delta_M, start_MP)
    starts_MSP = np.concatenate([near_MP[:, None], _starts(data, ridges_M)], axis=1)
    best_MP = _best(data, ridges_M, delta_M, starts_MSP)
    return refine(data.problems(ridges_M, delta_M), best_MP), ridges_M, delta_M


def _best(data: _Data, ridges_M: Array, delta_M: Array, starts_MSP: Array) -> Array:
    """The lowest optimum over all starts, per metric: M × P."""
    metrics, count, _ = starts_MSP.shape
    problems = data.problems(np.repeat(ridges_M, count), np.repeat(delta_M, count), copies=count)
    found = refine(problems, starts_MSP.reshape(metrics * count, -1), tolerance=LOOSE)
    best_M = np.argmin(found.objective_B.reshape(metrics, count), axis=1)
    return np.asarray(found.parameters_BP.reshape(metrics, count, -1)[np.arange(metrics), best_M])


def _starts(data: _Data, ridges_M: Array) -> Array:
    """Closed-form starts at every curvature of `_STARTS`, and one of no effects: M × S × P."""
    middle = data.problems(ridges_M, np.full(len(ridges_M), np.inf))
    rows = [middle.centre_B] + [np.clip(np.log(k), middle.lower_B, middle.upper_B) for k in _STARTS]
    starts = [_log_space(data, theta_M) for theta_M in rows]
    # Where Huber discounts a run that least squares follows, the way down starts from none of those.
    level_MP = np.zeros_like(starts[0])
    level_MP[:, 0] = np.clip(np.log(0.3), middle.lower_B, middle.upper_B)
    return np.stack([*starts, level_MP], axis=1)


def _log_space(data: _Data, theta_M: Array) -> Array:
    """Weighted ridge regression of u = log(1 + κ z) / κ on p at a given κ; closed form."""
    kappa_M1 = np.exp(theta_M)[:, None]
    above_MR = np.maximum(1.0 + kappa_M1 * data.losses_MR, 0.05)
    target_MR = np.log(above_MR) / kappa_M1
    # A residual of u counts 1 + κ z times in z: regress with those weights.
    square_MR = above_MR**2 / (above_MR**2).mean(axis=1)[:, None]
    mean_M1 = (square_MR * target_MR).mean(axis=1, keepdims=True)
    gram_MCC = np.einsum("mr,rc,rd->mcd", square_MR, data.weights_RC, data.weights_RC, optimize=True)
    ridge = 1e-3 * len(data.weights_RC) * np.eye(data.weights_RC.shape[1])
    right_MC = (square_MR * (target_MR - mean_M1)) @ data.weights_RC
    effects_MC = np.linalg.solve(gram_MCC + ridge, right_MC[:, :, None])[:, :, 0]
    return np.concatenate([theta_M[:, None], effects_MC + mean_M1], axis=1)


def _ridge_path(data: _Data, delta_M: Array, start_MP: Array) -> tuple[Array, Array]:
    """Follow the ridges outwards from the first; per metric the one of lowest leave-one-out error, and its optimum."""
    metrics = len(data.losses_MR)
    error_KM = np.full((len(RIDGES), metrics), np.inf)
    parameters_KMP = np.zeros((len(RIDGES), *start_MP.shape))
    for path in (range(_FIRST_RIDGE, len(RIDGES)), range(_FIRST_RIDGE - 1, -1, -1)):
        at_MP = start_MP
        for k in path:
            problems = data.problems(np.full(metrics, RIDGES[k]), delta_M)
            at_MP = refine(problems, at_MP, tolerance=LOOSE).parameters_BP
            parameters_KMP[k], error_KM[k] = at_MP, leave_one_out(problems, at_MP)
    # Where the errors are level (exact or constant data) rounding must not choose: the strongest ridge within a hair.
    pick_M = np.argmax(error_KM <= error_KM.min(axis=0) * (1.0 + 1e-3) + 1e-8, axis=0)
    return np.array(RIDGES)[pick_M], parameters_KMP[pick_M, np.arange(metrics)]


def _status(evidence: Evidence, found: Refined) -> FitStatus:
    runs = len(evidence.runs)
    notes = too_few(evidence, len(evidence.coordinates) + 1, "the ridge decides")
    still = [name for name, done in zip(evidence.metrics, found.converged_B, strict=True) if not done]
    if still:
        notes.append(f"not converged: {', '.join(still)}")
    constant_M = np.ptp(evidence.losses_RM, axis=0) == 0
    constant = [name for name, same in zip(evidence.metrics, constant_M, strict=True) if same and runs > 1]
    if constant:
        notes.append(f"the same in every run, so no mixture changes them: {', '.join(constant)}")
    never = evidence.never_sampled()
    if never:
        notes.append(f"never sampled, so nothing is known of it, and it counts as the mean domain: {', '.join(never)}")
    return FitStatus(converged=not still, never_sampled=never, notes=tuple(notes), iterations=found.iterations)
