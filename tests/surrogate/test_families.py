"""What holds of every family: derivatives, order, replicates, domains and metrics without evidence, bad losses."""

from __future__ import annotations

import numpy as np
import pytest
from swarms import diminishing, evidence_of, mixtures, swarm

from olmixctl.surrogate import FAMILIES, Evidence, parameters_digest
from olmixctl.surrogate.registry import COMPARED

FITTED = {}

every_family = pytest.mark.parametrize("name", COMPARED)
wider_families = pytest.mark.parametrize("name", ["saturating", "gaussian"])


def fitted(name):
    if name not in FITTED:
        FITTED[name] = FAMILIES[name].fit(swarm())
    return FITTED[name]


@every_family
def test_a_family_is_what_it_is_called(name):
    assert FAMILIES[name].name == fitted(name).family == name
    assert (fitted(name).coordinates, fitted(name).metrics) == (tuple("abcde"), ("u", "v"))
    assert all(np.isfinite(array).all() for array in fitted(name).parameters().values())


@every_family
def test_unseen_mixtures_of_a_true_law_are_predicted(name):
    unseen_NC = mixtures(200, seed=99)
    error_NM = fitted(name).predict(unseen_NC) - diminishing(unseen_NC)
    spread_M = diminishing(unseen_NC).std(axis=0)
    limit = 0.6 if name == "log_linear" else 0.2
    assert (np.sqrt((error_NM**2).mean(axis=0)) < limit * spread_M).all()


@every_family
def test_the_gradient_is_that_of_the_prediction(name):
    here_C, step = np.array([0.3, 0.1, 0.25, 0.15, 0.2]), 1e-6
    for c in range(5):
        away_C = np.zeros(5)
        away_C[c] = step
        rise_M = (fitted(name).predict((here_C + away_C)[None]) - fitted(name).predict((here_C - away_C)[None]))[0]
        np.testing.assert_allclose(fitted(name).gradient(here_C)[:, c], rise_M / (2 * step), rtol=1e-5, atol=1e-6)


@every_family
def test_spreads_are_positive_and_of_the_shape_of_predictions(name):
    found_NM = fitted(name).spread(mixtures(7, seed=3))
    assert found_NM.shape == (7, 2)
    assert (found_NM > 0).all()


@every_family
def test_the_same_runs_give_the_same_parameters(name):
    plain = swarm()
    weights = dict(zip(plain.runs, (dict(zip("abcde", w, strict=True)) for w in plain.weights_RC), strict=True))
    losses = dict(zip(plain.runs, (dict(zip("uv", y, strict=True)) for y in plain.losses_RM), strict=True))
    turned = Evidence.of(
        {run: dict(reversed(weights[run].items())) for run in reversed(plain.runs)},
        {run: dict(reversed(losses[run].items())) for run in sorted(plain.runs, key=lambda r: r[::-1])},
    )
    assert parameters_digest(FAMILIES[name].fit(turned)) == parameters_digest(fitted(name))


@every_family
def test_a_metric_does_not_mind_the_others(name):
    both = swarm()
    alone = Evidence(
        runs=both.runs,
        coordinates=both.coordinates,
        metrics=("v",),
        weights_RC=both.weights_RC,
        losses_RM=both.losses_RM[:, 1:].copy(),
    )
    unseen_NC = mixtures(20, seed=5)
    found_N = FAMILIES[name].fit(alone).predict(unseen_NC)[:, 0]
    np.testing.assert_allclose(found_N, fitted(name).predict(unseen_NC)[:, 1], rtol=1e-7)


@every_family
def test_names_of_runs_mean_nothing(name):
    plain = swarm()
    order = np.random.default_rng(0).permutation(len(plain.runs))
    renamed = evidence_of(plain.weights_RC[order], plain.losses_RM[order])
    unseen_NC = mixtures(20, seed=5)
    found_NM = FAMILIES[name].fit(renamed).predict(unseen_NC)
    np.testing.assert_allclose(found_NM, fitted(name).predict(unseen_NC), rtol=1e-4)


@every_family
def test_one_run_is_what_is_expected_everywhere(name):
    found = FAMILIES[name].fit(swarm(1))
    np.testing.assert_allclose(found.predict(mixtures(3, seed=4)), np.repeat(swarm(1).losses_RM, 3, axis=0), rtol=1e-6)
    assert "1 mixture for" in found.status.notes[0]


@every_family
def test_two_runs_lie_between_themselves(name):
    found = FAMILIES[name].fit(swarm(2))
    values_NM, seen_RM = found.predict(swarm(2).weights_RC.mean(axis=0)[None]), swarm(2).losses_RM
    assert (values_NM > seen_RM.min(axis=0) - 0.5 * np.ptp(seen_RM, axis=0)).all()
    assert (values_NM < seen_RM.max(axis=0) + 0.5 * np.ptp(seen_RM, axis=0)).all()


@every_family
def test_a_metric_that_never_moves_is_predicted_as_it_is_and_named(name):
    losses_RM = diminishing(mixtures(12))
    losses_RM[:, 0] = 1.5
    found = FAMILIES[name].fit(evidence_of(mixtures(12), losses_RM))
    np.testing.assert_allclose(found.predict(mixtures(5, seed=1))[:, 0], 1.5, rtol=1e-12)
    np.testing.assert_allclose(found.gradient(np.full(5, 0.2))[0] - found.gradient(np.full(5, 0.2))[0, 0], 0, atol=1e-9)
    assert any("the same in every run" in note and "u" in note for note in found.status.notes)


@every_family
@pytest.mark.parametrize("spread", [1e-9, 1e-6])
def test_metrics_that_hardly_move_are_fitted_as_they_are(name, spread):
    weights_RC = mixtures(25)
    losses_RM = 2.0 + spread * np.random.default_rng(0).normal(size=(25, 2))
    fit = FAMILIES[name].fit(evidence_of(weights_RC, losses_RM))
    assert fit.status.converged
    assert np.abs(fit.predict(weights_RC) - 2.0).max() < 5 * spread


@every_family
def test_all_metrics_constant(name):
    found = FAMILIES[name].fit(evidence_of(mixtures(6), np.full((6, 2), 2.0)))
    np.testing.assert_allclose(found.predict(mixtures(4, seed=2)), 2.0, rtol=1e-12)


@every_family
def test_a_domain_that_no_run_sampled_is_named(name):
    weights_RC = np.insert(mixtures(12, 4), 2, 0.0, axis=1)
    found = FAMILIES[name].fit(evidence_of(weights_RC, diminishing(weights_RC)))
    assert found.status.never_sampled == ("c",)
    assert any("never sampled" in note and "c" in note for note in found.status.notes)
    assert np.isfinite(found.predict(np.eye(5))).all()


@wider_families
def test_what_no_run_sampled_has_no_slope(name):
    weights_RC = np.insert(mixtures(12, 4), 2, 0.0, axis=1)
    found = FAMILIES[name].fit(evidence_of(weights_RC, diminishing(weights_RC)))
    assert (found.gradient(np.full(5, 0.2))[:, 2] == 0).all()


@every_family
def test_fewer_runs_than_parameters_is_said(name):
    assert any("4 mixtures for" in note for note in FAMILIES[name].fit(swarm(4)).status.notes)
    same = evidence_of(np.repeat(mixtures(1), 5, axis=0), np.repeat(diminishing(mixtures(1)), 5, axis=0))
    assert any("1 mixture for" in note for note in FAMILIES[name].fit(same).status.notes)


@every_family
def test_repeated_mixtures_are_predicted_between_their_runs(name):
    weights_RC = np.repeat(mixtures(10), 2, axis=0)
    losses_RM = np.repeat(diminishing(mixtures(10)), 2, axis=0)
    losses_RM[::2] += 0.1
    values_RM = FAMILIES[name].fit(evidence_of(weights_RC, losses_RM)).predict(weights_RC)
    np.testing.assert_allclose(values_RM[::2], values_RM[1::2])
    assert abs(float((values_RM - losses_RM).mean())) < 0.02
    limit = 0.2 if name == "log_linear" else 0.1
    assert np.abs(values_RM[::2] - 0.5 * (losses_RM[::2] + losses_RM[1::2])).mean() < limit


@wider_families
def test_losses_that_are_not_positive_are_described_as_others_are(name):
    """Accuracies with a sign, or an error rate that reached zero."""
    weights_RC, unseen_NC = mixtures(40), mixtures(60, seed=5)
    losses_RM = diminishing(weights_RC) + np.random.default_rng(3).normal(0, 0.01, (40, 2))
    for lift in (losses_RM.min(axis=0), np.array([5.0, losses_RM[:, 1].min()])):
        fit = FAMILIES[name].fit(evidence_of(weights_RC, losses_RM - lift))
        found_NM = fit.predict(unseen_NC) + lift
        assert np.sqrt(((found_NM - diminishing(unseen_NC)) ** 2).mean(axis=0)).max() < 0.03
        assert np.isfinite(fit.spread(unseen_NC)).all()
        h = 1e-6
        towards_C = np.eye(5)[1] - np.eye(5)[2]
        numeric_M = (fit.predict((unseen_NC[0] + h * towards_C)[None]) - fit.predict(unseen_NC[:1]))[0] / h
        np.testing.assert_allclose(fit.gradient(unseen_NC[0]) @ towards_C, numeric_M, rtol=2e-3, atol=1e-4)


@wider_families
def test_a_metric_that_is_never_anything_but_zero_is_predicted_so(name):
    losses_RM = np.column_stack([diminishing(mixtures(12))[:, 0], np.zeros(12)])
    found_NM = FAMILIES[name].fit(evidence_of(mixtures(12), losses_RM)).predict(mixtures(3, seed=5))
    np.testing.assert_allclose(found_NM[:, 1], 0.0, atol=1e-12)


@wider_families
def test_names_of_domains_mean_nothing(name):
    """Draws of hyperparameters belong to domains and not to places in an alphabet."""
    plain, unseen_NC = swarm(18), mixtures(30, seed=5)
    order = np.array([3, 0, 4, 1, 2])
    renamed = FAMILIES[name].fit(evidence_of(plain.weights_RC[:, order], plain.losses_RM))
    found_NM, wanted_NM = renamed.predict(unseen_NC[:, order]), FAMILIES[name].fit(plain).predict(unseen_NC)
    np.testing.assert_allclose(found_NM, wanted_NM, rtol=1e-13)


@every_family
@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_units_of_the_losses_mean_nothing(name, unit):
    plain, unseen_NC = swarm(), mixtures(10, seed=5)
    found = FAMILIES[name].fit(evidence_of(plain.weights_RC, plain.losses_RM * unit))
    np.testing.assert_allclose(found.predict(unseen_NC) / unit, fitted(name).predict(unseen_NC), rtol=1e-4)
