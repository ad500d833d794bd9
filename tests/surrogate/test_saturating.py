"""Diminishing returns: convex, never hurt by more, and found where they are the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from swarms import diminishing, evidence_of, log_linear, mixtures, swarm

from olmixctl.surrogate.saturating import Saturating, _laws, _start
from olmixctl.surrogate.targets import Targets


def test_laws_are_convex_whatever_they_were_fitted_to():
    rng = np.random.default_rng(0)
    noise = evidence_of(mixtures(20), 2 + rng.normal(0, 0.3, (20, 2)))
    for evidence in (swarm(), swarm(truth=log_linear), noise):
        fit = Saturating().fit(evidence)
        left_NC, right_NC = mixtures(50, seed=1, strength=0.2), mixtures(50, seed=2, strength=0.2)
        middle_NM = fit.predict(0.5 * (left_NC + right_NC))
        assert (middle_NM <= 0.5 * (fit.predict(left_NC) + fit.predict(right_NC)) + 1e-12).all()


def test_more_of_a_domain_never_hurts():
    fit = Saturating().fit(swarm())
    assert (fit.slopes_MC >= 0).all()
    assert (fit.scales_MC > 0).all()
    assert (fit.offsets_M >= 0).all()
    assert (fit.gradient(np.full(5, 0.2)) <= 0).all()


def test_exact_runs_of_the_law_are_found_again():
    weights_RC, unseen_NC = mixtures(80), mixtures(100, seed=9)
    fit = Saturating().fit(evidence_of(weights_RC, diminishing(weights_RC)))
    assert fit.status.converged
    error_NM = fit.predict(unseen_NC) - diminishing(unseen_NC)
    assert np.abs(error_NM).max() < 0.05 * diminishing(unseen_NC).std()


def test_the_gradient_of_the_objective():
    evidence = swarm(12)
    laws = _laws(Targets.of(evidence)).take(np.arange(2))
    rng, every = np.random.default_rng(0), np.arange(2)
    at_BP = _start(laws, 0.03, 0.85) + rng.normal(0, 0.4, (2, 12))
    value_B, slope_BP = laws.objective(at_BP, every)
    way_BP = rng.normal(size=at_BP.shape)
    ahead_B, behind_B = (laws.objective(at_BP + sign * 1e-6 * way_BP, every)[0] for sign in (1, -1))
    np.testing.assert_allclose((slope_BP * way_BP).sum(axis=1), (ahead_B - behind_B) / 2e-6, rtol=1e-5)
    assert np.isfinite(value_B).all()


def test_noise_is_told_from_what_a_law_with_as_many_parameters_as_runs_could_follow():
    """Fourteen runs, twelve parameters: laws that follow the runs leave no noise, and predict unseen ones worse."""
    unseen_NC = mixtures(100, seed=99)
    for noise in (0.03, 0.1):
        found, errors = [], []
        for seed in range(8):
            evidence = swarm(14, seed=seed, noise=noise)
            fit = Saturating().fit(evidence)
            found += (np.sqrt(fit.variance_K) * evidence.losses_RM.std(axis=0) / noise).tolist()
            exact = replace(fit, variance_K=np.full(2, 1e-4))
            followed = Saturating().refit(exact, evidence)
            errors.append([np.abs(law.predict(unseen_NC) - diminishing(unseen_NC)).mean() for law in (fit, followed)])
        assert 0.6 < np.median(found) < 1.4
        own, other = np.median(errors, axis=0)
        assert own < 0.9 * other
