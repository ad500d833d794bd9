"""Families of evals: what `objective.worst_case` takes the worst of. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from olmixctl.spec.model import EvalSpec

__all__ = ["declared_families", "recorded_families"]


def declared_families(evals: Iterable[EvalSpec]) -> dict[str, dict[str, float]]:
    """Family → eval → weight, sorted; an eval without a family is its own, a family without weight is left out."""
    return _families((item.name, item.family, item.weight) for item in evals)


def recorded_families(inputs: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """The families in the recorded inputs of a lock (`semantic.semantic_inputs`)."""
    evals = inputs.get("evals", {})
    return _families((name, item.get("family", ""), item.get("weight", 1.0)) for name, item in evals.items())


def _families(evals: Iterable[tuple[str, str, float]]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name, family, weight in sorted(evals):
        found.setdefault(family or name, {})[name] = float(weight)
    return {name: members for name, members in sorted(found.items()) if any(members.values())}
