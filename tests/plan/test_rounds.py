"""How a swarm is parted into rounds and batches, and when another `swarm` section asks for no more runs."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmixctl.plan.rounds import IN_ONE_GO, is_enough, rounds_of, sizes
from olmixctl.spec.model import StopSpec, SwarmSpec

STOP = StopSpec(regret=0.01)


def planned(swarm, coordinates, runs, repeats=1):
    observed = SimpleNamespace(spec=SimpleNamespace(swarm=swarm, proxy=SimpleNamespace(repeats=repeats)))
    return rounds_of(observed, coordinates, [None] * runs)


@pytest.mark.parametrize(
    ("rounds", "coordinates", "expected"),
    [(1, 24, (75,)), (2, 24, (38, 37)), (4, 24, (25, 17, 17, 16)), (10, 24, (25, 6, 6, 6, 6, 6, 5, 5, 5, 5))],
)
def test_sizes_of_rounds(rounds, coordinates, expected):
    assert sizes(SwarmSpec(rounds=rounds), coordinates) == expected


@pytest.mark.parametrize(
    ("per", "coordinates", "runs"), [(3, 6, 21), (Fraction(3, 2), 6, 11), (3, 1, 6), (Fraction(1, 10), 1, 1)]
)
def test_size(per, coordinates, runs):
    assert sizes(SwarmSpec(runs_per_coordinate=Fraction(per)), coordinates) == (runs,)


@given(st.integers(1, 20), st.integers(1, 80), st.fractions(Fraction(1, 10), 5))
def test_rounds_part_the_swarm(rounds, coordinates, each):
    swarm = SwarmSpec(runs_per_coordinate=each, rounds=rounds)
    parts = sizes(swarm, coordinates)
    assert sum(parts) == sizes(SwarmSpec(runs_per_coordinate=each), coordinates)[0]
    assert all(parts)
    assert len(parts) <= rounds
    assert parts[0] >= min(coordinates + 1, sum(parts))


def test_looks_come_after_as_many_mixtures_as_parameters_then_after_quarters():
    assert planned(SwarmSpec(stop=STOP), 24, 75).looks == (25, 38, 57)
    assert planned(SwarmSpec(runs_per_coordinate=Fraction(10), stop=STOP), 24, 250).looks == (63, 125, 188)
    assert planned(SwarmSpec(stop=STOP), 24, 150, repeats=2).looks == (50, 76, 114)
    assert planned(SwarmSpec(runs_per_coordinate=Fraction(1), stop=STOP), 24, 25).looks == ()
    assert planned(SwarmSpec(), 24, 75) == IN_ONE_GO


def test_with_rounds_the_looks_are_between_them():
    found = planned(SwarmSpec(rounds=4, stop=STOP), 24, 25)
    assert (found.looks, found.later, found.more) == ((25,), (17, 17, 16), 50)
    assert planned(SwarmSpec(rounds=4), 24, 25).looks == ()
    assert planned(SwarmSpec(rounds=4), 24, 50, repeats=2).later == (34, 34, 32)


def test_where_the_data_leaves_fewer_mixtures_than_a_round_no_other_round_follows():
    assert planned(SwarmSpec(rounds=4, stop=STOP), 24, 24) == IN_ONE_GO.__class__(stop=STOP)


SECTION = {"runs_per_coordinate": "3", "seed": 0}


@pytest.mark.parametrize(
    ("before", "after", "enough"),
    [
        (None, (0.01, 0.9), True),
        ((0.01, 0.9), (0.01, 0.9), True),
        ((0.01, 0.9), (0.02, 0.9), True),
        ((0.01, 0.9), (0.01, 0.8), True),
        ((0.01, 0.9), (0.02, 0.95), False),
        ((0.01, 0.9), (0.005, 0.8), False),
        ((0.01, 0.9), None, False),
    ],
)
def test_the_runs_of_a_stricter_stop_are_enough_for_a_looser_one(before, after, enough):
    was, now = (
        SECTION | ({} if stop is None else {"stop": {"regret": stop[0], "confidence": stop[1]}})
        for stop in (before, after)
    )
    assert is_enough(was, now) == enough
    assert not is_enough(was, now | {"seed": 1})
    assert not is_enough(was, now | {"rounds": 2})
