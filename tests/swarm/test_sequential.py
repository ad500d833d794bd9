"""Which runs are asked for next, and the regret that is still possible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from olmixctl.mixture import GRID, Coordinates
from olmixctl.swarm.model import SwarmProblem
from olmixctl.swarm.sequential import Belief, Decided, Sensitivity, ask, bounds, regrets

NAMES = ("a/x", "a/y", "b/x", "c/x")
POINT_C = np.array([0.4, 0.3, 0.2, 0.1])


def straight(weights_NC):
    """Two metrics that are linear in the shares: the first minds all coordinates, the second the last alone."""
    return np.stack([weights_NC, weights_NC * (np.arange(weights_NC.shape[1]) == weights_NC.shape[1] - 1)])


def sensitivity(noise=0.02, share=(0.5, 0.5)):
    return Sensitivity(
        features=straight, noise_M=np.full(2, noise), bend_M=np.full(2, 0.01), share_M=np.array(share, dtype=float)
    )


def problem(count, limits=None, names=NAMES):
    return SwarmProblem(
        coordinates=Coordinates(names),
        prior=dict.fromkeys(names, 1 / len(names)),
        count=count,
        seed=3,
        limits=limits or {},
    )


def known(runs=6):
    return np.random.default_rng(0).dirichlet(np.ones(4), runs)


DECIDED = Decided(point_C=POINT_C, kl=0.05)


def test_the_same_question_has_the_same_answer_whatever_the_order_of_runs():
    first = ask(problem(5), Belief(known(), sensitivity()), DECIDED, 6)
    again = ask(problem(5), Belief(known()[::-1], sensitivity()), DECIDED, 6)
    assert first == again
    assert len({tuple(mixture.values()) for mixture in first}) == 5


def test_a_smaller_batch_is_the_beginning_of_a_larger_one():
    belief = Belief(known(), sensitivity())
    assert ask(problem(3), belief, DECIDED, 6) == ask(problem(8), belief, DECIDED, 6)[:3]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0.2, 0.9), min_size=4, max_size=4).filter(lambda caps: sum(caps) > 1.05), st.integers(1, 12))
def test_the_proxys_data_limits_are_kept(caps, count):
    limits = dict(zip(NAMES, caps, strict=True))
    for mixture in ask(problem(count, limits), Belief(known(), sensitivity()), DECIDED, 6):
        assert sum(mixture.values()) == GRID
        assert all(points <= limits[name] * GRID for name, points in mixture.items())


def test_a_run_that_is_asked_for_lowers_what_is_left_more_than_others_do():
    runs_KC = known(5)
    (asked,) = ask(problem(1), Belief(runs_KC, sensitivity()), DECIDED, 5)

    def left(point_C):
        return regrets(Belief(np.vstack([runs_KC, point_C]), sensitivity()), DECIDED, 0).mean()

    before = regrets(Belief(runs_KC, sensitivity()), DECIDED, 0).mean()
    others = [left(point_C) for point_C in np.random.default_rng(1).dirichlet(np.ones(4), 12)]
    assert left(np.array([asked[name] for name in NAMES]) / GRID) < min(*others, before)


def test_metrics_without_weight_ask_for_nothing():
    """Only the last coordinate moves the second metric: what is asked for varies it."""
    decided, belief = Decided(point_C=POINT_C, kl=0.05), Belief(known(2), sensitivity(share=(0.0, 1.0)))
    asked = [mixture["c/x"] / GRID for mixture in ask(problem(2), belief, decided, 2)]
    assert max(asked) - min([*asked, *known(2)[:, 3]]) > 0.5


def test_regrets_are_never_negative_and_fall_with_evidence():
    few, many = (regrets(Belief(known(runs), sensitivity()), DECIDED, 0) for runs in (3, 40))
    assert min(few.min(), many.min()) >= 0
    assert np.all(np.diff(few) >= 0)
    assert np.quantile(many, 0.9) < 0.2 * np.quantile(few, 0.9)


def test_noise_raises_what_is_left():
    quiet, loud = (regrets(Belief(known(12), sensitivity(noise)), DECIDED, 0).mean() for noise in (0.01, 0.1))
    assert loud > 3 * quiet


@pytest.mark.parametrize("seed", range(4))
def test_no_mix_is_better_by_more_than_the_bound_and_one_reaches_it(seed):
    slopes_C = 0.1 * np.random.default_rng(seed).standard_normal(4)

    def loss(logit_C):
        y_C = np.exp(logit_C - logit_C.max())
        y_C = y_C / y_C.sum()
        return slopes_C @ (y_C - POINT_C) + 0.05 * np.sum(y_C * np.log(y_C / POINT_C))

    (bound,) = bounds(DECIDED, slopes_C[None])
    assert bound == pytest.approx(-minimize(loss, np.zeros(4), tol=1e-12).fun, abs=1e-7)


def test_large_slopes_do_not_overflow():
    assert np.isfinite(bounds(DECIDED, np.array([[1e6, -1e6, 0.0, 1.0]]))).all()


def test_one_coordinate_has_one_mixture_and_no_regret():
    alone = Decided(point_C=np.ones(1), kl=0.05)
    belief = Belief(np.ones((2, 1)), sensitivity())
    asked = ask(problem(3, names=("a/x",)), belief, alone, 2)
    assert [dict(mixture) for mixture in asked] == [{"a/x": GRID}]
    assert regrets(belief, alone, 0).max() == 0
