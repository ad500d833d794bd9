"""How many problems are refused whose bounds leave almost a point, with and without the room that `with_room` gives.

    python tests/benchmarks/squeezed.py [PROBLEMS] [SEED]

Random problems of the solver's tests have their caps tightened together until a single mix is left, and are then solved
at that width and a hair (1e-8 … 1e-2 of it) wider. *Before* is the refinement alone, without room.
"""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "solve"))

from conftest import Case, draw_case

from olmixctl.errors import InfeasibleError
from olmixctl.mixture import GRID
from olmixctl.solve import MixProblem, SolveError, certify, solve
from olmixctl.solve.feasible import check_feasible
from olmixctl.solve.interior import minimise
from olmixctl.solve.program import build
from olmixctl.solve.round import round_solution

_WIDER = (0.0, 1e-8, 1e-6, 1e-4, 1e-3, 1e-2)
_LEAST, _HALVINGS = 0.3, 40


def tightened(case: Case, share: float) -> MixProblem:
    rows = [
        replace(r, upper=r.upper * share) if r.name.startswith("max:") and r.upper else r for r in case.problem.rows
    ]
    return replace(case.problem, rows=tuple(rows))


def feasible(case: Case, share: float) -> bool:
    try:
        check_feasible(tightened(case, share), case.metrics)
    except InfeasibleError:
        return False
    return True


def least_share(case: Case) -> float:
    low, high = _LEAST, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if feasible(case, middle) else (middle, high)
    return high


def solved(case: Case, problem: MixProblem) -> bool:
    """Solved, and proven again after rounding where the grid leaves a mix."""
    try:
        found = solve(problem, case.metrics)
    except SolveError:
        return False
    try:
        rounded = round_solution(problem, found.point)
    except InfeasibleError:
        return True
    return certify(problem, case.metrics, {c: n / GRID for c, n in rounded.coordinates.items()}).ok


def main(wanted: int, seed: int) -> None:
    draw = random.Random(seed)
    cases = (draw_case(draw.randrange(10**6)) for _ in iter(int, 1))
    count = before = refused = 0
    for _, case in zip(range(wanted), (c for c in cases if not feasible(c, _LEAST)), strict=False):
        least = least_share(case)
        for wider in _WIDER:
            problem = tightened(case, least * (1 + wider))
            count += 1
            before += not minimise(build(problem, case.metrics)).converged
            refused += not solved(case, problem)
    print(f"{count} problems: the refinement fails on {before} without room; with it {refused} are refused")


if __name__ == "__main__":
    main(*(int(word) for word in (*sys.argv[1:], *("60", "1")[len(sys.argv) - 1 :])))
