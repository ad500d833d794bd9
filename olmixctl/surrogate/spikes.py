"""Loss spikes: runs whose metrics stand so far above what all other runs say that they tell nothing of their mixture.

One such run among 34 took the rank of a process from .975 to .843 (docs/numerics.md), so it is left out, and said to
be. In two steps, since most runs that look odd from afar are at the border of the swarm:

1. Under one rough process for all metrics (fixed covariance, linear algebra alone) each run is predicted from the
   others. Looked at are those that are off, in the middle of their metrics, by `_ODD` times what runs usually are.
2. A process is fitted to the others, which knows its noise and how sure it is of each mixture. A spike is what is
   `_SURE` of its standard deviations above the prediction, in the middle of its metrics. It is left out where others
   gave every domain about as little and as much, and metrics are several: else the mixture may be the reason.

Array dimensions: R runs, I of them kept, C coordinates, M metrics, K that move, N runs looked at, X features.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from olmixctl.surrogate.gaussian import Gaussian
from olmixctl.surrogate.model import Array, Evidence
from olmixctl.surrogate.returns import returns

__all__ = ["LEAST_RUNS", "Screened", "Spike", "without_spikes"]

LEAST_RUNS = 12
"""Among fewer runs nothing tells a spike from a mixture unlike the others."""
_ODD, _ODD_OF_FEW, _FEW = 3.5, 2.5, 32
"""Of so few runs the others say little of each, a spike stands out less, and the second step costs next to nothing."""
_SURE, _SURE_OF_FEW, _FEW_METRICS = 8.0, 20.0, 3
"""Of so few metrics the middle may be what one domain does to one of them."""
_MOST, _TOO_MANY = 0.1, 0.34
"""Of all runs: where more look odd it may be the process that does not describe them; beyond, it is."""
_BELOW, _BELOW_SLACK, _ABOVE, _ABOVE_SLACK = 0.5, 0.002, 1.25, 0.02
"""Of the least and the most weight that the others give a domain: beyond them they say nothing of a run."""
_ROUNDS = 10
# The rough process, in robust standard deviations of each metric.
_SCALES = (0.003, 0.02, 0.1)
_LEVEL, _SLOPE, _BEND, _RATE, _NOISE = 4.0, 0.25, 0.25, 0.25, 0.01
_HEIGHT = 0.3
"""Of the least loss: what of it logarithms are taken of."""
_TINY = 1e-12
_ROBUST = 1.4826
"""Standard deviations in a median absolute deviation, of normal numbers."""


class Spike(NamedTuple):
    """A run far above what the others say, and by how many standard deviations."""

    run: str
    above: float


class Screened(NamedTuple):
    """Evidence without spikes, these, and runs that are far above the others too and kept: their mixture may be why."""

    evidence: Evidence
    spikes: tuple[Spike, ...] = ()
    doubtful: tuple[Spike, ...] = ()


def without_spikes(evidence: Evidence) -> Screened:
    """The runs that belong together, and those left out, in their order."""
    if len(evidence.runs) < LEAST_RUNS:
        return Screened(evidence)
    odd_R = _odd(evidence)
    if not odd_R.any() or odd_R.mean() > _TOO_MANY:
        return Screened(evidence)
    odd, others = evidence.subset(odd_R), evidence.subset(~odd_R)
    named = [Spike(run, above) for run, above in zip(odd.runs, _above(odd, others).tolist(), strict=True)]
    among_N = _among(odd.weights_RC, others.weights_RC) & (odd_R.mean() <= _MOST)
    limit = _SURE if len(evidence.metrics) > _FEW_METRICS else _SURE_OF_FEW
    spikes = tuple(spike for spike, among in zip(named, among_N, strict=True) if among and spike.above > limit)
    doubtful = tuple(spike for spike in named if spike.above > _SURE and spike not in spikes)
    if not spikes:
        return Screened(evidence, (), doubtful)
    left_out = {spike.run for spike in spikes}
    return Screened(evidence.subset(np.array([run not in left_out for run in evidence.runs])), spikes, doubtful)


def _above(odd: Evidence, others: Evidence) -> Array:
    """How far above what a process on the others predicts of them, in its deviations, in the middle of the metrics."""
    fit = Gaussian().fit(others)
    moving_M = np.ptp(others.losses_RM, axis=0) > 0
    away_NM = (odd.losses_RM - fit.predict(odd.weights_RC))[:, moving_M]
    return np.asarray(np.median(away_NM / fit.spread(odd.weights_RC)[:, moving_M], axis=1))


def _among(weights_NC: Array, others_RC: Array) -> NDArray[np.bool_]:
    """Which mixtures give every domain about as little and as much as others do: N."""
    least_C, most_C = others_RC.min(axis=0), others_RC.max(axis=0)
    high_C = np.maximum(_ABOVE * most_C, most_C + _ABOVE_SLACK)
    return np.asarray(((weights_NC >= _BELOW * least_C - _BELOW_SLACK) & (weights_NC <= high_C)).all(axis=1))


def _odd(evidence: Evidence) -> NDArray[np.bool_]:
    """Which runs are looked at: found anew without those found, until they stay the same."""
    covariance_RR, values_RK = _covariance(evidence.weights_RC), _logarithms(evidence.losses_RM)
    odd_R = np.zeros(len(evidence.runs), dtype=bool)
    for _ in range(_ROUNDS):
        after_R = _odd_among(covariance_RR, values_RK, ~odd_R)
        if np.array_equal(after_R, odd_R):
            break
        odd_R = after_R
    return odd_R


def _logarithms(losses_RM: Array) -> Array:
    """Of what losses are above a floor that no spike moves; what is the same in most runs is left out."""
    spread_M = _ROBUST * np.median(np.abs(losses_RM - np.median(losses_RM, axis=0)), axis=0)
    losses_RK, spread_K = losses_RM[:, spread_M > 0], spread_M[spread_M > 0]
    least_K = losses_RK.min(axis=0)
    return np.asarray(np.log(losses_RK - least_K + np.maximum(_HEIGHT * least_K, spread_K)))


def _odd_among(covariance_RR: Array, values_RK: Array, keep_R: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Runs that are off from what the kept ones say: these from all others of them, the rest from all of them."""
    middle_K = np.median(values_RK[keep_R], axis=0)
    spread_K = _ROBUST * np.median(np.abs(values_RK[keep_R] - middle_K), axis=0)
    if not (spread_K > 0).any():
        return np.zeros(len(keep_R), dtype=bool)
    values_RK = (values_RK - middle_K)[:, spread_K > 0] / spread_K[spread_K > 0]
    inverse_II = np.linalg.inv(covariance_RR[np.ix_(keep_R, keep_R)])
    # Leave-one-out residuals and their variances of a process (Rasmussen and Williams 2006, section 5.4.2).
    solved_IK, variance_R, off_RK = inverse_II @ values_RK[keep_R], np.empty(len(keep_R)), np.empty_like(values_RK)
    variance_R[keep_R] = 1.0 / np.diag(inverse_II)
    off_RK[keep_R] = solved_IK * variance_R[keep_R][:, None]
    with_NI = covariance_RR[np.ix_(~keep_R, keep_R)]
    variance_R[~keep_R] = np.diag(covariance_RR)[~keep_R] - ((with_NI @ inverse_II) * with_NI).sum(axis=1)
    off_RK[~keep_R] = values_RK[~keep_R] - with_NI @ solved_IK
    away_RK = off_RK / np.sqrt(variance_R)[:, None]
    usual_K = _ROBUST * np.median(np.abs(away_RK[keep_R]), axis=0)
    limit = _ODD if len(keep_R) > _FEW else _ODD_OF_FEW
    return np.asarray(np.median(away_RK / np.maximum(usual_K, _TINY), axis=1) > limit)


def _covariance(weights_RC: Array) -> Array:
    """Level, slopes and a smooth part over diminishing returns of every domain, and noise: R × R."""
    scales = [np.full((1, weights_RC.shape[1]), np.log(scale)) for scale in _SCALES]
    features_RX = np.concatenate([returns(weights_RC, scale)[0] for scale in scales], axis=1) / np.sqrt(len(_SCALES))
    linear_RR = features_RX @ features_RX.T
    square_R = np.diag(linear_RR)
    apart_RR = np.maximum(square_R[:, None] + square_R - 2.0 * linear_RR, 0.0)
    smooth_RR = _BEND * np.exp(-0.5 * _RATE * apart_RR)
    return np.asarray(_LEVEL + _SLOPE * linear_RR + smooth_RR + _NOISE * np.eye(len(weights_RC)))
