"""The swarm: on the simplex and the grid, nested, covering, under the limits, and the same everywhere."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olmixctl.errors import InfeasibleError
from olmixctl.mixture import GRID, Block, Coordinates
from olmixctl.swarm import SwarmProblem, draw_swarm
from olmixctl.swarm.dirichlet import LIFTED, NEAR

FREE = ("books", "code", "web/health", "web/science", "web/sport", "web/travel")
OLD = Block("reused", {"law": 400_000_000_000, "news": 100_000_000_000})
COORDINATES = Coordinates(FREE, (OLD,))
PRIOR = {"books": 0.1, "code": 0.001, "web/health": 0.2, "web/science": 0.25, "web/sport": 0.149, "web/travel": 0.1}
PRIOR |= {"reused": 0.2}

FIRST = {
    "books": 395235,
    "code": 0,
    "reused": 0,
    "web/health": 577962,
    "web/science": 0,
    "web/sport": 26803,
    "web/travel": 0,
}
SECOND = {
    "books": 2950,
    "code": 0,
    "reused": 194609,
    "web/health": 31308,
    "web/science": 343755,
    "web/sport": 411727,
    "web/travel": 15651,
}


def problem(count: int = 24, seed: int = 0, **changes: object) -> SwarmProblem:
    return SwarmProblem(**({"coordinates": COORDINATES, "prior": PRIOR, "count": count, "seed": seed} | changes))


def test_first_mixtures_are_pinned() -> None:
    """A change here changes every run key of a fresh swarm: it must be meant."""
    first, second = draw_swarm(problem(2))
    assert dict(first) == FIRST
    assert dict(second) == SECOND


@given(seed=st.integers(0, 2**32), count=st.integers(1, 30), more=st.integers(1, 20))
@settings(max_examples=25, deadline=None)
def test_growing_keeps_what_was_drawn(seed: int, count: int, more: int) -> None:
    small, large = draw_swarm(problem(count, seed)), draw_swarm(problem(count + more, seed))
    assert large[: len(small)] == small
    assert len(large) == count + more


@given(order=st.permutations(list(PRIOR)))
@settings(max_examples=10, deadline=None)
def test_order_of_declaration_means_nothing(order: list[str]) -> None:
    shuffled = SwarmProblem(
        coordinates=Coordinates(tuple(n for n in order if n != "reused"), (OLD,)),
        prior={name: PRIOR[name] for name in order},
        count=12,
        seed=3,
    )
    assert draw_swarm(shuffled) == draw_swarm(problem(12, 3))


@given(seed=st.integers(0, 1000), cap=st.floats(0.145, 1.0))
@settings(max_examples=25, deadline=None)
def test_limits_hold_and_sums_are_exact(seed: int, cap: float) -> None:
    limits = dict.fromkeys(PRIOR, cap)
    for mixture in draw_swarm(problem(10, seed, limits=limits)):
        assert sum(mixture.values()) == GRID
        assert set(mixture) == set(COORDINATES.names)
        assert all(points <= cap * GRID for points in mixture.values())


def test_every_coordinate_is_sampled_in_every_stretch() -> None:
    """The rare domain too: it is drawn at a thousandth, and needs evidence like the others."""
    swarm = draw_swarm(problem(28))
    for start in range(0, 28, 7):
        for name in PRIOR:
            assert any(m[name] > 0 for m in swarm[start : start + 7]), name
    assert sum(m["code"] >= LIFTED * GRID for m in swarm) >= 4


def test_a_limit_below_the_lift_still_samples() -> None:
    swarm = draw_swarm(problem(14, limits={"code": 0.0005}))
    assert {m["code"] for m in swarm} <= set(range(501))
    assert sum(m["code"] > 0 for m in swarm) >= 2


def test_no_prior_and_no_data_are_never_sampled() -> None:
    swarm = draw_swarm(problem(20, prior={**PRIOR, "code": 0.0}, limits={"books": 0.0}))
    assert {m["code"] for m in swarm} == {m["books"] for m in swarm} == {0}


def test_topics_are_sparse() -> None:
    swarm = draw_swarm(problem(60))
    topics = [m[name] for m in swarm for name in FREE if name.startswith("web/")]
    assert 0.15 < topics.count(0) / len(topics) < 0.9


def test_mixtures_differ() -> None:
    swarm = draw_swarm(problem(40))
    distances = [sum(abs(a[n] - b[n]) for n in a) / 2 / GRID for i, a in enumerate(swarm) for b in swarm[:i]]
    assert min(distances) >= NEAR - 1e-5


def test_the_centre_is_the_prior() -> None:
    swarm = draw_swarm(problem(400))
    means = {name: sum(m[name] for m in swarm) / len(swarm) / GRID for name in PRIOR}
    assert all(abs(means[name] - PRIOR[name]) < 0.06 for name in PRIOR), means


def test_blocks_keep_their_ratios() -> None:
    for point in draw_swarm(problem(20)):
        mixture = COORDINATES.expand_to_grid(point)
        assert abs(mixture["law"] - 0.8 * point["reused"]) < 1
        assert mixture["law"] + mixture["news"] == point["reused"]


def test_a_block_named_like_a_source_is_its_own_source() -> None:
    coordinates = Coordinates(("web/a", "web/b"), (Block("web", {"x": 1, "y": 1}),))
    found = SwarmProblem(coordinates=coordinates, prior=dict.fromkeys(coordinates.names, 1.0), count=1, seed=0)
    assert sorted(found.sources().values()) == [("web",), ("web/a", "web/b")]


def test_seeds_differ() -> None:
    assert draw_swarm(problem(3, 0)) != draw_swarm(problem(3, 1))


def test_one_coordinate_has_one_mixture() -> None:
    alone = SwarmProblem(coordinates=Coordinates(("web",)), prior={"web": 1.0}, count=6, seed=0)
    assert [dict(m) for m in draw_swarm(alone)] == [{"web": GRID}]


def test_limits_that_leave_one_mixture_give_one() -> None:
    two = SwarmProblem(
        coordinates=Coordinates(("a", "b")), prior={"a": 0.5, "b": 0.5}, count=9, seed=0, limits={"a": 0.4, "b": 0.6}
    )
    assert [dict(m) for m in draw_swarm(two)] == [{"a": 400_000, "b": 600_000}]


def test_impossible_limits_are_named() -> None:
    with pytest.raises(InfeasibleError, match=r"books 0\.1 \+ code 0\.2.* < 1") as caught:
        draw_swarm(problem(4, prior={"books": 1.0, "code": 1.0}, limits={"books": 0.1, "code": 0.2}))
    assert caught.value.exit_code == 7
    assert caught.value.conflict == ("proxy_data:books", "proxy_data:code")
    assert "proxy.tokens" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prior": {"nowhere": 1.0}}, "no coordinate"),
        ({"limits": {"nowhere": 1.0}}, "no coordinate"),
        ({"count": 0}, "at least one"),
        ({"prior": {"code": float("nan")}}, "finite"),
        ({"limits": {"code": -0.1}}, "not negative"),
        ({"prior": {"code": 0.0}}, "any weight"),
    ],
)
def test_wrong_problems_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        problem(**changes)


def test_import_is_light() -> None:
    code = "import sys, olmixctl.swarm; print({'scipy', 'cvxpy', 'torch', 'yaml'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
