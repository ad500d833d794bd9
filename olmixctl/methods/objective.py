"""The objective of a problem by its parts, whatever the laws: what is counted of predicted metrics, and λ KL.

Array dimensions: N mixes, M metrics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from olmixctl.solve.problem import MixProblem
from olmixctl.solve.program import build
from olmixctl.surrogate.model import Array

__all__ = ["divergence", "losses_of"]


def losses_of(problem: MixProblem, metrics: Sequence[str], values_NM: Array) -> Array:
    """What the objective counts of the metrics of each mix: their weighted mean, or the worst family's change: N."""
    if not problem.worst_case:
        return _mean(problem.metric_weights, metrics, values_NM)
    families = [_mean(f.weights, metrics, values_NM) - f.baseline for f in problem.worst_case]
    return np.asarray(np.max(families, axis=0))


def divergence(problem: MixProblem, names: Sequence[str]) -> Callable[[Array], Array]:
    """λ KL of expanded mixes as a function of points over `names`, N × C → N; what is the same for all is built once.

    Held coordinates enter with the weight they are held at.
    """
    bare = build(replace(problem, metric_weights={}, guardrails=(), worst_case=(), rows=()), ())
    columns = [list(names).index(name) for name in bare.names]
    return lambda points_NC: np.array([bare.divergence(point_C) for point_C in points_NC[:, columns]])


def _mean(weights: Mapping[str, float], metrics: Sequence[str], values_NM: Array) -> Array:
    total = math.fsum(weights.values())
    return np.asarray(values_NM @ np.array([weights.get(metric, 0.0) / total for metric in metrics]))
