"""Hyperparameters of processes: noise by its evidence, the others at their mode, draws around both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from swarms import diminishing, evidence_of, mixtures, swarm

from olmixctl.surrogate.descent import descend
from olmixctl.surrogate.gaussian import Gaussian
from olmixctl.surrogate.hyperparameters import _by_evidence, batches, hyperparameters
from olmixctl.surrogate.process import Process
from olmixctl.surrogate.targets import Targets


def process_of(evidence, held):
    targets = Targets.of(evidence)
    return Process(targets.weights_RS, targets.values_KR, held)


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("runs", [20, 40, 120])
def test_all_but_the_noise_are_at_their_mode_and_the_noise_of_few_runs_lies_above_its_own(runs, held):
    process = process_of(swarm(runs, domains=4), held)
    found = hyperparameters(process)
    assert len(found.draws_DKP) == {20: 64, 40: 16, 120: 1}[runs]
    slope_KP = process.objective(found.draws_DKP.mean(axis=0), np.arange(2))[1]
    np.testing.assert_allclose(slope_KP[:, :-1], 0.0, atol=1e-6)
    assert (slope_KP[:, -1] > 0.1).all() if runs < 100 else (np.abs(slope_KP[:, -1]) < 1e-6).all()
    assert found.settled_K.all()
    assert (found.evidence_K != 0).all() == (runs == 20)


@dataclass(frozen=True)
class Quadratic:
    """Others with a normal posterior: its mean follows the noise, its precision grows with it, and both are known."""

    middle: float
    weights_RC: ClassVar = np.ones((20, 1))

    def objective(self, at_BP, _index):
        noise_B, away_BQ = at_BP[:, -1], at_BP[:, :-1] - np.sin(at_BP[:, -1:]) * [1.0, -2.0]
        precision_B2 = np.stack([1.0 + noise_B**2, np.full_like(noise_B, 3.0)], axis=1)
        value_B = 0.5 * (precision_B2 * away_BQ**2).sum(axis=1) + (noise_B - self.middle) ** 2
        along_B = (precision_B2 * away_BQ * np.cos(noise_B)[:, None] * [1.0, -2.0]).sum(axis=1)
        slope_B = noise_B * away_BQ[:, 0] ** 2 - along_B + 2.0 * (noise_B - self.middle)
        return value_B, np.column_stack([precision_B2 * away_BQ, slope_B])


@pytest.mark.parametrize("middle", [-5.0, 0.7, 1.0])
def test_the_noise_is_the_mean_over_its_evidence(middle):
    """Of a normal posterior Laplace's evidence is exact: exp(−(ν − m)²) over the root of the determinant."""
    centre_KP, evidence_K, settled_K = _by_evidence(Quadratic(middle=middle), np.zeros((1, 3)))
    noise_G = np.array([0.0, 0.5, 1.0, 1.5])
    log_G = -((noise_G - middle) ** 2) - 0.5 * np.log(3.0 * (1.0 + noise_G**2))
    share_G = np.exp(log_G - log_G.max())
    expected = share_G @ noise_G / share_G.sum()
    assert centre_KP[0, -1] == pytest.approx(expected, abs=6e-4)
    np.testing.assert_allclose(centre_KP[0, :-1], np.sin(centre_KP[0, -1]) * np.array([1.0, -2.0]), atol=1e-9)
    assert evidence_K[0] == pytest.approx(np.log(np.exp(log_G).mean()), abs=1e-6)
    assert settled_K.all()


def test_noise_is_told_where_hyperparameters_are_as_many_as_runs():
    """Over swarms: at the mode of all of them it is less than half of what it was, here .89 of it."""
    mode, found = [], []
    for seed in range(6):
        weights_RC = mixtures(36, 12, seed)
        exact_RM = diminishing(weights_RC, seed=seed)
        deviation_M = 0.1 * exact_RM.std(axis=0)
        losses_RM = exact_RM + np.random.default_rng(seed).normal(0, 1, exact_RM.shape) * deviation_M
        evidence = evidence_of(weights_RC, losses_RM)
        targets, process = Targets.of(evidence), process_of(evidence, held=True)
        true_K = np.log(deviation_M / (losses_RM - targets.floor_K).mean(axis=0) / targets.scale_K)
        found.append(hyperparameters(process).draws_DKP.mean(axis=0)[:, -1] - true_K)
        start_KP = np.repeat(process.prior()[None], 2, axis=0)
        mode.append(descend(process.objective, start_KP, iterations=400).parameters_BP[:, -1] - true_K)
    assert abs(np.mean(found)) < 0.25
    assert np.mean(mode) < -0.6


def test_a_process_is_off_by_what_it_says():
    """Errors at new runs, in units of its own spread: their root mean square over swarms was 1.37 at the mode."""
    ratios = []
    for seed in range(8):
        evidence, unseen_NC = swarm(24, noise=0.03, seed=seed, domains=8), mixtures(200, 8, seed=100 + seed)
        fit = Gaussian().fit(evidence)
        new_NM = diminishing(unseen_NC) + np.random.default_rng(seed).normal(0, 0.03, (200, 2))
        ratios.append((((fit.predict(unseen_NC) - new_NM) / fit.spread(unseen_NC)) ** 2).mean())
    assert 0.75 < np.sqrt(np.mean(ratios)) < 1.25


def test_batches_cover_everything_once():
    for count, entries in ((0, 5), (1, 10**9), (10, 1), (7, 2_000_000)):
        covered = [i for batch in batches(count, entries) for i in range(batch.start, batch.stop)]
        assert covered == list(range(count))
