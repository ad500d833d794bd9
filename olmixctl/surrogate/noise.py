"""Run-to-run noise: how far two runs of one mixture lie apart, in each metric and in the objective.

Runs of one mixture (repeats with other seeds, further results of a run, identical rows of a table) measure it: pooled
variances, with their degrees of freedom. It may grow with the loss: log variance is taken as linear in the log of the
loss, with one slope for all metrics that a prior holds at zero until many groups speak against it. Without such runs
the errors of predictions of runs that a fit had not seen bound it from above, since they hold what the law misses too.

The objective is a column of its own, so that errors of metrics which go together are counted as they come.

Array dimensions: R runs, T columns (metrics, the objective last), G groups of runs of one mixture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from olmixctl.surrogate.model import Array

__all__ = ["Basis", "Noise", "of_errors", "of_replicates"]

Basis = Literal["replicates", "errors"]

_SLOPE_DEVIATION = 1.0
"""Prior of the slope of log variance in log loss: 0 ± 1. At two the deviation would be in proportion to the loss."""
_EXACT = 1e-12
"""Groups that differ by less, relative to their level, repeat a computation and measure nothing."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviations of single runs.

    Attributes:
        basis: `replicates`: measured; `errors`: an upper bound, from errors of held-out predictions.
        degrees: degrees of freedom of the variances, or the number of errors.
        deviation_T: at the usual level.
        level_T: the usual level, a geometric mean of losses.
        slope: of log variance in log loss.
    """

    basis: Basis
    degrees: int
    deviation_T: Array
    level_T: Array
    slope: float = 0.0

    def at(self, values_T: Array) -> Array:
        """Standard deviations of a run that is predicted to measure these values: T."""
        if self.slope == 0.0:
            return self.deviation_T
        away_T = np.log(np.maximum(values_T, 1e-300) / self.level_T)
        return np.asarray(self.deviation_T * np.exp(0.5 * self.slope * away_T))

    def of_objective(self, value: float) -> float:
        """The standard deviation of one run's objective where it is predicted to be `value`."""
        return float(self.at(np.append(self.level_T[:-1], value))[-1])

    def apart(self, value: float) -> float:
        """What two runs of one mixture differ by in the objective in one of ten cases; `value` is its level there.

        Student's t, since the variance itself is estimated.
        """
        from scipy.special import stdtrit

        return float(stdtrit(self.degrees, 0.95)) * math.sqrt(2.0) * self.of_objective(value)


def of_replicates(weights_RC: Array, values_RT: Array) -> Noise | None:
    """Noise as runs of the same mixtures measure it; None where no mixture has two runs.

    Args:
        weights_RC: mixtures.
        values_RT: metrics, the objective last.
    """
    _, group_R = np.unique(weights_RC, axis=0, return_inverse=True)
    group_R = group_R.reshape(-1)
    members = [values_RT[group_R == g] for g in np.flatnonzero(np.bincount(group_R) > 1)]
    if not members:
        return None
    degrees_G = np.array([len(rows) - 1 for rows in members], dtype=np.float64)
    level_GT = np.array([rows.mean(axis=0) for rows in members])
    variance_GT = np.array([rows.var(axis=0, ddof=1) for rows in members])
    level_T = np.asarray(_geometric(level_GT))
    away_GT = np.log(np.maximum(level_GT, 1e-300) / level_T)
    slope = _slope(away_GT[:, :-1], variance_GT[:, :-1], level_GT[:, :-1], degrees_G)
    pooled_T = (degrees_G[:, None] * variance_GT * np.exp(-slope * away_GT)).sum(axis=0) / degrees_G.sum()
    return Noise("replicates", int(degrees_G.sum()), np.sqrt(pooled_T), level_T, slope)


def of_errors(values_RT: Array, predicted_RT: Array) -> Noise:
    """An upper bound: root mean square errors of predictions of runs that the fit had not seen.

    Where laws predict these worse than their mean would, it is how much runs differ: noise is a part of that.
    """
    deviation_T = np.sqrt(((values_RT - predicted_RT) ** 2).mean(axis=0))
    differ_T = values_RT.std(axis=0, ddof=1) if len(values_RT) > 1 else deviation_T
    return Noise("errors", len(values_RT), np.minimum(deviation_T, differ_T), _geometric(values_RT))


def _slope(away_GM: Array, variance_GM: Array, level_GM: Array, degrees_G: Array) -> float:
    """The slope of log variance in log level, the same for all metrics, at the mode of its posterior.

    The logarithm of a sample variance with ν degrees of freedom is that of the true one, shifted by ψ(ν/2) − log(ν/2)
    with variance ψ'(ν/2). Metrics of one run err together: all of a group count as one.
    """
    from scipy.special import polygamma, psi

    measured_GM = variance_GM > (_EXACT * level_GM) ** 2
    logs_GM = np.log(np.where(measured_GM, variance_GM, 1.0)) - (psi(degrees_G / 2) - np.log(degrees_G / 2))[:, None]
    weight_GM = measured_GM / polygamma(1, degrees_G / 2)[:, None]
    total_M = np.maximum(weight_GM.sum(axis=0), 1e-300)
    x_GM = away_GM - (weight_GM * away_GM).sum(axis=0) / total_M
    y_GM = logs_GM - (weight_GM * logs_GM).sum(axis=0) / total_M
    metrics = max(away_GM.shape[1], 1)
    information = (weight_GM * x_GM**2).sum() / metrics
    return float((weight_GM * x_GM * y_GM).sum() / metrics / (information + _SLOPE_DEVIATION**-2))


def _geometric(values_RT: Array) -> Array:
    """Geometric means; of what is not positive, one stands in."""
    return np.asarray(np.exp(np.log(np.where(values_RT > 0, values_RT, 1.0)).mean(axis=0)))
