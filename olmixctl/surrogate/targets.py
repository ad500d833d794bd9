"""Losses as the wider families see them: logarithms above a floor, standardised, without what says nothing.

Array dimensions: R runs, C coordinates, S sampled coordinates, M metrics, K metrics that move.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from olmixctl.surrogate.model import Array, Evidence, FitStatus, too_few

__all__ = ["Targets", "status_of"]

# How far the floor c of log(y − c) lies below the least loss: a share of it (between 0.15 and a half hardly matters),
# and at least one standard deviation. Nearer to zero, logarithms would make much of the lowest runs.
_BELOW, _LEAST_BELOW = 0.3, 1.0
_LEAST_EXCESS = 1e-3
# Where some are not positive, losses are counted from so many standard deviations below the least.
_BASE = 2.0


@dataclass(frozen=True, slots=True)
class Targets:
    """Evidence as targets.

    Attributes:
        places_S: where coordinates with weight in some run stand among all; the others are left out of the fit. Their
            order follows from the runs: names mean nothing.
        moving_M: metrics that differ between runs; the others are predicted as they are.
        weights_RS: mixtures over the sampled coordinates, in an order of their own: names of runs mean nothing.
        base_K: what losses are counted from: zero, or less where some are not positive.
        losses_KR: what was measured above that, in the same order.
        level_M: mean losses.
        floor_K: c.
        mean_K: of log(y − c).
        scale_K: standard deviation of log(y − c).
        values_KR: standardised log(y − c).
    """

    places_S: NDArray[np.intp]
    moving_M: NDArray[np.bool_]
    weights_RS: Array
    base_K: Array
    losses_KR: Array
    level_M: Array
    floor_K: Array
    mean_K: Array
    scale_K: Array
    values_KR: Array

    @classmethod
    def of(cls, evidence: Evidence) -> Targets:
        """The targets of this evidence."""
        losses_RM, places_S = evidence.losses_RM, _places(evidence)
        weights_RS = evidence.weights_RC[:, places_S]
        order_R = np.lexsort((*losses_RM.T, *weights_RS.T))
        moving_M = np.ptp(losses_RM, axis=0) > 1e-12 * np.abs(losses_RM).max(axis=0)
        measured_KR = np.ascontiguousarray(losses_RM[order_R][:, moving_M].T)
        least_K, spread_K = measured_KR.min(axis=1), measured_KR.std(axis=1)
        base_K = np.where(least_K > 0, 0.0, least_K - _BASE * spread_K)
        floor_K = least_K - np.maximum(_BELOW * (least_K - base_K), _LEAST_BELOW * spread_K)
        logs_KR = np.log(measured_KR - floor_K[:, None])
        mean_K, scale_K = logs_KR.mean(axis=1), logs_KR.std(axis=1)
        return cls(
            places_S=places_S,
            moving_M=moving_M,
            weights_RS=np.ascontiguousarray(weights_RS[order_R]),
            base_K=base_K,
            losses_KR=measured_KR - base_K[:, None],
            level_M=np.array([math.fsum(column) / len(column) for column in losses_RM.T]),
            floor_K=floor_K,
            mean_K=mean_K,
            scale_K=scale_K,
            values_KR=(logs_KR - mean_K[:, None]) / scale_K[:, None],
        )

    def on(self, evidence: Evidence) -> Targets:
        """Other runs in the units of these: same coordinates, metrics, floors and scales."""
        losses_KR = self.above(evidence)
        # A loss below the floor of the first runs has no logarithm; it counts as the lowest above it.
        high_K1 = (self.base_K - self.floor_K)[:, None]
        least_K1 = _LEAST_EXCESS * (self.losses_KR.min(axis=1)[:, None] + high_K1)
        logs_KR = np.log(np.maximum(losses_KR + high_K1, least_K1))
        return replace(
            self,
            weights_RS=np.ascontiguousarray(evidence.weights_RC[:, self.places_S]),
            losses_KR=losses_KR,
            values_KR=(logs_KR - self.mean_K[:, None]) / self.scale_K[:, None],
        )

    def above(self, evidence: Evidence) -> Array:
        """What other runs measured of the metrics that move, counted from the same base: K × R."""
        return np.ascontiguousarray(evidence.losses_RM[:, self.moving_M].T) - self.base_K[:, None]

    def losses(self, values_NK: Array) -> Array:
        """Standardised logarithms → losses of all metrics: N × M."""
        losses_NM = np.repeat(self.level_M[None], len(values_NK), axis=0)
        losses_NM[:, self.moving_M] = self.floor_K + np.exp(self.mean_K + self.scale_K * values_NK)
        return losses_NM


def _places(evidence: Evidence) -> NDArray[np.intp]:
    """Sampled coordinates by their weights, the least mean first; of equal weights by what runs with them measured."""
    weights_RC = evidence.weights_RC
    order_R = np.lexsort((*np.sort(weights_RC, axis=1).T, evidence.losses_RM.mean(axis=1)))
    columns_RC, sorted_RC = weights_RC[order_R], np.sort(weights_RC, axis=0)
    # Sums are exact, so that no order of runs moves them.
    total_C = np.array([math.fsum(column) for column in weights_RC.T])
    by_weight_C = np.lexsort((*columns_RC[::-1], *sorted_RC, total_C))
    return np.asarray([c for c in by_weight_C.tolist() if total_C[c] > 0], dtype=np.intp)


def status_of(evidence: Evidence, parameters: int, still: tuple[str, ...], iterations: int) -> FitStatus:
    """The status of a fit, with what people should know.

    Where the search did not settle the law is one all the same: its posterior is above that of the priors' means, and
    what it predicts of unseen runs is judged by cross-validation. What it lacks is a note.

    Args:
        evidence: what was fitted.
        parameters: of each metric.
        still: metrics whose optimiser had not settled.
        iterations: of the slowest metric.
    """
    notes = too_few(evidence, parameters, "priors decide")
    runs, never = len(evidence.runs), evidence.never_sampled()
    if still:
        notes.append(
            f"fitted, but not to the last digits (the search moved still after {iterations} iterations), so another "
            f"processor may predict otherwise: {', '.join(still)}"
        )
    same_M = np.ptp(evidence.losses_RM, axis=0) == 0
    constant = [name for name, same in zip(evidence.metrics, same_M, strict=True) if same and runs > 1]
    if constant:
        notes.append(f"the same in every run, so no mixture changes them: {', '.join(constant)}")
    if never:
        notes.append(f"never sampled, so nothing is known of it, and its weight counts for nothing: {', '.join(never)}")
    return FitStatus(converged=True, never_sampled=never, notes=tuple(notes), iterations=iterations)
