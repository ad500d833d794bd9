"""The families by name. A new law is one file and one line here."""

from __future__ import annotations

from dataclasses import dataclass

from olmixctl.errors import SpecError
from olmixctl.surrogate.log_linear import LogLinear
from olmixctl.surrogate.model import Evidence, Family

__all__ = ["FAMILIES", "Choice", "resolve"]

FAMILIES: dict[str, Family] = {
    "log_linear": LogLinear(),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """The family that will be fitted, and why."""

    family: Family
    reason: str


def resolve(name: str, evidence: Evidence) -> Choice:
    """The family called `name`; `auto` chooses for the evidence.

    Raises:
        SpecError: no family has this name.
    """
    if name == "auto":
        runs, coordinates = len(evidence.runs), len(evidence.coordinates)
        return Choice(FAMILIES["log_linear"], f"auto: the one family there is ({runs} runs, {coordinates} coordinates)")
    if name not in FAMILIES:
        known = ", ".join(["auto", *sorted(FAMILIES)])
        raise SpecError(f"surrogate {name!r} is not known", remedy=f"write one of: {known}")
    return Choice(FAMILIES[name], "as declared")
