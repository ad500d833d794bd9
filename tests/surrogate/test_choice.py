"""`auto` chooses by runs held out, and says why; intervals cover what they say."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from swarms import diminishing, evidence_of, log_linear, mixtures, swarm

from olmixctl.errors import UsageError
from olmixctl.lock.model import CrossValidation as Former
from olmixctl.surrogate import FAMILIES, CrossValidation
from olmixctl.surrogate.choice import best_of, choose, names, reason_for
from olmixctl.surrogate.intervals import Intervals, with_mean
from olmixctl.surrogate.validation import hold_out, score


def scored(spearman, rmse, mean_rmse=None):
    return CrossValidation(
        spearman=spearman,
        rmse=rmse,
        mean_rmse=rmse if mean_rmse is None else mean_rmse,
        metric_spearman={},
        metric_rmse={},
        folds=5,
        runs=9,
    )


def test_auto_takes_the_family_that_predicts_unseen_runs():
    bent = choose(swarm(24, noise=0.002))
    assert bent.family.name in {"saturating", "gaussian"}
    assert set(bent.scores) == {"log_linear", "saturating", "gaussian"}
    assert bent.scores[bent.family.name].rmse < bent.scores["log_linear"].rmse
    straight = choose(swarm(40, truth=log_linear, noise=0.002))
    assert straight.scores[straight.family.name].rmse == min(found.rmse for found in straight.scores.values())


def test_rank_goes_before_error_and_error_before_that_of_the_metrics():
    """Of four hundred runs: ranks are level within 0.03 here, and errors within a tenth."""
    found = {"a": scored(0.970, 0.100, 0.30), "b": scored(0.945, 0.090, 0.31), "c": scored(0.90, 0.01, 0.02)}
    assert best_of(found, 400) == "b"
    assert reason_for("b", found) == "ranks unseen runs better than c, whose error is less"
    level = {"a": scored(0.970, 0.099, 0.27), "b": found["b"]}
    assert best_of(level, 400) == "a"
    assert reason_for("a", level) == (
        "level with b for the average of runs it had not seen, and ahead with their metrics"
    )
    assert best_of(level | {"a": scored(0.970, 0.099, 0.30)}, 400) == "b"
    assert "least error of the average" in reason_for("b", level)
    assert best_of({"a": scored(None, 0.1), "b": scored(0.2, 9.0)}, 400) == "b"


def test_where_a_metric_is_not_positive_the_wider_families_are_compared():
    plain = swarm(24, noise=0.002)
    below = replace(plain, losses_RM=plain.losses_RM - [0.0, 9.0])
    assert set(choose(below).scores) == {"saturating", "gaussian"}
    nearly = replace(plain, losses_RM=plain.losses_RM - plain.losses_RM.min(axis=0))
    assert set(choose(nearly).scores) == {"log_linear", "saturating", "gaussian"}


@pytest.mark.parametrize("unit", [1e-7, 1e5])
def test_in_its_own_unit_a_loss_of_any_size_chooses_the_same(unit):
    plain = swarm(24, noise=0.002)
    small = replace(plain, losses_RM=plain.losses_RM * unit)
    own = [float(each.losses_RM.mean(axis=1).std()) for each in (plain, small)]
    first, second = choose(plain, unit=own[0]), choose(small, unit=own[1])
    assert (first.family.name, first.reason) == (second.family.name, second.reason)


def test_a_reason_is_true_of_the_numbers_beside_it():
    tied = {"log_linear": scored(0.9, 1e-9), "gaussian": scored(0.9, 2e-9)}
    assert reason_for("log_linear", tied) == (
        "least error of the average on runs it had not seen, level with gaussian, and its rank level with the best"
    )
    backwards = {"saturating": scored(-0.405, 0.5), "gaussian": scored(-0.857, 0.3)}
    assert reason_for("gaussian", backwards) == (
        "least error of the average on runs it had not seen, and no family ranks them"
    )


def test_ranks_of_few_runs_are_level_further_apart():
    """Eighteen runs rank by luck: here one family has half the other's error, and a rank a little lower."""
    assert best_of({"a": scored(0.820, 0.296), "b": scored(0.728, 0.153)}, 18) == "b"
    assert best_of({"a": scored(0.98, 0.277), "b": scored(0.965, 0.159)}, 18) == "b"
    assert best_of({"a": scored(0.98, 0.277), "b": scored(0.95, 0.159)}, 18) == "a"


def test_errors_of_few_runs_are_level_further_apart():
    """One run that is predicted badly makes half of the error of eight; the metrics of the others say more."""
    found = {"a": scored(0.9, 0.14, 0.2), "b": scored(0.9, 0.10, 0.3)}
    assert [best_of(found, runs) for runs in (8, 34, 51, 512)] == ["a", "a", "b", "b"]


def test_where_errors_are_within_one_standard_error_the_family_that_holds_the_law_is_taken():
    found = {"saturating": scored(0.905, 0.211, 0.342), "gaussian": scored(0.866, 0.248, 0.345)}
    assert [best_of(found, runs) for runs in (18, 100)] == ["gaussian", "saturating"]
    assert reason_for("gaussian", found) == (
        "level with saturating on runs it had not seen, whose law it holds, corrects and averages"
    )
    assert best_of({"gaussian": found["saturating"], "saturating": found["gaussian"]}, 18) == "gaussian"
    assert best_of({"log_linear": found["saturating"], "gaussian": found["gaussian"]}, 18) == "log_linear"
    former = {
        "saturating": Former(spearman=Decimal("0.9"), rmse=Decimal("0.1")),
        "gaussian": Former(spearman=Decimal("0.9"), rmse=Decimal("0.101")),
    }
    assert best_of(former, 18) == "saturating"


def test_what_a_lock_states_is_enough_and_its_decimals_decide():
    found = {"a": scored(0.9, 0.1, 0.2000004), "b": scored(0.9, 0.1, 0.2000001)}
    assert best_of(found, 50) == "a"
    assert best_of(dict(reversed(found.items())), 50) == "a"


def test_locks_that_state_no_errors_of_metrics_keep_their_answer():
    former = {
        "a": Former(spearman=Decimal("0.820000"), rmse=Decimal("0.296000")),
        "b": Former(spearman=Decimal("0.728000"), rmse=Decimal("0.153000")),
    }
    assert best_of(former, 18) == "a"
    assert reason_for("a", former) == "ranks unseen runs better than b, whose error is less"
    level = former | {"b": Former(spearman=Decimal("0.740000"), rmse=Decimal("0.295000"))}
    assert best_of(level, 18) == "b"
    assert "least error of the average" in reason_for("b", level)


def test_errors_of_metrics_count_as_the_metrics_do():
    evidence = swarm(12)
    held = hold_out(evidence, FAMILIES["log_linear"])
    first, second = evidence.metrics
    found = score(evidence, held, objective_weights={first: 3.0, second: 1.0})
    assert found.mean_rmse == pytest.approx(0.75 * found.metric_rmse[first] + 0.25 * found.metric_rmse[second])
    assert found.mean_rmse >= found.rmse
    alone = score(evidence, held, objective_weights={first: 2.0})
    assert alone.mean_rmse == alone.rmse == alone.metric_rmse[first]


def test_a_family_that_is_named_is_cross_validated_alone():
    found = choose(swarm(12), "saturating")
    assert (found.family.name, found.reason, list(found.scores)) == ("saturating", "as asked for", ["saturating"])


def test_an_unknown_family_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match="'linear' is not known") as caught:
        choose(swarm(6), "linear")
    assert all(name in caught.value.remedy for name in names())


def test_two_mixtures_cannot_be_compared():
    found = choose(swarm(2))
    assert (found.family.name, found.held, found.scores) == ("log_linear", None, {})
    assert "fewer than three" in found.reason


def test_held_out_runs_are_predicted_by_fits_without_them():
    evidence = swarm(15)
    found = hold_out(evidence, FAMILIES["saturating"])
    losses_RM = evidence.losses_RM.copy()
    losses_RM[3] += 0.5
    other = hold_out(evidence_of(evidence.weights_RC, losses_RM), FAMILIES["saturating"])
    assert found.predicted_RM[3].tolist() == other.predicted_RM[3].tolist()
    assert found.predicted_RM.tolist() != other.predicted_RM.tolist()


def test_a_constant_metric_has_no_interval():
    evidence = evidence_of(mixtures(12), np.full((12, 2), 2.0))
    held = hold_out(evidence, FAMILIES["gaussian"])
    found = Intervals.of(evidence, held).predict(FAMILIES["gaussian"].fit(evidence), mixtures(3, seed=1))
    np.testing.assert_allclose(found.low_NT, 2.0)
    np.testing.assert_allclose(found.high_NT, 2.0)


@pytest.mark.parametrize(
    ("name", "truth"), [("log_linear", log_linear), ("saturating", diminishing), ("gaussian", diminishing)]
)
def test_nine_of_ten_new_runs_lie_inside(name, truth):
    """Averaged over swarms: one swarm's coverage is itself a draw."""
    covered = []
    for seed in range(12 if name == "log_linear" else 6):
        evidence = swarm(40, truth=truth, noise=0.03, seed=100 + seed, domains=3)
        intervals = Intervals.of(evidence, hold_out(evidence, FAMILIES[name]))
        unseen_NC = mixtures(300, 3, seed=500 + seed)
        losses_NM = truth(unseen_NC) + np.random.default_rng(seed).normal(0, 0.03, (300, 2))
        found = intervals.predict(FAMILIES[name].fit(evidence), unseen_NC)
        inside_NT = (found.low_NT <= with_mean(losses_NM)) & (with_mean(losses_NM) <= found.high_NT)
        covered.append(inside_NT.mean(axis=0))
    mean_T = np.mean(covered, axis=0)
    assert ((mean_T > 0.85) & (mean_T < 0.95)).all(), mean_T


def test_every_fold_of_every_family_is_heard_of():
    heard = []
    found = choose(swarm(12), on_fit=lambda *fold: heard.append(fold))
    assert heard == [(name, fold, 5) for name in ("log_linear", "saturating", "gaussian") for fold in range(5)]
    assert found.scores.keys() == {name for name, _, _ in heard}
