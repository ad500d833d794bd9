"""Fits end at the last digits that floats have: what another processor rounds differently moves nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from swarms import DOMAINS, log_linear, mixtures, swarm

from olmixctl.surrogate import FAMILIES, Evidence
from olmixctl.surrogate.polish import polish
from olmixctl.surrogate.targets import status_of

EXACT = [(family, kind, 0.0) for family in ("gaussian", "saturating") for kind in ("straight", "bent", "level")]
EXACT += [("saturating", "straight", 0.01)]


def exact(kind, noise, runs=100, domains=4, seed=4):
    """A hundred runs of four domains, or others; three metrics, with hardly any noise."""
    rng = np.random.default_rng(seed)
    weights_RC = rng.dirichlet(np.full(domains, 0.7), runs)
    metrics = []
    for _ in range(3):
        slope_C = rng.normal(0, 0.6, domains)
        laws = {
            "straight": 1 + np.exp(weights_RC @ slope_C),
            "bent": 1 + np.exp(-np.log1p(weights_RC / 0.02) @ (0.2 * np.abs(slope_C))),
            "level": 2.5 + 2.5e-3 * weights_RC @ slope_C,
        }
        loss_R = laws[kind]
        metrics.append(loss_R + noise * loss_R.std() * rng.normal(size=runs))
    return Evidence(
        runs=tuple(f"r{i:03}" for i in range(runs)),
        coordinates=tuple(DOMAINS[:domains]),
        metrics=tuple("xyz"),
        weights_RC=weights_RC,
        losses_RM=np.array(metrics).T,
    )


def bowl(at_BP, index):
    """Minima at 0, 1, 2 …, a problem each: cosh, whose Hessian changes along the way."""
    away_BP = at_BP - index[:, None]
    return np.cosh(away_BP).sum(axis=1), np.sinh(away_BP)


def test_the_minimum_is_found_to_the_last_digits():
    found = polish(bowl, np.arange(4.0)[:, None] + np.array([[0.3, -0.2, 0.0]]))
    assert found.settled_B.all()
    np.testing.assert_allclose(found.parameters_BP, np.repeat(np.arange(4.0)[:, None], 3, axis=1), atol=1e-10)
    np.testing.assert_allclose(found.curvature_BPP, np.repeat(np.eye(3)[None], 4, axis=0), atol=0.06)


def test_no_problem_minds_its_neighbours():
    start_BP = np.arange(4.0)[:, None] + np.array([[0.9, -0.7]])
    together = polish(bowl, start_BP).parameters_BP
    alone = polish(lambda at, index: bowl(at, index + 2), start_BP[2:3]).parameters_BP
    assert together[2].tolist() == alone[0].tolist()


def test_a_saddle_is_left_downhill_and_a_slope_without_end_does_not_settle():
    def double_well(at_BP, _):
        return ((at_BP**2 - 1) ** 2).sum(axis=1), 4 * at_BP * (at_BP**2 - 1)

    found = polish(double_well, np.array([[0.2], [-0.1]]))
    np.testing.assert_allclose(np.abs(found.parameters_BP), 1.0, atol=1e-9)
    assert not polish(lambda at_BP, _: (at_BP.sum(axis=1), np.ones_like(at_BP)), np.zeros((1, 2))).settled_B.any()


def test_a_bent_valley_is_followed_to_its_end():
    """Rosenbrock's: whole Newton steps leave it, and shorter ones must be tried."""

    def valley(at_BP, _):
        x_B, y_B = at_BP.T
        off_B = y_B - x_B**2
        slope_BP = np.stack([2.0 * (x_B - 1.0) - 400.0 * x_B * off_B, 200.0 * off_B], axis=1)
        return (x_B - 1.0) ** 2 + 100.0 * off_B**2, slope_BP

    found = polish(valley, np.array([[-1.2, 1.0], [0.0, 0.0], [2.0, -3.0]]))
    assert found.settled_B.all()
    np.testing.assert_allclose(found.parameters_BP, 1.0, atol=1e-9)


def test_digits_that_a_gradient_does_not_have_are_not_asked_for():
    def rough(at_BP, _):
        return 0.5 * (at_BP**2).sum(axis=1), at_BP + 1e-5 * np.sign(np.sin(1e7 * at_BP))

    assert polish(rough, np.full((1, 2), 0.3)).settled_B.all()


def hashed(at_BP):
    """Minus one or one, another for every point, however near: what rounding does."""
    return np.sign(np.sin(1e12 * at_BP + 1e11 * at_BP.sum(axis=1, keepdims=True)))


def rounded(value, slope):
    """`bowl` with values and gradients that were rounded to so much."""

    def objective(at_BP, index):
        value_B, slope_BP = bowl(at_BP, index)
        return value_B + value * hashed(at_BP)[:, 0], slope_BP + slope * hashed(at_BP)

    return objective


START_BP = np.arange(4.0)[:, None] + np.array([[0.3, -0.2, 0.01]])


@pytest.mark.parametrize(("value", "slope"), [(1e-5, 1e-9), (1e-5, 1e-7), (0.0, 5e-6)])
def test_the_end_is_as_near_as_rounding_allows(value, slope):
    """A value that rounding lifts by more than a step lowers it refused all steps; the gradient has digits still."""
    found = polish(rounded(value, slope), START_BP)
    assert found.settled_B.all()
    np.testing.assert_allclose(found.parameters_BP, np.repeat(np.arange(4.0)[:, None], 3, axis=1), atol=10 * slope)


def test_a_gradient_that_is_rounded_to_a_hundredth_settles_nothing():
    assert not polish(rounded(0.0, 1e-2), START_BP).settled_B.any()


def test_only_rounding_excuses_a_decrement():
    """A kink: no step gains, whatever is measured of rounding; the decrement is no larger than excused ones are."""

    def kink(at_BP, _):
        return 0.5 * (at_BP**2).sum(axis=1), at_BP + 5e-5 * np.where(at_BP < 0, -1, 1)

    assert not polish(kink, np.full((1, 3), 0.01)).settled_B.any()


def test_no_last_bits_of_level_losses_leave_a_process_short_of_its_end():
    evidence = exact("level", 0.0)
    for seed in range(3):
        nudge_RM = 1e-15 * np.random.default_rng(seed).uniform(-1, 1, evidence.losses_RM.shape)
        fit = FAMILIES["gaussian"].fit(replace(evidence, losses_RM=evidence.losses_RM * (1 + nudge_RM)))
        assert not fit.status.notes


@pytest.mark.parametrize(("family", "kind", "noise"), EXACT)
def test_runs_without_noise_have_an_end_too(family, kind, noise):
    evidence = exact(kind, noise)
    nudge_RM = 1e-13 * np.random.default_rng(9).uniform(-1, 1, evidence.losses_RM.shape)
    one = FAMILIES[family].fit(evidence)
    other = FAMILIES[family].fit(replace(evidence, losses_RM=evidence.losses_RM * (1 + nudge_RM)))
    assert one.status.converged, one.status.notes
    assert not [note for fit in (one, other) for note in fit.status.notes if "digits" in note]
    unseen_NC = np.random.default_rng(1).dirichlet(np.ones(4), 60)
    np.testing.assert_allclose(other.predict(unseen_NC), one.predict(unseen_NC), atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "runs", "seed"),
    [("level", 5, 55), ("level", 5, 67), ("level", 8, 4), ("level", 8, 18), ("straight", 5, 33), ("straight", 5, 56)],
)
def test_last_bits_choose_no_minimum(kind, runs, seed):
    """Fewer runs than domains, without noise: several laws go through them all. A search that follows each start to its
    end among them is led by last bits; from wide noise down there is one way. Tied minima were not seen.
    """
    evidence = exact(kind, 0.0, runs, 20, seed)
    nudge_RM = 1e-13 * np.random.default_rng(1).uniform(-1, 1, evidence.losses_RM.shape)
    one = FAMILIES["saturating"].fit(evidence)
    other = FAMILIES["saturating"].fit(replace(evidence, losses_RM=evidence.losses_RM * (1 + nudge_RM)))
    unseen_NC, spread_M = mixtures(50, 20, seed=3), evidence.losses_RM.std(axis=0)
    np.testing.assert_allclose(
        other.predict(unseen_NC) / spread_M, one.predict(unseen_NC) / spread_M, atol=1e-7, rtol=0
    )
    assert not [note for note in one.status.notes if "digits" in note]


def test_a_search_without_an_end_leaves_a_fit_and_says_so():
    status = status_of(exact("bent", 0.0), 14, ("x", "z"), 53)
    assert status.converged
    (note,) = status.notes
    assert "not to the last digits" in note
    assert note.endswith("x, z")


@pytest.mark.parametrize(
    ("runs", "domains", "fields"),
    [(12, 3, {}), (48, 8, {}), (120, 4, {}), (12, 3, {"truth": log_linear, "noise": 0.0}), (9, 5, {"noise": 0.5})],
)
@pytest.mark.parametrize("family", ["saturating", "gaussian"])
def test_last_bits_of_the_losses_move_no_parameter(family, runs, domains, fields):
    """A processor's rounding is no larger; without the polish predictions moved by up to a tenth of a percent."""
    evidence = swarm(runs, domains=domains, **fields)
    noise_RM = 1e-15 * np.random.default_rng(0).normal(size=evidence.losses_RM.shape)
    one = FAMILIES[family].fit(evidence)
    other = FAMILIES[family].fit(replace(evidence, losses_RM=evidence.losses_RM * (1 + noise_RM)))
    assert one.status.converged, one.status.notes
    for name, values in one.parameters().items():
        np.testing.assert_allclose(other.parameters()[name], values, atol=3e-8 * np.abs(values).max(initial=1.0))
    unseen_NC = mixtures(50, domains, seed=3)
    np.testing.assert_allclose(other.predict(unseen_NC), one.predict(unseen_NC), rtol=1e-9)
