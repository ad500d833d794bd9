"""The informative swarm: what holds of every swarm, and that it leaves less unknown than a Dirichlet swarm."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from olmixctl.errors import InfeasibleError
from olmixctl.mixture import GRID, Block, Coordinates, GridMixture
from olmixctl.swarm import SwarmProblem, choose, draw_informative, draw_swarm
from olmixctl.swarm.candidates import inside, pool_of, region_of
from olmixctl.swarm.information import NOISE, Unknown, _covariance, best, features
from olmixctl.swarm.informative import LIFTED, NEAR, _parts

FREE = ("books", "code", "web/health", "web/science", "web/sport", "web/travel")
OLD = Block("reused", {"law": 400_000_000_000, "news": 100_000_000_000})
COORDINATES = Coordinates(FREE, (OLD,))
PRIOR = {"books": 0.1, "code": 0.001, "web/health": 0.2, "web/science": 0.25, "web/sport": 0.149, "web/travel": 0.1}
PRIOR |= {"reused": 0.2}


def problem(count: int = 24, seed: int = 0, **changes: object) -> SwarmProblem:
    return SwarmProblem(**({"coordinates": COORDINATES, "prior": PRIOR, "count": count, "seed": seed} | changes))


def plain(priors: list[float], count: int, **changes: object) -> SwarmProblem:
    names = tuple(f"d{i:04}" for i in range(len(priors)))
    prior = dict(zip(names, priors, strict=True))
    return SwarmProblem(coordinates=Coordinates(names), prior=prior, count=count, seed=0, **changes)


def array(swarm: tuple[GridMixture, ...]) -> np.ndarray:
    return np.array([list(mixture.values()) for mixture in swarm]) / GRID


def unknown_after(mixtures_KC: np.ndarray, region_TC: np.ndarray) -> float:
    """Mean variance over the region, by the textbook formula."""
    known, region = features(mixtures_KC), features(region_TC)
    inverse = np.linalg.inv(_covariance(known, known) + NOISE**2 * np.eye(len(known)))
    across = _covariance(region, known)
    return float((np.diag(_covariance(region, region)) - np.einsum("tk,kl,tl->t", across, inverse, across)).mean())


@given(seed=st.integers(0, 2**32), count=st.integers(1, 30), more=st.integers(1, 20))
@settings(max_examples=15, deadline=None)
def test_growing_keeps_what_was_chosen(seed: int, count: int, more: int) -> None:
    small, large = draw_informative(problem(count, seed)), draw_informative(problem(count + more, seed))
    assert large[:count] == small
    assert len(large) == count + more


def test_growing_across_parts_keeps_what_was_chosen() -> None:
    """New candidates are drawn after 64 mixtures; those before must not notice."""
    whole = draw_informative(problem(140))
    assert len(whole) == 140
    for count in (63, 64, 65, 128, 129):
        assert draw_informative(problem(count)) == whole[:count]


@pytest.mark.parametrize("count", [1, 63, 64, 65, 256, 512, 513, 1024, 1025, 3003])
def test_parts_cover_every_mixture_once(count: int) -> None:
    assert [i for start, end in _parts(count) for i in range(start, end)] == list(range(count))


@given(order=st.permutations(list(PRIOR)))
@settings(max_examples=5, deadline=None)
def test_order_of_declaration_means_nothing(order: list[str]) -> None:
    shuffled = SwarmProblem(
        coordinates=Coordinates(tuple(n for n in order if n != "reused"), (OLD,)),
        prior={name: PRIOR[name] for name in order},
        count=12,
        seed=3,
    )
    assert draw_informative(shuffled) == draw_informative(problem(12, 3))


def test_a_prior_in_other_units_is_the_same_prior() -> None:
    assert draw_informative(problem(8, prior={n: 1000 * w for n, w in PRIOR.items()})) == draw_informative(problem(8))


def test_seeds_differ() -> None:
    assert draw_informative(problem(5, 0)) != draw_informative(problem(5, 1))


@example(seed=16, cap=0.145)
@given(seed=st.integers(0, 1000), cap=st.floats(0.145, 1.0))
@settings(max_examples=15, deadline=None)
def test_limits_hold_and_sums_are_exact(seed: int, cap: float) -> None:
    swarm = draw_informative(problem(12, seed, limits=dict.fromkeys(PRIOR, cap)))
    assert len(swarm) == 12
    for mixture in swarm:
        assert sum(mixture.values()) == GRID
        assert set(mixture) == set(COORDINATES.names)
        assert all(points <= cap * GRID for points in mixture.values())


@pytest.mark.parametrize("seed", [12, 16, 366, 900])
def test_where_limits_leave_a_few_points_what_lies_between_is_taken(seed: int) -> None:
    """Seven domains of at most 0.145: nearly all candidates are one of seven points."""
    narrow = {"limits": dict.fromkeys(PRIOR, 0.145)}
    swarm = draw_informative(problem(60, seed, **narrow))
    assert len({tuple(mixture.values()) for mixture in swarm}) == 60
    assert all(max(mixture.values()) <= 145_000 for mixture in swarm)
    assert draw_informative(problem(9, seed, **narrow)) == swarm[:9]


@given(priors=st.lists(st.floats(1e-300, 1.0), min_size=1, max_size=9))
@settings(max_examples=30, deadline=None)
def test_any_prior_gives_mixtures_that_differ_and_sample_everything(priors: list[float]) -> None:
    swarm = array(draw_informative(plain(priors, 12)))
    assert len(swarm) == (1 if len(priors) == 1 else 12)
    assert (swarm[: len(priors)].max(axis=0) >= LIFTED - 1e-6).all()


def test_a_limit_below_the_lift_still_samples() -> None:
    swarm = draw_informative(problem(7, limits={"code": 0.0005}))
    assert max(m["code"] for m in swarm) == 500


def test_no_prior_and_no_data_are_never_sampled() -> None:
    swarm = draw_informative(problem(20, prior={**PRIOR, "code": 0.0}, limits={"books": 0.0}))
    assert {m["code"] for m in swarm} == {m["books"] for m in swarm} == {0}


def test_mixtures_differ() -> None:
    swarm = array(draw_informative(problem(150)))
    nearest = [np.abs(swarm[:i] - swarm[i]).sum(axis=1).min() / 2 for i in range(1, len(swarm))]
    assert min(nearest) >= NEAR - 1e-5


def test_blocks_keep_their_ratios() -> None:
    for point in draw_informative(problem(20)):
        mixture = COORDINATES.expand_to_grid(point)
        assert abs(mixture["law"] - 0.8 * point["reused"]) < 1
        assert mixture["law"] + mixture["news"] == point["reused"]


def test_one_coordinate_has_one_mixture() -> None:
    assert [dict(m) for m in draw_informative(plain([1.0], 6))] == [{"d0000": GRID}]


def test_two_coordinates_are_spread_over_both() -> None:
    swarm = array(draw_informative(plain([0.8, 0.2], 6)))[:, 1]
    assert len(swarm) == 6
    assert swarm.min() < 0.1
    assert swarm.max() > 0.4


def test_limits_that_leave_one_mixture_give_one() -> None:
    found = draw_informative(plain([0.5, 0.5], 9, limits={"d0000": 0.4, "d0001": 0.6}))
    assert [dict(m) for m in found] == [{"d0000": 400_000, "d0001": 600_000}]


def test_limits_that_leave_next_to_nothing_give_what_there_is() -> None:
    found = draw_informative(plain([0.5, 0.5], 9, limits={"d0000": 0.4, "d0001": 0.600002}))
    assert 1 <= len(found) <= 3
    assert len({tuple(m.values()) for m in found}) == len(found)


def test_impossible_limits_are_named() -> None:
    with pytest.raises(InfeasibleError, match=r"books 0\.1 \+ code 0\.2.* < 1") as caught:
        draw_informative(problem(4, prior={"books": 1.0, "code": 1.0}, limits={"books": 0.1, "code": 0.2}))
    assert caught.value.exit_code == 7
    assert caught.value.conflict == ("proxy_data:books", "proxy_data:code")


@pytest.mark.parametrize("coordinates", [4, 12, 24])
def test_less_is_left_unknown_than_by_half_as_many_again_dirichlet_draws(coordinates: int) -> None:
    """Where mixes are sought; judged on points that the choice did not see."""
    prior_C = np.random.default_rng(coordinates).dirichlet(np.full(coordinates, 2.0))
    region_TC = region_of(prior_C, 991, 400)
    count = 3 * (coordinates + 1) // 2
    chosen = unknown_after(array(draw_informative(plain(prior_C.tolist(), count))), region_TC)
    drawn = unknown_after(array(draw_swarm(plain(prior_C.tolist(), 3 * count // 2))), region_TC)
    assert chosen < drawn


def test_many_coordinates() -> None:
    priors = np.random.default_rng(1).dirichlet(np.full(1000, 0.5)) + 1e-7
    swarm = array(draw_informative(plain(priors.tolist(), 70)))
    assert swarm.shape == (70, 1000)
    assert (swarm.max(axis=0)[:70] >= LIFTED - 1e-6).all()


def test_the_region_is_around_the_reference() -> None:
    prior_C = np.array([0.7, 0.2, 0.06, 0.04])
    region_TC = region_of(prior_C, 0, 4000)
    np.testing.assert_allclose(np.exp(np.log(region_TC).mean(axis=0)) / prior_C, np.full(4, 0.7), atol=0.15)
    distance_T = np.abs(region_TC - prior_C).sum(axis=1) / 2
    assert 0.1 < np.median(distance_T) < 0.4


def test_candidates_hold_the_reference_lifted_and_thin_mixtures() -> None:
    prior_C = np.array([0.7, 0.2, 0.09, 0.01])
    pool_NC = pool_of(prior_C, 0, 0, 400)
    np.testing.assert_allclose(pool_NC.sum(axis=1), 1.0)
    np.testing.assert_allclose(pool_NC[0], prior_C)
    assert (pool_NC.max(axis=0) > 0.3).all()
    assert 0.05 < (pool_NC == 0).mean() < 0.25
    assert not np.array_equal(pool_NC, pool_of(prior_C, 0, 1, 400))


def test_points_are_brought_inside_their_limits() -> None:
    caps_C, prior_C = np.array([0.5, 0.3, 1.0, 0.1]), np.full(4, 0.25)
    points_NC = np.array([[0.9, 0.1, 0.0, 0.0], [0.25, 0.25, 0.5, 0.0], [0.0, 0.0, 0.0, 1.0], [0.6, 0.4, 0.0, 0.0]])
    found_NC = inside(points_NC, caps_C, prior_C)
    np.testing.assert_allclose(found_NC.sum(axis=1), 1.0, atol=1e-12)
    assert (found_NC <= caps_C + 1e-15).all()
    np.testing.assert_array_equal(found_NC[1], points_NC[1])
    np.testing.assert_allclose(found_NC[0], [0.5, 0.3, 0.1, 0.1], atol=1e-9)
    assert found_NC[3, 0] == 0.5
    assert found_NC[3, 1] == 0.3


def table(rows: int, columns: int = 8) -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.full(columns, 0.5), rows)


def test_the_choice_of_fewer_begins_that_of_more() -> None:
    weights_NC = table(60)
    assert choose(weights_NC, 20)[:7] == choose(weights_NC, 7)
    assert sorted(choose(weights_NC, 100)) == list(range(60))


def test_the_choice_minds_neither_order_of_rows_nor_of_columns() -> None:
    weights_NC = table(60)
    rows, columns = np.random.default_rng(1).permutation(60), np.random.default_rng(2).permutation(8)
    assert [int(rows[i]) for i in choose(weights_NC[rows][:, columns], 12)] == list(choose(weights_NC, 12))


def test_the_choice_leaves_less_unknown_than_random_rows() -> None:
    weights_NC = table(200)
    random = [unknown_after(weights_NC[np.random.default_rng(i).permutation(200)[:12]], weights_NC) for i in range(20)]
    assert unknown_after(weights_NC[list(choose(weights_NC, 12))], weights_NC) < min(random)


def test_every_step_takes_the_row_that_lowers_the_mean_variance_most() -> None:
    """Against the textbook formula, all rows tried; the tie-break may give up two percent of the fall."""
    weights_NC = table(40)
    taken = list(choose(weights_NC, 6))
    for step in range(1, 6):
        before = unknown_after(weights_NC[taken[:step]], weights_NC)
        falls = [before - unknown_after(weights_NC[[*taken[:step], row]], weights_NC) for row in range(40)]
        assert falls[taken[step]] >= 0.979 * max(falls)


def test_what_has_run_counts() -> None:
    weights_NC = table(60)
    first = choose(weights_NC, 10)
    rest = choose(weights_NC, 5, known_KC=weights_NC[list(first)])
    assert not set(rest) & set(first)
    assert rest == choose(weights_NC, 15)[10:]


def test_known_mixtures_and_added_ones_are_the_same_knowledge() -> None:
    pool_NC, region_TC = table(50), table(30)
    added = Unknown(pool_NC, region_TC, np.zeros((0, 8)))
    for row in (3, 14, 15):
        added.add(row)
    known = Unknown(pool_NC, region_TC, pool_NC[[3, 14, 15]])
    np.testing.assert_allclose(added.gains(), known.gains(), rtol=1e-7)


def test_ties_go_to_the_row_furthest_away() -> None:
    assert best(np.array([1.0, 0.99, 0.5, 0.985]), np.array([0.1, 0.2, 0.9, 0.3])) == 3
    assert best(np.zeros(3), np.array([0.1, 0.3, 0.2])) == 1


@given(columns=st.integers(1, 5), count=st.integers(1, 12))
@settings(max_examples=15, deadline=None)
def test_a_table_of_one_mixture_can_be_chosen_from(columns: int, count: int) -> None:
    same_NC = np.full((6, columns), 1.0 / columns)
    assert sorted(choose(same_NC, count)) == list(range(min(count, 6)))
