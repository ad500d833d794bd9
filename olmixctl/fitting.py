"""`olmixctl fit`: laws for any swarm that stands in two CSV tables, with no mix file and no lock.

Reads, joins and checks the tables (`tables`), fits and cross-validates (`surrogate`), predicts with intervals.
Array dimensions: R runs, C coordinates, M metrics, N mixtures, T = M + 1 targets (the objective last).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from olmixctl.errors import CorpusError, IntegrityError, Place
from olmixctl.ranks import rank_by_chance
from olmixctl.report.numbers import plural
from olmixctl.surrogate.choice import Chosen, choose
from olmixctl.surrogate.intervals import LEAST_RUNS, Intervals, Predictions, with_mean
from olmixctl.surrogate.model import Array, Evidence, Fit
from olmixctl.surrogate.spikes import Screened, Spike, without_spikes
from olmixctl.surrogate.validation import OnFit
from olmixctl.tables import ID_COLUMNS, joined, numbers, read_table, shares

__all__ = ["OBJECTIVE", "Predicted", "TableFit", "fit_tables", "read_evidence"]

OBJECTIVE = "objective"
"""The name of the mean of all metrics."""

_LEVEL = 1e-9
"""Objectives that are nearer to each other, relatively, are one number in a table of predictions."""

_GRID_DIGITS = 6
"""Mixtures are compared in millionths."""

_NAMED = 3
_PUBLISHED = "log_linear"
_MANY = 1000

_BEYOND, _BEYOND_LEAST = 1.25, 0.02
"""Times, and by how much, a weight exceeds all that runs gave a domain before it is said."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """Predictions for the mixtures of a table, in its order; without intervals where there are none.

    Attributes:
        key: the name of the id column.
        ids: of the mixtures.
        metrics: what is predicted.
        values: of each mixture; ends that are not known are NaN.
        unknown_N: which mixtures give weight to domains that no run sampled: of them no interval can be told.
    """

    key: str
    ids: tuple[str, ...]
    metrics: tuple[str, ...]
    values: Predictions
    unknown_N: Array

    def as_csv(self) -> str:
        """The id, every metric and the objective; then the ends of their intervals (`NAME_low`, `NAME_high`)."""
        targets = [*self.metrics, OBJECTIVE]
        ends = [f"{name}_{end}" for name in targets for end in ("low", "high")]
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([self.key, *targets, *ends])
        values = self.values
        for n, run in enumerate(self.ids):
            sides = np.stack([values.low_NT[n], values.high_NT[n]], axis=1).ravel()
            cells = [*values.value_NT[n], *sides]
            writer.writerow([run, *("" if np.isnan(cell) else f"{cell:.9g}" for cell in cells)])
        return out.getvalue()

    def without_interval(self) -> int:
        """How many mixtures have none."""
        return int(np.isnan(self.values.low_NT[:, -1]).sum())

    def best(self) -> int | None:
        """The row of the lowest objective; None where the laws say the same of several mixtures, and of no other."""
        value_N = self.values.value_NT[:, -1]
        if len(value_N) > 1 and float(np.ptp(value_N)) <= _LEVEL * float(np.abs(value_N).max()):
            return None
        return int(np.argmin(value_N))


@dataclass(frozen=True, kw_only=True, slots=True)
class TableFit:
    """What was fitted to two tables.

    Attributes:
        evidence: the runs.
        chosen: the family, why it, and how it predicts runs it has not seen.
        fit: its laws.
        intervals: how wide predictions are; None with fewer than three different mixtures.
        noise_T: standard deviation between runs of one mixture, per metric and of the objective; None without them.
        predicted: the mixtures that were asked for.
        screened: runs that were left out, and runs that might have been.
        notes: what people should know, a sentence each.
    """

    evidence: Evidence
    chosen: Chosen
    fit: Fit
    intervals: Intervals | None
    noise_T: Array | None
    predicted: Predicted | None
    screened: Screened
    notes: tuple[str, ...]


def read_evidence(ratios: Path, metrics: Path) -> tuple[Evidence, tuple[str, ...]]:
    """The runs of two tables, joined on their ids, and notes on what was done to them.

    Raises:
        CorpusError: a table that is not as it should be; the message says where.
    """
    tables = joined(ratios, metrics)
    return Evidence.of(tables.weights, tables.losses), tables.notes


def fit_tables(
    ratios: Path, metrics: Path, surrogate: str = "auto", predict: Path | None = None, on_fit: OnFit | None = None
) -> TableFit:
    """Fit the runs of two tables, and predict the mixtures of a third; all are read before anything is fitted.

    Args:
        ratios: a row a run, weights of the domains.
        metrics: a row a run, losses.
        surrogate: a family's name, or auto.
        predict: a row a mixture, of the same domains.
        on_fit: hears of every fold that is left out.

    Raises:
        CorpusError: a table that is not as it should be.
        UsageError: no family has this name.
    """
    evidence, notes = read_evidence(ratios, metrics)
    screened = without_spikes(evidence)
    evidence = screened.evidence
    mixtures = None if predict is None else _read_mixtures(predict, evidence.coordinates)
    chosen, fit = _fitted(evidence, metrics, surrogate, on_fit)
    intervals = None if chosen.held is None else Intervals.of(evidence, chosen.held)
    noise_T, repeated = _noise(evidence)
    notes = (
        *notes,
        *_spiked(screened),
        *_not_compared(chosen),
        *_twins(evidence),
        *repeated,
        *fit.status.notes,
        *_few(evidence, intervals),
        *_ranks(chosen),
    )
    if mixtures is not None:
        unknown = _unknown_said(_unknown(fit, mixtures.weights_NC))
        notes = (*notes, *mixtures.notes, *unknown, *_beyond(evidence, mixtures))
    return TableFit(
        evidence=evidence,
        chosen=chosen,
        fit=fit,
        intervals=intervals,
        noise_T=noise_T,
        predicted=None if mixtures is None else _predict(fit, intervals, mixtures),
        screened=screened,
        notes=notes,
    )


def _fitted(evidence: Evidence, metrics: Path, surrogate: str, on_fit: OnFit | None) -> tuple[Chosen, Fit]:
    """The family and its laws; losses that it cannot describe are the table's fault."""
    try:
        # Losses of any size are compared alike: no lock has to state these errors in six decimals.
        unit = float(evidence.losses_RM.mean(axis=1).std()) or 1.0
        chosen = choose(evidence, surrogate, unit=unit, on_fit=on_fit)
        return chosen, chosen.family.fit(evidence)
    except IntegrityError as error:
        remedy = f"leave the column out of {metrics}, or fit another family (--surrogate gaussian)"
        raise CorpusError(error.message, place=Place(str(metrics)), remedy=remedy) from error


@dataclass(frozen=True, slots=True)
class _Mixtures:
    """Mixtures to predict: the name of their id column, ids, weights, and what was done to them."""

    key: str
    ids: tuple[str, ...]
    weights_NC: Array
    notes: tuple[str, ...]


def _read_mixtures(path: Path, coordinates: tuple[str, ...]) -> _Mixtures:
    table = read_table(path)
    key = next((name for name in ID_COLUMNS if name in table.columns), table.columns[0])
    rows, labels = numbers(table, key)
    found, wanted = set(next(iter(rows.values()))), set(coordinates)
    for extra, where in ((wanted - found, "is missing"), (found - wanted, "is no domain of the fitted runs")):
        if extra:
            remedy = "give it the id and the domains of the ratios that are fitted, under the same names"
            raise CorpusError(f"column {min(extra)!r} {where}", place=table.place(), remedy=remedy)
    rows, renormalised = shares(table, rows)
    weights_NC = np.array([[row[name] for name in coordinates] for row in rows.values()])
    notes = [f"{path}: {renormalised}"] if renormalised else []
    notes += [f"{path}: read as labels, beside the id {key!r}: {', '.join(labels)}"] if labels else []
    return _Mixtures(key, tuple(rows), weights_NC, tuple(notes))


def _predict(fit: Fit, intervals: Intervals | None, mixtures: _Mixtures) -> Predicted:
    unknown_N = _unknown(fit, mixtures.weights_NC)
    if intervals is not None:
        values = intervals.predict(fit, mixtures.weights_NC)
    else:
        value_NT = with_mean(fit.predict(mixtures.weights_NC))
        none_NT = np.full_like(value_NT, np.nan)
        values = Predictions(value_NT, none_NT, none_NT)
    # Runs held out say how far the laws are off on what runs sampled, and nothing of what none of them did.
    low_NT, high_NT = (np.where(unknown_N[:, None], np.nan, end) for end in (values.low_NT, values.high_NT))
    return Predicted(mixtures.key, mixtures.ids, fit.metrics, Predictions(values.value_NT, low_NT, high_NT), unknown_N)


def _unknown(fit: Fit, weights_NC: Array) -> Array:
    """Which mixtures give weight to domains that no run sampled (N)."""
    at = [fit.coordinates.index(name) for name in fit.status.never_sampled]
    return np.asarray((weights_NC[:, at] > 0).any(axis=1))


def _unknown_said(unknown_N: Array) -> list[str]:
    """A note where mixtures rest on domains that nothing is known about."""
    count = int(unknown_N.sum())
    give = "1 mixture gives" if count == 1 else f"{count} mixtures give"
    note = f"{give} weight to domains that no run sampled: nothing is known of them there, so they have no interval"
    return [note] if count else []


def _beyond(evidence: Evidence, mixtures: _Mixtures) -> list[str]:
    """A note where mixtures give a domain clearly more than any run did: laws are made of what runs measured."""
    most_C = evidence.weights_RC.max(axis=0)
    over_NC = (mixtures.weights_NC > np.maximum(_BEYOND * most_C, most_C + _BEYOND_LEAST)) & (most_C > 0)
    count = int(over_NC.any(axis=1).sum())
    if not count:
        return []
    row, column = np.unravel_index(int(np.argmax(np.where(over_NC, mixtures.weights_NC - most_C, 0.0))), over_NC.shape)
    give = "1 mixture gives" if count == 1 else f"{count} mixtures give"
    share, most = mixtures.weights_NC[row, column], most_C[column]
    which = f"{mixtures.ids[row]!r} gives {evidence.coordinates[column]} {share:.3g}, no run more than {most:.3g}"
    return [f"{give} a domain more than any run did ({which}): predictions and intervals hold for what runs sampled"]


def _noise(evidence: Evidence) -> tuple[Array | None, list[str]]:
    """Standard deviation between runs of one mixture, pooled, and what was found."""
    _, group_R, count_G = np.unique(evidence.weights_RC, axis=0, return_inverse=True, return_counts=True)
    freedom = len(evidence.runs) - len(count_G)
    if not freedom:
        return None, []
    group_R = group_R.reshape(-1)
    values_RT = with_mean(evidence.losses_RM)
    mean_GT = np.stack([np.bincount(group_R, column) / count_G for column in values_RT.T], axis=1)
    noise_T = np.sqrt(((values_RT - mean_GT[group_R]) ** 2).sum(axis=0) / freedom)
    several = int((count_G > 1).sum())
    have = "has" if several == 1 else "have"
    of = f"{plural(several, 'mixture')} {have} several runs ({freedom + several} in all)"
    return noise_T, [f"{of}, whose objectives differ by {noise_T[-1]:.4g} (standard deviation)"]


def _twins(evidence: Evidence) -> list[str]:
    """A warning where runs have the mixture (in millionths) and every metric of another one: are they the same run?"""
    rows_RX = np.hstack([np.round(evidence.weights_RC, _GRID_DIGITS), evidence.losses_RM]) + 0.0  # no −0
    first: dict[bytes, str] = {}
    pairs = [(run, first.setdefault(row.tobytes(), run)) for run, row in zip(evidence.runs, rows_RX, strict=True)]
    twins = [f"{run!r} those of {other!r}" for run, other in pairs if run != other]
    if not twins:
        return []
    have = "run has" if len(twins) == 1 else "runs have"
    some = ", ".join(twins[:_NAMED]) + (", …" if len(twins) > _NAMED else "")
    found = f"{len(twins)} {have} the mixture and every metric of another one ({some})"
    remedy = "take it out of both tables, unless they are runs of their own"
    return [f"{found}: a run that counts twice seems to have no noise; {remedy}"]


def _spiked(screened: Screened) -> list[str]:
    """Notes on runs that were left out, and on those that are as high and kept."""
    left_out = "left out, far above what all others say, as after a loss spike"
    kept = "far above what all others say and kept, since the mixture may be why"
    return [
        *_high(screened.spikes, left_out, "did training diverge?"),
        *_high(screened.doubtful, kept, "where training diverged, take it out of both tables"),
    ]


def _high(spikes: Sequence[Spike], what: str, then: str) -> list[str]:
    if not spikes:
        return []
    some = ", ".join(f"{run} by {_deviations(above)}" for run, above in spikes[:_NAMED])
    is_so = "1 run is" if len(spikes) == 1 else f"{len(spikes)} runs are"
    return [f"{is_so} {what} (standard deviations: {some}{', …' if len(spikes) > _NAMED else ''}); {then}"]


def _deviations(above: float) -> str:
    return f"{above:.0f}" if above < _MANY else f"over {_MANY}"


def _not_compared(chosen: Chosen) -> list[str]:
    """A note where `auto` could not compare the published law."""
    if len(chosen.scores) < 2 or _PUBLISHED in chosen.scores:
        return []
    return [f"{_PUBLISHED} is not compared: it needs every metric above zero on average, without its highest runs too"]


def _ranks(chosen: Chosen) -> list[str]:
    """A warning where runs that were held out say that the predictions rank nothing."""
    scores = chosen.scores.get(chosen.family.name)
    if scores is None or (scores.spearman is not None and scores.spearman > rank_by_chance(scores.runs)):
        return []
    known = scores.spearman is not None
    why = (
        f"rank {scores.spearman:.3f}".replace("-", "−")
        if known
        else "no rank: all are predicted, or have measured, the same"
    )
    return [f"these predictions rank runs that the fit has not seen no better than chance (objective: {why})"]


def _few(evidence: Evidence, intervals: Intervals | None) -> list[str]:
    if intervals is None:
        return [
            "fewer than three different mixtures: none can be held out, so there is no rank, no error and no interval",
            "nothing says that these predictions rank unseen runs better than chance",
        ]
    if len(evidence.runs) < LEAST_RUNS:
        return [
            f"{len(evidence.runs)} runs are too few for intervals of 90 %: theirs reach the largest error that was seen"
        ]
    return []
