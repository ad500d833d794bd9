"""How sure `explain` is of a domain: its share, what pulls it, and how far single runs lie apart.

Array dimensions: C coordinates, M metrics, N draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from olmixctl.methods.laws import Fitted, predict
from olmixctl.methods.objective import losses_of
from olmixctl.methods.pulls import Solve, direction, metric_weights
from olmixctl.methods.resample import Interval, Resampled, mixture_draws
from olmixctl.methods.uncertainty import noise_of
from olmixctl.solve.program import build
from olmixctl.surrogate.model import Array
from olmixctl.surrogate.noise import Basis
from olmixctl.surrogate.registry import FAMILIES

__all__ = ["Certainty", "KnownNoise", "certainty_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownNoise:
    """Run-to-run noise at the recorded mix.

    Attributes:
        basis: `replicates`: measured; `errors`: bounded from above by errors on runs that the laws had not seen.
        degrees: of freedom, or number of errors.
        metrics: metric → standard deviation of one run.
        objective: the same of what the objective counts.
    """

    basis: Basis
    degrees: int
    metrics: Mapping[str, float]
    objective: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Certainty:
    """The bootstrap over runs, and noise.

    Attributes:
        interval: in which the domain's share lies in nine of ten cases; None where too few resamples were solved.
        resamples: drawn.
        failed: of them, those whose laws did not converge or whose bounds could not be met.
        pulls: metric → interval of its pull at the recorded mix; empty where the share cannot move, or too few.
        noise: run-to-run.
    """

    interval: Interval | None
    resamples: int
    failed: int
    pulls: Mapping[str, Interval]
    noise: KnownNoise


def certainty_of(
    coordinate: str, solve: Solve, fitted: Fitted, drawn: Resampled, point: Mapping[str, float], *,
    ratio: float, measured: tuple[Array, Array],
) -> Certainty:  # fmt: skip
    """What is known of a coordinate, or of a member with `ratio` of it.

    Args:
        coordinate: which.
        solve: of the mix.
        fitted: laws on all runs.
        drawn: resamples of their evidence.
        point: the recorded mix over the coordinates.
        ratio: the domain's part of the coordinate.
        measured: mixtures (R × C) and metrics (R × M) of all results, replicates too.
    """
    found = drawn.interval(coordinate)
    return Certainty(
        interval=None if found is None else found.holding(point[coordinate]).part(ratio),
        resamples=drawn.asked,
        failed=drawn.failed,
        pulls=_pulls(coordinate, solve, fitted, drawn, point) if drawn.enough else {},
        noise=_noise(solve, fitted, point, measured),
    )


def _noise(solve: Solve, fitted: Fitted, point: Mapping[str, float], measured: tuple[Array, Array]) -> KnownNoise:
    noise, predicted = noise_of(solve.problem, fitted, measured), predict(fitted, point)
    values_M = np.array(list(predicted.values()))
    loss = float(losses_of(solve.problem, list(predicted), values_M[None])[0])
    deviation_T = noise.at(np.append(values_M, loss))
    return KnownNoise(
        basis=noise.basis,
        degrees=noise.degrees,
        metrics=dict(zip(predicted, deviation_T[:-1].tolist(), strict=True)),
        objective=float(deviation_T[-1]),
    )


def _pulls(
    coordinate: str, solve: Solve, fitted: Fitted, drawn: Resampled, point: Mapping[str, float]
) -> dict[str, Interval]:
    """Metric → interval of its pull, over the laws of the same draws (`pulls_on` has the pulls themselves)."""
    along = direction(point, coordinate, build(solve.problem, solve.metrics).held)
    if not along:
        return {}
    names = fitted.fit.coordinates
    point_C, along_C = (np.array([mix.get(name, 0.0) for name in names]) for mix in (point, along))
    draws = mixture_draws(fitted.evidence, fitted.seed, range(drawn.asked))
    fits = FAMILIES[fitted.family].refits(fitted.fit, fitted.evidence, draws)
    slopes_NM = np.array([fit.gradient(point_C) @ along_C for fit in fits if fit.status.converged])
    weights = metric_weights(solve)
    return {
        metric: Interval.of(-weights[metric] * slopes_NM[:, m])
        for m, metric in enumerate(fitted.fit.metrics)
        if weights.get(metric)
    }
