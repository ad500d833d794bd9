"""The log-linear law: known truths recovered, the optimum global, nothing dependent on order."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from olmixctl.surrogate import Evidence, parameters_digest
from olmixctl.surrogate.log_linear import RIDGES, LogLinear
from olmixctl.surrogate.newton import LOOSE, Problems, leave_one_out, refine

Array = NDArray[np.float64]


def evidence_of(weights_RC: Array, losses_RM: Array) -> Evidence:
    runs = [f"r{i:03}" for i in range(len(weights_RC))]
    return Evidence.of(
        {run: {f"d{j:02}": w for j, w in enumerate(row)} for run, row in zip(runs, weights_RC, strict=True)},
        {run: {f"m{j:02}": y for j, y in enumerate(row)} for run, row in zip(runs, losses_RM, strict=True)},
    )


def truth(runs: int, coordinates: int, metrics: int, noise: float, seed: int = 0) -> tuple[Array, ...]:
    """Weights, noisy losses, noiseless losses, offsets, coefficients."""
    rng = np.random.default_rng(seed)
    weights_RC = rng.dirichlet(np.full(coordinates, 0.6), runs)
    coefficients_MC, offsets_M = rng.normal(0, 0.6, (metrics, coordinates)), rng.uniform(0.2, 1.0, metrics)
    clean_RM = offsets_M + np.exp(weights_RC @ coefficients_MC.T)
    return weights_RC, clean_RM + rng.normal(0, noise, clean_RM.shape), clean_RM, offsets_M, coefficients_MC


@pytest.mark.parametrize("delta", [None, 1.345])
def test_noiseless_truth_is_recovered(delta: float | None) -> None:
    weights_RC, losses_RM, _, offsets_M, coefficients_MC = truth(80, 6, 4, 0.0)
    fit = LogLinear(delta).fit(evidence_of(weights_RC, losses_RM))
    assert fit.status.converged
    assert np.abs(fit.predict(weights_RC) - losses_RM).max() < 1e-4
    assert np.abs(fit.offsets_M - offsets_M).max() < 2e-3
    assert np.abs(fit.coefficients_MC - coefficients_MC).max() < 5e-3


def test_predictions_are_better_than_the_noise() -> None:
    weights_RC, losses_RM, clean_RM, _, _ = truth(64, 8, 6, 0.05)
    fit = LogLinear().fit(evidence_of(weights_RC, losses_RM))
    assert np.sqrt(np.mean((fit.predict(weights_RC) - clean_RM) ** 2)) < 0.03


def test_outliers_hardly_move_the_robust_fit() -> None:
    weights_RC, losses_RM, clean_RM, _, _ = truth(80, 5, 3, 0.01)
    losses_RM[::20] += 2.0
    errors = {
        delta: np.abs(LogLinear(delta).fit(evidence_of(weights_RC, losses_RM)).predict(weights_RC) - clean_RM).mean()
        for delta in (None, 1.345)
    }
    assert errors[1.345] < 0.02
    assert errors[1.345] < errors[None] / 4


def test_the_optimum_is_no_higher_than_many_random_starts_find() -> None:
    from scipy.optimize import least_squares

    weights_RC, losses_RM, _, _, _ = truth(60, 4, 3, 0.1, seed=5)
    fit = LogLinear(None).fit(evidence_of(weights_RC, losses_RM))
    rng = np.random.default_rng(0)
    for m in range(3):
        ridge = np.sqrt(2 * len(weights_RC) * fit.ridges_M[m]) * losses_RM[:, m].std()

        def residuals(at: Array, y: Array = losses_RM[:, m], r: float = float(ridge)) -> Array:
            return np.concatenate([at[0] + np.exp(weights_RC @ at[1:]) - y, r * (at[1:] - at[1:].mean())])

        ours = (residuals(np.concatenate([fit.offsets_M[m : m + 1], fit.coefficients_MC[m]])) ** 2).sum()
        lower, upper = np.r_[0.0, np.full(4, -20.0)], np.full(5, 20.0)
        starts = [np.r_[rng.uniform(0, 1), rng.normal(0, 1, 4)] for _ in range(20)]
        others = [2 * least_squares(residuals, start, bounds=(lower, upper)).cost for start in starts]
        assert ours <= min(others) * (1 + 1e-9)


def test_the_gradient_vanishes_at_the_fit() -> None:
    """The result is an optimum to rounding error, which is what makes it the same on every machine."""
    weights_RC, losses_RM, _, _, _ = truth(50, 6, 5, 0.05)
    evidence = evidence_of(weights_RC, losses_RM)
    fit = LogLinear(None).fit(evidence)
    start_BP = np.concatenate([fit.offsets_M[:, None], fit.coefficients_MC], axis=1)
    penalty_B = fit.ridges_M * losses_RM.std(axis=0) ** 2
    problems = Problems(weights_RC, Problems.outer(weights_RC), losses_RM.T, penalty_B, np.full(5, np.inf))
    for j in range(start_BP.shape[1]):
        step = 1e-5 * np.eye(start_BP.shape[1])[j]
        slope_B = (problems.objective(start_BP + step) - problems.objective(start_BP - step)) / 2e-5
        assert np.abs(slope_B[start_BP[:, 0] > 0]).max() < 1e-9


def test_order_of_runs_metrics_and_coordinates_means_nothing() -> None:
    weights_RC, losses_RM, _, _, _ = truth(30, 5, 4, 0.05)
    runs, names, metrics = [f"r{i}" for i in range(30)], list("edcba"), list("zyxw")
    rng = np.random.default_rng(1)

    def build(rows: Array, columns: Array, measures: Array) -> Evidence:
        return Evidence.of(
            {runs[r]: {names[c]: weights_RC[r, c] for c in columns} for r in rows},
            {runs[r]: {metrics[m]: losses_RM[r, m] for m in measures} for r in rows[::-1]},
        )

    plain = LogLinear().fit(build(np.arange(30), np.arange(5), np.arange(4)))
    mixed = LogLinear().fit(build(rng.permutation(30), rng.permutation(5), rng.permutation(4)))
    assert plain.metrics == mixed.metrics
    assert np.array_equal(plain.coefficients_MC, mixed.coefficients_MC)
    assert parameters_digest(plain) == parameters_digest(mixed)


def test_a_metric_is_fitted_alike_alone_and_in_company() -> None:
    weights_RC, losses_RM, _, _, _ = truth(40, 5, 6, 0.05)
    together = LogLinear().fit(evidence_of(weights_RC, losses_RM))
    for m in range(6):
        alone = LogLinear().fit(evidence_of(weights_RC, losses_RM[:, m : m + 1]))
        assert np.allclose(alone.coefficients_MC[0], together.coefficients_MC[m], rtol=1e-9, atol=1e-9)


def test_renaming_coordinates_permutes_the_fit() -> None:
    weights_RC, losses_RM, _, _, _ = truth(40, 5, 2, 0.05)
    order = np.array([3, 1, 4, 0, 2])
    plain = LogLinear().fit(evidence_of(weights_RC, losses_RM))
    moved = LogLinear().fit(evidence_of(weights_RC[:, order], losses_RM))
    assert np.allclose(plain.coefficients_MC[:, order], moved.coefficients_MC, rtol=1e-9, atol=1e-9)


def test_gradient_matches_differences() -> None:
    weights_RC, losses_RM, _, _, _ = truth(40, 5, 3, 0.05)
    fit = LogLinear().fit(evidence_of(weights_RC, losses_RM))
    point, gradient_MC = weights_RC[7], fit.gradient(weights_RC[7])
    for j in range(5):
        step = 1e-6 * np.eye(5)[j]
        slope_M = (fit.predict((point + step)[None])[0] - fit.predict((point - step)[None])[0]) / 2e-6
        assert np.allclose(slope_M, gradient_MC[:, j], atol=1e-6)


def test_never_sampled_coordinates_are_named_and_neutral() -> None:
    weights_RC, losses_RM, _, _, _ = truth(40, 5, 2, 0.05)
    padded_RC = np.insert(weights_RC, 2, 0.0, axis=1)
    fit = LogLinear().fit(evidence_of(padded_RC, losses_RM))
    assert fit.status.never_sampled == ("d02",)
    assert "never sampled, held at the reference share: d02" in fit.status.notes
    others = np.delete(fit.coefficients_MC, 2, axis=1)
    assert np.allclose(fit.coefficients_MC[:, 2], others.mean(axis=1))
    assert np.array_equal(others, LogLinear().fit(evidence_of(weights_RC, losses_RM)).coefficients_MC)


def test_fewer_runs_than_parameters_is_regularised_and_said() -> None:
    weights_RC, losses_RM, clean_RM, _, _ = truth(200, 12, 4, 0.02)
    fit = LogLinear().fit(evidence_of(weights_RC[:8], losses_RM[:8]))
    assert any("8 runs for 13 parameters" in note for note in fit.status.notes)
    ours = np.sqrt(np.mean((fit.predict(weights_RC[8:]) - clean_RM[8:]) ** 2))
    mean = np.sqrt(np.mean((losses_RM[:8].mean(axis=0) - clean_RM[8:]) ** 2))
    assert np.isfinite(fit.coefficients_MC).all()
    assert ours < 1.1 * mean


def test_one_run_predicts_itself_everywhere() -> None:
    fit = LogLinear().fit(evidence_of(np.array([[0.2, 0.3, 0.5]]), np.array([[1.7, 0.4]])))
    assert np.allclose(fit.predict(np.eye(3)), [[1.7, 0.4]] * 3, atol=1e-6)


def test_a_constant_metric_has_no_slopes() -> None:
    weights_RC, losses_RM, _, _, _ = truth(30, 4, 2, 0.05)
    losses_RM[:, 1] = 1.25
    fit = LogLinear().fit(evidence_of(weights_RC, losses_RM))
    assert any("m01" in note and "same in every run" in note for note in fit.status.notes)
    assert np.allclose(fit.predict(np.eye(4))[:, 1], 1.25, atol=1e-6)


def test_replicates_are_averaged() -> None:
    weights_RC, losses_RM, _, _, _ = truth(30, 4, 1, 0.0)
    both_RC = np.concatenate([weights_RC, weights_RC])
    both_RM = np.concatenate([losses_RM + 0.05, losses_RM - 0.05])
    fit = LogLinear(None).fit(evidence_of(both_RC, both_RM))
    assert np.abs(fit.predict(weights_RC) - losses_RM).max() < 5e-3  # each replicate alone is off by 0.05


def test_the_offset_stops_at_zero() -> None:
    """Data of a law with a negative offset: the fit stays at c = 0 and converges there."""
    rng = np.random.default_rng(2)
    weights_RC = rng.dirichlet(np.ones(4), 50)
    losses_RM = np.exp(weights_RC @ np.array([[1.0, 1.2, 1.4, 1.9]]).T) - 1.5
    fit = LogLinear().fit(evidence_of(weights_RC, losses_RM))
    assert fit.status.converged
    assert fit.offsets_M[0] == 0.0


def test_leave_one_out_matches_refits() -> None:
    weights_RC, losses_RM, _, _, _ = truth(40, 5, 1, 0.05)
    outer_RQ, ridge = Problems.outer(weights_RC), 1e-3

    def problem(keep: Array) -> Problems:
        count = np.array([len(keep) / 40.0])
        return Problems(weights_RC[keep], outer_RQ[keep], losses_RM[keep].T, ridge / count, np.array([np.inf]))

    every = np.arange(40)
    whole = refine(problem(every), np.r_[0.3, np.zeros(5)][None], tolerance=LOOSE).parameters_BP
    errors = []
    for r in range(40):
        at = refine(problem(np.delete(every, r)), whole).parameters_BP[0]
        errors.append(0.5 * (losses_RM[r, 0] - at[0] - np.exp(weights_RC[r] @ at[1:])) ** 2)
    assert leave_one_out(problem(every), whole)[0] == pytest.approx(np.mean(errors), rel=0.05)


def test_noise_brings_a_stronger_ridge() -> None:
    quiet, loud = (LogLinear().fit(evidence_of(*truth(40, 10, 8, noise)[:2])) for noise in (0.0005, 0.6))
    assert np.median(np.log10(loud.ridges_M)) > np.median(np.log10(quiet.ridges_M))
    assert set(loud.ridges_M) <= set(RIDGES)
