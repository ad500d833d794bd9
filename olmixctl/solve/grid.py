"""The best mix of whole millionths, and a bound that none lies under: for rows over several domains that leave few.

A ratio of 125 that is held from both sides is kept by one mix of millionths in a hundred, and the nearest of these may
be hundreds of millionths from the optimum. What that costs is no fault of whoever rounds: it is measured here.

The objective is replaced by tangents, all of which lie under it: of each coordinate's KL at some distances on both
sides of the optimum, and of the losses at the optimum and at every mix that was found. Branch and bound finds the
least of them among admissible whole millionths, and the bound under all of these; the next tangents are taken where
it ends (outer approximation: Duran & Grossmann 1986).

Array dimensions: V whole numbers, C free coordinates, K rows over V, P tangents' points, F families.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from olmixctl.mixture import GRID
from olmixctl.solve.exponents import Array
from olmixctl.solve.problem import MixProblem
from olmixctl.solve.program import Program
from olmixctl.solve.silent import silent_stdout

__all__ = ["Millionths", "forced", "least"]

_NODES, _ROUNDS = 1000, 6
"""Cases that branch and bound looks at; how often tangents are added."""
_SECONDS = 20.0
"""Ends a search that would not come back: rows as narrow as a hundredth of a millionth can lead into one."""
_AGREE = 1.0
"""Millionths of the objective that bound and mix may still differ by."""
_AROUND = (0, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000)
"""Millionths on both sides of the optimum where KL has its tangents."""
_ON_THE_WAY = 0.25
"""Part of the way to a mix that was found where tangents are taken beside those at its end."""
_FINE = 10.0
"""Rows are given so many times larger: the solver lets a row be broken by a millionth of its unit."""
_DIGITS = 9
"""Digits of coefficients: no processor's last bits choose a mix."""
_OFF = 2
"""Millionths by which a member of a block may be off its ratio, or a held weight off where it is held, once rounded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Millionths:
    """Which whole millionths are admissible: rows·n within [lower, upper] and n within [low, high]; Σ n is that of
    `start`.

    Attributes:
        start_V: where to count from; it need not be admissible.
        low_V: least.
        high_V: most.
        rows_KV: coefficients.
        lower_K: of the rows, in millionths.
        upper_K: likewise.
        into_CV: which of them sum to a free coordinate.
    """

    start_V: Array
    low_V: Array
    high_V: Array
    rows_KV: Array
    lower_K: Array
    upper_K: Array
    into_CV: Array


def least(
    program: Program, optimum_C: Array, some: Millionths, *, enough: float | None = None
) -> tuple[Array | None, float]:
    """The admissible millionths with the least objective (None: none was found), and a bound that none lies under.

    Args:
        program: what is minimised; its rows are not asked.
        optimum_C: where the objective is least without the grid.
        some: what is admissible.
        enough: a bound that is asked for: the search ends where it is reached, or a mix lies under it.
    """
    at_PC, found_V, lowest, bound = optimum_C[None], None, math.inf, -math.inf
    for _ in range(_ROUNDS):
        reached_V, under = _least_of_tangents(program, at_PC, some)
        bound = max(bound, under)
        if reached_V is None:
            break
        x_C = some.into_CV @ reached_V / GRID
        value = program.value(x_C)
        if value < lowest:
            found_V, lowest = reached_V, value
        settled = (lowest - bound) * GRID <= _AGREE or (at_PC == x_C).all(axis=1).any()
        if settled or (enough is not None and (bound >= enough or lowest < enough)):
            break
        at_PC = np.vstack([at_PC, x_C, optimum_C + _ON_THE_WAY * (x_C - optimum_C)])
    return found_V, bound


def forced(
    problem: MixProblem, program: Program, optimum_C: Array, point: Mapping[str, float], allowed: tuple[float, float]
) -> float:
    """How far above the optimum every mix of whole millionths is proven to lie that keeps all rows; 0 for a point that
    is no such mix.

    A rounded member of a block is not exactly at its ratio: rows over blocks, and over held coordinates, count with as
    much room.

    Args:
        problem: whose rows over domains are kept exactly.
        program: its arrays.
        optimum_C: its optimum.
        point: coordinate → weight.
        allowed: what the point may lie above the least of them, and by how much it breaks rows (guardrails, which
            rounding may break a little).
    """
    tolerance, primal = allowed
    start_C = np.round(program.vector(point) * GRID)
    if not len(start_C) or np.abs(program.vector(point) * GRID - start_C).max() > 1e-6:
        return 0.0
    enough = program.value(start_C / GRID) - tolerance
    some = _in_coordinates(problem, program, optimum_C, start_C, primal)
    _, bound = least(program, optimum_C, some, enough=enough)
    return max(bound - program.value(optimum_C), 0.0) if math.isfinite(bound) else 0.0


def _in_coordinates(
    problem: MixProblem, program: Program, optimum_C: Array, start_C: Array, primal: float
) -> Millionths:
    rows, count = program.rows, len(start_C)
    left_KC, limit_K = rows.linearised(optimum_C)
    room_K = primal + np.array([_room(problem, program, side.name) for side in rows.sides_K]) / rows.scale_K
    room_E = primal + np.array([_room(problem, program, side.name) for side in rows.sides_E])
    # The first equality is the simplex, which the sum of the start stands for.
    return Millionths(
        start_V=start_C,
        low_V=np.zeros(count),
        high_V=np.full(count, float(GRID)),
        rows_KV=np.vstack([rows.scale_K[:, None] * left_KC, rows.B_EC[1:]]),
        lower_K=GRID * np.append(np.full(len(limit_K), -np.inf), (rows.target_E - room_E)[1:]),
        upper_K=GRID * np.append(rows.scale_K * (limit_K + room_K), (rows.target_E + room_E)[1:]),
        into_CV=np.eye(count),
    )


def _room(problem: MixProblem, program: Program, name: str) -> float:
    """What rounding inside blocks, and of held coordinates, may add to a row."""
    row = next((row for row in problem.rows if row.name == name), None)
    if row is None:
        return 0.0
    blocks = {block.name for block in problem.coordinates.blocks}
    members = problem.coordinates.members()
    inside = {leaf for coordinate in {*blocks, *program.held} for leaf in members[coordinate]}
    return _OFF / GRID * math.fsum(abs(c) for leaf, c in sorted(row.coefficients.items()) if leaf in inside)


def _least_of_tangents(program: Program, at_PC: Array, some: Millionths) -> tuple[Array | None, float]:
    """The admissible millionths where the highest tangents are least, and a bound that none of them lies under.

    Variables: moves from the start, λ KL of each coordinate, and the worst loss; the latter two in millionths of the
    objective and counted from the first point of `at_PC`.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    moves, others = len(some.start_V), len(program.names) + 1
    slopes_TN, level_T = _tangents(program, at_PC)
    rows_KV, now_C = _FINE * some.rows_KV, some.into_CV @ some.start_V
    least_K, most_K = (_FINE * end_K - rows_KV @ some.start_V for end_K in (some.lower_K, some.upper_K))
    moving_TV, other_TN = slopes_TN[:, : others - 1] @ some.into_CV, slopes_TN[:, others - 1 :]
    most_N = np.append(np.full(others - 1, np.inf if program.kl > 0 else 0.0), np.inf)
    with silent_stdout():
        solved = milp(
            np.append(np.zeros(moves), np.ones(others)),
            constraints=[
                LinearConstraint(np.append(np.ones(moves), np.zeros(others))[None], 0, 0),
                LinearConstraint(np.pad(rows_KV, ((0, 0), (0, others))), least_K, most_K),
                LinearConstraint(
                    np.hstack([moving_TV, other_TN]), -np.inf, -level_T - slopes_TN[:, : others - 1] @ now_C
                ),
            ],
            integrality=np.append(np.ones(moves), np.zeros(others)),
            bounds=Bounds(
                np.append(some.low_V - some.start_V, -most_N), np.append(some.high_V - some.start_V, most_N)
            ),
            options={"node_limit": _NODES, "mip_rel_gap": 0.0, "time_limit": _SECONDS},
        )  # fmt: skip
    bound = -math.inf if solved.mip_dual_bound is None else float(solved.mip_dual_bound)
    reached_V = None if solved.x is None else some.start_V + np.round(solved.x[:moves])
    return reached_V, program.value(at_PC[0]) + bound / GRID


def _tangents(program: Program, at_PC: Array) -> tuple[Array, Array]:
    """Rows slopes·(x in millionths, λ KL of each coordinate, worst loss) + level ≤ 0 that hold wherever these are what
    the objective is made of.
    """
    count = len(program.names)
    losses_PF = np.array([program.losses(x_C) for x_C in at_PC])
    slopes_PFC = np.array([program.loss_slopes(x_C) for x_C in at_PC])
    at_PF = GRID * (losses_PF - losses_PF[0].max() - (slopes_PFC @ at_PC[:, :, None])[:, :, 0])
    losses_TN = np.hstack([slopes_PFC.reshape(-1, count), np.zeros((at_PF.size, count)), -np.ones((at_PF.size, 1))])
    if program.kl == 0:
        return np.round(losses_TN, _DIGITS), np.round(at_PF.ravel(), _DIGITS)
    around_Q = np.concatenate([np.negative(_AROUND), _AROUND[1:]]) / GRID
    near_QC = np.maximum(np.vstack([at_PC[0] + around_Q[:, None], at_PC[1:]]), 1 / GRID)
    of_Q = np.array([program.divergences(x_C) for x_C in near_QC])
    slope_QC = np.array([program.pull(x_C) for x_C in near_QC])
    level_QC = GRID * (of_Q - program.divergences(at_PC[0]) - slope_QC * near_QC)
    every = np.tile(np.eye(count), (len(near_QC), 1))
    divergences_TN = np.hstack([slope_QC.reshape(-1, 1) * every, -every, np.zeros((len(every), 1))])
    slopes_TN = np.vstack([losses_TN, divergences_TN])
    return np.round(slopes_TN, _DIGITS), np.round(np.append(at_PF.ravel(), level_QC.ravel()), _DIGITS)
