"""The log-linear law: f(p) = c + exp(A·p), c ≥ 0, one per metric.

Source: Chen et al. 2026 (arXiv 2602.12237), after Data Mixing Laws (arXiv 2403.16952). On the simplex no intercept is
needed inside the exponent: A_j is log(f − c) when everything is domain j.

Objective per metric: mean Huber loss of the residuals + ridge · scale² · Σ_j (A_j − Ā)². The ridge pulls domains
towards each other, not towards zero, so with no evidence the law predicts the mean. It is chosen per metric from
`RIDGES` by leave-one-out error: linearised at the optimum (PRESS), hence deterministic and without refits.

The global optimum: for each c on a grid the law is linear in log space and has a closed-form start; all starts of all
metrics are then refined together by damped Newton with analytic derivatives (`newton`), and the lowest objective
wins. The ridge path is followed from there, each value starting at its neighbour's optimum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from olmixctl.surrogate.model import Array, Evidence, FitStatus
from olmixctl.surrogate.newton import LOOSE, Problems, Refined, leave_one_out, refine

__all__ = ["RIDGES", "LogLinear", "LogLinearFit"]

RIDGES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
_FIRST_RIDGE = 3
# Starts for c as fractions of the lowest loss: from nearly 0 (a pure exponential) to nearly all of it.
_STARTS = (0.02, 0.3, 0.6, 0.8, 0.9, 0.96, 0.99)


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLinearFit:
    """Fitted log-linear laws.

    Attributes:
        coordinates: C names.
        metrics: M names.
        offsets_M: c.
        coefficients_MC: A.
        ridges_M: the regularisation chosen.
        status: read first.
    """

    coordinates: tuple[str, ...]
    metrics: tuple[str, ...]
    offsets_M: Array
    coefficients_MC: Array
    ridges_M: Array
    status: FitStatus

    @property
    def family(self) -> str:
        """`log_linear`."""
        return "log_linear"

    def predict(self, weights_NC: Array) -> Array:
        """The law c + exp(A·p) at each mixture: N × M."""
        return np.asarray(self.offsets_M + np.exp(weights_NC @ self.coefficients_MC.T))

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
        """
        sampled_C = (evidence.weights_RC > 0).any(axis=0)
        weights_RC = evidence.weights_RC[:, sampled_C]
        found, ridges_M = _fit(weights_RC, evidence.losses_RM, self.delta)
        coefficients_MS = found.parameters_BP[:, 1:]
        coefficients_MC = np.repeat(coefficients_MS.mean(axis=1)[:, None], len(evidence.coordinates), axis=1)
        coefficients_MC[:, sampled_C] = coefficients_MS
        return LogLinearFit(
            coordinates=evidence.coordinates,
            metrics=evidence.metrics,
            offsets_M=found.parameters_BP[:, 0],
            coefficients_MC=coefficients_MC,
            ridges_M=ridges_M,
            status=_status(evidence, found),
        )


@dataclass(frozen=True, slots=True)
class _Data:
    """What a fit works on: sampled coordinates only, metrics in rows."""

    weights_RC: Array
    outer_RQ: Array
    losses_MR: Array
    scale_M: Array

    def problems(self, ridges_B: Array, delta_B: Array, *, copies: int = 1) -> Problems:
        """One problem a metric, or `copies` of it side by side."""
        losses_BR = np.repeat(self.losses_MR, copies, axis=0)
        penalty_B = ridges_B * np.repeat(self.scale_M, copies) ** 2
        return Problems(self.weights_RC, self.outer_RQ, losses_BR, penalty_B, delta_B)


def _fit(weights_RC: Array, losses_RM: Array, delta: float | None) -> tuple[Refined, Array]:
    """The optimum of each metric at its chosen ridge, and the ridges."""
    losses_MR = np.ascontiguousarray(losses_RM.T)
    metrics = len(losses_MR)
    # A constant metric has no scale of its own: a billionth of its size stands for it.
    scale_M = np.maximum(losses_MR.std(axis=1), 1e-9 * np.abs(losses_MR).mean(axis=1) + 1e-300)
    data = _Data(weights_RC, Problems.outer(weights_RC), losses_MR, scale_M)
    start_MP = _best_start(data)
    delta_M = np.full(metrics, np.inf)
    if delta is not None:
        residuals_MR = losses_MR - start_MP[:, :1] - np.exp(start_MP[:, 1:] @ weights_RC.T)
        spread_M = 1.4826 * np.median(np.abs(residuals_MR), axis=1)
        delta_M = delta * np.maximum(spread_M, 1e-6 * scale_M)
    ridges_M, near_MP = _ridge_path(data, delta_M, start_MP)
    return refine(data.problems(ridges_M, delta_M), near_MP), ridges_M


def _best_start(data: _Data) -> Array:
    """The best least-squares optimum over all starts, per metric, at the middle ridge: M × P."""
    metrics, count = len(data.losses_MR), len(_STARTS)
    starts = np.stack([_log_space(data.weights_RC, data.losses_MR, f) for f in _STARTS], axis=1)
    ridges_B = np.full(metrics * count, RIDGES[_FIRST_RIDGE])
    problems = data.problems(ridges_B, np.full(metrics * count, np.inf), copies=count)
    found = refine(problems, starts.reshape(metrics * count, -1), tolerance=LOOSE)
    best_M = np.argmin(found.objective_B.reshape(metrics, count), axis=1)
    return np.asarray(found.parameters_BP.reshape(metrics, count, -1)[np.arange(metrics), best_M])


def _log_space(weights_RC: Array, losses_MR: Array, fraction: float) -> Array:
    """Weighted ridge regression of log(y − c) on p with c a fraction of the lowest loss; closed form."""
    offsets_M = fraction * losses_MR.min(axis=1).clip(min=0.0)
    above_MR = np.maximum(losses_MR - offsets_M[:, None], 1e-9)
    logs_MR = np.log(above_MR)
    mean_M = logs_MR.mean(axis=1)
    # A residual of log(y − c) counts (y − c) times in y: regress with those weights.
    square_MR = above_MR**2 / (above_MR**2).mean(axis=1)[:, None]
    gram_MCC = np.einsum("mr,rc,rd->mcd", square_MR, weights_RC, weights_RC, optimize=True)
    ridge = 1e-3 * len(weights_RC) * np.eye(weights_RC.shape[1])
    right_MC = (square_MR * (logs_MR - mean_M[:, None])) @ weights_RC
    slopes_MC = np.linalg.solve(gram_MCC + ridge, right_MC[:, :, None])[:, :, 0]
    return np.concatenate([offsets_M[:, None], slopes_MC + mean_M[:, None]], axis=1)


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
    pick_M = np.argmin(error_KM, axis=0)
    return np.array(RIDGES)[pick_M], parameters_KMP[pick_M, np.arange(metrics)]


def _status(evidence: Evidence, found: Refined) -> FitStatus:
    notes: list[str] = []
    runs, unknowns = len(evidence.runs), len(evidence.coordinates) + 1
    if runs < unknowns:
        notes.append(f"{runs} runs for {unknowns} parameters a metric: the ridge decides what the runs do not")
    still = [name for name, done in zip(evidence.metrics, found.converged_B, strict=True) if not done]
    if still:
        notes.append(f"not converged: {', '.join(still)}")
    constant_M = np.ptp(evidence.losses_RM, axis=0) == 0
    constant = [name for name, same in zip(evidence.metrics, constant_M, strict=True) if same and runs > 1]
    if constant:
        notes.append(f"the same in every run, so no mixture changes them: {', '.join(constant)}")
    never = evidence.never_sampled()
    if never:
        notes.append(f"never sampled, held at the reference share: {', '.join(never)}")
    return FitStatus(converged=not still, never_sampled=never, notes=tuple(notes), iterations=found.iterations)
