"""What `olmixctl fit` says: the fit and its predictions, for people and for programs."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import fmean
from typing import Any

from olmixctl.cli.outputs import output_path
from olmixctl.errors import Place, UsageError
from olmixctl.fitting import OBJECTIVE, Predicted, TableFit
from olmixctl.report.numbers import loss, plural
from olmixctl.report.text_fit import FitShown
from olmixctl.surrogate.validation import CrossValidation

__all__ = ["fit_as_json", "fit_shown", "prediction_path"]

_AVERAGE = "objective, their average"
_MEAN = "mean over metrics"


def prediction_path(predict: Path | None, out: Path | None, read: tuple[Path, ...]) -> Path | None:
    """The file that predictions go to; None where none are asked for.

    Raises:
        UsageError: one of --predict and --out without the other, or an --out that must not be written.
    """
    if (predict is None) != (out is None):
        given, lacks = ("--predict", "--out") if out is None else ("--out", "--predict")
        raise UsageError(
            f"{given} without {lacks}", remedy="--predict names the mixtures, --out the file of predictions"
        )
    if predict is None or out is None:
        return None
    # No mix is meant here; the folder stands for it, and is no file to protect.
    target = output_path("--out", out, "./")
    if target is not None and any(
        target.exists() and path.exists() and target.samefile(path) for path in (*read, predict)
    ):
        raise UsageError(
            "--out would write over a table that is read", place=Place(str(out)), remedy="name another file"
        )
    return target


def fit_shown(fitted: TableFit, out: Path | None) -> FitShown:
    """The fit for people."""
    chosen, evidence = fitted.chosen, fitted.evidence
    scores = chosen.scores.get(chosen.family.name)
    return FitShown(
        family=chosen.family.name,
        reason=chosen.reason,
        runs=len(evidence.runs),
        domains=len(evidence.coordinates),
        folds=0 if scores is None else scores.folds,
        targets=[] if scores is None else _targets(scores),
        compared={name: (found.spearman, found.rmse, found.mean_rmse) for name, found in chosen.scores.items()},
        notes=fitted.notes,
        written=_written(fitted.predicted, out),
    )


def fit_as_json(fitted: TableFit, out: Path | None, asked: str) -> dict[str, Any]:
    """The fit for programs.

    Args:
        fitted: what was fitted.
        out: where predictions went; None where none were asked for.
        asked: the family that was asked for.
    """
    chosen, evidence = fitted.chosen, fitted.evidence
    predicted, status = fitted.predicted, fitted.fit.status
    best = None if predicted is None else predicted.best()
    each = {name: _scores_as_json(found) for name, found in chosen.scores.items()}
    noise = None if fitted.noise_T is None else [float(value) for value in fitted.noise_T]
    return {
        "asked": asked,
        "family": chosen.family.name,
        "reason": chosen.reason,
        "runs": len(evidence.runs),
        "left_out": dict(fitted.screened.spikes),
        "doubtful": dict(fitted.screened.doubtful),
        "domains": list(evidence.coordinates),
        "metrics": list(evidence.metrics),
        "cross_validation": each.get(chosen.family.name),
        "compared": {name: found[OBJECTIVE] for name, found in each.items()},
        "scores": each,
        "noise": None if noise is None else dict(zip([*evidence.metrics, OBJECTIVE], noise, strict=True)),
        "status": {"converged": status.converged, "iterations": status.iterations},
        "converged": status.converged,
        "never_sampled": list(status.never_sampled),
        "notes": list(fitted.notes),
        "out": None if out is None else str(out),
        "predicted": None if predicted is None else len(predicted.ids),
        "without_interval": None if predicted is None else predicted.without_interval(),
        "best": None if predicted is None or best is None else predicted.ids[best],
        "best_interval": None if predicted is None or best is None else _interval(predicted, best),
    }


def _scores_as_json(scores: CrossValidation) -> dict[str, Any]:
    mean, error = _mean(scores)
    return {
        "folds": scores.folds,
        "metrics": {
            name: {"spearman": scores.metric_spearman[name], "rmse": scores.metric_rmse[name]}
            for name in scores.metric_rmse
        },
        "mean": {"spearman": mean, "rmse": error},
        OBJECTIVE: {"spearman": scores.spearman, "rmse": scores.rmse},
    }


def _targets(scores: CrossValidation) -> list[tuple[str, float | None, float]]:
    """Rank and error of each metric, their means where there are several, and those of the average last."""
    each = [(name, scores.metric_spearman[name], scores.metric_rmse[name]) for name in scores.metric_rmse]
    means = [(_MEAN, *_mean(scores))] if len(each) > 1 else []
    return [*each, *means, (_AVERAGE, scores.spearman, scores.rmse)]


def _mean(scores: CrossValidation) -> tuple[float | None, float]:
    """Rank and error, means over the metrics; a metric that is the same in every run has no rank."""
    ranks = [rank for rank in scores.metric_spearman.values() if rank is not None]
    return (fmean(ranks) if ranks else None), fmean(scores.metric_rmse.values())


def _written(predicted: Predicted | None, out: Path | None) -> list[str]:
    if predicted is None:
        return []
    lines = [f"Wrote {out}: {plural(len(predicted.ids), 'mixture')}."]
    best = predicted.best()
    if best is None:
        return [f"All mixtures have one predicted objective, {loss(predicted.values.value_NT[0, -1])}.", *lines]
    ends, value = _interval(predicted, best), predicted.values.value_NT[best, -1]
    between = "" if ends is None else f", 90 % between {loss(ends[0])} and {loss(ends[1])}"
    if predicted.unknown_N[best]:
        between = ", by weight on domains that no run sampled: how far it may be off is not known"
    return [f"Lowest predicted objective: {predicted.ids[best]}, {loss(value)}{between}.", *lines]


def _interval(predicted: Predicted, row: int) -> tuple[float, float] | None:
    """The ends of the interval of the objective; None where it is not known."""
    low, high = float(predicted.values.low_NT[row, -1]), float(predicted.values.high_NT[row, -1])
    return None if math.isnan(low) or math.isnan(high) else (low, high)
