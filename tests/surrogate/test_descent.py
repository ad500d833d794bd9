"""Batched descent: it finds minima, and no problem minds its neighbours."""

from __future__ import annotations

import numpy as np
from scipy.optimize import rosen, rosen_der

from olmixctl.surrogate.descent import descend


def quadratic(at_BP, index):
    """Problem b: Σ_p (p + 1)² (x_p − b)²."""
    scale_P = (1.0 + np.arange(at_BP.shape[1])) ** 2
    away_BP = at_BP - index[:, None]
    return 0.5 * (scale_P * away_BP**2).sum(axis=1), scale_P * away_BP


def bananas(at_BP, index):
    return np.array([rosen(x) for x in at_BP]), np.array([rosen_der(x) for x in at_BP])


def test_each_problem_finds_its_own_minimum():
    found = descend(quadratic, np.zeros((4, 6)), iterations=200, tolerance=1e-14)
    assert found.settled_B.all()
    np.testing.assert_allclose(found.parameters_BP, np.repeat(np.arange(4.0)[:, None], 6, axis=1), atol=1e-5)


def test_a_bent_valley_is_followed_to_its_end():
    found = descend(bananas, np.array([[-1.2, 1.0, 0.5], [0.0, 0.0, 0.0]]), iterations=500, tolerance=1e-13)
    np.testing.assert_allclose(found.parameters_BP, 1.0, atol=1e-3)


def test_neighbours_change_nothing():
    starts_BP = np.random.default_rng(0).normal(0, 1, (5, 3))
    together = descend(bananas, starts_BP, iterations=60)
    for b, start_P in enumerate(starts_BP):
        alone = descend(bananas, start_P[None], iterations=60)
        assert alone.parameters_BP[0].tolist() == together.parameters_BP[b].tolist()


def test_values_never_rise_and_the_limit_is_kept():
    values = []
    for iterations in (0, 1, 3, 10):
        found = descend(bananas, np.array([[-1.2, 1.0]]), iterations=iterations)
        assert found.iterations <= iterations
        values.append(float(found.value_B[0]))
    assert values == sorted(values, reverse=True)
    assert not found.settled_B[0]


def test_at_a_minimum_it_stays():
    found = descend(quadratic, np.zeros((1, 2)), iterations=10)
    assert found.settled_B.all()
    assert found.parameters_BP.tolist() == [[0.0, 0.0]]
