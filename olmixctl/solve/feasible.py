"""Do the bounds leave any mix, and if not, which of them exclude each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from olmixctl.errors import InfeasibleError
from olmixctl.solve.exponents import Array
from olmixctl.solve.interior import widest
from olmixctl.solve.problem import ConvexMetric, MixProblem, SolveError
from olmixctl.solve.program import Program, build
from olmixctl.solve.rows import Rows, Side

__all__ = ["ROOM", "check_feasible", "check_program", "with_room"]

_SLACK = 1e-9
"""Bounds that a mix can meet within this are taken as met: it is a thousandth of the grid."""
_OF_SEVERAL = ("constraint:", "guardrail:", "max_ratio:", "min_ratio:", "ratio:")
"""Bounds that are on several domains, which may overlap: they do not add up to one."""
_MET, _CUTS = 1e-8, 200
"""Where bent rows agree as far as tangents tell, they are taken as met within this; tangents that are tried."""
ROOM = 5e-8
"""A twentieth of the grid: the least width in which the optimum is looked for."""


def check_feasible(problem: MixProblem, metrics: Sequence[ConvexMetric] = ()) -> None:
    """Return when some mix meets every bound.

    `metrics` are needed only for guardrails.

    Raises:
        InfeasibleError: none does; the message names an irreducible set of bounds with their numbers, and
            `conflict` their names.
    """
    bare = replace(problem, metric_weights={}, worst_case=())
    check_program(build(bare, metrics), problem)


def check_program(program: Program, problem: MixProblem) -> None:
    """`check_feasible` for a program that is already built."""
    rows = program.rows
    keep_E = np.ones(len(rows.sides_E), dtype=bool)
    # Linear rows first: where they conflict by themselves, no tangent is needed to say so.
    keep_K = rows.linear
    if _agree(program, keep_K, keep_E):
        if keep_K.all():
            return
        keep_K = np.ones(len(rows.sides_K), dtype=bool)
        if _agree(program, keep_K, keep_E):
            return
    # Deletion filter: what can go while the rest still conflicts is no part of an irreducible set.
    for keep, start in ((keep_K, 0), (keep_E, 1)):
        for i in range(start, len(keep)):
            was, keep[i] = keep[i], False
            if was and _agree(program, keep_K, keep_E):
                keep[i] = True
    sides = [
        s for kept, of in ((keep_K, rows.sides_K), (keep_E, rows.sides_E)) for s, k in zip(of, kept, strict=True) if k
    ]
    raise _conflict([side for side in sides if side.name != "simplex"], _holds(program, problem))


def with_room(program: Program) -> Program:
    """`program`, its inequalities loosened alike by what they lack of leaving `ROOM` on every side.

    Bounds that leave a single point have no inside, their multipliers no limit, and an interior-point method nothing
    to walk in. In `ROOM` it has; what is found breaks no bound by more, and rounding puts it back inside.
    """
    rows = program.rows
    if not len(rows.sides_K):
        return program
    width = _width(rows) if rows.linear.all() else -float(rows.excess(widest(program, ROOM)).max())
    lack = ROOM - min(width, ROOM)
    if lack <= _SLACK:
        return program
    return replace(program, room=lack)


def _width(rows: Rows) -> float:
    """The greatest t ≤ `ROOM` with G x + t ≤ limit, B x = target, x ≥ 0, for linear rows."""
    solved = _linear_program(
        np.append(np.zeros(rows.left.A_NC.shape[1]), -1.0),
        np.vstack([
            np.hstack([rows.left.A_NC, np.ones((len(rows.left.A_NC), 1))]),
            *(np.hstack([sign * rows.B_EC, np.zeros((len(rows.B_EC), 1))]) for sign in (1.0, -1.0)),
        ]),
        np.concatenate([rows.limit_K, rows.target_E + _SLACK, _SLACK - rows.target_E]),
        [*[(0.0, None)] * rows.left.A_NC.shape[1], (None, ROOM)],
    )  # fmt: skip
    return float(solved[-1])


def _agree(program: Program, keep_K: NDArray[np.bool_], keep_E: NDArray[np.bool_]) -> bool:
    """Whether some mix keeps these rows within `_SLACK`; bent ones within `_MET`, unless tangents refute them.

    Tangents at the widest point decide almost always: there they are as wide as the rows themselves. Where they do
    not, tangents where the linear program ends are added, one after the other (Kelley 1960).

    Raises:
        SolveError: neither a mix nor a proof that there is none was found.
    """
    rows = program.rows.kept(keep_K, keep_E)
    if rows.linear.all():
        return _least_breach([rows.linearised(np.zeros(len(program.names)))], rows)[0] <= _SLACK
    x_C = widest(replace(program, rows=rows), 0.0)
    cuts = []
    for _ in range(_CUTS):
        breach = rows.violation(x_C)
        if breach <= _SLACK:
            return True
        cuts.append(rows.linearised(x_C))
        least, x_C = _least_breach(cuts, rows)
        if least > _SLACK or breach <= _MET:
            return least <= _SLACK
    raise SolveError(
        f"{_CUTS} steps neither met the bounds with their guardrails nor refuted them",
        remedy="loosen a guardrail a little, or tighten it",
    )


def _least_breach(cuts: Sequence[tuple[Array, Array]], rows: Rows) -> tuple[float, Array]:
    """The least t with G x ≤ limit + t for every pair of `cuts`, |B x − target| ≤ t, x ≥ 0, and an x that has it.

    Zero when they agree.
    """
    left = np.concatenate([*(G_KC for G_KC, _ in cuts), rows.B_EC, -rows.B_EC])
    right = np.concatenate([*(limit_K for _, limit_K in cuts), rows.target_E, -rows.target_E])
    cost = np.zeros(left.shape[1] + 1)
    cost[-1] = 1.0
    solved = _linear_program(cost, np.hstack([left, -np.ones((len(left), 1))]), right, [(0, None)] * len(cost))
    return float(solved[-1]), solved[:-1]


def _linear_program(
    cost: Array, left: Array, right: Array, bounds: Sequence[tuple[float | None, float | None]]
) -> Array:
    """Minimise cost·v with left v ≤ right: the minimiser.

    Raises:
        ArithmeticError: it failed; it is asked only where there is an answer.
    """
    from scipy.optimize import linprog

    solved = linprog(
        cost,
        A_ub=left,
        b_ub=right,
        bounds=bounds,
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if solved.status != 0 or solved.x is None:
        raise ArithmeticError(f"a linear program, which always has a solution, ended with: {solved.message}")
    return np.asarray(solved.x)


def _holds(program: Program, problem: MixProblem) -> list[Side]:
    """Held coordinates above zero, and those held at zero for their reference, as bounds that people can read."""
    held = [Side(f"hold:{name}", "=", weight) for name, weight in problem.hold.items() if weight > 0]
    return held + [Side(f"zero_reference:{name}", "=", 0.0) for name in program.zero_reference]


def _conflict(sides: list[Side], holds: list[Side]) -> InfeasibleError:
    sides = sorted(sides, key=lambda side: (side.name, side.sense))
    every = [*sides, *holds]
    if every and all(side.sense == "≤" and not side.name.startswith(_OF_SEVERAL) for side in every):
        text = _sum(every, "<")
    elif every and all(side.sense == "≥" and not side.name.startswith(_OF_SEVERAL) for side in every):
        text = _sum(every, ">")
    else:
        text = ", ".join(str(side) for side in every) + ", and shares are not negative and sum to 1"
    return InfeasibleError(
        f"the bounds exclude each other: {text}",
        remedy="loosen or remove one of these bounds; each of them is needed for the conflict",
        conflict=tuple(side.name for side in every),
    )


def _sum(sides: list[Side], sense: str) -> str:
    """`max_repetition:web 0.2 + max:code 0.3 = 0.5 < 1`; only said when the plain sum shows it."""
    total = math.fsum(side.bound for side in sides)
    terms = " + ".join(f"{side.name} {side.bound:.6g}" for side in sides)
    shown = total < 1 if sense == "<" else total > 1
    return f"{terms} = {total:.6g} {sense} 1" if shown else ", ".join(str(side) for side in sides)
