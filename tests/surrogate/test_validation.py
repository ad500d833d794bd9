"""Cross-validation: out of sample in truth, replicates together, order without meaning."""

from __future__ import annotations

import numpy as np
import pytest

from olmixctl.surrogate import Evidence, cross_validate
from olmixctl.surrogate.log_linear import LogLinear
from olmixctl.surrogate.validation import _folds, rank_correlation


def evidence(runs: int = 40, noise: float = 0.02, repeats: int = 1) -> Evidence:
    rng = np.random.default_rng(0)
    weights_RC = np.repeat(rng.dirichlet(np.ones(4), runs // repeats), repeats, axis=0)
    slopes_MC = np.array([[0.9, 0.1, -0.4, 0.3], [0.2, -0.8, 0.5, 0.0]])
    losses_RM = 0.5 + np.exp(weights_RC @ slopes_MC.T) + rng.normal(0, noise, (len(weights_RC), 2))
    names = [f"r{i:03}" for i in range(len(weights_RC))]
    return Evidence.of(
        {n: dict(zip("abcd", row, strict=True)) for n, row in zip(names, weights_RC, strict=True)},
        {n: dict(zip("xy", row, strict=True)) for n, row in zip(names, losses_RM, strict=True)},
    )


def test_a_true_law_is_ranked_well() -> None:
    found = cross_validate(evidence(), LogLinear())
    assert found is not None
    assert found.spearman is not None
    assert found.spearman > 0.95
    assert found.rmse < 0.04
    assert set(found.metric_spearman) == set(found.metric_rmse) == {"x", "y"}
    assert (found.folds, found.runs) == (5, 40)


def test_noise_alone_has_no_rank() -> None:
    """In sample a law with four slopes would rank noise; out of sample it must not."""
    plain = evidence(40)
    noise = np.random.default_rng(3).normal(1, 0.1, (40, 2))
    found = cross_validate(
        Evidence(
            runs=plain.runs,
            coordinates=plain.coordinates,
            metrics=plain.metrics,
            weights_RC=plain.weights_RC,
            losses_RM=noise,
        ),
        LogLinear(),
    )
    assert found is not None
    assert found.spearman is None or abs(found.spearman) < 0.45
    assert found.rmse > 0.05


def test_replicates_share_a_fold() -> None:
    repeated = evidence(40, repeats=4)
    fold_R, used = _folds(repeated, 5, 0)
    assert used == 5
    for start in range(0, 40, 4):
        assert len(set(fold_R[start : start + 4])) == 1


def test_objective_weights_choose_the_metrics() -> None:
    found = cross_validate(evidence(), LogLinear(), objective_weights={"x": 2.0})
    assert found is not None
    assert found.spearman == found.metric_spearman["x"]
    assert found.rmse == pytest.approx(found.metric_rmse["x"])


def test_seeded_and_repeatable() -> None:
    same = [cross_validate(evidence(), LogLinear(), seed=4) for _ in range(2)]
    assert same[0] == same[1]
    assert same[0] != cross_validate(evidence(), LogLinear(), seed=5)


def test_too_few_mixtures_give_none() -> None:
    assert cross_validate(evidence(8, repeats=4), LogLinear()) is None


def test_fewer_mixtures_than_folds() -> None:
    found = cross_validate(evidence(4), LogLinear(), folds=10)
    assert found is not None
    assert found.folds == 4


def test_rank_correlation_is_spearmans() -> None:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    for _ in range(20):
        left, right = rng.integers(0, 6, 15).astype(float), rng.normal(size=15)
        assert rank_correlation(left, right) == pytest.approx(float(spearmanr(left, right).statistic))
    assert rank_correlation(np.ones(5), np.arange(5.0)) is None
