"""Ratios of groups, Σ_of ≤ ρ Σ_to: rows against zero with coefficients of both signs, from the solve to the grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olmixctl.errors import InfeasibleError
from olmixctl.mixture import GRID, Block, Coordinates, Mixture
from olmixctl.solve import (
    ConvexMetric,
    LinearBound,
    MixProblem,
    certify,
    check_feasible,
    optimum,
    round_solution,
    solve,
)

LEAVES = ("a", "b", "c", "d")


def most(name: str, of: str, to: str, ratio: float) -> LinearBound:
    return row(f"max_ratio:{name}", of, to, ratio, upper=0.0)


def least(name: str, of: str, to: str, ratio: float) -> LinearBound:
    return row(f"min_ratio:{name}", of, to, ratio, lower=0.0)


def row(
    name: str, of: str, to: str, ratio: float, *, lower: float | None = None, upper: float | None = None
) -> LinearBound:
    coefficients = dict.fromkeys(of.split(), 1.0) | dict.fromkeys(to.split(), -ratio)
    return LinearBound(name=name, coefficients=coefficients, lower=lower, upper=upper, ratio=ratio)


def min_of(leaf: str, share: float) -> LinearBound:
    return LinearBound(name=f"min:{leaf}", coefficients={leaf: 1.0}, lower=share)


def max_of(leaf: str, share: float) -> LinearBound:
    return LinearBound(name=f"max:{leaf}", coefficients={leaf: 1.0}, upper=share)


def problem(*rows: LinearBound, **changes: object) -> MixProblem:
    fields: dict[str, object] = {
        "coordinates": Coordinates(LEAVES),
        "reference": Mixture({"a": 0.4, "b": 0.3, "c": 0.2, "d": 0.1}),
        "kl": 0.05,
        "metric_weights": {},
        "rows": rows,
    }
    return MixProblem(**(fields | changes))


def test_a_ratio_projects_in_closed_form() -> None:
    """Without metrics: KL is least with the ratios inside `of` and inside `to` kept."""
    found = solve(problem(most("r", "a", "b c", 0.5)), [])
    assert found.point["a"] == pytest.approx(0.5 * (found.point["b"] + found.point["c"]), abs=1e-10)
    assert found.point["b"] / found.point["c"] == pytest.approx(1.5, abs=1e-8)
    assert list(found.duals) == ["max_ratio:r"]
    assert found.residuals.ok


def test_a_ratio_that_does_not_bind_changes_nothing() -> None:
    found = solve(problem(most("r", "a", "b c", 0.9)), [])
    assert dict(found.point) == pytest.approx(dict(problem().reference), abs=1e-9)
    assert found.duals == {}


def test_its_price_is_what_loosening_the_row_gains() -> None:
    metric = ConvexMetric(name="m", offset=0.3, coefficients={"a": -2.0, "b": 0.0, "c": 0.3, "d": 0.5})
    tight = problem(most("r", "a", "b c", 0.5), metric_weights={"m": 1.0})
    loose = replace(tight, rows=(replace(tight.rows[0], upper=1e-6),))
    found, then = solve(tight, [metric]), solve(loose, [metric])
    assert found.duals["max_ratio:r"] == pytest.approx((found.objective - then.objective) / 1e-6, rel=1e-3)


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ((most("r", "a", "b", 0.5), min_of("a", 0.4)), {"max_ratio:r", "min:a"}),
        (
            (most("r", "a", "b", 0.5), least("s", "a", "b", 0.6), min_of("b", 0.1)),
            {"max_ratio:r", "min_ratio:s", "min:b"},
        ),
        ((least("r", "a", "b c d", 3.0), max_of("a", 0.7)), {"min_ratio:r", "max:a"}),
    ],
)
def test_conflicts_name_the_ratio(rows: tuple[LinearBound, ...], named: set[str]) -> None:
    with pytest.raises(InfeasibleError) as caught:
        check_feasible(problem(*rows))
    assert set(caught.value.conflict) == named
    for name in named:
        check_feasible(problem(*(r for r in rows if r.name != name)))


def test_the_message_shows_the_ratio_and_not_the_zero_it_is_compared_with() -> None:
    rows = (most("r", "a", "b", 0.5), min_of("a", 0.4))
    with pytest.raises(InfeasibleError, match=r"max_ratio:r ≤ 0\.5, min:a ≥ 0\.4"):
        check_feasible(problem(*rows))


def test_a_ratio_of_members_of_a_block_is_one_of_its_coordinate() -> None:
    """X is a quarter of the block v: x ≤ a / 5 is v ≤ 4 a / 5."""
    coordinates = Coordinates(("a",), (Block("v", {"x": 1, "y": 3}),))
    ratio = most("r", "x", "a", 0.2)
    blocked = problem(ratio, coordinates=coordinates, reference=Mixture({"a": 0.2, "x": 0.2, "y": 0.6}))
    found = solve(blocked, [])
    assert found.point["v"] == pytest.approx(0.8 * found.point["a"], abs=1e-10)
    rounded = round_solution(blocked, found.point)
    assert 5 * rounded.leaves["x"] <= rounded.leaves["a"]
    assert abs(rounded.leaves["x"] * 3 - rounded.leaves["y"]) <= 8
    assert certify(blocked, [], rounded.coordinates.as_mixture()).ok


def test_a_ratio_inside_one_block_holds_or_excludes_itself() -> None:
    coordinates = Coordinates(("a",), (Block("v", {"x": 1, "y": 3}),))
    reference = Mixture({"a": 0.2, "x": 0.2, "y": 0.6})
    kept = problem(most("r", "x", "y", 0.34), coordinates=coordinates, reference=reference)
    assert solve(kept, []).point["v"] == pytest.approx(0.8, abs=0.05)
    broken = replace(kept, rows=(most("r", "x", "y", 0.3), min_of("y", 0.1)))
    with pytest.raises(InfeasibleError) as caught:
        solve(broken, [])
    assert set(caught.value.conflict) == {"max_ratio:r", "min:y"}


def test_a_ratio_to_a_held_coordinate() -> None:
    found = solve(problem(most("r", "a", "b", 0.5), hold={"b": 0.3}), [])
    assert found.point["a"] == pytest.approx(0.15, abs=1e-9)


def kept(bound: LinearBound, leaves: dict[str, int]) -> bool:
    """In whole numbers, with the decimals that were written."""
    total = sum((Fraction(repr(c)) * leaves[leaf] for leaf, c in bound.coefficients.items()), Fraction(0)) / GRID
    return (bound.upper is None or total <= Fraction(repr(bound.upper))) and (
        bound.lower is None or total >= Fraction(repr(bound.lower))
    )


@pytest.mark.parametrize("ratio", [0.3333333, 0.001, 0.29, 2.5, 45.24200945])
def test_a_ratio_held_from_both_sides_is_kept_by_whole_millionths(ratio: float) -> None:
    near = round((1 + ratio) / 2 / GRID, 12)
    fixed = problem(row("ratio:r", "a d", "b", ratio, lower=-near, upper=near))
    rounded = round_solution(fixed, optimum(fixed, []).point)
    assert sum(rounded.leaves.values()) == GRID
    assert kept(fixed.rows[0], dict(rounded.leaves))


def test_several_moves_together_where_none_helps_alone() -> None:
    """7 a = 3 b to a millionth, 5 b = 11 c likewise: single millionths go round in circles."""
    rows = (
        row("ratio:ab", "a", "b", 0.4285714, lower=-1e-7, upper=1e-7),
        row("ratio:bc", "b", "c", 2.2, lower=-1e-7, upper=1e-7),
    )
    both = problem(*rows)
    rounded = round_solution(both, optimum(both, []).point)
    assert all(kept(r, dict(rounded.leaves)) for r in rows)
    assert sum(rounded.leaves.values()) == GRID


def test_ratios_that_no_millionths_keep_are_an_error() -> None:
    half = row("ratio:r", "a", "b", 1.0, lower=1e-7, upper=9e-7)
    with pytest.raises(InfeasibleError, match="ratio:r cannot be kept by whole millionths"):
        round_solution(problem(half), {"a": 0.4000002, "b": 0.3999998, "c": 0.1, "d": 0.1})


@given(seed=st.integers(0, 10**6), digits=st.integers(1, 8))
@settings(max_examples=20, deadline=None)
def test_rounded_ratios_hold_beside_every_other_bound(case: Callable, seed: int, digits: int) -> None:
    drawn = case(seed, kl=0.05)
    leaves = drawn.problem.coordinates.leaves
    mix = drawn.problem.coordinates.expand(drawn.inside)
    of, to = leaves[:2], leaves[2:5]
    # The ratio of a mix inside the bounds, a last digit up: there is room, however little.
    ratio = round(sum(mix[d] for d in of) / sum(mix[d] for d in to) + 10.0**-digits, digits)
    bounded = replace(
        drawn.problem, guardrails=(), rows=(*drawn.problem.rows, most("r", " ".join(of), " ".join(to), ratio))
    )
    rounded = round_solution(bounded, optimum(bounded, drawn.metrics).point)
    assert all(kept(each, dict(rounded.leaves)) for each in bounded.rows)
    assert certify(bounded, drawn.metrics, rounded.coordinates.as_mixture()).ok
