"""Mixes decided by every family of laws, from the runs to the lock and back: its checks, and what is said of it."""

from __future__ import annotations

import dataclasses
import math
import shutil
from decimal import Decimal

import numpy as np
import pytest
from crashing import apply_in, forks
from workspaces import make_workspace

from olmixctl.errors import IntegrityError
from olmixctl.execute import fake
from olmixctl.lock import dump
from olmixctl.lock.model import Choice
from olmixctl.methods.resample import Bootstrap
from olmixctl.methods.restated import _choice_problem
from olmixctl.mixture import GRID, GridMixture
from olmixctl.report.look import Look
from olmixctl.report.text_explain import explain_text
from olmixctl.report.text_lock import lock_text
from olmixctl.workspace import Workspace

FAMILIES = ("log_linear", "saturating", "gaussian")
GUARDED = "objective: {guardrails: [{metric: code-bpb, max_regression: 0.0}]}"
SWARM = "swarm: {runs_per_coordinate: 4}"


def bent(weights, evaluation):
    """Diminishing returns, and a domain that is worth less beside another: no family's law exactly."""
    shares = [weights.get(content, 0.0) for content in sorted(weights)]
    own = [math.log1p(w / 0.04) * (0.06 + 0.1 * fake.coefficient(c, evaluation) ** 2) for c, w in weights.items()]
    beside = sum(a * b for i, a in enumerate(shares) for b in shares[i + 1 :])
    return 0.7 + math.exp(0.6 - sum(own)) + 0.4 * beside


def apply(root):
    workspace = Workspace.open(cwd=root)
    return workspace.apply(workspace.plan())


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """Family → a workspace with its lock; all on the same runs."""
    roots = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake, "surface", bent)
        for family in (*FAMILIES, "auto"):
            roots[family] = tmp_path_factory.mktemp(family)
            make_workspace(roots[family], extra=f"surrogate: {family}\n{GUARDED}\n{SWARM}")
            apply(roots[family])
    return roots


@pytest.fixture(params=[*FAMILIES, "auto"])
def root(request, locked, tmp_path):
    shutil.copytree(locked[request.param], tmp_path / "mix")
    return tmp_path / "mix"


@pytest.fixture
def of(locked, tmp_path):
    """A copy of the workspace of a family."""
    return lambda family: shutil.copytree(locked[family], tmp_path / family)


def forge(root, **changes):
    """Write the lock with other fields and a right integrity line; the names of the checks that fail."""
    workspace = Workspace.open(cwd=root)
    workspace.lock_path.write_text(dump(dataclasses.replace(workspace.lock(), **changes)))
    return {check.name for check in Workspace.open(cwd=root).verify().checks if check.ok is False}


def test_every_lock_is_verified_and_leaves_nothing_to_do(root):
    workspace = Workspace.open(cwd=root)
    before = workspace.lock_path.read_bytes()
    assert workspace.verify().ok
    again = workspace.plan()
    assert (again.kind, again.has_changes) == ("none", False)
    assert not workspace.apply(again).written
    assert workspace.lock_path.read_bytes() == before


def test_the_lock_says_how_it_was_solved(locked):
    locks = {family: Workspace.open(cwd=root).lock() for family, root in locked.items()}
    assert {f: (locks[f].surrogate.family, locks[f].solution.status, locks[f].solution.solver) for f in FAMILIES} == {
        "log_linear": ("log_linear", "optimal", "CLARABEL"),
        "saturating": ("saturating", "optimal", "CLARABEL"),
        "gaussian": ("gaussian", "local", "local search"),
    }
    assert all(locks[f].surrogate.choice is None for f in FAMILIES)
    solution = locks["gaussian"].solution
    assert solution.objective_at_rounded <= solution.objective_at_convex + Decimal("0.000002")
    assert all(locks[f].solution.objective_at_convex is None for f in ("log_linear", "saturating"))


def test_auto_takes_the_best_of_unseen_runs_and_its_reason_stands_in_the_lock(locked):
    locks = {family: Workspace.open(cwd=root).lock() for family, root in locked.items()}
    surrogate = locks["auto"].surrogate
    assert set(surrogate.choice.scores) == set(FAMILIES)
    # Every family's score is the one that it has where it is declared.
    assert {f: locks[f].surrogate.cv for f in FAMILIES} == dict(surrogate.choice.scores)
    assert "least error" in surrogate.choice.reason
    least = min(surrogate.choice.scores, key=lambda name: surrogate.choice.scores[name].rmse)
    assert surrogate.family == least != "log_linear"
    assert locks["auto"].weights == locks[least].weights


def test_evidence_and_seed_decide_alone(locked, tmp_path, monkeypatch):
    monkeypatch.setattr(fake, "surface", bent)
    make_workspace(tmp_path, extra=f"surrogate: gaussian\n{GUARDED}\n{SWARM}")
    assert dump(apply(tmp_path).lock) == dump(Workspace.open(cwd=locked["gaussian"]).lock())


def test_an_apply_that_was_killed_and_resumed_writes_the_same_bytes(tmp_path):
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        make_workspace(tmp_path / name, extra="surrogate: gaussian\nswarm: {runs_per_coordinate: 1}")
        for kill_at in (20, None) if name == "killed" else (None,):
            process = forks().Process(target=apply_in, args=(str(tmp_path / name),), kwargs={"kill_at": kill_at})
            process.start()
            process.join(60)
            assert process.exitcode == (-9 if kill_at else 0)
    lock = "mixes/base.lock.yaml"
    assert (tmp_path / "killed" / lock).read_bytes() == (tmp_path / "whole" / lock).read_bytes()


@pytest.mark.parametrize(("family", "moved"), [("saturating", 10), ("gaussian", 10), ("gaussian", 30_000)])
def test_moved_weights_are_seen_even_by_ten_millionths(of, family, moved):
    root = of(family)
    weights = dict(Workspace.open(cwd=root).lock().weights)
    weights["code"], weights["web"] = weights["code"] + moved, weights["web"] - moved
    assert ({"weights", "optimality"} if moved > 10 else {"weights"}) <= forge(root, weights=GridMixture(weights))


def test_what_is_misstated_of_a_local_solution_is_seen(of):
    root = of("gaussian")
    solution = Workspace.open(cwd=root).lock().solution
    wrong = {
        "objective_at_convex": Decimal("0.9"),
        "objective": Decimal("0.9"),
        "status": "optimal",
        "solver": "CLARABEL",
    }
    assert forge(root, solution=dataclasses.replace(solution, **wrong)) == {"solution"}
    (said,) = [check.detail for check in Workspace.open(cwd=root).verify().checks if check.name == "solution"]
    assert all(f"{field} {value}" in said for field, value in wrong.items())


def test_another_family_or_reason_than_the_evidence_gives_is_seen(of):
    root = of("auto")
    honest = Workspace.open(cwd=root).lock().surrogate
    scores, best = dict(honest.choice.scores), honest.family
    worse = dataclasses.replace(scores[best], rmse=scores[best].rmse + 1)
    liked = Choice(reason="I like it", scores=scores)
    assert _choice_problem(honest, "auto") == ""
    assert "nothing says why" in _choice_problem(dataclasses.replace(honest, choice=None), "auto")
    assert "not for this reason" in _choice_problem(dataclasses.replace(honest, choice=liked), "auto")
    bare = Choice(reason=honest.choice.reason)
    assert "no family was compared" in _choice_problem(dataclasses.replace(honest, choice=bare), "auto")
    turned = Choice(reason=honest.choice.reason, scores=scores | {best: worse})
    assert "not its cross-validation" in _choice_problem(dataclasses.replace(honest, choice=turned), "auto")
    assert "do not say" in _choice_problem(dataclasses.replace(honest, choice=turned, cv=worse), "auto")
    assert "is declared" in _choice_problem(honest, best)
    other = next(name for name in FAMILIES if name != best)
    assert "surrogate" in forge(root, surrogate=dataclasses.replace(honest, family=other))


def test_a_family_that_no_mix_is_solved_with_is_refused(of):
    root = of("auto")
    workspace = Workspace.open(cwd=root)
    surrogate = dataclasses.replace(workspace.lock().surrogate, family="lightgbm")
    workspace.lock_path.write_text(dump(dataclasses.replace(workspace.lock(), surrogate=surrogate)))
    with pytest.raises(IntegrityError, match="'lightgbm'"):
        Workspace.open(cwd=root).verify()


def test_a_lock_from_before_there_was_a_choice_is_still_good(of):
    """`auto` was log-linear then, and gave no reason."""
    surrogate = Workspace.open(cwd=of("log_linear")).lock().surrogate
    assert _choice_problem(surrogate, "auto") == ""


def test_a_declared_family_is_solved_anew_on_the_same_runs_and_nothing_is_trained(of):
    root = of("saturating")
    path = root / "mixes/base.yaml"
    path.write_text(path.read_text().replace("surrogate: saturating", "surrogate: gaussian"))
    plan = Workspace.open(cwd=root).plan()
    assert (plan.kind, len(plan.missing)) == ("resolve", 0)
    lock = apply(root).lock
    assert (lock.surrogate.family, lock.solution.status) == ("gaussian", "local")
    assert Workspace.open(cwd=root).verify().ok


def test_a_bound_that_does_not_bind_leaves_a_local_optimum_where_it_is(of):
    root = of("gaussian")
    before = Workspace.open(cwd=root).lock()
    path = root / "mixes/base.yaml"
    path.write_text(path.read_text() + "constraints: [{name: all, domains: [code, web], max: 0.99}]\n")
    after = apply(root).lock
    assert after.weights == before.weights
    assert after.solution.weights_from == before.serial
    assert Workspace.open(cwd=root).verify().ok


def test_guardrails_count_from_the_reference_under_the_family(root):
    lock = Workspace.open(cwd=root).lock()
    rail = lock.predicted["code-bpb"]
    assert rail.this <= rail.natural + Decimal("0.000003")


@pytest.mark.parametrize("family", ["saturating", "gaussian", "auto"])
def test_losses_that_reach_zero_decide_a_mix_too(tmp_path, monkeypatch, family):
    monkeypatch.setattr(fake, "surface", lambda weights, _: 0.9 - max(weights.values()))
    make_workspace(tmp_path, extra=f"surrogate: {family}")
    lock = apply(tmp_path).lock
    assert lock.surrogate.family in {"saturating", "gaussian"}
    assert Workspace.open(cwd=tmp_path).verify().ok


def test_losses_that_a_family_cannot_describe_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr(fake, "surface", lambda weights, _: 0.1 - max(weights.values()))
    make_workspace(tmp_path, extra="surrogate: log_linear")
    with pytest.raises(IntegrityError, match="needs it positive") as caught:
        apply(tmp_path)
    assert "gaussian" in caught.value.remedy


def test_a_domain_no_run_has_sampled_stays_at_the_reference(locked):
    """Under every family: what nothing is known of is held."""
    from olmixctl.methods.olmix import fit_evidence, solve_mix
    from olmixctl.surrogate.model import Evidence

    for family in FAMILIES:
        workspace = Workspace.open(cwd=locked[family])
        observed, coordinates = workspace.plan().observed, workspace.plan().coordinates
        rng = np.random.default_rng(0)
        rows = {f"r{i}": dict(zip(("code", "web"), rng.dirichlet([1, 1]).tolist(), strict=True)) for i in range(8)}
        evidence = Evidence.of(
            {run: row | {"docs": 0.0} for run, row in rows.items()},
            {run: {"code-bpb": 1 + row["web"], "docs-bpb": 2 - row["web"] / 2} for run, row in rows.items()},
        )
        solved = solve_mix(observed, coordinates, fit_evidence(observed, coordinates, evidence))
        assert abs(solved.rounded.leaves["docs"] - GRID * observed.reference["docs"]) <= 1


def test_show_says_that_a_local_optimum_is_one(locked):
    text = lock_text(Workspace.open(cwd=locked["gaussian"]).lock(), Look(width=80))
    words = " ".join(text.split())
    assert "a local optimum of laws that are not convex, the lowest found:" in words
    assert "bits per byte below the answer of the convex ones" in words
    chosen = Workspace.open(cwd=locked["auto"]).lock()
    words = " ".join(lock_text(chosen, Look(width=80)).split())
    assert f"auto took {chosen.surrogate.family}: {chosen.surrogate.choice.reason}" in words
    assert max(len(line) for line in lock_text(chosen, Look(width=80)).splitlines()) <= 80


def test_explain_finds_the_same_solution_and_prices_its_bounds(root):
    workspace = Workspace.open(cwd=root)
    found = workspace.explain("code", Bootstrap(resamples=10))
    because = found.because
    assert abs(because.optimum - workspace.lock().weights["code"] / GRID) < 1e-5
    assert abs(because.objective - float(workspace.lock().solution.objective)) < 2e-6
    assert because.certainty.failed == 0
    assert because.certainty.interval.low <= because.certainty.interval.high
    assert not any(bound.worth < -1e-7 for bound in because.bounds)
    if not because.bounds:
        assert abs(because.pulls.held) < 1e-3
    assert max(len(line) for line in explain_text(found.as_json(), Look(width=80)).splitlines()) <= 80
