"""Refits: the law of a fit on other runs, hyperparameters kept, for every family."""

from __future__ import annotations

import numpy as np
import pytest
from swarms import diminishing, log_linear, swarm

from olmixctl.surrogate.draws import Draws, drawn_evidence
from olmixctl.surrogate.gaussian import Gaussian
from olmixctl.surrogate.log_linear import LogLinear
from olmixctl.surrogate.saturating import Saturating, _prior
from olmixctl.surrogate.saturation import Laws
from olmixctl.surrogate.trees import Trees

TRUTHS = {LogLinear: log_linear, Saturating: diminishing, Gaussian: diminishing}
EVERY = list(TRUTHS)


def draws_of(runs, count=6, seed=3):
    rng = np.random.default_rng(seed)
    return Draws(
        np.stack([np.bincount(rng.integers(0, runs, runs), minlength=runs) for _ in range(count)]).astype(float)
    )


def moved(one, other, weights):
    """The largest difference of predictions, over their spread."""
    spread = one.predict(weights).std(axis=0)
    return float((np.abs(one.predict(weights) - other.predict(weights)) / spread).max())


@pytest.mark.parametrize("family", EVERY)
def test_a_refit_on_the_same_runs_stays(family):
    evidence = swarm(30, truth=TRUTHS[family])
    fit = family().fit(evidence)
    again = family().refit(fit, evidence)
    assert again.status.converged
    assert again.family == fit.family
    assert moved(fit, again, evidence.weights_RC) < 1e-4


@pytest.mark.parametrize("family", EVERY)
def test_a_batch_of_draws_is_each_draw_alone(family):
    evidence = swarm(30, truth=TRUTHS[family])
    fit, draws = family().fit(evidence), draws_of(30)
    batch = list(family().refits(fit, evidence, draws))
    assert len(batch) == 6
    for n, found in enumerate(batch):
        alone = family().refit(fit, drawn_evidence(evidence, draws, n))
        assert moved(found, alone, evidence.weights_RC) < 1e-4
    assert moved(batch[0], batch[1], evidence.weights_RC) > 1e-3


def test_draws_with_streams_move_what_no_run_decides():
    """Every run counts once in every draw: priors alone differ. A stream is a draw's own, whatever its batch."""
    evidence, ones_NR = swarm(6, domains=5), np.ones((3, 6))
    fit, family = Saturating().fit(evidence), Saturating()
    streams = ((0, 1), (0, 2), (0, 1))
    first, second, again = family.refits(fit, evidence, Draws(ones_NR, streams=streams))
    unseen_NC = np.random.default_rng(3).dirichlet(np.full(5, 0.3), 50)
    assert moved(first, second, unseen_NC) > 0.05
    np.testing.assert_array_equal(first.predict(unseen_NC), again.predict(unseen_NC))
    (alone,) = family.refits(fit, evidence, Draws(ones_NR[:1], streams=streams[1:2]))
    assert moved(alone, second, unseen_NC) < 1e-6
    many = swarm(300, domains=5)
    fit = family.fit(many)
    (drawn,) = family.refits(fit, many, Draws(np.ones((1, 300)), streams=streams[:1]))
    assert moved(drawn, fit, unseen_NC) < 0.05


def test_draws_of_a_process_are_of_its_posterior():
    """Their mean is what is expected, and they spread as a new run does, but for its noise."""
    evidence, family = swarm(40, domains=5), Gaussian()
    fit, unseen_NC = family.fit(evidence), np.random.default_rng(3).dirichlet(np.full(5, 0.3), 40)
    streams = tuple((0, number) for number in range(150))
    drawn = list(family.refits(fit, evidence, Draws(np.ones((150, 40)), streams=streams)))
    (again,) = family.refits(fit, evidence, Draws(np.ones((1, 40)), streams=streams[3:4]))
    predicted_DNM = np.stack([found.predict(unseen_NC) for found in drawn])
    np.testing.assert_array_equal(again.predict(unseen_NC), predicted_DNM[3])
    width_NM = predicted_DNM.std(axis=0)
    off_NM = np.abs(predicted_DNM.mean(axis=0) - fit.predict(unseen_NC))
    assert off_NM.mean() < 0.2 * width_NM.mean()
    assert 0.5 < (width_NM / fit.spread(unseen_NC)).mean() < 1.1
    at_C, step = unseen_NC[0], 1e-6
    ends = [drawn[0].predict(at_C + sign * step * np.eye(5)) for sign in (1, -1)]
    np.testing.assert_allclose(drawn[0].gradient(at_C), ((ends[0] - ends[1]) / (2 * step)).T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", [LogLinear, Saturating])
def test_more_of_a_run_pulls_the_law_towards_it(family):
    evidence = swarm(30, truth=TRUTHS[family], noise=0.05)
    fit = family().fit(evidence)
    worst = int(np.argmax(np.abs(evidence.losses_RM - fit.predict(evidence.weights_RC))[:, 0]))
    counts = np.ones((1, 30))
    counts[0, worst] = 20.0
    heavy = family().refit(fit, drawn_evidence(evidence, Draws(counts), 0))
    off = [abs(evidence.losses_RM[worst, 0] - f.predict(evidence.weights_RC[[worst]])[0, 0]) for f in (fit, heavy)]
    assert off[1] < off[0]


@pytest.mark.parametrize("family", [LogLinear, Saturating, Gaussian])
def test_a_coordinate_that_was_not_drawn_keeps_its_place(family):
    """A draw without the only runs of a domain says nothing of it; laws stay finite, and the problem stays the same."""
    evidence = swarm(24, truth=TRUTHS[family])
    rare = evidence.weights_RC.copy()
    rare[1:, 0] = 0.0
    rare /= rare.sum(axis=1, keepdims=True)
    evidence = type(evidence)(
        runs=evidence.runs, coordinates=evidence.coordinates, metrics=evidence.metrics, weights_RC=rare,
        losses_RM=evidence.losses_RM,
    )  # fmt: skip
    fit = family().fit(evidence)
    counts = np.ones((1, 24))
    counts[0, 0] = 0.0
    (found,) = family().refits(fit, evidence, Draws(counts))
    assert found.status.never_sampled == fit.status.never_sampled == ()
    assert np.isfinite(found.predict(np.eye(5))).all()


@pytest.mark.parametrize("family", EVERY)
def test_laws_of_another_family_are_refused(family):
    evidence = swarm(20, truth=TRUTHS[family])
    other = LogLinear().fit(evidence) if family is not LogLinear else Saturating().fit(evidence)
    with pytest.raises(TypeError, match="not refitted as"):
        family().refit(other, evidence)


def test_a_constant_metric_stays_constant():
    evidence = swarm(20)
    losses = evidence.losses_RM.copy()
    losses[:, 0] = 1.5
    still = type(evidence)(
        runs=evidence.runs, coordinates=evidence.coordinates, metrics=evidence.metrics,
        weights_RC=evidence.weights_RC, losses_RM=losses,
    )  # fmt: skip
    for family in EVERY:
        fit = family().fit(still)
        for found in family().refits(fit, still, draws_of(20, 2)):
            assert found.predict(still.weights_RC)[:, 0] == pytest.approx(1.5, abs=1e-6)


def test_trees_grow_anew():
    pytest.importorskip("lightgbm", reason="an extra; the development environment has it, so CI runs this")
    evidence = swarm(40)
    fit = Trees().fit(evidence)
    first, second = Trees().refits(fit, evidence, draws_of(40, 2))
    assert np.allclose(Trees().refit(fit, evidence).predict(evidence.weights_RC), fit.predict(evidence.weights_RC))
    assert (first.predict(evidence.weights_RC) != second.predict(evidence.weights_RC)).any()


def test_derivatives_of_the_saturating_refit():
    rng = np.random.default_rng(0)
    problems, runs, domains = 3, 15, 4
    weights_RS, losses_BR = rng.dirichlet(np.ones(domains), runs), 1 + rng.uniform(0, 1, (problems, runs))
    drawn = Laws(
        weights_RS=weights_RS,
        losses_BR=losses_BR,
        counts_BR=rng.integers(0, 3, (problems, runs)).astype(float),
        least_B=losses_BR.min(axis=1),
        mean_B=losses_BR.mean(axis=1),
        unit_B=losses_BR.std(axis=1),
        variance_B=np.full(problems, 1.0 / 3.0),
        centre_BP=rng.normal(-1.0, 0.5, (problems, 2 * domains + 2)),
        prior=_prior(domains),
    )
    at_BP, exact_B = rng.normal(0, 0.5, (problems, 2 * domains + 2)), np.ones(problems, dtype=bool)
    at_BP[:, 2 + domains :] -= 3.0
    _, slope_BP, hessian_BPP = drawn.quadratic(at_BP, exact_B)
    for p in range(at_BP.shape[1]):
        step_P = np.zeros(at_BP.shape[1])
        step_P[p] = 1e-5
        numeric_B = (drawn.value(at_BP + step_P) - drawn.value(at_BP - step_P)) / 2e-5
        assert numeric_B == pytest.approx(slope_BP[:, p], abs=1e-6)
        ahead, behind = (drawn.quadratic(at_BP + sign * step_P, exact_B)[1] for sign in (1, -1))
        assert (ahead - behind) / 2e-5 == pytest.approx(hessian_BPP[:, p], abs=1e-5)
    near_BPP = drawn.quadratic(at_BP, ~exact_B)[2]
    assert (np.linalg.eigvalsh(near_BPP) > 0).all()
