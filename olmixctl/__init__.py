"""Declarative data mixtures for language-model pretraining.

    from olmixctl import Workspace

    workspace = Workspace.open("base")
    plan = workspace.plan()
    result = workspace.apply(plan)

Names load when used: importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from olmixctl.version import __version__

if TYPE_CHECKING:
    from olmixctl.errors import OlmixctlError
    from olmixctl.ledger.model import RunRecord
    from olmixctl.lock.codec import parse as parse_lock
    from olmixctl.lock.model import Lock
    from olmixctl.lock.store import read_lock
    from olmixctl.mixture import GridMixture, Mixture
    from olmixctl.plan.build import PlanOptions
    from olmixctl.plan.model import Plan
    from olmixctl.spec.load import load_mix
    from olmixctl.spec.model import MixSpec
    from olmixctl.workspace import ApplyResult, Workspace

__all__ = [
    "ApplyResult",
    "GridMixture",
    "Lock",
    "MixSpec",
    "Mixture",
    "OlmixctlError",
    "Plan",
    "PlanOptions",
    "RunRecord",
    "Workspace",
    "__version__",
    "load_mix",
    "parse_lock",
    "read_lock",
]

_HOME = {
    "ApplyResult": ("workspace", "ApplyResult"),
    "GridMixture": ("mixture", "GridMixture"),
    "Lock": ("lock.model", "Lock"),
    "MixSpec": ("spec.model", "MixSpec"),
    "Mixture": ("mixture", "Mixture"),
    "OlmixctlError": ("errors", "OlmixctlError"),
    "Plan": ("plan.model", "Plan"),
    "PlanOptions": ("plan.build", "PlanOptions"),
    "RunRecord": ("ledger.model", "RunRecord"),
    "Workspace": ("workspace", "Workspace"),
    "load_mix": ("spec.load", "load_mix"),
    "parse_lock": ("lock.codec", "parse"),
    "read_lock": ("lock.store", "read_lock"),
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOME[name]
    return getattr(import_module(f"{__name__}.{module}"), attribute)
