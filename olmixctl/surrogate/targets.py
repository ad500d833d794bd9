"""Losses as the wider families see them: logarithms above a floor, standardised, without what says nothing.

Array dimensions: R runs, C coordinates, S sampled coordinates, M metrics, K metrics that move.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from olmixctl.errors import IntegrityError
from olmixctl.surrogate.model import Array, Evidence, FitStatus, too_few

__all__ = ["Targets", "status_of"]

# The floor c of log(y − c), as a share of the least loss. Between a half and 0.85 it hardly matters.
_FLOOR = 0.7
_LEAST_EXCESS = 1e-3


@dataclass(frozen=True, slots=True)
class Targets:
    """Evidence as targets.

    Attributes:
        sampled_C: coordinates with weight in some run; the others are left out of the fit.
        moving_M: metrics that differ between runs; the others are predicted as they are.
        weights_RS: mixtures over the sampled coordinates, in an order of their own: names of runs mean nothing.
        losses_KR: what was measured, in the same order.
        level_M: mean losses.
        floor_K: c.
        mean_K: of log(y − c).
        scale_K: standard deviation of log(y − c).
        values_KR: standardised log(y − c).
    """

    sampled_C: NDArray[np.bool_]
    moving_M: NDArray[np.bool_]
    weights_RS: Array
    losses_KR: Array
    level_M: Array
    floor_K: Array
    mean_K: Array
    scale_K: Array
    values_KR: Array

    @classmethod
    def of(cls, evidence: Evidence) -> Targets:
        """The targets of this evidence.

        Raises:
            IntegrityError: a loss that is not positive has no logarithm.
        """
        order_R = np.lexsort((*evidence.losses_RM.T, *evidence.weights_RC.T))
        losses_RM = evidence.losses_RM
        if not (losses_RM > 0).all():
            run, metric = (int(i) for i in np.argwhere(~(losses_RM > 0))[0])
            raise IntegrityError(
                f"metric {evidence.metrics[metric]!r} of run {evidence.runs[run]} is {losses_RM[run, metric]:.6g}; "
                "this family needs losses above zero",
                remedy="measure a loss, such as bits per byte, or fit log_linear",
            )
        moving_M = np.ptp(losses_RM, axis=0) > 1e-12 * losses_RM.max(axis=0)
        sampled_C = np.any(evidence.weights_RC > 0, axis=0)
        floor_K = _FLOOR * losses_RM[:, moving_M].min(axis=0)
        losses_KR = np.ascontiguousarray(losses_RM[order_R][:, moving_M].T)
        logs_KR = np.log(losses_KR - floor_K[:, None])
        mean_K, scale_K = logs_KR.mean(axis=1), logs_KR.std(axis=1)
        return cls(
            sampled_C=sampled_C,
            moving_M=moving_M,
            weights_RS=np.ascontiguousarray(evidence.weights_RC[order_R][:, sampled_C]),
            losses_KR=losses_KR,
            level_M=np.array([math.fsum(column) / len(column) for column in losses_RM.T]),
            floor_K=floor_K,
            mean_K=mean_K,
            scale_K=scale_K,
            values_KR=(logs_KR - mean_K[:, None]) / scale_K[:, None],
        )

    def on(self, evidence: Evidence) -> Targets:
        """Other runs in the units of these: same coordinates, metrics, floors and scales."""
        losses_KR = np.ascontiguousarray(evidence.losses_RM[:, self.moving_M].T)
        # A loss below the floor of the first runs has no logarithm; it counts as the lowest above it.
        logs_KR = np.log(np.maximum(losses_KR - self.floor_K[:, None], _LEAST_EXCESS * self.floor_K[:, None]))
        return replace(
            self,
            weights_RS=np.ascontiguousarray(evidence.weights_RC[:, self.sampled_C]),
            losses_KR=losses_KR,
            values_KR=(logs_KR - self.mean_K[:, None]) / self.scale_K[:, None],
        )

    def losses(self, values_NK: Array) -> Array:
        """Standardised logarithms → losses of all metrics: N × M."""
        losses_NM = np.repeat(self.level_M[None], len(values_NK), axis=0)
        losses_NM[:, self.moving_M] = self.floor_K + np.exp(self.mean_K + self.scale_K * values_NK)
        return losses_NM


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
