"""What a plan asks of the laws behind the lock: what a strategy can reach, and what it gives away.

The plan is pure and knows nothing of fits and solvers; a method answers (`olmixctl.methods.appraise`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from olmixctl.ledger.model import RunRecord
from olmixctl.lock.model import Lock
from olmixctl.mixture import Coordinates, Mixture
from olmixctl.plan.changes import ChangeSet
from olmixctl.plan.model import Gap, Observed

__all__ = ["Appraisal", "Appraise", "Question", "unknown_laws"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What is appraised.

    Attributes:
        observed: the present.
        lock: the committed lock.
        changes: between the two.
        affected: domains whose share is not settled by recorded runs.
        carried: the mix that costs no run: shares carried over.
        records: the ledger.
    """

    observed: Observed
    lock: Lock
    changes: ChangeSet
    affected: tuple[str, ...]
    carried: Mixture
    records: Mapping[str, RunRecord]


class Appraisal(Protocol):
    """Laws over every domain, fitted on recorded runs and guessed for domains without any."""

    @property
    def runs(self) -> int:
        """Recorded runs the laws are fitted on."""

    @property
    def guesses(self) -> Mapping[str, str]:
        """Domain without runs → where its coefficients come from, in words."""

    @property
    def scores(self) -> Mapping[str, float]:
        """Unaffected domain → S_j, its coupling to the affected ones."""

    def error(self) -> float:
        """Cross-validated error of the objective; infinite where it cannot be told."""

    def gap(self, coordinates: Coordinates, at: Mixture | None = None) -> Gap | None:
        """What a search in `coordinates` (or the mix `at`) gives away; None when its bounds leave no mix."""

    def lowest(self, coordinates: Coordinates) -> tuple[float, ...]:
        """The objective at the best mix in `coordinates`: as guessed, and as far off as the guesses may be.

        Always as many values, in the same order; empty where the bounds leave no mix.
        """


Appraise = Callable[[Question], Appraisal | str]
"""Answers with an appraisal, or with the reason why there is none."""


def unknown_laws(_: Question) -> str:
    """The answer of a plan that is made without a method."""
    return "no laws are at hand"
