"""The families by name. A new law is one file and one line here."""

from __future__ import annotations

from olmixctl.surrogate.gaussian import Gaussian
from olmixctl.surrogate.log_linear import LogLinear
from olmixctl.surrogate.model import Family
from olmixctl.surrogate.saturating import Saturating
from olmixctl.surrogate.trees import Trees

__all__ = ["COMPARED", "FAMILIES", "SOLVED"]

FAMILIES: dict[str, Family] = {
    "log_linear": LogLinear(),
    "saturating": Saturating(),
    "gaussian": Gaussian(),
    "lightgbm": Trees(),
}

COMPARED = ("log_linear", "saturating", "gaussian")
"""What `auto` compares: every family that has slopes and needs no extra."""

SOLVED = COMPARED
"""What a mix may be decided by: the same, since solving and certifying need slopes."""
