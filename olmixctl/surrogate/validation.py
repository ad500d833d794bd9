"""Cross-validation: how well a family predicts runs it has not seen, per metric and for the objective.

Array dimensions: R runs, M metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmixctl.surrogate.model import Array, Evidence, Family

__all__ = [
    "MOST_ERROR",
    "CrossValidation",
    "HeldOut",
    "Objective",
    "OnFit",
    "cross_validate",
    "hold_out",
    "rank_correlation",
    "score",
]


Objective = Callable[[Sequence[str], Array], Array]
"""What an objective counts of metrics: their names, and the metrics of N mixes (N × M), to N numbers."""

OnFit = Callable[[str, int, int], None]
"""Who hears that a family is fitted without another fold: its name, folds done, folds."""


MOST_ERROR = 1e6
"""Bits per byte: a law that predicts a held-out run further off explodes there, and how far says nothing more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CrossValidation:
    """Out-of-sample rank correlation and error.

    Attributes:
        spearman: of the objective (weighted mean of the metrics, or the worst family's change); None when a side is
            constant.
        rmse: of the objective, bits per byte.
        mean_rmse: of the metrics, weighted as in the mean; never less than that of the mean.
        metric_spearman: metric → rank correlation, or None.
        metric_rmse: metric → root mean squared error.
        folds: folds used.
        runs: runs predicted.
    """

    spearman: float | None
    rmse: float
    mean_rmse: float
    metric_spearman: Mapping[str, float | None]
    metric_rmse: Mapping[str, float]
    folds: int
    runs: int


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Predictions of runs that the fit had not seen (at most `MOST_ERROR` off), their relative uncertainty, folds."""

    predicted_RM: Array
    spread_RM: Array
    folds: int


def cross_validate(
    evidence: Evidence,
    family: Family,
    *,
    folds: int = 5,
    seed: int = 0,
    objective_weights: Mapping[str, float] | None = None,
    objective: Objective | None = None,
) -> CrossValidation | None:
    """Predict every run from a fit without its fold; None with fewer than three different mixtures.

    Runs of one mixture (replicates) share a fold, or the fit would have seen the answer. Folds depend on the seed and
    the run ids, never on their order.
    """
    held = hold_out(evidence, family, folds=folds, seed=seed)
    return None if held is None else score(evidence, held, objective_weights=objective_weights, objective=objective)


def hold_out(
    evidence: Evidence, family: Family, *, folds: int = 5, seed: int = 0, on_fit: OnFit | None = None
) -> HeldOut | None:
    """Predictions of every run from a fit without its fold; None with fewer than three different mixtures."""
    fold_R, used = _folds(evidence, folds, seed)
    if used < 2:
        return None
    predicted_RM, spread_RM = np.empty_like(evidence.losses_RM), np.empty_like(evidence.losses_RM)
    for fold in range(used):
        if on_fit is not None:
            on_fit(family.name, fold, used)
        out_R = fold_R == fold
        fit = family.fit(evidence.subset(~out_R))
        measured_RM = evidence.losses_RM[out_R]
        # A lock writes what follows from these in fixed point, which holds no 1e34.
        ends = measured_RM - MOST_ERROR, measured_RM + MOST_ERROR
        predicted_RM[out_R] = np.clip(fit.predict(evidence.weights_RC[out_R]), *ends)
        spread_RM[out_R] = fit.spread(evidence.weights_RC[out_R])
    return HeldOut(predicted_RM, spread_RM, used)


def score(
    evidence: Evidence,
    held: HeldOut,
    *,
    objective_weights: Mapping[str, float] | None = None,
    objective: Objective | None = None,
) -> CrossValidation:
    """Rank and error of these predictions.

    Args:
        evidence: what was measured.
        held: what was predicted of it.
        objective_weights: metric → weight; None where all count alike.
        objective: what is counted of the metrics, where it is not their weighted mean.
    """
    predicted_RM = held.predicted_RM
    weights_M = np.array(
        [(objective_weights or {}).get(m, 1.0 if objective_weights is None else 0.0) for m in evidence.metrics]
    )
    weights_M = weights_M / weights_M.sum()
    counted = objective or (lambda _, values_NM: values_NM @ weights_M)
    measured_R, objective_R = counted(evidence.metrics, evidence.losses_RM), counted(evidence.metrics, predicted_RM)
    columns = list(zip(evidence.metrics, evidence.losses_RM.T, predicted_RM.T, strict=True))
    error_M = [_rmse(y, f) for _, y, f in columns]
    return CrossValidation(
        spearman=rank_correlation(measured_R, objective_R),
        rmse=_rmse(measured_R, objective_R),
        mean_rmse=float(weights_M @ error_M),
        metric_spearman={name: rank_correlation(y, f) for name, y, f in columns},
        metric_rmse=dict(zip(evidence.metrics, error_M, strict=True)),
        folds=held.folds,
        runs=len(evidence.runs),
    )


def rank_correlation(left: Array, right: Array) -> float | None:
    """Spearman's correlation, ties at their mean rank; None when a side is constant."""
    a, b = _ranks(left), _ranks(right)
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else None


def _ranks(values: Array) -> Array:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)


def _rmse(left: Array, right: Array) -> float:
    return float(np.sqrt(np.mean((left - right) ** 2)))


def _folds(evidence: Evidence, folds: int, seed: int) -> tuple[NDArray[np.intp], int]:
    """Fold of each run, and how many folds there are (0 when there are too few mixtures)."""
    _, mixture_R = np.unique(evidence.weights_RC, axis=0, return_inverse=True)
    mixture_R = mixture_R.reshape(-1)
    count = int(mixture_R.max()) + 1
    used = min(folds, count)
    if count < 3:
        return np.zeros(len(mixture_R), dtype=np.intp), 0
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, count))))
    fold_of_mixture = np.empty(count, dtype=np.intp)
    fold_of_mixture[rng.permutation(count)] = np.arange(count) % used
    return fold_of_mixture[mixture_R], used
