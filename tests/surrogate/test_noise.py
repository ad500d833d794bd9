"""Run-to-run noise: what replicates measure, what errors bound, and what two runs cannot tell apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olmixctl.surrogate.noise import of_errors, of_replicates


def replicated(groups, each, deviation, *, seed=0, slope=0.0, metrics=3):
    """Runs of `groups` mixtures, with noise whose variance goes with the level to the power `slope`."""
    rng = np.random.default_rng(seed)
    weights_RC = np.repeat(rng.dirichlet(np.ones(4), groups), each, axis=0)
    level_R1 = np.repeat(rng.uniform(0.5, 4.0, groups), each)[:, None]
    values_RM = level_R1 + rng.normal(0, 1, (groups * each, metrics)) * deviation * level_R1 ** (slope / 2)
    return weights_RC, np.column_stack([values_RM, values_RM.mean(axis=1)])


def test_two_runs_a_mixture_measure_the_noise_of_every_metric_and_of_their_mean():
    found = of_replicates(*replicated(400, 2, 0.01))
    assert found.basis == "replicates"
    assert found.degrees == 400
    assert found.deviation_T[:3] == pytest.approx(0.01, rel=0.12)
    assert found.deviation_T[3] == pytest.approx(0.01 / np.sqrt(3), rel=0.12)


def test_errors_that_go_together_count_whole_in_the_objective():
    weights_RC, values_RT = replicated(400, 2, 0.0)
    shared_R = np.random.default_rng(1).normal(0, 0.01, len(values_RT))
    found = of_replicates(weights_RC, values_RT + shared_R[:, None])
    assert found.deviation_T == pytest.approx(0.01, rel=0.1)


def test_groups_without_a_second_run_say_nothing():
    assert of_replicates(*replicated(20, 1, 0.01)) is None
    one = replicated(1, 3, 0.01)
    assert of_replicates(*one).degrees == 2
    assert of_replicates(*one).deviation_T == pytest.approx(one[1].std(axis=0, ddof=1))


@pytest.mark.parametrize("slope", [-1.5, 0.0, 2.0])
def test_many_groups_say_how_noise_goes_with_the_loss(slope):
    found = of_replicates(*replicated(300, 3, 0.01, slope=slope))
    assert found.slope == pytest.approx(slope, abs=0.35)
    high, low = found.at(np.full(4, 4.0))[0], found.at(np.full(4, 0.5))[0]
    assert high / low == pytest.approx(8.0 ** (slope / 2), rel=0.5)


def test_few_groups_leave_the_noise_level():
    slopes = [of_replicates(*replicated(3, 2, 0.01, seed=seed, slope=2.0)).slope for seed in range(20)]
    assert np.abs(slopes).mean() < 0.6


def test_runs_that_repeat_to_the_last_digit_have_no_noise():
    found = of_replicates(*replicated(10, 2, 0.0))
    assert (found.deviation_T == 0).all()
    assert found.slope == 0.0
    assert found.apart(1.0) == 0.0


def test_errors_of_unseen_runs_are_a_bound():
    rng = np.random.default_rng(0)
    values_RT = rng.uniform(1, 2, (50, 3))
    found = of_errors(values_RT, values_RT + 0.02)
    assert found.basis == "errors"
    assert found.deviation_T == pytest.approx(0.02)


def test_laws_worse_than_the_mean_bound_nothing_beyond_what_runs_differ_by():
    """Seen of a log-linear law on nine runs: one fold predicted a run at hundreds of bits, and that was the bound."""
    values_RT = np.random.default_rng(0).normal(2.0, 0.3, (12, 4))
    predicted_RT = values_RT + 0.02
    predicted_RT[5] = 700.0
    assert of_errors(values_RT, predicted_RT).deviation_T == pytest.approx(values_RT.std(axis=0, ddof=1))
    assert of_errors(values_RT[:1], predicted_RT[:1]).deviation_T == pytest.approx(0.02)


def test_two_runs_of_one_mixture_lie_further_apart_in_one_of_ten_cases():
    rng = np.random.default_rng(3)
    beyond = []
    for seed in range(300):
        found = of_replicates(*replicated(4, 2, 0.01, seed=seed, metrics=1))
        beyond.append(abs(rng.normal(0, 0.01) - rng.normal(0, 0.01)) > found.apart(2.0))
    assert 0.05 <= np.mean(beyond) <= 0.15


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(2, 4), st.randoms(use_true_random=False))
def test_the_order_of_runs_changes_nothing(groups, each, random):
    weights_RC, values_RT = replicated(groups, each, 0.05)
    order = list(range(len(weights_RC)))
    random.shuffle(order)
    one, two = of_replicates(weights_RC, values_RT), of_replicates(weights_RC[order], values_RT[order])
    assert one.deviation_T == pytest.approx(two.deviation_T, rel=1e-12)
    assert one.slope == pytest.approx(two.slope, abs=1e-12)
