"""Which bounds stand against a guardrail, where laws are not convex and a local search found no mix that keeps all.

No proof says there that bounds exclude each other, so none is given: a set is named in which every bound is needed,
as far as the same search can tell. Under all of the set it finds no mix, and without any one of them it does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from olmixctl.errors import InfeasibleError
from olmixctl.solve.problem import MixProblem
from olmixctl.solve.rows import Side

__all__ = ["irreducible", "unkept"]

_TAKES_PART = 1e-4
"""Multiplier below which a bound has no part in how near the guardrails come, in bits per byte for the whole share."""


def irreducible(
    problem: MixProblem, multipliers: Mapping[str, float], met: Callable[[MixProblem], bool]
) -> tuple[str, ...]:
    """Names of rows and guardrails (`guardrail:METRIC`) that no mix was found to keep together, each needed; sorted.

    Args:
        problem: no mix was found that keeps its bounds.
        multipliers: of rows, and of guardrails as `family:METRIC`, where the guardrails are broken least. Those
            without one are left out at once where the others alone are not met.
        met: whether a mix is found that keeps the bounds of a problem.
    """
    every = {**{row.name: row.name for row in problem.rows}, **{_rail(m): f"family:{m}" for m, _ in problem.guardrails}}
    kept = sorted(every)
    likely = [name for name in kept if multipliers.get(every[name], 0.0) > _TAKES_PART]
    for rest in (likely, *([name] for name in kept)):
        fewer = rest if rest is likely else [name for name in kept if name not in rest]
        if set(fewer) < set(kept) and not met(_only(problem, fewer)):
            kept = fewer
    return tuple(kept)


def unkept(problem: MixProblem, names: Collection[str], sides: Collection[Side], nearest: float) -> InfeasibleError:
    """The error for a set of `irreducible`.

    Args:
        problem: of the set.
        names: the set.
        sides: of rows, as people read them.
        nearest: the least by which a guardrail was broken, bits per byte.
    """
    rails = [Side(_rail(metric), "≤", limit) for metric, limit in problem.guardrails]
    shown = [str(side) for side in (*rails, *sides) if side.name in names]
    needed = "; each of them is needed for that" if len(names) > 1 else ", whatever the other bounds"
    return InfeasibleError(
        f"no mix was found that keeps {' and '.join(shown)}{needed}; the nearest misses by {nearest:.3g} in a metric "
        "(a local search, since these laws are not convex)",
        remedy="raise the guardrail's max_regression, loosen another of these bounds, or declare a convex surrogate",
        conflict=tuple(sorted(names)),
    )


def _only(problem: MixProblem, names: Collection[str]) -> MixProblem:
    """The problem with these of its rows and guardrails alone."""
    return replace(
        problem,
        rows=tuple(row for row in problem.rows if row.name in names),
        guardrails=tuple((metric, limit) for metric, limit in problem.guardrails if _rail(metric) in names),
    )


def _rail(metric: str) -> str:
    return f"guardrail:{metric}"
