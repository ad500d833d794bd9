"""How a fitted law changes with its parameters, in steps of what was believed of them before any run.

    log_linear   c + exp(A·p):              ∂/∂A_j = e p_j,   ∂/∂c = 1
    saturating   c + exp(b − Σ a_j log(1 + p_j/s_j)):  ∂/∂b = e,   ∂/∂log a_j = −e a_j log(1 + p_j/s_j),
                                                     ∂/∂log s_j = e a_j p_j / (s_j + p_j),   ∂/∂c = 1

with e = f − c. Array dimensions: N mixtures, C coordinates, M metrics, K runs, F parameters.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from olmixctl.surrogate.log_linear import LogLinearFit
from olmixctl.surrogate.model import Array, Evidence, Fit
from olmixctl.surrogate.saturating import SaturatingFit
from olmixctl.swarm.sequential import Sensitivity

__all__ = ["sensitivity_of"]

_WIDE = 3.0
"""Levels, offsets and straight slopes may be anywhere within so many standard deviations of the metric."""
_SLOPE, _SCALE = 1.3, 1.5
"""Of logarithms, as in the priors of the family."""
_LEAST_NOISE, _COUNT = 0.02, 2.0
_QUIET, _USUAL = 0.05, 0.1
"""Over the metric's standard deviation; where residuals say little, one of the last two counts as so many of them."""
_LEAST_UNIT = 1e-9
_LEAST_BEND, _MISFIT = 0.05, 2.0
"""What the law misses: a twentieth of the metric's standard deviation, and twice the residuals' where these are larger.
A law that does not fit leaves residuals as noise does, and its mix is further off than noise alone would bring it."""
_ROUNDS = 8


def sensitivity_of(
    fit: Fit, evidence: Evidence, columns: list[int], share_M: Array, *, cautious: bool = False
) -> Sensitivity:
    """That of a fit over the sampled coordinates `columns`, with the noise that its residuals show.

    Laws with as many parameters as runs leave no residuals: `cautious` takes usual noise where these say little, to be
    sure of a mix; without it half of that, to choose runs by what the parameters leave open.

    Raises:
        TypeError: a family whose parameters are not known here.
    """
    unit_M = np.maximum(evidence.losses_RM.std(axis=0), _LEAST_UNIT)
    known_KC = evidence.weights_RC[:, columns]
    features = _features_of(fit, columns, known_KC, unit_M)
    residual_KM = evidence.losses_RM - fit.predict(evidence.weights_RC)
    noise_M = _noise(features(known_KC), residual_KM, unit_M, _USUAL if cautious else _QUIET)
    bend_M = np.maximum(_LEAST_BEND * unit_M, _MISFIT * noise_M)
    return Sensitivity(features=features, noise_M=noise_M, bend_M=bend_M, share_M=share_M)


def _features_of(fit: Fit, columns: list[int], known_KC: Array, unit_M: Array) -> Callable[[Array], Array]:
    if isinstance(fit, SaturatingFit):
        return _saturating(fit, columns, known_KC, unit_M)
    if isinstance(fit, LogLinearFit):
        return _log_linear(fit, columns, known_KC, unit_M)
    raise TypeError(f"the parameters of {fit.family} are not known here")


def _log_linear(fit: LogLinearFit, columns: list[int], known_KC: Array, unit_M: Array) -> Callable[[Array], Array]:
    coefficients_MC = fit.coefficients_MC[:, columns]
    mean_M1 = np.exp(coefficients_MC @ known_KC.T).mean(axis=1, keepdims=True)
    wide_M11 = _WIDE * unit_M[:, None, None]

    def features(weights_NC: Array) -> Array:
        above_MN1 = (np.exp(coefficients_MC @ weights_NC.T) / mean_M1)[:, :, None]
        level = np.broadcast_to(wide_M11, above_MN1.shape)
        return np.asarray(np.concatenate([wide_M11 * above_MN1 * weights_NC, level], axis=2))

    return features


def _saturating(fit: SaturatingFit, columns: list[int], known_KC: Array, unit_M: Array) -> Callable[[Array], Array]:
    slope_M1C, scale_M1C = fit.slopes_MC[:, None, columns].copy(), fit.scales_MC[:, None, columns]
    sampled_C = (known_KC > 0).any(axis=0)
    # A coordinate that no run has sampled may matter as the others do on average.
    slope_M1C[:, :, ~sampled_C] = slope_M1C[:, :, sampled_C].mean(axis=2, keepdims=True)
    wide_M11 = _WIDE * unit_M[:, None, None]

    def above(weights_NC: Array) -> Array:
        inner_MN = fit.levels_M[:, None] - (slope_M1C * np.log1p(weights_NC / scale_M1C)).sum(axis=2)
        return np.asarray(np.exp(inner_MN)[:, :, None])

    mean_M11 = above(known_KC).mean(axis=1, keepdims=True)

    def features(weights_NC: Array) -> Array:
        above_MN1 = above(weights_NC)
        by_slope = _SLOPE * above_MN1 * slope_M1C * np.log1p(weights_NC / scale_M1C)
        by_scale = _SCALE * above_MN1 * slope_M1C * weights_NC / (scale_M1C + weights_NC)
        level = wide_M11 * above_MN1 / mean_M11
        return np.concatenate([by_slope, by_scale, level, np.broadcast_to(wide_M11, level.shape)], axis=2)

    return features


def _noise(features_MKF: Array, residual_KM: Array, unit_M: Array, usual: float) -> Array:
    """Noise that explains the residuals, with what the parameters took up given back: M."""
    runs, least_M, usual_M = len(residual_KM), (_LEAST_NOISE * unit_M) ** 2, (usual * unit_M) ** 2
    square_M = (residual_KM**2).sum(axis=0)
    values_MK = np.maximum(np.linalg.eigvalsh(features_MKF @ features_MKF.transpose(0, 2, 1)), 0.0)
    noise_M = np.maximum(square_M / runs, least_M)
    for _ in range(_ROUNDS):
        taken_M = (values_MK / (values_MK + noise_M[:, None])).sum(axis=1)
        noise_M = np.maximum((square_M + _COUNT * usual_M) / (runs - taken_M + _COUNT), least_M)
    return np.asarray(np.sqrt(noise_M))
