"""Why a decided mix is predicted worse than the one before it: the pull to the reference, or bounds that it now breaks.

The solver lowers losses and λ KL together, inside the bounds. Under laws that are convex a previous mix that keeps them
all has no lower sum of the two; what it wins in losses it then pays in KL.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from olmixctl.methods.laws import Fitted, predict
from olmixctl.methods.objective import divergence
from olmixctl.mixture import GRID
from olmixctl.solve.problem import MixProblem

__all__ = ["Worse", "why_worse"]

_STEPS = 2 / GRID
"""Mixes stand on the grid; what is moved to present names and collapsed is off by as much."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Worse:
    """What speaks against the previous mix.

    Attributes:
        pull: λ KL of the decided mix less that of the previous one, in bits per byte; negative speaks for the decided.
        breaks: present bounds that the previous mix breaks, sorted: rows, `guardrail:METRIC`, and `hold:COORDINATE`
            where a share is held that it does not have.
    """

    pull: float
    breaks: tuple[str, ...]


def why_worse(problem: MixProblem, fitted: Fitted, this: Mapping[str, float], previous: Mapping[str, float]) -> Worse:
    """Compare the decided mix with the previous one in all that is not predicted loss.

    Args:
        problem: what was solved.
        fitted: its laws.
        this: the decided mix over the coordinates.
        previous: the one before, over the same.
    """
    names = problem.coordinates.names
    pull_N = divergence(problem, names)(np.array([[mix[name] for name in names] for mix in (this, previous)]))
    broken = {*_rows(problem, previous), *_guardrails(problem, fitted, previous), *_held(problem, previous)}
    return Worse(pull=float(pull_N[0] - pull_N[1]), breaks=tuple(sorted(broken)))


def _rows(problem: MixProblem, mix: Mapping[str, float]) -> Iterator[str]:
    leaves = problem.coordinates.expand(mix)
    for row in problem.rows:
        value = math.fsum(c * leaves[leaf] for leaf, c in row.coefficients.items())
        over = row.upper is not None and value > row.upper + _STEPS
        if over or (row.lower is not None and value < row.lower - _STEPS):
            yield row.name


def _guardrails(problem: MixProblem, fitted: Fitted, mix: Mapping[str, float]) -> Iterator[str]:
    predicted = predict(fitted, mix)
    yield from (f"guardrail:{metric}" for metric, limit in problem.guardrails if predicted[metric] > limit + _STEPS)


def _held(problem: MixProblem, mix: Mapping[str, float]) -> Iterator[str]:
    yield from (f"hold:{name}" for name, held in problem.hold.items() if abs(mix[name] - held) > _STEPS)
