"""Fits end at the last digits that floats have: what another processor rounds differently moves nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from swarms import log_linear, mixtures, swarm

from olmixctl.surrogate import FAMILIES
from olmixctl.surrogate.polish import polish
from olmixctl.surrogate.process import Process
from olmixctl.surrogate.targets import Targets


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


def test_the_modes_of_a_process_are_stationary():
    targets = Targets.of(swarm(40, domains=4))
    fit = FAMILIES["gaussian"].fit(swarm(40, domains=4))
    for held, draws_DKP in ((False, fit.free_DKP), (True, fit.held_DKP)):
        process, middle_KP = Process(targets.weights_RS, targets.values_KR, held), draws_DKP.mean(axis=0)
        slope_KP = process.objective(middle_KP, np.arange(len(middle_KP)))[1]
        np.testing.assert_allclose(slope_KP, 0.0, atol=1e-6)
