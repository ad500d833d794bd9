"""Prediction intervals: as wide as held-out errors, in a shape that these and the spread of the fit agree on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmixctl.surrogate.intervals import Intervals
from olmixctl.surrogate.model import Evidence
from olmixctl.surrogate.validation import HeldOut

RUNS = 79
SPREAD_R = np.geomspace(0.01, 1.0, RUNS)


@dataclass(frozen=True)
class Said:
    """A fit that predicts 2 and gives the spread it is told, whatever the mixture."""

    spread_NM: np.ndarray

    def predict(self, _weights_NC):
        return np.full_like(self.spread_NM, 2.0)

    def spread(self, _weights_NC):
        return self.spread_NM


def halves(error_R, spread_R, asked_N):
    """Half the width of the interval of one metric where the fit gives the spreads `asked_N`."""
    error_R, asked_NM = np.asarray(error_R), np.asarray(asked_N)[:, None]
    evidence = Evidence(
        runs=tuple(f"r{i:03}" for i in range(len(error_R))),
        coordinates=("a",),
        metrics=("m",),
        weights_RC=np.ones((len(error_R), 1)),
        losses_RM=(2.0 + error_R)[:, None],
    )
    held = HeldOut(np.full((len(error_R), 1), 2.0), np.asarray(spread_R)[:, None], 5)
    found = Intervals.of(evidence, held).predict(Said(asked_NM), np.ones((len(asked_NM), 1)))
    np.testing.assert_allclose(found.high_NT[:, 0] - 2.0, 2.0 - found.low_NT[:, 0])
    # The objective of one metric is that metric.
    np.testing.assert_allclose(found.high_NT[:, 1], found.high_NT[:, 0])
    return found.high_NT[:, 0] - 2.0


def test_under_a_level_spread_it_is_the_quantile_of_what_was_missed():
    # Of 19 misses 0, 0.1 … 1.8 the 18th, wherever that is.
    np.testing.assert_allclose(halves(np.arange(19) / 10, np.full(19, 0.5), [0.5, 0.5]), [1.7, 1.7])


def test_errors_that_are_the_same_everywhere_make_it_level():
    errors_R = np.random.default_rng(0).permutation(np.linspace(-0.3, 0.3, RUNS))
    low, high = halves(errors_R, SPREAD_R, [0.01, 1.0])
    # By the spread alone the one would be a hundredth of the other.
    assert 0.26 < low < high < 0.45


def test_errors_as_large_as_the_fit_says_leave_it_its_shape():
    errors_R = np.random.default_rng(0).normal(0, 1, RUNS) * SPREAD_R
    low, high = halves(errors_R, SPREAD_R, [0.02, 1.0])
    assert high / low > 25


def test_where_the_fit_is_sure_noise_that_it_took_for_signal_is_inside():
    """A decided mix lies among many runs: there the spread is small, and noise is most of what the fit misses."""
    inside = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        errors_R = np.hypot(0.05, SPREAD_R) * rng.normal(0, 1, RUNS)
        new_N = 0.05 * rng.normal(0, 1, 400)
        inside.append((np.abs(new_N) <= halves(errors_R, SPREAD_R, [0.005])).mean())
    assert 0.85 < np.mean(inside) < 0.95


@pytest.mark.parametrize("errors_R", [np.zeros(RUNS), np.where(np.arange(RUNS) < 75, 0.0, 0.1)])
def test_without_misses_it_has_no_width(errors_R):
    assert halves(errors_R, SPREAD_R, [0.01, 1.0]).tolist() == [0.0, 0.0]


def test_a_fit_without_any_spread_is_a_level_one():
    np.testing.assert_allclose(halves(np.arange(19) / 10, np.zeros(19), [0.0]), [1.7])


@given(seed=st.integers(0, 2**32 - 1), runs=st.integers(3, 60), unit=st.floats(1e-6, 1e6))
def test_neither_the_order_of_runs_nor_the_unit_of_the_spread_moves_it(seed, runs, unit):
    rng = np.random.default_rng(seed)
    errors_R, spread_R = rng.normal(0, 1, runs), np.exp(rng.normal(0, 2, runs))
    before, order_R = halves(errors_R, spread_R, spread_R), rng.permutation(runs)
    np.testing.assert_allclose(halves(errors_R[order_R], unit * spread_R[order_R], unit * spread_R), before, rtol=1e-6)


@given(seed=st.integers(0, 2**32 - 1), runs=st.integers(9, 60))
def test_it_holds_nine_of_ten_of_the_misses_it_was_made_of(seed, runs):
    rng = np.random.default_rng(seed)
    errors_R, spread_R = rng.normal(0, 1, runs), np.exp(rng.normal(0, 2, runs))
    held = np.abs(errors_R) <= halves(errors_R, spread_R, spread_R) * (1 + 1e-9)
    assert held.mean() >= 0.9
