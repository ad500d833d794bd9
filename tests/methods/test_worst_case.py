"""The worst family in the program, in pulls, in the gaps of plans, and through a change of domains."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from workspaces import make_workspace, write_domain, write_mix

from olmixctl.lock.model import CrossValidation as LockedScore
from olmixctl.methods.explain import explain_domain
from olmixctl.methods.fixed import fixed
from olmixctl.methods.olmix import fit_evidence, fitted_problem, gather, predict
from olmixctl.methods.problem import collapsed_reference, mix_problem
from olmixctl.methods.record import surrogate_of
from olmixctl.methods.resample import Bootstrap
from olmixctl.methods.restated import restated
from olmixctl.mixture import GRID
from olmixctl.surrogate.registry import FAMILIES
from olmixctl.surrogate.validation import hold_out, rank_correlation, score
from olmixctl.workspace import Workspace

DOMAINS = {"code": "", "docs": "", "web": ""}


def declare(root, objective, domains=DOMAINS, weight="2"):
    """Code and docs are one family, of which code counts `weight`; web is its own, and another has no weight."""
    path = write_mix(root, domains, evals=tuple(DOMAINS), extra=f"objective: {objective}")
    text = path.read_text()
    text = text.replace("heldout: code, fraction: 0.1", f"heldout: code, fraction: 0.1, family: text, weight: {weight}")
    path.write_text(text.replace("heldout: docs, fraction: 0.1", "heldout: docs, fraction: 0.1, family: text"))
    return Workspace.open(cwd=root)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    root = tmp_path_factory.mktemp("worst")
    make_workspace(root)
    found = declare(root, "{worst_case: true}")
    found.apply(found.plan())
    return found


def solved(workspace):
    lock = workspace.lock()
    observed, records = workspace._as_locked(lock), workspace.ledger.records()
    fitted = fit_evidence(observed, lock.coordinates, gather(observed, lock.coordinates, lock.evidence, records))
    return lock, observed, fitted, fitted_problem(observed, lock.coordinates, fitted)


def test_families_count_from_the_reference_mix_with_their_weights(workspace):
    _, observed, fitted, problem = solved(workspace)
    at = predict(fitted, collapsed_reference(problem.coordinates, observed.reference))
    text, web = problem.worst_case
    assert (text.name, dict(text.weights)) == ("text", {"code-bpb": 2.0, "docs-bpb": 1.0})
    assert text.baseline == pytest.approx((2 * at["code-bpb"] + at["docs-bpb"]) / 3)
    assert (web.name, web.baseline) == ("web-bpb", pytest.approx(at["web-bpb"]))
    assert mix_problem(observed, problem.coordinates).worst_case == (), "without laws there is nothing to count from"


def test_a_family_without_weight_is_left_out(workspace):
    lock, observed, fitted, _ = solved(workspace)
    evals = tuple(dataclasses.replace(e, weight=0.0) if not e.family else e for e in observed.spec.evals)
    observed = dataclasses.replace(observed, spec=dataclasses.replace(observed.spec, evals=evals))
    problem = fitted_problem(observed, lock.coordinates, fitted)
    assert [family.name for family in problem.worst_case] == ["text"]


def worst(at, now):
    text = (2 * (now["code-bpb"] - at["code-bpb"]) + now["docs-bpb"] - at["docs-bpb"]) / 3
    return max(text, now["web-bpb"] - at["web-bpb"])


def test_no_other_mix_has_a_better_worst_family(workspace):
    lock, observed, fitted, problem = solved(workspace)
    reference = collapsed_reference(problem.coordinates, observed.reference)
    at = predict(fitted, reference)

    def objective(mix):
        kl = math.fsum(w * math.log(w / reference[d]) for d, w in mix.items() if w > 0)
        return worst(at, predict(fitted, mix)) + problem.kl * kl

    decided = {d: points / GRID for d, points in lock.weights.items()}
    best = objective(decided)
    assert best == pytest.approx(float(lock.solution.objective_at_rounded), abs=1e-8)
    rng = np.random.default_rng(0)
    for spread in (0.001, 0.01, 0.1, 1.0):
        for share in rng.dirichlet(np.ones(3), 100):
            other = {d: (1 - spread) * decided[d] + spread * float(s) for d, s in zip(decided, share, strict=True)}
            assert objective(other) >= best - 2e-6


def noisy(fitted, seed=1):
    """The evidence with noise: laws then miss unseen runs, each metric in its own way."""
    evidence = fitted.evidence
    noise_RM = np.random.default_rng(seed).normal(0, 0.02, evidence.losses_RM.shape)
    return dataclasses.replace(evidence, losses_RM=evidence.losses_RM + noise_RM)


def by_hand(observed, coordinates, fit, evidence, held):
    """Rank and error of the worst family's change."""
    columns = [fit.coordinates.index(name) for name in coordinates.names]
    reference = collapsed_reference(coordinates, observed.reference)
    row = np.array([[reference[name] for name in coordinates.names]])[:, columns]
    at = dict(zip(fit.metrics, fit.predict(row)[0].tolist(), strict=True))
    measured, predicted = (
        np.array([worst(at, dict(zip(fit.metrics, row, strict=True))) for row in values_RM.tolist()])
        for values_RM in (evidence.losses_RM, held.predicted_RM)
    )
    return rank_correlation(measured, predicted), math.sqrt(np.mean((measured - predicted) ** 2))


def test_laws_are_judged_by_the_objective_that_is_solved(workspace):
    """Rank and error of unseen runs are those of the worst family's change, not of the weighted mean."""
    lock, observed, fitted, problem = solved(workspace)
    evidence = noisy(fitted)
    fitted = fit_evidence(observed, lock.coordinates, evidence)
    cv = surrogate_of(observed, fitted).cv
    rank, error = by_hand(observed, lock.coordinates, fitted.fit, evidence, fitted.held)
    assert (float(cv.spearman), float(cv.rmse)) == pytest.approx((rank, error), abs=1e-6)
    mean = score(evidence, fitted.held, objective_weights=problem.metric_weights)
    assert abs(mean.rmse - error) > 1e-3


def test_auto_compares_families_by_the_worst_case(workspace):
    lock, observed, fitted, _ = solved(workspace)
    observed = dataclasses.replace(observed, spec=dataclasses.replace(observed.spec, surrogate="auto"))
    evidence = noisy(fitted)
    found = fit_evidence(observed, lock.coordinates, evidence)
    assert len(found.scores) == 3
    for name, value in found.scores.items():
        held = hold_out(evidence, FAMILIES[name], seed=found.seed)
        expected = by_hand(observed, lock.coordinates, FAMILIES[name].fit(evidence), evidence, held)
        assert (value.spearman, value.rmse) == pytest.approx(expected, abs=1e-12)
    assert "average" not in found.reason
    locked = surrogate_of(observed, found)
    assert locked.cv == locked.choice.scores[found.family]


def test_locks_whose_laws_were_judged_by_the_mean_still_verify(workspace):
    """Locks that state no errors of the metrics were made when the mean was what families were judged by."""
    lock, observed, fitted, problem = solved(workspace)
    fitted = fit_evidence(observed, lock.coordinates, noisy(fitted))
    mean = score(fitted.evidence, fitted.held, objective_weights=problem.metric_weights)

    def surrogate_check(**changed):
        cv = LockedScore(spearman=fixed(mean.spearman, 6), rmse=fixed(mean.rmse, 6), mean_rmse=None)
        cv = dataclasses.replace(cv, **changed)
        stated = dataclasses.replace(surrogate_of(observed, fitted), cv=cv)
        checks = restated(dataclasses.replace(lock, surrogate=stated), observed, fitted, None)
        return next(check for check in checks if check.name == "surrogate")

    assert surrogate_check().ok, surrogate_check().detail
    assert "cv.rmse" in surrogate_check(mean_rmse=fixed(mean.mean_rmse, 6)).detail
    assert "cv.rmse" in surrogate_check(rmse=fixed(mean.rmse + 0.001, 6)).detail


def test_pulls_balance_with_the_families_that_are_worst(workspace):
    lock, observed, _, problem = solved(workspace)
    found = [
        explain_domain(lock, observed, workspace.ledger.records(), domain, bootstrap=Bootstrap(resamples=0))
        for domain in DOMAINS
    ]
    for one in found:
        assert sum(one.because.families.values()) == pytest.approx(1, abs=1e-6)
        assert one.because.pulls.held == pytest.approx(0, abs=5e-4)
        assert one.because.bounds == ()
        assert one.because.elsewhere == ()
    assert set(found[0].because.families) <= {family.name for family in problem.worst_case}


def test_the_worst_case_goes_on_when_a_domain_comes(tmp_path):
    make_workspace(tmp_path)
    first = declare(tmp_path, "{worst_case: true}")
    first.apply(first.plan())
    write_domain(tmp_path, "papers", 50)
    second = declare(tmp_path, "{worst_case: true}", {**DOMAINS, "papers": ""})
    plan = second.plan()
    assert plan.coordinates.blocks
    gaps = {row.name: row.gap for row in plan.strategies}
    assert all(gap is None or gap.loss >= 0 for gap in gaps.values())
    assert gaps["none"] is not None
    second.apply(plan)
    assert second.verify().ok
    assert any(active.constraint.startswith("family:") for active in second.lock().solution.active)
    assert not second.plan().has_changes
