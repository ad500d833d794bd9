"""The log-linear law: known truths recovered, the optimum global, nothing dependent on order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from olmixctl.surrogate import Evidence, parameters_digest
from olmixctl.surrogate.effects import Problems, leave_one_out
from olmixctl.surrogate.log_linear import RIDGES, LogLinear, LogLinearFit, _Data
from olmixctl.surrogate.newton import refine

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


def problems_of(weights_RC: Array, losses_RM: Array, ridge: float, delta: float = np.inf) -> Problems:
    return _Data.of(weights_RC, losses_RM).problems(*np.broadcast_arrays(np.full(losses_RM.shape[1], ridge), delta))


def final(fit: LogLinearFit, weights_RC: Array, losses_RM: Array) -> Array:
    """The parameters that the fitted law stands for: θ and g in units of the scale."""
    scale_M, mean_M = losses_RM.std(axis=0), losses_RM.mean(axis=0)
    lift_M = mean_M - fit.offsets_M
    effects_MC = (fit.coefficients_MC - np.log(lift_M)[:, None]) * (lift_M / scale_M)[:, None]
    return np.concatenate([np.log(scale_M / lift_M)[:, None], effects_MC], axis=1)


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("runs", [5, 12, 60])
def test_the_optimum_is_no_higher_than_many_random_starts_find(noise: float, runs: int) -> None:
    from scipy.optimize import minimize

    weights_RC, losses_RM, _, _, _ = truth(runs, 4, 3, noise, seed=5)
    losses_RM = np.abs(losses_RM) + 0.05
    fit = LogLinear(None).fit(evidence_of(weights_RC, losses_RM))
    ours_MP = final(fit, weights_RC, losses_RM)
    rng = np.random.default_rng(0)
    for m in range(3):
        problem = problems_of(weights_RC, losses_RM[:, m : m + 1], float(fit.ridges_M[m]))

        def value(at: Array, problem: Problems = problem) -> float:
            return float(problem.objective(at[None])[0])

        def slope(at: Array, problem: Problems = problem) -> Array:
            return problem.derivatives(at[None], np.ones(1, dtype=bool)).gradient_BP[0]

        box = [(problem.lower_B[0], problem.upper_B[0]), *[(-50.0, 50.0)] * 4]
        starts = [np.r_[rng.uniform(problem.lower_B[0], 2.0), rng.normal(0, 1.5, 4)] for _ in range(6)]
        others = [
            minimize(value, start, jac=slope, method="L-BFGS-B", bounds=box, options={"maxiter": 300}).fun
            for start in starts
        ]
        assert value(ours_MP[m]) <= min(others) * (1 + 1e-9) + 1e-14


@pytest.mark.parametrize("delta", [0.5, np.inf])
@pytest.mark.parametrize("theta", [-9.0, -1.0, 0.7])
def test_derivatives_match_differences(delta: float, theta: float) -> None:
    """Straight (where the series count) and curved, inside the Huber threshold and outside."""
    weights_RC, losses_RM, _, _, _ = truth(50, 4, 3, 0.2)
    problems = problems_of(weights_RC, losses_RM, 1e-2, delta)
    at_BP = np.random.default_rng(3).normal(0, 0.8, (3, 5))
    at_BP[:, 0] = theta
    exact = problems.derivatives(at_BP, np.ones(3, dtype=bool))
    for j in range(5):
        step = 1e-5 * np.eye(5)[j]
        rise_B = (problems.objective(at_BP + step) - problems.objective(at_BP - step)) / 2e-5
        assert np.allclose(rise_B, exact.gradient_BP[:, j], atol=1e-8)
        above, below = (problems.derivatives(at_BP + s, np.ones(3, dtype=bool)).gradient_BP for s in (step, -step))
        assert np.allclose((above - below) / 2e-5, exact.hessian_BPP[:, j], atol=1e-6)


def test_the_gradient_vanishes_at_the_fit() -> None:
    """The result is an optimum to rounding error, which is what makes it the same on every machine."""
    weights_RC, losses_RM, _, _, _ = truth(50, 6, 5, 0.05)
    fit = LogLinear(None).fit(evidence_of(weights_RC, losses_RM))
    at_MP = final(fit, weights_RC, losses_RM)
    for m in range(5):
        problem = problems_of(weights_RC, losses_RM[:, m : m + 1], float(fit.ridges_M[m]))
        gradient_P = problem.derivatives(at_MP[m : m + 1], np.ones(1, dtype=bool)).gradient_BP[0]
        held = fit.offsets_M[m] == 0.0
        assert np.abs(gradient_P[int(held) :]).max() < 1e-12


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
    assert "never sampled, so nothing is known of it, and it counts as the mean domain: d02" in fit.status.notes
    others = np.delete(fit.coefficients_MC, 2, axis=1)
    assert np.allclose(fit.coefficients_MC[:, 2], others.mean(axis=1))
    assert np.array_equal(others, LogLinear().fit(evidence_of(weights_RC, losses_RM)).coefficients_MC)


def test_fewer_runs_than_parameters_is_regularised_and_said() -> None:
    weights_RC, losses_RM, clean_RM, _, _ = truth(200, 12, 4, 0.02)
    fit = LogLinear().fit(evidence_of(weights_RC[:8], losses_RM[:8]))
    assert any("8 mixtures for 13 parameters" in note for note in fit.status.notes)
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
    whole = problems_of(weights_RC, losses_RM, 1e-3)
    at_BP = refine(whole, np.zeros((1, 6))).parameters_BP
    errors = []
    for r in range(40):
        keep = np.delete(np.arange(40), r)
        share = np.array([40.0 / 39.0])
        part = replace(
            whole,
            weights_RC=weights_RC[keep],
            outer_RQ=whole.outer_RQ[keep],
            losses_BR=whole.losses_BR[:, keep],
            share_BR=np.full((1, 39), 1 / 39),
            ridge_B=whole.ridge_B * share,
            prior_B=whole.prior_B * share,
        )
        again_BP = refine(part, at_BP).parameters_BP
        errors.append(0.5 * (whole.losses_BR[0, r] - whole.effects(again_BP)[0, r]) ** 2)
    assert leave_one_out(whole, at_BP)[0] == pytest.approx(np.mean(errors), rel=0.05)


def test_noise_brings_a_stronger_ridge() -> None:
    quiet, loud = (LogLinear().fit(evidence_of(*truth(40, 10, 8, noise)[:2])) for noise in (0.0005, 0.6))
    assert np.median(np.log10(loud.ridges_M)) > np.median(np.log10(quiet.ridges_M))
    assert set(loud.ridges_M) <= set(RIDGES)
