"""Rounding: exact sums, every bound kept in whole millionths, the optimum hardly moved."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from olmixctl.errors import InfeasibleError
from olmixctl.mixture import GRID, Block, Coordinates, Mixture
from olmixctl.solve import LinearBound, MixProblem, certify, objective_at, round_solution, solve

THREE = Coordinates(("a", "b", "c"))


def problem(*rows: LinearBound, coordinates: Coordinates = THREE) -> MixProblem:
    leaves = coordinates.leaves
    return MixProblem(
        coordinates=coordinates,
        reference=Mixture.normalised(dict.fromkeys(leaves, 1.0)),
        kl=0.05,
        metric_weights={},
        rows=rows,
    )


def bound(name: str, leaves: str, lower: float | None = None, upper: float | None = None) -> LinearBound:
    return LinearBound(name=name, coefficients=dict.fromkeys(leaves.split(), 1.0), lower=lower, upper=upper)


def test_thirds_sum_to_one() -> None:
    found = round_solution(problem(), dict.fromkeys("abc", 1 / 3))
    assert sorted(found.leaves.values()) == [333_333, 333_333, 333_334]
    assert found.leaves == found.coordinates


def test_caps_are_floored_and_minima_ceiled() -> None:
    rows = (bound("max:a", "a", upper=0.3333335), bound("min:b", "b", 0.3333331))
    found = round_solution(problem(*rows), {"a": 0.3333335, "b": 0.3333331, "c": 0.3333334})
    assert dict(found.leaves) == {"a": 333_333, "b": 333_334, "c": 333_333}


@pytest.mark.parametrize("cap", [0.29, 0.57, 0.07, 0.58, 0.000001])
def test_caps_are_the_decimals_that_were_written(cap: float) -> None:
    """0.29 · 10⁶ is 289 999.99… in floats; the mix may still have 290 000 millionths."""
    found = round_solution(problem(bound("max:a", "a", upper=cap)), {"a": cap, "b": 0.2, "c": 0.8 - cap})
    assert found.leaves["a"] == round(cap * GRID)


def test_groups_are_repaired() -> None:
    rows = (bound("constraint:ab", "a b", upper=0.666666),)
    found = round_solution(problem(*rows), {"a": 0.3333329, "b": 0.3333329, "c": 0.3333342})
    assert found.leaves["a"] + found.leaves["b"] <= 666_666
    assert sum(found.leaves.values()) == GRID


def test_a_group_minimum_is_repaired_without_breaking_a_cap() -> None:
    rows = (bound("constraint:ab", "a b", 0.500001), bound("max:a", "a", upper=0.25))
    found = round_solution(problem(*rows), {"a": 0.25, "b": 0.2500004, "c": 0.4999996})
    assert dict(found.leaves) == {"a": 250_000, "b": 250_001, "c": 499_999}


def test_blocks_keep_caps_of_their_members() -> None:
    coordinates = Coordinates(("a",), (Block("v", {"x": 1, "y": 2}),))
    rows = (bound("max:x", "x", upper=0.1000004),)
    found = round_solution(problem(*rows, coordinates=coordinates), {"a": 0.7, "v": 0.3})
    assert dict(found.leaves) == {"a": 700_000, "x": 100_000, "y": 200_000}
    assert dict(found.coordinates) == {"a": 700_000, "v": 300_000}


def test_a_held_zero_stays_zero() -> None:
    found = round_solution(problem(), {"a": 0.0, "b": 0.5000004, "c": 0.4999996})
    assert found.leaves["a"] == 0


def test_a_range_between_two_millionths_is_refused() -> None:
    with pytest.raises(InfeasibleError, match="constraint:a leaves no whole millionth for a") as caught:
        round_solution(
            problem(bound("constraint:a", "a", 0.1000001, 0.1000009)), {"a": 0.1000005, "b": 0.4, "c": 0.4999995}
        )
    assert caught.value.exit_code == 7


def test_caps_that_only_reach_one_between_the_millionths_are_refused() -> None:
    third = 1 / 3
    rows = [bound(f"max:{leaf}", leaf, upper=third + 1e-12) for leaf in "abc"]
    with pytest.raises(InfeasibleError, match="none of whole millionths") as caught:
        round_solution(problem(*rows), dict.fromkeys("abc", third))
    assert "target.tokens" in caught.value.remedy


def test_a_group_between_two_millionths_is_refused() -> None:
    with pytest.raises(InfeasibleError, match="constraint:ab cannot be kept"):
        round_solution(
            problem(bound("constraint:ab", "a b", 0.5000001, 0.5000009)), {"a": 0.25, "b": 0.2500005, "c": 0.4999995}
        )


@given(seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
@example(seed=1698)  # a guardrail with a multiplier above ten, broken by a tenth of a millionth
def test_rounded_solutions_keep_every_bound_and_are_certified(case: Callable, seed: int) -> None:
    drawn = case(seed)
    solution = solve(drawn.problem, drawn.metrics)
    found = round_solution(drawn.problem, solution.point)
    assert sum(found.leaves.values()) == GRID
    for row in drawn.problem.rows:
        total = sum(Fraction(repr(c)) * found.leaves[leaf] for leaf, c in row.coefficients.items()) / GRID
        assert row.upper is None or total <= Fraction(repr(row.upper))
        assert row.lower is None or total >= Fraction(repr(row.lower))
    point = found.coordinates.as_mixture()
    assert all(abs(point[name] - weight) < 1e-5 for name, weight in solution.point.items())
    assert certify(drawn.problem, drawn.metrics, point).ok
    assert math.isclose(objective_at(drawn.problem, drawn.metrics, point), solution.objective, abs_tol=2e-5)
    (block,) = drawn.problem.coordinates.blocks
    for leaf, ratio in block.ratios().items():
        assert abs(found.leaves[leaf] - found.coordinates["old"] * ratio) <= 3
