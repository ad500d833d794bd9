"""Prediction intervals for new runs, as wide as cross-validation says.

A fit says where it is more and less certain (`Fit.spread`); how certain it is, its errors on runs it had not seen say:
the interval is prediction ± q · spread, with q the ⌈0.9 (R + 1)⌉-th smallest of |error| / spread over the R runs. For
runs drawn alike this covers a new one in nine of ten cases whatever the law (split conformal prediction, Vovk et al.
2005; with folds instead of a split, as in Barber et al. 2021). The objective has its own q, since the errors of its
metrics go together. Array dimensions: R runs, M metrics, N mixtures, T = M + 1 targets (the objective last).
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


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predicted metrics and objective (N × T, the objective last), and the ends of their intervals."""

    value_NT: Array
    low_NT: Array
    high_NT: Array


@dataclass(frozen=True, slots=True)
class Intervals:
    """How many spreads wide the interval of each metric and of the objective is, on either side: T."""

    width_T: Array

    @classmethod
    def of(cls, evidence: Evidence, held: HeldOut) -> Intervals:
        """From errors on runs that were held out."""
        error_RT = np.abs(with_mean(evidence.losses_RM) - with_mean(held.predicted_RM))
        ratio_RT = np.sort(error_RT / np.maximum(_with_whole(held.spread_RM), _TINY), axis=0)
        # A constant metric has no spread and no error.
        ratio_RT[np.sort(error_RT, axis=0) == 0] = 0.0
        rank = math.ceil(LEVEL * (len(ratio_RT) + 1))
        return cls(ratio_RT[min(rank, len(ratio_RT)) - 1])

    def predict(self, fit: Fit, weights_NC: Array) -> Predictions:
        """Predictions with intervals for new runs at these mixtures; a loss is never below zero."""
        value_NT = with_mean(fit.predict(weights_NC))
        away_NT = self.width_T * _with_whole(fit.spread(weights_NC))
        return Predictions(value_NT, value_NT - away_NT, value_NT + away_NT)


def with_mean(values_NM: Array) -> Array:
    """The metrics, and their mean as the last column."""
    return np.concatenate([values_NM, values_NM.mean(axis=1, keepdims=True)], axis=1)


def _with_whole(spread_NM: Array) -> Array:
    """Spreads, and one for the mean, as if errors were independent: `width` makes it right."""
    whole_N1 = np.sqrt((spread_NM**2).mean(axis=1, keepdims=True))
    return np.concatenate([spread_NM, whole_N1], axis=1)
