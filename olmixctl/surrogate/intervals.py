"""Prediction intervals for new runs, as wide as cross-validation says.

A fit says where it is more and less certain (`Fit.spread`). Its errors on runs it had not seen say two things more:
which part of them is the same everywhere, as noise is that the fit took for signal, and how large they are. With s the
spread in units of its geometric mean, the width of the interval goes with

    shape = √(s² + ρ)

where ρ is told from errors ~ N(0, σ² shape²), σ being whatever it is, beforehand log ρ ~ N(−1, 2²); the interval is
prediction ± q · shape, with q the ⌈0.9 (R + 1)⌉-th smallest of |error| / shape over the R runs. For runs drawn alike
this covers a new one in nine of ten cases whatever the law (split conformal prediction, Vovk et al. 2005; with folds
instead of a split, as in Barber et al. 2021), and by its shape also where the spread is far below that of the runs, as
it is at a decided mix. The objective has its own ρ and q, since the errors of its metrics go together.

Array dimensions: R runs, M metrics, N mixtures, T = M + 1 targets (the objective last), G values of log ρ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from olmixctl.surrogate.model import Array, Evidence, Fit
from olmixctl.surrogate.validation import HeldOut

__all__ = ["LEAST_RUNS", "LEVEL", "Intervals", "Predictions", "with_mean"]

LEVEL = 0.9
LEAST_RUNS = 9
"""With fewer runs no quantile of their errors covers nine of ten; the largest error stands for it."""

_TINY = 1e-300
_PRIOR = (-1.0, 2.0)
"""Mean and standard deviation of log ρ beforehand."""
_LOG_LEVEL = np.linspace(-8.0, 8.0, 33)


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predicted metrics and objective (N × T, the objective last), and the ends of their intervals."""

    value_NT: Array
    low_NT: Array
    high_NT: Array


@dataclass(frozen=True, slots=True)
class Intervals:
    """How wide the interval of each metric and of the objective is.

    Attributes:
        unit_T: the geometric mean of the spread at held-out runs.
        level_T: ρ, the part of the squared width that is the same everywhere, in squares of that unit.
        width_T: q, how many shapes wide the interval is on either side, bits per byte.
    """

    unit_T: Array
    level_T: Array
    width_T: Array

    @classmethod
    def of(cls, evidence: Evidence, held: HeldOut) -> Intervals:
        """From errors on runs that were held out."""
        error_RT = np.abs(with_mean(evidence.losses_RM) - with_mean(held.predicted_RM))
        spread_RT = _with_whole(held.spread_RM)
        unit_T = np.exp(np.log(spread_RT).mean(axis=0))
        level_T = _level(error_RT, (spread_RT / unit_T) ** 2)
        ratio_RT = np.sort(error_RT / _shape(spread_RT, unit_T, level_T), axis=0)
        rank = math.ceil(LEVEL * (len(ratio_RT) + 1))
        return cls(unit_T, level_T, ratio_RT[min(rank, len(ratio_RT)) - 1])

    def predict(self, fit: Fit, weights_NC: Array) -> Predictions:
        """Predictions with intervals for new runs at these mixtures; a loss is never below zero."""
        value_NT = with_mean(fit.predict(weights_NC))
        away_NT = self.width_T * _shape(_with_whole(fit.spread(weights_NC)), self.unit_T, self.level_T)
        return Predictions(value_NT, value_NT - away_NT, value_NT + away_NT)


def _shape(spread_NT: Array, unit_T: Array, level_T: Array) -> Array:
    return np.asarray(np.sqrt((spread_NT / unit_T) ** 2 + level_T))


def _level(error_RT: Array, square_RT: Array) -> Array:
    """ρ, from the posterior mean of its logarithm over a grid: smooth in the errors, no last bit makes it jump."""
    shape_GRT = square_RT + np.exp(_LOG_LEVEL)[:, None, None]
    error_T = np.maximum((error_RT**2).mean(axis=0), _TINY)
    # σ, with its scale-free prior, is integrated out.
    squares_GT = (error_RT**2 / error_T / shape_GRT).mean(axis=1)
    log_GT = -0.5 * np.log(shape_GRT).sum(axis=1) - 0.5 * len(error_RT) * np.log(np.maximum(squares_GT, _TINY))
    log_GT -= 0.5 * ((_LOG_LEVEL[:, None] - _PRIOR[0]) / _PRIOR[1]) ** 2
    share_GT = np.exp(log_GT - log_GT.max(axis=0))
    mean_T: Array = (share_GT * _LOG_LEVEL[:, None]).sum(axis=0) / share_GT.sum(axis=0)
    return np.asarray(np.exp(mean_T))


def with_mean(values_NM: Array) -> Array:
    """The metrics, and their mean as the last column."""
    return np.concatenate([values_NM, values_NM.mean(axis=1, keepdims=True)], axis=1)


def _with_whole(spread_NM: Array) -> Array:
    """Spreads, none of them zero, and one for the mean, as if errors were independent: `width` makes it right."""
    whole_N1 = np.sqrt((spread_NM**2).mean(axis=1, keepdims=True))
    return np.asarray(np.maximum(np.concatenate([spread_NM, whole_N1], axis=1), _TINY))
