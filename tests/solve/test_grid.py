"""Rows that few mixes of whole millionths keep: the best of them is found, and what it costs is proven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from olmixctl.mixture import GRID, Block, Coordinates, Mixture
from olmixctl.solve import ConvexMetric, LinearBound, MixProblem, certify, optimum, round_solution
from olmixctl.solve.certificate import ROUNDED_TOLERANCE
from olmixctl.solve.program import build


@dataclass(frozen=True)
class Held:
    """A ratio of `of` to `to` held between two numbers that are nearly one."""

    seed: int
    of: str
    to: str
    low: float
    high: float
    kl: float
    leaves: str = "abcde"

    @property
    def rows(self) -> tuple[LinearBound, ...]:
        return tuple(
            LinearBound(
                name=f"{side}_ratio:r",
                coefficients=dict.fromkeys(self.of, 1.0) | dict.fromkeys(self.to, -ratio),
                lower=0.0 if side == "min" else None,
                upper=0.0 if side == "max" else None,
                ratio=ratio,
            )
            for side, ratio in (("min", self.low), ("max", self.high))
        )

    def drawn(self) -> tuple[MixProblem, tuple[ConvexMetric, ...]]:
        rng = np.random.default_rng((self.seed, 7))
        laws = tuple(
            ConvexMetric(
                name=f"m{m}",
                offset=0.5,
                coefficients=dict(zip(self.leaves, rng.uniform(-2, 0.5, len(self.leaves)).tolist(), strict=True)),
            )
            for m in range(2)
        )
        shares = rng.dirichlet(np.ones(len(self.leaves))).tolist()
        problem = MixProblem(
            coordinates=Coordinates(tuple(self.leaves)),
            reference=Mixture.normalised(dict(zip(self.leaves, shares, strict=True))),
            kl=self.kl,
            metric_weights={"m0": 1.0, "m1": 2.0},
            rows=self.rows,
        )
        return problem, laws


def excess(problem: MixProblem, laws: Sequence[ConvexMetric], points_NC: np.ndarray) -> np.ndarray:
    """By how much the objective at each point (coordinates sorted) lies above the optimum."""
    program = build(problem, laws)
    losses_N = sum(
        weight * (law.offset + np.exp(points_NC @ [law.coefficients[name] for name in program.names]))
        for law, weight in zip(laws, program.weight_FM[0], strict=True)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        terms_NC = np.where(points_NC > 0, points_NC * np.log(points_NC / program.reference_C), 0.0)
    best = program.vector(optimum(problem, laws).point)
    return losses_N + problem.kl * terms_NC.sum(axis=1) - program.value(best)


FAR = [
    Held(1, "a", "d", 125.03207, 125.0320781195, 0.05),
    Held(2, "ab", "d", 122.826035, 122.8276185109, 0.0),
    Held(3, "ad", "ce", 200.5386, 200.5386499358, 0.0),
    Held(4, "e", "b", 0.37482, 0.3748200085, 0.0),
    Held(5, "d", "a", 44.214464, 44.2144664436, 0.05),
    Held(6, "e", "c", 14.0435775, 14.0435835307, 0.3),
]


@pytest.mark.parametrize("held", FAR, ids=lambda held: f"{held.low:g}")
def test_a_ratio_that_few_millionths_keep_is_rounded_and_certified(held: Held) -> None:
    problem, laws = held.drawn()
    found = round_solution(problem, optimum(problem, laws).point, laws)
    above, below = sum(found.leaves[name] for name in held.of), sum(found.leaves[name] for name in held.to)
    assert held.low * below <= above <= held.high * below
    certificate = certify(problem, laws, found.coordinates.as_mixture())
    assert certificate.ok, certificate


def test_without_laws_the_nearest_mix_is_taken() -> None:
    """Those that a projection found, say: no one knows what they cost."""
    problem, laws = FAR[0].drawn()
    point = optimum(problem, laws).point
    found = round_solution(problem, point)
    assert all(abs(found.leaves[name] / GRID - weight) < 0.02 for name, weight in point.items())
    above, below = found.leaves["a"], found.leaves["d"]
    assert FAR[0].low * below <= above <= FAR[0].high * below


# One domain to one, and the rest in a third: every admissible mix can be looked at.
THREE = [
    Held(seed, "a", "b", 14.0435775, 14.0435835307, kl, leaves="abc") for seed in (0, 1, 2) for kl in (0.0, 0.05, 1.0)
]


@pytest.mark.parametrize("held", THREE, ids=lambda held: f"{held.seed}-{held.kl:g}")
def test_what_the_grid_forces_is_what_the_best_of_all_mixes_costs(held: Held) -> None:
    problem, laws = held.drawn()
    b_N = np.arange(GRID // 15 + 1)
    a_N = np.ceil(held.low * b_N)
    kept_N = (a_N <= held.high * b_N) & (a_N + b_N <= GRID)
    every_NC = np.column_stack([a_N, b_N, GRID - a_N - b_N])[kept_N] / GRID
    cheapest = float(excess(problem, laws, every_NC).min())
    found = round_solution(problem, optimum(problem, laws).point, laws)
    certificate = certify(problem, laws, found.coordinates.as_mixture())
    assert certificate.forced <= cheapest + 1e-9
    assert cheapest - 1e-9 <= certificate.gap <= cheapest + ROUNDED_TOLERANCE
    assert certificate.ok


@pytest.mark.parametrize("held", THREE[:3], ids=lambda held: f"{held.kl:g}")
def test_a_mix_inside_such_bounds_that_is_not_among_the_best_is_refused(held: Held) -> None:
    """Feasible, on the grid, but far from the optimum: what the grid forces does not excuse it."""
    problem, laws = held.drawn()
    best = optimum(problem, laws).point
    b_N = np.arange(1, GRID // 15 + 1)
    a_N = np.ceil(held.low * b_N)
    kept_N = (a_N <= held.high * b_N) & (np.abs(b_N - best["b"] * GRID) > 5000)
    a, b = int(a_N[kept_N][0]), int(b_N[kept_N][0])
    certificate = certify(problem, laws, {"a": a / GRID, "b": b / GRID, "c": (GRID - a - b) / GRID})
    assert certificate.primal < 1e-9
    assert not certificate.ok


def test_a_solution_in_floats_is_forced_to_nothing() -> None:
    problem, laws = FAR[0].drawn()
    point = dict(optimum(problem, laws).point)
    moved = point | {"b": point["b"] + 0.0100001, "c": point["c"] - 0.0100001}
    certificate = certify(problem, laws, moved)
    assert not certificate.ok
    assert certificate.forced == 0


def test_rows_over_blocks_have_room_for_rounded_members() -> None:
    """A ratio of a member of a block: what its rounding may add is not counted as forced."""
    coordinates = Coordinates(("a", "b"), (Block("old", {"x": 1, "y": 2, "z": 4}),))
    row = LinearBound(name="ratio:r", coefficients={"a": 1.0, "x": -3.0}, lower=-2e-6, upper=2e-6, ratio=3.0)
    problem = MixProblem(
        coordinates=coordinates,
        reference=Mixture.normalised(dict(zip("abxyz", (0.2, 0.3, 0.1, 0.2, 0.2), strict=True))),
        kl=0.05,
        metric_weights={"m": 1.0},
        rows=(row,),
    )
    laws = (ConvexMetric(name="m", offset=0.5, coefficients={"a": -1.0, "b": 0.2, "old": 0.4}),)
    found = round_solution(problem, optimum(problem, laws).point, laws)
    certificate = certify(problem, laws, found.coordinates.as_mixture(), tolerance=1e-6)
    assert certificate.ok
    assert certificate.forced <= 1e-6
