"""`auto`: the family that predicts the objective of unseen runs best.

Every family chooses its own settings (ridges, hyperparameters) inside each fold, on the fold's training runs alone, so
the comparison is nested: no family has seen what it is judged by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol

import numpy as np

from olmixctl.errors import UsageError
from olmixctl.surrogate.model import Evidence, Family, Fit
from olmixctl.surrogate.registry import COMPARED, FAMILIES
from olmixctl.surrogate.validation import CrossValidation, HeldOut, Objective, OnFit, hold_out, score

__all__ = ["AUTO", "Chosen", "Scored", "best_of", "choose", "names", "reason_for"]

AUTO = "auto"
# Differences of rank below this are luck in most swarms, and so are those below what the best rank lacks to one, about
# two of its standard errors where runs are few.
_RANK_TIE = 0.01
# Standard errors by which errors of the objective may differ and be level all the same. The logarithm of the error of R
# runs has √(1/2R), and that of the ratio of two errors 1/√R.
_ERROR_TIE = 2.0
# The family that holds this one's law, corrects it and averages over what is not known of it: the safer guess where
# errors are within one standard error of each other.
_WIDER = {"saturating": "gaussian"}
# Locks that state no errors of the metrics were written when the error of the objective alone decided among ranks that
# were level within half of what the best lacks to one.
_FORMER_SHARE = 0.5
# Of the runs: as many are left out of a fold at most.
_FOLD = 0.2


class Scored(Protocol):
    """What decides, out of sample, as it is computed or as a lock states it."""

    @property
    def spearman(self) -> float | Decimal | None:
        """Rank correlation of the objective; None where a side is constant."""

    @property
    def rmse(self) -> float | Decimal:
        """Error of the objective, bits per byte."""

    @property
    def mean_rmse(self) -> float | Decimal | None:
        """Mean of the metrics' errors, weighted as in the objective; None in locks that do not state it."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A family, why it, its predictions of unseen runs (None: too few mixtures) and the scores of all compared."""

    family: Family
    reason: str
    held: HeldOut | None
    scores: Mapping[str, CrossValidation]


def names() -> list[str]:
    """What may be asked for."""
    return [AUTO, *FAMILIES]


def choose(
    evidence: Evidence,
    name: str = AUTO,
    *,
    objective_weights: Mapping[str, float] | None = None,
    worst_case: Callable[[Fit], Objective] | None = None,
    seed: int = 0,
    unit: float = 1.0,
    on_fit: OnFit | None = None,
) -> Chosen:
    """The family called `name`, or for `auto` the best by cross-validation; cross-validated either way.

    Args:
        evidence: the runs.
        name: of a family, or auto.
        objective_weights: metric → weight in the objective; None where all count alike.
        worst_case: where the worst of several families of metrics counts, what it counts of metrics, given the laws on
            all runs: families change from what these predict of the reference mix.
        seed: of the folds.
        unit: what errors are compared in, to six decimals; one where a lock states them.
        on_fit: hears of every fold.

    Raises:
        UsageError: no family has this name.
        IntegrityError: the family cannot describe these losses.
    """
    if name != AUTO and name not in FAMILIES:
        raise UsageError(f"--surrogate: {name!r} is not known", remedy=f"write one of: {', '.join(names())}")

    def scored(each: str, held: HeldOut) -> CrossValidation:
        objective = None if worst_case is None else worst_case(FAMILIES[each].fit(evidence))
        return score(evidence, held, objective_weights=objective_weights, objective=objective)

    if name != AUTO:
        held = hold_out(evidence, FAMILIES[name], seed=seed, on_fit=on_fit)
        scores = {} if held is None else {name: scored(name, held)}
        return Chosen(FAMILIES[name], "as asked for", held, scores)
    suited = [each for each in COMPARED if _suits(each, evidence)]
    found = {each: hold_out(evidence, FAMILIES[each], seed=seed, on_fit=on_fit) for each in suited}
    scores = {each: scored(each, held) for each, held in found.items() if held is not None}
    # Where measured or predicted objectives are all the same there is no rank, and nothing to choose by.
    ranked = {each: value for each, value in scores.items() if value.spearman is not None}
    if not ranked:
        few = "fewer than three different mixtures, so nothing can be compared"
        reason = "the objective is the same in every run, so nothing can be compared" if scores else few
        # The fewest assumptions beyond the published law.
        return Chosen(FAMILIES[suited[0]], reason, found[suited[0]], scores)
    compared = {each: _in_units(value, unit) for each, value in ranked.items()}
    best = best_of(compared, len(evidence.runs))
    reason = reason_for(best, compared, worst_case=worst_case is not None)
    return Chosen(FAMILIES[best], reason, found[best], scores)


def _suits(name: str, evidence: Evidence) -> bool:
    """The log-linear law has no offset below zero: metrics have to be positive on average, in every fold too."""
    if name != "log_linear":
        return True
    kept = max(1, math.floor((1.0 - _FOLD) * len(evidence.runs)))
    return bool((np.sort(evidence.losses_RM, axis=0)[:kept].sum(axis=0) > 0).all())


def _in_units(found: CrossValidation, unit: float) -> CrossValidation:
    return replace(found, rmse=found.rmse / unit, mean_rmse=found.mean_rmse / unit)


def best_of(scores: Mapping[str, Scored], runs: int) -> str:
    """The lowest product of both errors among those whose rank and error of the objective are level with the best.

    Where the family that holds its law as a part is within one standard error of it, that one.

    The objective is what is sought, but it is one number a run: of few runs its rank and its error are known within
    a wide margin, and within it the metrics that it is the mean of, many numbers a run, help to tell families apart.
    All have six decimals, as a lock has them: whoever reads the scores comes to the same answer.

    Args:
        scores: family → what it reached; all with a rank.
        runs: how many were predicted.
    """
    level = _level(scores)
    most = min(_error(scores[name]) for name in level) * math.exp(_ERROR_TIE / math.sqrt(runs))
    close = [name for name in level if _error(scores[name]) <= round(most, 6)]
    best = min(close, key=lambda name: _both(scores[name]))
    wider = None if _former(scores) else _WIDER.get(best)
    near = round(_both(scores[best]) * math.exp(1.0 / math.sqrt(runs)), 12)
    return wider if wider in close and _both(scores[wider]) <= near else best


def reason_for(best: str, scores: Mapping[str, Scored], *, worst_case: bool = False) -> str:
    """Why `best_of` takes it, in words; `worst_case`: what is compared is the worst family's change."""
    what = "worst family" if worst_case else "average"
    least = min(sorted(scores, key=_place), key=lambda name: _error(scores[name]))
    if least == best:
        ranks = "its rank level with the best" if max(map(_rank, scores.values())) > 0 else "no family ranks them"
        others = [name for name in sorted(scores, key=_place) if name != best]
        tied = [name for name in others if _error(scores[name]) == _error(scores[best])]
        level = f", level with {' and '.join(tied)}" if tied else ""
        return f"least error of the {what} on runs it had not seen{level}, and {ranks}"
    behind = [name for name in _level(scores) if _WIDER.get(name) == best and _both(scores[best]) > _both(scores[name])]
    if behind:
        return f"level with {behind[0]} on runs it had not seen, whose law it holds, corrects and averages"
    if least in _level(scores):
        return f"level with {least} for the {what} of runs it had not seen, and ahead with their metrics"
    return f"ranks unseen runs better than {least}, whose error is less"


def _level(scores: Mapping[str, Scored]) -> list[str]:
    """Those whose rank is level with the best, the plainer first."""
    share = _FORMER_SHARE if _former(scores) else 1.0
    top = max(_rank(found) for found in scores.values())
    luck = max(_RANK_TIE, share * (1.0 - top))
    return [name for name in sorted(scores, key=_place) if _rank(scores[name]) >= top - luck]


def _former(scores: Mapping[str, Scored]) -> bool:
    """They are of a lock from before errors of the metrics were stated."""
    return any(found.mean_rmse is None for found in scores.values())


def _rank(found: Scored) -> float:
    return -1.0 if found.spearman is None else round(float(found.spearman), 6)


def _error(found: Scored) -> float:
    return round(float(found.rmse), 6)


def _mean_error(found: Scored) -> float:
    """Of the metrics; where it is not stated that of the objective decides, as it did."""
    return _error(found) if found.mean_rmse is None else round(float(found.mean_rmse), 6)


def _both(found: Scored) -> float:
    """The product of both errors."""
    return _error(found) * _mean_error(found)


def _place(name: str) -> tuple[int, str]:
    """Where a family stands among those compared: the plainer one wins a tie."""
    return (COMPARED.index(name) if name in COMPARED else len(COMPARED), name)
