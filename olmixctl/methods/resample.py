"""How sure is a weight? The bootstrap over runs: draw the evidence anew, refit, solve again.

Runs of one mixture are drawn together: apart, a copy of a run would stand on both sides of every choice the fit makes
by leaving runs out. Resample i depends on the seed and on i alone, so more resamples start with the fewer.

Array dimensions: R runs, G different mixtures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from olmixctl.errors import OlmixctlError
from olmixctl.methods.olmix import fit_evidence, fitted_problem
from olmixctl.methods.problem import convex_metrics
from olmixctl.mixture import Coordinates
from olmixctl.plan.model import Observed
from olmixctl.solve.exact import optimum
from olmixctl.surrogate.model import Evidence

__all__ = ["Bootstrap", "Interval", "Resampled", "resample_mix", "resampled_evidence"]

_STREAM = 0xB007
"""Tells this use of the seed from others."""
_LEAST = 10
"""Resamples below which percentiles say nothing."""


def _silent(_done: int, _total: int) -> None:
    """Nobody listens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bootstrap:
    """What is asked for: how many resamples (0 for none), and who hears (resamples done, of) as they are solved."""

    resamples: int = 100
    on_progress: Callable[[int, int], None] = _silent


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """Percentiles 5 and 95 of a share over resamples."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Resampled:
    """Optimal mixes of resampled evidence.

    Attributes:
        shares: coordinate → its optimal share in each resample that was solved.
        asked: resamples drawn.
        failed: those whose laws did not converge or whose bounds could not be met.
    """

    shares: dict[str, list[float]]
    asked: int
    failed: int

    def interval(self, coordinate: str, *, ratio: float = 1.0) -> Interval | None:
        """That of a coordinate, or of a member with `ratio` of it; None where too few resamples were solved."""
        values = self.shares.get(coordinate, [])
        if len(values) < max(_LEAST, self.asked // 2):
            return None
        low, high = np.percentile(np.array(values), [5.0, 95.0])
        return Interval(low=float(low) * ratio, high=float(high) * ratio)


def resample_mix(
    observed: Observed,
    coordinates: Coordinates,
    evidence: Evidence,
    bootstrap: Bootstrap,
) -> Resampled:
    """Refit and solve resamples of `evidence`; rounding is left out, it moves a share by a millionth."""
    shares: dict[str, list[float]] = {name: [] for name in coordinates.names}
    failed = 0
    for number in range(bootstrap.resamples):
        point = _solved(observed, coordinates, resampled_evidence(evidence, observed.spec.swarm.seed, number))
        failed += point is None
        for name, weight in (point or {}).items():
            shares[name].append(weight)
        bootstrap.on_progress(number + 1, bootstrap.resamples)
    return Resampled(shares=shares, asked=bootstrap.resamples, failed=failed)


def resampled_evidence(evidence: Evidence, seed: int, number: int) -> Evidence:
    """Resample `number`: as many mixtures as there are, drawn with replacement, each with all its runs."""
    _, group_R = np.unique(evidence.weights_RC, axis=0, return_inverse=True)
    group_R = group_R.reshape(-1)
    groups = int(group_R.max()) + 1
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, _STREAM, number))))
    rows = np.concatenate([np.flatnonzero(group_R == g) for g in np.sort(rng.integers(0, groups, groups))])
    return Evidence(
        runs=tuple(f"{place}:{evidence.runs[row]}" for place, row in enumerate(rows.tolist())),
        coordinates=evidence.coordinates,
        metrics=evidence.metrics,
        weights_RC=evidence.weights_RC[rows],
        losses_RM=evidence.losses_RM[rows],
    )


def _solved(observed: Observed, coordinates: Coordinates, evidence: Evidence) -> dict[str, float] | None:
    """The optimum of one resample; None where it has none, which is counted."""
    try:
        fitted = fit_evidence(observed, evidence)
        if not fitted.fit.status.converged:
            return None
        problem = fitted_problem(observed, coordinates, fitted)
        return dict(optimum(problem, convex_metrics(fitted.fit)).point)
    except (OlmixctlError, np.linalg.LinAlgError):
        return None
