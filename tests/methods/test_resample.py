"""The bootstrap over runs: what is drawn, what is solved, what it says of mixes, and how often it is right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from olmixctl.methods.laws import best_near
from olmixctl.methods.olmix import Fitted
from olmixctl.methods.problem import convex_metrics
from olmixctl.methods.resample import Interval, mixture_draws, resample, share_of
from olmixctl.mixture import Coordinates, Mixture
from olmixctl.solve.exact import optimum
from olmixctl.solve.problem import ConvexMetric, LinearBound, MixProblem
from olmixctl.solve.program import objective_at
from olmixctl.surrogate.draws import Draws, drawn_evidence
from olmixctl.surrogate.model import Evidence
from olmixctl.surrogate.registry import FAMILIES

LEAVES = ("a", "b", "c", "d")


def laws_of(seed, metrics=3):
    rng = np.random.default_rng(seed)
    return tuple(
        ConvexMetric(
            name=f"m{m}",
            offset=0.5,
            coefficients=dict(zip(LEAVES, rng.uniform(-2, 0.5, len(LEAVES)).tolist(), strict=True)),
        )
        for m in range(metrics)
    )


def problem_of(**changes):
    given = {
        "coordinates": Coordinates(LEAVES),
        "reference": Mixture.normalised({leaf: 1.0 + place for place, leaf in enumerate(LEAVES)}),
        "kl": 0.05,
        "metric_weights": {"m0": 1.0, "m1": 2.0, "m2": 0.5},
    }
    return MixProblem(**{**given, **changes})


def evidence_of(runs, seed, noise=0.004):
    """Measured runs of known laws over four domains, two runs a mixture."""
    rng = np.random.default_rng(seed)
    weights_RC = np.repeat(rng.dirichlet(np.ones(4), runs // 2), 2, axis=0)
    truth_RM = np.array([[law.value(dict(zip(LEAVES, row, strict=True))) for law in laws_of(7)] for row in weights_RC])
    return Evidence(
        runs=tuple(f"r1:{i:03}" for i in range(runs)),
        coordinates=LEAVES,
        metrics=("m0", "m1", "m2"),
        weights_RC=weights_RC,
        losses_RM=truth_RM + rng.normal(0, noise, truth_RM.shape),
    )


def fitted_of(evidence, family="log_linear"):
    return Fitted(family=family, reason="", evidence=evidence, fit=FAMILIES[family].fit(evidence))


def test_draws_take_all_runs_of_a_mixture_and_depend_on_their_number_alone():
    evidence = evidence_of(20, 0)
    draws = mixture_draws(evidence, 3, range(5))
    assert (draws.counts_NR.sum(axis=1) == 20).all()
    assert (draws.counts_NR[:, ::2] == draws.counts_NR[:, 1::2]).all()
    assert (mixture_draws(evidence, 3, [4]).counts_NR[0] == draws.counts_NR[4]).all()
    assert len({tuple(row) for row in draws.counts_NR}) == 5
    assert (mixture_draws(evidence, 4, range(5)).counts_NR != draws.counts_NR).any()
    drawn = drawn_evidence(evidence, draws, 2)
    assert len(set(drawn.runs)) == len(drawn.runs) == 20


def test_every_draw_is_solved_like_a_problem_of_its_own():
    fitted, problem = (
        fitted_of(evidence_of(40, 1)),
        problem_of(rows=(LinearBound(name="max:a", coefficients={"a": 1.0}, upper=0.2),)),
    )
    draws = mixture_draws(fitted.evidence, 0, range(3))
    mix = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}
    found = resample(fitted, lambda _: problem, draws, {"this": mix})
    for n in range(3):
        fit = FAMILIES["log_linear"].refit(fitted.fit, drawn_evidence(fitted.evidence, draws, n))
        metrics = convex_metrics(fit)
        best = optimum(problem, metrics)
        assert found.shares_NC[n] == pytest.approx([best.point[leaf] for leaf in LEAVES], abs=1e-6)
        assert found.optima_N[n] == pytest.approx(best.objective, abs=1e-8)
        assert found.judged["this"].objectives_N[n] == pytest.approx(objective_at(problem, metrics, mix), abs=1e-9)
        expected = [metric.value(mix) for metric in metrics]
        assert found.judged["this"].metrics_NM[n] == pytest.approx(expected, abs=1e-9)
    assert (found.asked, found.failed) == (3, 0)


def test_guardrails_count_from_what_each_draw_predicts_of_the_reference():
    fitted = fitted_of(evidence_of(40, 2))

    def asked(each):
        at = each.fit.predict(np.array([[0.1, 0.2, 0.3, 0.4]]))[0]
        return problem_of(guardrails=(("m0", float(at[0]) - 0.02),))

    draws = mixture_draws(fitted.evidence, 0, range(3))
    found = resample(fitted, asked, draws)
    for n in range(3):
        fit = FAMILIES["log_linear"].refit(fitted.fit, drawn_evidence(fitted.evidence, draws, n))
        best = optimum(
            asked(Fitted(family="log_linear", reason="", evidence=fitted.evidence, fit=fit)), convex_metrics(fit)
        )
        assert found.shares_NC[n] == pytest.approx([best.point[leaf] for leaf in LEAVES], abs=1e-6)


def test_regret_is_of_the_draw_and_never_negative():
    fitted, problem = fitted_of(evidence_of(40, 3)), problem_of()
    best = optimum(problem, convex_metrics(fitted.fit)).point
    mixes = {"this": best, "worse": {"a": 0.97, "b": 0.01, "c": 0.01, "d": 0.01}}
    found = resample(fitted, lambda _: problem, mixture_draws(fitted.evidence, 0, range(30)), mixes)
    assert (found.regrets("this") >= 0).all()
    assert np.median(found.regrets("this")) < 0.01 * np.median(found.regrets("worse"))
    assert found.confidence("this", 0.01) > 0.9
    assert found.confidence("worse", 0.01) < 0.1
    assert found.better("this", "worse") > 0.9
    assert found.better("worse", "this") == pytest.approx(1 - found.better("this", "worse"))
    assert found.better("this", "unheard of") is None


def test_draws_never_make_a_thing_certain():
    assert share_of(np.ones(98, dtype=bool)) == 0.99
    assert share_of(np.zeros(98, dtype=bool)) == 0.01


def test_an_interval_of_a_member_is_its_part_of_the_block():
    whole, part = Interval.of(np.arange(101.0)), Interval.of(np.arange(101.0), ratio=0.25)
    assert (whole.low, whole.high) == (6.0, 94.0)
    assert (part.low, part.high) == (1.5, 23.5)


def test_draws_of_laws_that_are_not_convex_are_solved_until_no_step_leads_down():
    fitted = fitted_of(evidence_of(20, 0), "gaussian")
    fitted = replace(fitted, guide=fitted_of(fitted.evidence, "saturating").fit)
    problem, draws = problem_of(), mixture_draws(fitted.evidence, 0, range(12))
    found = resample(fitted, lambda _: problem, draws, {"far": {"a": 0.4, "b": 0.1, "c": 0.1, "d": 0.4}})
    for n, fit in enumerate(FAMILIES["gaussian"].refits(fitted.fit, fitted.evidence, draws)):
        here = dict(zip(LEAVES, found.shares_NC[n].tolist(), strict=True))
        on = best_near(problem, replace(fitted, fit=fit), [here])
        assert on.objective == pytest.approx(found.optima_N[n], abs=5e-6)


def test_bounds_that_exclude_each_other_leave_no_draw_and_no_interval():
    fitted = fitted_of(evidence_of(20, 0))
    rows = tuple(LinearBound(name=f"max:{leaf}", coefficients={leaf: 1.0}, upper=0.2) for leaf in LEAVES)
    seen = []
    draws = mixture_draws(fitted.evidence, 0, range(12))
    found = resample(
        fitted, lambda _: problem_of(rows=rows), draws, {"this": dict.fromkeys(LEAVES, 0.25)},
        lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert (found.asked, found.failed) == (12, 12)
    assert found.interval("a") is None
    assert found.confidence("this", 1.0) == 0.0
    assert found.better("this", "this") is None
    assert seen[-1] == (12, 12)


def test_exact_evidence_leaves_no_doubt():
    fitted = fitted_of(evidence_of(40, 0, noise=0.0))
    found = resample(fitted, lambda _: problem_of(), mixture_draws(fitted.evidence, 0, range(20)))
    assert all(found.interval(leaf).high - found.interval(leaf).low < 2e-3 for leaf in LEAVES)


def test_no_draws_are_no_resamples():
    fitted = fitted_of(evidence_of(20, 0))
    found = resample(fitted, lambda _: problem_of(), Draws(np.zeros((0, 20))))
    assert (found.asked, found.failed, found.interval("a")) == (0, 0, None)
