"""Boosted trees: an extra, deterministic, one model a metric."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from swarms import diminishing, mixtures, swarm

from olmixctl.errors import MissingExtraError
from olmixctl.surrogate import FAMILIES, parameters_digest


def test_trees_predict_and_repeat():
    fit = FAMILIES["lightgbm"].fit(swarm(120))
    unseen_NC = mixtures(100, seed=4)
    error_NM = fit.predict(unseen_NC) - diminishing(unseen_NC)
    assert (error_NM.std(axis=0) < 0.6 * diminishing(unseen_NC).std(axis=0)).all()
    assert parameters_digest(fit) == parameters_digest(FAMILIES["lightgbm"].fit(swarm(120)))
    assert (fit.family, fit.metrics, fit.coordinates) == ("lightgbm", ("u", "v"), tuple("abcde"))
    assert (fit.spread(unseen_NC) == 1).all()
    assert (fit.gradient(unseen_NC[0]) == np.zeros((2, 5))).all()


def test_one_run_is_predicted_everywhere():
    found_NM = FAMILIES["lightgbm"].fit(swarm(1)).predict(mixtures(3, seed=1))
    np.testing.assert_allclose(found_NM, np.repeat(swarm(1).losses_RM, 3, axis=0))


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(MissingExtraError, match="needs LightGBM") as caught:
        FAMILIES["lightgbm"].fit(swarm(5))
    assert "olmixctl[lightgbm]" in caught.value.remedy
