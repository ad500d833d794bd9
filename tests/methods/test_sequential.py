"""Rounds of a swarm on truths that are known: what is asked for, and how sure it is."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from truths import truth_of

from olmixctl.methods.problem import convex_metrics
from olmixctl.methods.sequential import Standing, _counted, confidence_of, next_batch
from olmixctl.mixture import GRID, Coordinates
from olmixctl.solve.exact import optimum
from olmixctl.solve.problem import WorstCase
from olmixctl.surrogate import FAMILIES
from olmixctl.surrogate.model import Evidence
from olmixctl.swarm import draw_informative, draw_swarm


def standing_after(truth, design, family="log_linear", evidence=None):
    coordinates = Coordinates(truth.domains)
    evidence = evidence or truth.measured([mixture.as_mixture() for mixture in design], 1)
    fit = FAMILIES[family].fit(evidence)
    swarm = truth.swarm(1, 0)
    problem = truth.problem(coordinates, {name: swarm.prior[name] for name in fit.status.never_sampled})
    return Standing(
        swarm=swarm,
        evidence=evidence,
        fit=fit,
        point=optimum(problem, convex_metrics(fit)).point,
        metric_weights=problem.metric_weights,
        kl=problem.kl,
    )


@pytest.fixture(scope="module")
def truth():
    return truth_of("log_linear", 6, 1)


@pytest.fixture(scope="module")
def standing(truth):
    return standing_after(truth, draw_informative(truth.swarm(7, 0)))


def renamed(evidence):
    """The same runs under names that sort the other way round."""
    runs = [f"z{len(evidence.runs) - i:03}" for i in range(len(evidence.runs))]
    tables = ((evidence.coordinates, evidence.weights_RC), (evidence.metrics, evidence.losses_RM))
    return Evidence.of(*(
        {run: dict(zip(names, map(float, row), strict=True)) for run, row in zip(runs, rows, strict=True)}
        for names, rows in tables
    ))  # fmt: skip


def test_a_batch_is_a_function_of_the_evidence_alone(truth, standing):
    again = standing_after(truth, (), evidence=renamed(standing.evidence))
    assert next_batch(standing, 4) == next_batch(standing, 4) == next_batch(again, 4)
    assert confidence_of(again, 0.002).regret_q90 == pytest.approx(confidence_of(standing, 0.002).regret_q90, rel=1e-6)


def test_a_batch_asks_for_new_mixtures_within_the_limits(standing):
    limits = dict.fromkeys(standing.evidence.coordinates, 0.45)
    limited = replace(standing, swarm=replace(standing.swarm, limits=limits))
    batch = next_batch(limited, 5)
    assert len({tuple(mixture.values()) for mixture in batch}) == 5
    assert max(points for mixture in batch for points in mixture.values()) <= 0.45 * GRID


def test_more_runs_make_it_surer(truth):
    design = draw_swarm(truth.swarm(28, 0))
    sure = [confidence_of(standing_after(truth, design[:count]), 0.002) for count in (8, 14, 28)]
    assert sure[0].probability < sure[-1].probability
    assert sure[0].regret_q90 > sure[1].regret_q90 > sure[2].regret_q90 >= sure[2].regret_q50 >= 0


def test_it_is_surer_of_a_larger_regret(standing):
    found = [confidence_of(standing, epsilon).probability for epsilon in (0.0, 1e-4, 1e-3, 1e-2, 1.0)]
    assert found == sorted(found)
    assert found[0] == 0.0
    assert found[-1] == 1.0


def test_metrics_that_repeat_badly_make_it_less_sure():
    design = draw_swarm(truth_of("log_linear", 6, 1).swarm(21, 0))
    quiet, loud = (
        confidence_of(standing_after(replace(truth_of("log_linear", 6, 1), noise=noise), design), 0.002)
        for noise in (0.01, 0.3)
    )
    assert loud.regret_q90 > 3 * quiet.regret_q90


@pytest.mark.parametrize("family", ["log_linear", "saturating"])
def test_what_no_run_has_sampled_is_asked_for(truth, family):
    """Three runs that leave out two domains, of which they so say nothing."""
    left_out = truth.domains[2:4]
    prior = {name: 0.0 if name in left_out else weight for name, weight in truth.reference.items()}
    design = draw_informative(replace(truth.swarm(3, 0), prior=prior))
    standing = standing_after(truth, design, family)
    batch = next_batch(standing, 4)
    assert standing.fit.status.never_sampled == left_out
    assert all(max(mixture[name] for mixture in batch) > 0 for name in left_out)


def test_a_coordinate_without_a_reference_is_not_sampled(truth):
    never = truth.domains[0]
    prior = {name: 0.0 if name == never else weight for name, weight in truth.reference.items()}
    swarm = replace(truth.swarm(8, 0), prior=prior)
    standing = replace(standing_after(truth, draw_informative(swarm)), swarm=swarm)
    assert {mixture[never] for mixture in next_batch(standing, 3)} == {0}
    assert 0 <= confidence_of(standing, 0.002).probability <= 1


def test_without_kl_there_is_an_answer(standing):
    free = replace(standing, kl=0.0)
    assert len(next_batch(free, 2)) == 2
    assert 0 <= confidence_of(free, 0.002).probability <= confidence_of(standing, 0.002).probability


def test_equal_losses_leave_nothing_to_ask_but_a_batch_still_comes(truth):
    evidence = truth.measured([mixture.as_mixture() for mixture in draw_informative(truth.swarm(8, 0))], 1)
    level = replace(evidence, losses_RM=np.ones_like(evidence.losses_RM))
    standing = standing_after(truth, (), evidence=level)
    assert len(next_batch(standing, 3)) == 3
    assert confidence_of(standing, 0.002).probability == 1.0


def test_a_family_whose_parameters_are_unknown_is_refused(standing):
    trees = FAMILIES["lightgbm"].fit(standing.evidence)
    with pytest.raises(TypeError, match="lightgbm"):
        next_batch(replace(standing, fit=trees), 1)


def test_true_regrets_are_below_the_bound_of_nine_tenths():
    """Over truths of every convex kind, at as many runs as a stop would look at."""
    inside = []
    for seed in range(4):
        for kind, family in (("log_linear", "log_linear"), ("noisy", "saturating")):
            truth = truth_of(kind, 5, seed)
            standing = standing_after(truth, draw_swarm(truth.swarm(12, seed)), family)
            inside.append(truth.regret(standing.point) <= confidence_of(standing, 0.002).regret_q90)
    assert np.mean(inside) >= 0.85


def test_regret_in_rounds_is_never_negative_and_falls(truth):
    design = list(draw_informative(truth.swarm(6, 0)))
    found = [truth.regret(standing_after(truth, design).point)]
    for _ in range(2):
        design += next_batch(standing_after(truth, design), 4)
        found.append(truth.regret(standing_after(truth, design).point))
    assert min(found) >= -1e-9
    assert found[-1] < found[0]


def test_where_the_worst_family_counts_metrics_count_as_in_the_mean_with_the_same_optimum(truth):
    worst = (
        WorstCase(name="code", weights={"m0": 3.0, "m1": 1.0}, baseline=1.0),
        WorstCase(name="text", weights={"m2": 2.0}, baseline=1.0),
    )
    problem = replace(truth.problem(), worst_case=worst)
    solved = SimpleNamespace(problem=problem, solution=SimpleNamespace(duals={"family:code": 0.4, "family:text": 0.6}))
    assert _counted(solved) == pytest.approx({"m0": 0.3, "m1": 0.1, "m2": 0.6})
