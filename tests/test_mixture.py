from __future__ import annotations

import math
import pickle
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmixctl.mixture import GRID, Block, Coordinates, GridMixture, Mixture, round_to_grid

NAMES = [f"d{i}" for i in range(12)]


@st.composite
def amounts(draw):
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=12, unique=True))
    raw = [draw(st.integers(0, 10**9)) for _ in names]
    total = sum(raw) or len(raw)
    return {n: Fraction((w if sum(raw) else 1) * GRID, total) for n, w in zip(names, raw, strict=True)}


@given(amounts())
def test_largest_remainder_is_exact_and_within_one_point(wanted):
    points = round_to_grid(wanted)
    assert sum(points.values()) == GRID
    assert all(abs(points[name] - amount) < 1 for name, amount in wanted.items())


@given(amounts(), st.randoms())
def test_rounding_does_not_depend_on_order(wanted, random):
    names = list(wanted)
    random.shuffle(names)
    assert round_to_grid({name: wanted[name] for name in names}) == round_to_grid(wanted)


@given(amounts(), st.data())
def test_rounding_stays_inside_bounds(wanted, data):
    upper = {n: data.draw(st.integers(math.ceil(a), GRID)) for n, a in wanted.items()}
    lower = {n: data.draw(st.integers(0, math.floor(a))) for n, a in wanted.items()}
    points = round_to_grid(wanted, lower=lower, upper=upper)
    assert sum(points.values()) == GRID
    assert all(lower[n] <= points[n] <= upper[n] for n in wanted)


def test_bounds_that_leave_no_way_are_said():
    with pytest.raises(ValueError, match="bounds leave no way"):
        round_to_grid({"a": 500_000, "b": 500_000}, upper={"a": 400_000, "b": 500_000})


def test_mixtures_refuse_what_is_no_mixture():
    with pytest.raises(ValueError, match="sum to"):
        Mixture({"a": 0.4, "b": 0.5})
    with pytest.raises(ValueError, match="negative"):
        Mixture({"a": -0.1, "b": 1.1})
    with pytest.raises(ValueError, match="finite"):
        Mixture({"a": math.nan, "b": 1.0})
    with pytest.raises(ValueError, match="millionths"):
        GridMixture({"a": 999_999})
    with pytest.raises(ValueError, match="sum to zero"):
        Mixture.normalised({"a": 0, "b": 0})


def test_a_domain_stands_in_one_coordinate_only():
    with pytest.raises(ValueError, match="two coordinates"):
        Coordinates(("a",), (Block("v", {"a": 1, "b": 1}),))
    with pytest.raises(ValueError, match="two coordinates"):
        Coordinates(("v",), (Block("v", {"a": 1, "b": 1}),))


@given(amounts())
def test_values_cross_processes(wanted):
    grid = GridMixture(round_to_grid(wanted))
    block = Block("v", dict(grid))
    for value in (grid, grid.as_mixture(), block, Coordinates((), (block,))):
        assert pickle.loads(pickle.dumps(value)) == value
