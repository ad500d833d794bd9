"""`auto`: the family that predicts the objective of unseen runs best.

Every family chooses its own settings (ridges, hyperparameters) inside each fold, on the fold's training runs alone, so
the comparison is nested: no family has seen what it is judged by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from olmixctl.errors import UsageError
from olmixctl.surrogate.model import Evidence, Family
from olmixctl.surrogate.registry import COMPARED, FAMILIES
from olmixctl.surrogate.validation import CrossValidation, HeldOut, hold_out, score

__all__ = ["AUTO", "Chosen", "choose", "names"]

AUTO = "auto"
# Differences of rank below this are luck in most swarms; the error, which is less noisy, decides among them.
_RANK_TIE = 0.01
# With too few mixtures to hold any out: the fewest assumptions beyond the published law.
_FALLBACK = "log_linear"


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


def choose(evidence: Evidence, name: str = AUTO) -> Chosen:
    """The family called `name`, or for `auto` the best by cross-validation; cross-validated either way.

    Raises:
        UsageError: no family has this name.
        IntegrityError: the family cannot describe these losses.
    """
    if name != AUTO and name not in FAMILIES:
        raise UsageError(f"--surrogate: {name!r} is not known", remedy=f"write one of: {', '.join(names())}")
    if name != AUTO:
        held = hold_out(evidence, FAMILIES[name])
        scores = {} if held is None else {name: score(evidence, held)}
        return Chosen(FAMILIES[name], "as asked for", held, scores)
    found = {each: hold_out(evidence, FAMILIES[each]) for each in COMPARED if _suits(each, evidence)}
    scores = {each: score(evidence, held) for each, held in found.items() if held is not None}
    if not scores:
        reason = "fewer than three different mixtures, so nothing can be compared"
        return Chosen(FAMILIES[_FALLBACK], reason, None, {})
    best = _best(scores)
    return Chosen(FAMILIES[best], _reason(best, scores), found[best], scores)


def _suits(name: str, evidence: Evidence) -> bool:
    """The wider families work on logarithms; where a metric is not positive only the log-linear law is left."""
    return name == _FALLBACK or bool((evidence.losses_RM > 0).all())


def _best(scores: Mapping[str, CrossValidation]) -> str:
    """The lowest error of the objective among those whose rank is level with the best."""
    top = max(_rank(found) for found in scores.values())
    level = [name for name, found in scores.items() if _rank(found) >= top - _RANK_TIE]
    return min(level, key=lambda name: scores[name].rmse)


def _rank(found: CrossValidation) -> float:
    return -1.0 if found.spearman is None else found.spearman


def _reason(best: str, scores: Mapping[str, CrossValidation]) -> str:
    if len(scores) == 1:
        return "the one family for metrics that are not all positive"
    least = min(scores, key=lambda name: scores[name].rmse)
    if least == best:
        return "least error of the average on runs it had not seen, and its rank within 0.01 of the best"
    return f"ranks unseen runs better than {least}, whose error is less"
