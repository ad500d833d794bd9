"""How sure a decided mix is, as its lock says it: intervals of weights and predictions, and comparisons with noise.

Intervals of weights are percentiles of the optima of resamples. Those of predictions hold what a run of the mix will
measure, and are as wide as errors on runs that the laws had not seen (`surrogate.intervals`).

A mix is better than another with the share of resamples that say so; its change is below run-to-run noise where it is
less than what two runs of one mixture differ by in one of ten cases.

Array dimensions: R runs, C coordinates, M metrics, T = M + 1 columns (the objective last), N draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from olmixctl.ledger.model import RunRecord
from olmixctl.lock.model import Ends, Lock, LockedConfidence, LockedNoise
from olmixctl.methods.fixed import fixed
from olmixctl.methods.objective import losses_of
from olmixctl.methods.olmix import Fitted, fitted_problem
from olmixctl.methods.resample import Bootstrap, Resampled, mixture_draws, resample
from olmixctl.methods.worse import why_worse
from olmixctl.mixture import GRID, Coordinates
from olmixctl.plan.evidence import evidence_weights
from olmixctl.plan.model import Observed
from olmixctl.solve.problem import MixProblem
from olmixctl.surrogate.draws import Draws
from olmixctl.surrogate.intervals import Intervals
from olmixctl.surrogate.model import Array, Evidence
from olmixctl.surrogate.noise import Noise, of_errors, of_replicates
from olmixctl.surrogate.validation import HeldOut

__all__ = [
    "NATURAL",
    "PREVIOUS",
    "THIS",
    "Uncertainty",
    "mixes_of",
    "noise_of",
    "uncertainty_of",
    "uncertainty_under",
    "with_replicates",
    "with_uncertainty",
]

THIS, NATURAL, PREVIOUS = "this", "natural", "previous"


@dataclass(frozen=True, kw_only=True, slots=True)
class Uncertainty:
    """What is not known about a mix.

    Attributes:
        weights: domain → interval of its weight.
        metrics: metric → interval of what a run of the mix will measure.
        confidence: resamples, comparisons and noise.
        resampled: the resamples behind it.
    """

    weights: Mapping[str, Ends]
    metrics: Mapping[str, Ends]
    confidence: LockedConfidence
    resampled: Resampled


def mixes_of(
    observed: Observed, coordinates: Coordinates, this: Mapping[str, int], before: Mapping[str, float] | None
) -> dict[str, dict[str, float]]:
    """The mixes that are compared, as points over the coordinates; those that do not lie in them are left out.

    Args:
        observed: spec and data.
        coordinates: of the laws.
        this: coordinate → millionths of the decided mix.
        before: the previous mix over domains, under their present names; None without one.
    """
    # The old mix was rounded to the grid; its ratios are the block's within that.
    found = {
        THIS: {name: points / GRID for name, points in this.items()},
        NATURAL: coordinates.collapse(observed.natural),
        PREVIOUS: None if before is None else coordinates.collapse(before, tolerance=2 / GRID),
    }
    points = {name: dict(point) for name, point in found.items() if point is not None}
    # Where the mix did not move there is nothing to compare.
    if PREVIOUS in points and all(abs(points[PREVIOUS][name] - w) <= 2 / GRID for name, w in points[THIS].items()):
        del points[PREVIOUS]
    return points


def with_uncertainty(lock: Lock, found: Uncertainty | None) -> Lock:
    """`lock`, saying what is not known about its mix."""
    if found is None:
        return lock
    predicted = {name: replace(metric, interval=found.metrics.get(name)) for name, metric in lock.predicted.items()}
    return replace(lock, uncertainty=found.weights, confidence=found.confidence, predicted=predicted)


def uncertainty_of(
    observed: Observed,
    coordinates: Coordinates,
    fitted: Fitted,
    mixes: Mapping[str, Mapping[str, float]],
    replicates: Sequence[RunRecord] = (),
) -> Uncertainty | None:
    """The uncertainty of the mix `this`; None where there are fewer than three mixtures, or too few draws are solved.

    Args:
        observed: spec and data.
        coordinates: of the mix.
        fitted: laws on all runs.
        mixes: `this`, and `natural` and `previous` where the laws reach them, as points over the coordinates.
        replicates: further results of runs of the ledger.
    """
    draws = mixture_draws(fitted.evidence, fitted.seed, range(Bootstrap().resamples))
    measured = with_replicates(observed, coordinates, fitted.evidence, replicates)
    return uncertainty_under(
        fitted, lambda each: fitted_problem(observed, coordinates, each), draws, mixes, measured=measured
    )


def uncertainty_under(
    fitted: Fitted,
    problem_of: Callable[[Fitted], MixProblem],
    draws: Draws,
    mixes: Mapping[str, Mapping[str, float]],
    *,
    measured: tuple[Array, Array],
) -> Uncertainty | None:
    """`uncertainty_of` of a problem that follows from the laws, by draws that are given.

    Args:
        fitted: laws on all runs.
        problem_of: the problem under laws.
        draws: of the evidence.
        mixes: as above.
        measured: mixtures (R × C) and metrics (R × M) of all results, replicates too.
    """
    if fitted.held is None:
        return None
    drawn = resample(fitted, problem_of, draws, mixes)
    if not drawn.enough:
        return None
    problem = problem_of(fitted)
    return Uncertainty(
        weights=_weights(problem.coordinates, drawn, mixes[THIS]),
        metrics=_metrics(fitted, fitted.held, mixes[THIS]),
        confidence=_confidence(problem, fitted, mixes, drawn, noise_of(problem, fitted, measured)),
        resampled=drawn,
    )


def noise_of(problem: MixProblem, fitted: Fitted, measured: tuple[Array, Array]) -> Noise:
    """Run-to-run noise: as replicates measure it, else as errors on runs that the laws had not seen bound it.

    Args:
        problem: what says what the objective counts.
        fitted: laws on all runs.
        measured: mixtures (R × C) and metrics (R × M) of all results, replicates too.
    """
    weights_RC, losses_RM = measured
    found = of_replicates(weights_RC, _with_objective(problem, fitted, losses_RM))
    if found is not None:
        return found
    predicted_RM = fitted.fit.predict(fitted.evidence.weights_RC) if fitted.held is None else fitted.held.predicted_RM
    values_RT = _with_objective(problem, fitted, fitted.evidence.losses_RM)
    return of_errors(values_RT, _with_objective(problem, fitted, predicted_RM))


def _with_objective(problem: MixProblem, fitted: Fitted, values_RM: Array) -> Array:
    """The metrics, and what the objective counts of them as the last column."""
    return np.column_stack([values_RM, losses_of(problem, fitted.fit.metrics, values_RM)])


def with_replicates(
    observed: Observed, coordinates: Coordinates, evidence: Evidence, replicates: Sequence[RunRecord]
) -> tuple[Array, Array]:
    """Mixtures and metrics of the evidence, and of further results of its runs, in an order of their own."""
    names = {evaluation: name for name, evaluation in observed.evals.items()}
    weights, losses = [], []
    for record in sorted(replicates, key=lambda record: (record.key, record.finding)):
        point = evidence_weights(observed, coordinates, record) if record.key in evidence.runs else None
        if point is None or record.status != "done":
            continue
        measured = {names[ev]: value for ev, value in record.metrics_by_eval().items() if ev in names}
        weights.append([point[name] for name in evidence.coordinates])
        losses.append([measured[name] for name in evidence.metrics])
    if not weights:
        return evidence.weights_RC, evidence.losses_RM
    return np.vstack([evidence.weights_RC, weights]), np.vstack([evidence.losses_RM, losses])


def _weights(coordinates: Coordinates, drawn: Resampled, this: Mapping[str, float]) -> dict[str, Ends]:
    """Domain → interval, in which its weight lies; a member of a block has its part of the block's."""
    found: dict[str, Ends] = {}
    for name, members in coordinates.members().items():
        whole = drawn.interval(name)
        assert whole is not None, "enough draws were solved"
        held = whole.holding(this[name])
        parts = {leaf: held.part(float(ratio)) for leaf, ratio in members.items()}
        found |= {leaf: (fixed(part.low, 6), fixed(part.high, 6)) for leaf, part in parts.items()}
    return found


def _metrics(fitted: Fitted, held: HeldOut, this: Mapping[str, float]) -> dict[str, Ends]:
    """Metric → interval of a run of the mix."""
    fit = fitted.fit
    said = Intervals.of(fitted.evidence, held).predict(fit, _row(this, fit.coordinates))
    rows = zip(fit.metrics, said.low_NT[0, :-1].tolist(), said.high_NT[0, :-1].tolist(), strict=True)
    return {metric: (fixed(low, 6), fixed(high, 6)) for metric, low, high in rows}


def _confidence(
    problem: MixProblem, fitted: Fitted, mixes: Mapping[str, Mapping[str, float]], drawn: Resampled, noise: Noise
) -> LockedConfidence:
    names = fitted.fit.coordinates
    losses = {
        name: float(losses_of(problem, fitted.fit.metrics, fitted.fit.predict(_row(mix, names)))[0])
        for name, mix in mixes.items()
    }
    change = None if PREVIOUS not in losses else fixed(losses[THIS] - losses[PREVIOUS], 6)
    worse = why_worse(problem, fitted, mixes[THIS], mixes[PREVIOUS]) if change is not None and change > 0 else None
    return LockedConfidence(
        drawn=drawn.asked,
        solved=drawn.asked - drawn.failed,
        better_than_natural=_share(drawn.better(THIS, NATURAL)),
        better_than_previous=_share(drawn.better(THIS, PREVIOUS)),
        noise=LockedNoise(
            basis=noise.basis,
            degrees=noise.degrees,
            run=fixed(noise.of_objective(losses[THIS]), 6),
            two_runs=fixed(noise.apart(losses[THIS]), 6),
        ),
        change=change,
        pull=None if worse is None else fixed(worse.pull, 6),
        breaks=() if worse is None else worse.breaks,
    )


def _row(mix: Mapping[str, float], names: Sequence[str]) -> Array:
    return np.array([[mix[name] for name in names]])


def _share(value: float | None) -> Decimal | None:
    return None if value is None else fixed(value, 2)
