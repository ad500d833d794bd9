"""The process: its derivatives, what it adds to diminishing returns, and its paths for few, some and many runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from swarms import diminishing, evidence_of, mixtures, swarm

from olmixctl.surrogate import gaussian, hyperparameters
from olmixctl.surrogate.gaussian import Gaussian, _part
from olmixctl.surrogate.process import Process
from olmixctl.surrogate.saturating import Saturating


def process(held, runs=12):
    rng = np.random.default_rng(1)
    return Process(mixtures(runs, 4), rng.normal(size=(3, runs)), held)


def interacting(weights_NC):
    """Diminishing returns, and two domains that are worth more together."""
    return diminishing(weights_NC) - 2.0 * (weights_NC[:, :1] * weights_NC[:, 1:2])


@pytest.mark.parametrize("held", [False, True])
def test_the_gradient_of_the_objective(held):
    model, rng, every = process(held), np.random.default_rng(0), np.arange(3)
    at_BP = model.prior() + rng.normal(0, 0.3, (3, 14))
    _, slope_BP = model.objective(at_BP, every)
    for p in range(14):
        away_P = np.zeros(14)
        away_P[p] = 1e-5
        ahead_B, behind_B = (model.objective(at_BP + sign * away_P, every)[0] for sign in (1, -1))
        np.testing.assert_allclose(slope_BP[:, p], (ahead_B - behind_B) / 2e-5, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("held", [False, True])
def test_far_outside_the_priors_there_is_still_a_number(held):
    for sign in (-1, 1):
        value_B, slope_BP = process(held).objective(np.full((3, 14), sign * 40.0), np.arange(3))
        assert np.isfinite(value_B).all()
        assert np.isfinite(slope_BP).all()
        assert (sign * slope_BP > 0).all()


def test_a_domain_that_matters_is_expected_to_interact_and_to_saturate_early():
    """Its slope, rate and scale go together; the prior is a proper one, and has no opinion across domains."""
    model = process(held=False)
    precision_PP = model.pull(np.eye(14))
    assert (np.linalg.eigvalsh(precision_PP) > 0.1).all()
    np.testing.assert_allclose(precision_PP, precision_PP.T, atol=1e-12)
    covariance_PP = np.linalg.inv(precision_PP)
    own, other = [0, 4, 8], [1, 5, 9]
    assert covariance_PP[0, 4] > 0 > covariance_PP[0, 8]
    np.testing.assert_allclose(covariance_PP[np.ix_(own, other)], 0.0, atol=1e-12)
    np.testing.assert_allclose(np.diag(covariance_PP)[own], [1.5**2, 1.0, 2.0**2])


def test_the_posterior_agrees_with_the_runs_where_noise_is_small():
    model = process(held=False)
    at_BP = np.repeat(model.prior()[None], 3, axis=0)
    at_BP[:, 4:8], at_BP[:, -2:] = 1.0, (1.0, -6.0)
    mean_BN, variance_BN = model.posterior(at_BP).at(model.weights_RC)
    np.testing.assert_allclose(mean_BN, model.targets_BR, atol=0.05)
    elsewhere_BN = model.posterior(at_BP).at(np.eye(4))[1]
    assert elsewhere_BN.max() > 10 * variance_BN.max()


@pytest.mark.parametrize("held", [False, True])
def test_draws_have_the_mean_and_variance_of_the_posterior(held):
    """What is random in them is Monte Carlo's: 4,000 draws know a standard deviation within some 4 %."""
    few = process(held)
    posterior, unseen_NC = few.posterior(few.prior()[None].repeat(3, axis=0)), mixtures(6, 4, seed=9)
    mean_BN, variance_BN = posterior.at(unseen_NC)
    noise_B1 = np.exp(2.0 * posterior.expected.parts.noise_B)[:, None]
    rng = np.random.default_rng(0)
    drawn_DBN = np.array([posterior.draw(rng).at(unseen_NC) for _ in range(4000)])
    width_BN = np.sqrt(variance_BN - noise_B1)
    np.testing.assert_allclose(drawn_DBN.std(axis=0), width_BN, rtol=0.06)
    np.testing.assert_allclose((drawn_DBN.mean(axis=0) - mean_BN) / width_BN, 0.0, atol=0.06)


@pytest.mark.parametrize("runs", [100, 200])
def test_draws_that_have_their_hyperparameters_in_common_are_what_each_is_alone(runs):
    evidence = swarm(runs, domains=4)
    fit = Gaussian().fit(evidence)
    drawn, unseen_NC = fit.drawn((0, 1)), mixtures(6, 4, seed=9)
    assert set(drawn.alone) == ({False, True} if runs == 100 else {False})
    np.testing.assert_array_equal(drawn.predict(unseen_NC), replace(drawn, alone={}).predict(unseen_NC))
    assert not Gaussian().fit(swarm(60, domains=4)).drawn((0, 1)).alone


def test_interactions_are_learned_where_the_law_alone_misses_them():
    weights_RC, unseen_NC = mixtures(90), mixtures(200, seed=9)
    evidence = evidence_of(weights_RC, interacting(weights_RC))
    errors = [
        float(np.sqrt(((family.fit(evidence).predict(unseen_NC) - interacting(unseen_NC)) ** 2).mean()))
        for family in (Gaussian(), Saturating())
    ]
    assert errors[0] < 0.5 * errors[1]


def test_some_and_many_runs_take_shorter_ways_to_nearly_the_same(monkeypatch):
    evidence, unseen_NC = swarm(60), mixtures(50, seed=3)
    few_NM = Gaussian().fit(evidence).predict(unseen_NC)
    spread = float(few_NM.std())
    for limits in ({"_FEW": 10}, {"_FEW": 10, "SOME": 20}, {"_FEW": 10, "SOME": 20, "_MANY": 40}):
        for name, value in limits.items():
            for module in (gaussian, hyperparameters):
                if hasattr(module, name):
                    monkeypatch.setattr(module, name, value)
        fit = Gaussian().fit(evidence)
        assert len(fit.free_DKP) == 1
        assert len(fit.held_DKP) == (0 if "SOME" in limits else 1)
        assert np.abs(fit.predict(unseen_NC) - few_NM).mean() < 0.1 * spread


def harmful(weights_NC):
    """A little of the first domain spoils the first metric, of the second the second; more is hardly worse."""
    return 1.0 + 0.2 * np.exp(0.5 * np.log1p(weights_NC[:, :2] / 0.01))


def test_of_very_few_runs_each_model_counts_by_its_evidence():
    """Slopes below zero speak against the model that has none; where more of every domain helps, that one is ahead."""
    weights_RC = mixtures(24)
    assert Gaussian().fit(evidence_of(weights_RC, harmful(weights_RC))).held_K.max() < 0.4
    assert Gaussian().fit(swarm(24, noise=0.01)).held_K.min() > 0.5


def test_what_is_expected_is_the_weighted_mean_of_both_models():
    fit, unseen_NC = Gaussian().fit(swarm(18)), mixtures(7, seed=3)
    free, held = (
        replace(fit, held_K=np.full(2, share)).predict(unseen_NC) - fit.targets.floor_K for share in (0.0, 1.0)
    )
    assert (len(fit.free_DKP), len(fit.held_DKP)) == (64, 64)
    found = fit.predict(unseen_NC) - fit.targets.floor_K
    np.testing.assert_allclose(np.log(found), (1 - fit.held_K) * np.log(free) + fit.held_K * np.log(held))


def test_from_thirty_three_runs_on_both_models_count_alike():
    fit = Gaussian().fit(swarm(33))
    assert fit.held_K.tolist() == [0.5, 0.5]
    assert len(fit.free_DKP) == 16


def test_memory_is_bounded_without_changing_answers(monkeypatch):
    evidence, unseen_NC = swarm(20), mixtures(9, seed=3)
    plain = Gaussian().fit(evidence)
    monkeypatch.setattr(hyperparameters, "_BATCH", 400)
    small = Gaussian().fit(evidence)
    np.testing.assert_allclose(small.predict(unseen_NC), plain.predict(unseen_NC), rtol=1e-4)
    np.testing.assert_allclose(small.spread(unseen_NC), plain.spread(unseen_NC), rtol=2e-2)
    np.testing.assert_allclose(small.gradient(unseen_NC[0]), plain.gradient(unseen_NC[0]), rtol=1e-2)


def test_the_part_for_hyperparameters_is_chosen_by_mixtures():
    weights_RC = mixtures(300)
    order = np.random.default_rng(0).permutation(300)
    chosen = {tuple(row) for row in weights_RC[_part(weights_RC)]}
    assert len(chosen) == 256
    assert {tuple(row) for row in weights_RC[order][_part(weights_RC[order])]} == chosen
