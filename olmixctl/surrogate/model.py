"""What a surrogate is fitted to, and what every fit offers.

Array dimensions: R runs, C coordinates, M metrics; N points to predict.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from olmixctl.errors import IntegrityError
from olmixctl.fingerprint import digest

if TYPE_CHECKING:
    from olmixctl.surrogate.draws import Draws

__all__ = ["Array", "Evidence", "Family", "Fit", "FitStatus", "is_digest_of", "parameters_digest", "too_few"]

Array = NDArray[np.float64]

_SUM_TOLERANCE = 1e-6
"""Rows of weights sum to one within this: mixtures come from the grid of millionths."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """Measured runs in canonical order: runs, coordinates and metrics sorted, so no result depends on theirs.

    Attributes:
        runs: R ids, sorted; every run stands once.
        coordinates: C names, sorted.
        metrics: M names, sorted.
        weights_RC: mixtures, each row on the simplex.
        losses_RM: metrics, bits per byte, lower is better.

    Build it with `Evidence.of`, which pairs by run id.
    """

    runs: tuple[str, ...]
    coordinates: tuple[str, ...]
    metrics: tuple[str, ...]
    weights_RC: Array
    losses_RM: Array

    @classmethod
    def of(cls, weights: Mapping[str, Mapping[str, float]], losses: Mapping[str, Mapping[str, float]]) -> Evidence:
        """Evidence from run id → coordinate → weight and run id → metric → loss.

        Raises:
            IntegrityError: no runs; ids on one side only; a run that lacks or adds a coordinate or metric; a value
                that is not finite; a row off the simplex by more than 1e-6.
        """
        _same("run", set(weights), set(losses), "mixtures", "metrics")
        if not weights:
            raise IntegrityError("there are no runs to fit", remedy="train the swarm first: olmixctl apply")
        runs = tuple(sorted(weights))
        coordinates, metrics = (tuple(sorted(table[runs[0]])) for table in (weights, losses))
        for run in runs:
            _same("coordinate", set(weights[run]), set(coordinates), f"run {run}", f"run {runs[0]}")
            _same("metric", set(losses[run]), set(metrics), f"run {run}", f"run {runs[0]}")
        weights_RC = np.array([[weights[run][name] for name in coordinates] for run in runs], dtype=np.float64)
        losses_RM = np.array([[losses[run][name] for name in metrics] for run in runs], dtype=np.float64)
        _check_values(runs, coordinates, weights_RC, "weight")
        _check_values(runs, metrics, losses_RM, "metric")
        for run, row in zip(runs, weights_RC, strict=True):
            if (row < 0).any() or abs(math.fsum(row) - 1.0) > _SUM_TOLERANCE:
                raise IntegrityError(f"weights of run {run} sum to {math.fsum(row):.9g} or are negative")
        return cls(runs=runs, coordinates=coordinates, metrics=metrics, weights_RC=weights_RC, losses_RM=losses_RM)

    def subset(self, keep_R: NDArray[np.bool_]) -> Evidence:
        """The runs where `keep_R` is true."""
        return Evidence(
            runs=tuple(run for run, keep in zip(self.runs, keep_R, strict=True) if keep),
            coordinates=self.coordinates,
            metrics=self.metrics,
            weights_RC=self.weights_RC[keep_R],
            losses_RM=self.losses_RM[keep_R],
        )

    def never_sampled(self) -> tuple[str, ...]:
        """Coordinates with weight zero in every run: nothing is known about them."""
        sampled_C = np.any(self.weights_RC > 0, axis=0)
        return tuple(name for name, sampled in zip(self.coordinates, sampled_C.tolist(), strict=True) if not sampled)


def too_few(evidence: Evidence, parameters: int, what: str) -> list[str]:
    """A note where there are fewer mixtures than `parameters` of a metric: `what` decides then.

    Runs of one mixture count once: what they say of how a mixture changes a metric they say together.
    """
    count = len(np.unique(evidence.weights_RC, axis=0))
    noun = "mixture" if count == 1 else "mixtures"
    note = f"{count} {noun} for {parameters} parameters a metric: {what} what the runs do not"
    return [note] if count < parameters else []


@dataclass(frozen=True, kw_only=True, slots=True)
class FitStatus:
    """How a fit went; read before the fit is used.

    Attributes:
        converged: every metric's optimiser met its tolerance.
        never_sampled: coordinates without evidence; the solver holds them at the reference share.
        notes: sentences for people: regularised because of few runs, constant metrics, metrics not converged.
        iterations: the most iterations any metric took.
    """

    converged: bool
    never_sampled: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    iterations: int = 0


class Fit(Protocol):
    """A fitted surrogate; metrics and coordinates in the order of its evidence."""

    @property
    def status(self) -> FitStatus:
        """Read first."""

    @property
    def family(self) -> str:
        """The registry name of the law."""

    @property
    def coordinates(self) -> tuple[str, ...]:
        """C names, sorted."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """M names, sorted."""

    def predict(self, weights_NC: Array) -> Array:
        """Predicted metrics (N × M) at the mixtures `weights_NC`."""

    def spread(self, weights_NC: Array) -> Array:
        """How uncertain predictions are relative to each other (N × M); the width of intervals is cross-validated."""

    def gradient(self, weights_C: Array) -> Array:
        """∂ metric / ∂ weight (M × C) at one mixture."""

    def parameters(self) -> dict[str, Array]:
        """Name → fitted array: what the digest and the report are made of."""


class Family(Protocol):
    """A law that can be fitted."""

    @property
    def name(self) -> str:
        """Registry name."""

    def fit(self, evidence: Evidence) -> Fit:
        """Fit all metrics of the evidence, in one batch."""

    def refit(self, start: Fit, evidence: Evidence) -> Fit:
        """The law of `start` on other runs over the same coordinates and metrics: hyperparameters and units are kept,
        parameters are found from those of `start`. What `start` says nothing of stays as it is there.
        """

    def refits(self, start: Fit, evidence: Evidence, draws: Draws) -> Iterator[Fit]:
        """`refit` on every draw of the runs, in the order of the draws; read each fit's status before it is used."""


def parameters_digest(fit: Fit, *, digits: int = 6) -> str:
    """Digest of the fitted parameters, `sg1:…`: names, and values at `digits` significant digits of each array's scale.

    A refit on another processor differs in the last bits, and each of thousands of values may then stand on the other
    side of a rounding border; six digits leave seven orders of magnitude between the two.
    """
    return _digest(fit, _texts(fit, digits))


def is_digest_of(fit: Fit, stated: str, within: float, *, digits: int = 6) -> bool:
    """Whether `stated` is the digest of these parameters, but for last digits that round the other way.

    Values that stand `within` (parts of a rounding step) of a border are tried on both sides; where they are too many
    to try, any digest passes.
    """
    texts = _texts(fit, digits)
    other = dict(_other_sides(fit, within, digits))
    if len(other) > _MOST_TRIED:
        return True
    for sides in product((False, True), repeat=len(other)):
        tried = {name: list(column) for name, column in texts.items()}
        for (name, place), turned in zip(other, sides, strict=True):
            tried[name][place] = other[name, place] if turned else tried[name][place]
        if _digest(fit, tried) == stated:
            return True
    return False


_MOST_TRIED = 8


def _digest(fit: Fit, texts: Mapping[str, list[str]]) -> str:
    body = {"family": fit.family, "coordinates": fit.coordinates, "metrics": fit.metrics, "parameters": texts}
    return digest(body, prefix="sg1")


def _texts(fit: Fit, digits: int) -> dict[str, list[str]]:
    """Parameter → its values as they are digested."""
    columns = sorted(fit.parameters().items())
    return {name: [_text(v, _decimals(array, digits)) for v in array.ravel().tolist()] for name, array in columns}


def _other_sides(fit: Fit, within: float, digits: int) -> Iterator[tuple[tuple[str, int], str]]:
    """(parameter, position) → its text on the other side of the rounding border that it stands at."""
    for name, array in sorted(fit.parameters().items()):
        decimals = _decimals(array, digits)
        step = 10.0**-decimals
        parts = np.abs(array).ravel() / step
        for place in np.flatnonzero(np.abs(parts - np.floor(parts) - 0.5) <= within).tolist():
            value = float(array.ravel()[place])
            nearest = round(value, decimals)
            yield (name, place), _text(nearest + (step if value > nearest else -step), decimals)


def _text(value: float, decimals: int) -> str:
    return f"{round(value, decimals) + 0.0:.{max(decimals, 0)}f}"


def _decimals(array: Array, digits: int) -> int:
    """Decimals that keep `digits` significant digits of the array's scale."""
    scale = float(np.abs(array).max(initial=0.0))
    return digits - 1 - (math.floor(math.log10(scale)) if scale > 0 else 0)


def _same(what: str, found: set[str], wanted: set[str], left: str, right: str) -> None:
    for extra, has, lacks in ((found - wanted, left, right), (wanted - found, right, left)):
        if extra:
            raise IntegrityError(
                f"{what} {min(extra)!r} stands in {has} but not in {lacks}",
                remedy="every run needs its mixture and all of its metrics; they are paired by id, never by position",
            )


def _check_values(runs: tuple[str, ...], names: tuple[str, ...], values: Array, what: str) -> None:
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise IntegrityError(
            f"{what} {names[column]!r} of run {runs[row]} is {values[row, column]}",
            remedy="taint the run (olmixctl runs taint) so that it is trained again",
        )
