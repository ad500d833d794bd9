"""The families by name. A new law is one file and one line here."""

from __future__ import annotations

from dataclasses import dataclass

from olmixctl.errors import SpecError
from olmixctl.surrogate.gaussian import Gaussian
from olmixctl.surrogate.log_linear import LogLinear
from olmixctl.surrogate.model import Evidence, Family
from olmixctl.surrogate.saturating import Saturating
from olmixctl.surrogate.trees import Trees

__all__ = ["COMPARED", "FAMILIES", "SOLVED", "Choice", "resolve"]

FAMILIES: dict[str, Family] = {
    "log_linear": LogLinear(),
    "saturating": Saturating(),
    "gaussian": Gaussian(),
    "lightgbm": Trees(),
}

COMPARED = ("log_linear", "saturating", "gaussian")
"""What `auto` compares: every family that has slopes and needs no extra."""

SOLVED = ("log_linear",)
"""What a mix may be decided by: solving, certifying and verifying know its derivatives. `olmixctl fit` knows all."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The family that will be fitted, and why."""

    family: Family
    reason: str


def resolve(name: str, evidence: Evidence) -> Choice:
    """The family that a mix is solved with: the one called `name`; `auto` is log_linear, for which the solve is exact.

    `olmixctl fit`, which predicts and solves nothing, lets cross-validation choose (`choice.choose`).

    Raises:
        SpecError: no family that mixes are solved with has this name.
    """
    if name == "auto":
        runs, coordinates = len(evidence.runs), len(evidence.coordinates)
        reason = f"auto: the one family mixes are solved with ({runs} runs, {coordinates} coordinates)"
        return Choice(FAMILIES["log_linear"], reason)
    if name not in SOLVED:
        known = ", ".join(["auto", *SOLVED])
        raise SpecError(f"surrogate {name!r} is not known", remedy=f"write one of: {known}")
    return Choice(FAMILIES[name], "as declared")
