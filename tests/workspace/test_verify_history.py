"""What Git adds to `verify`: whose weights stand, where shares come from, and what a forger cannot repair."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest
from git import Repo
from workspaces import make_workspace, write_domain, write_mix

from olmixctl.lock import dump
from olmixctl.mixture import GRID, GridMixture
from olmixctl.plan import PlanOptions
from olmixctl.workspace import Workspace

BASE = {"code": "", "docs": "", "web": ""}


@pytest.fixture
def root(tmp_path):
    make_workspace(tmp_path)
    git = Repo.init(tmp_path)
    git.close()
    apply(tmp_path)
    return tmp_path


def apply(root):
    """Apply, and commit what it wrote."""
    workspace = Workspace.open(cwd=root)
    result = workspace.apply(workspace.plan())
    with Repo(root) as git:
        git.git.add("mixes")
        git.git.execute(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "-m", "apply"])
    return result.lock


def checks(root):
    return {check.name: check for check in Workspace.open(cwd=root).verify().checks}


def failed(root):
    return {name for name, check in checks(root).items() if check.ok is False}


def forge(root, lock, **changes):
    """Write `lock` with other fields, its repetitions and its integrity line made to fit."""
    forged = dataclasses.replace(lock, **changes)
    domains = {}
    for name, record in forged.domains.items():
        passes = (Decimal(forged.weights[name]) * 50_000 / GRID / record.tokens).quantize(Decimal("0.000001"))
        domains[name] = dataclasses.replace(record, repetition=passes)
    Workspace.open(cwd=root).lock_path.write_text(dump(dataclasses.replace(forged, domains=domains)))


def shifted(lock, by):
    """Its weights with `by` millionths moved from the largest to the second."""
    first, second = sorted(lock.weights, key=lambda d: -lock.weights[d])[:2]
    return GridMixture(dict(lock.weights) | {first: lock.weights[first] - by, second: lock.weights[second] + by})


def test_weights_moved_within_the_tolerance_of_the_optimum_are_seen(root):
    """The objective is flat at its least: its value alone would let a tenth of a point pass."""
    lock = Workspace.open(cwd=root).lock()
    assert failed(root) == set()
    forge(root, lock, weights=shifted(lock, 300))
    found = checks(root)
    assert found["optimality"].ok
    assert found["weights"].ok is False


def test_weights_that_are_said_to_stand_are_compared_with_the_lock_that_decided_them(root):
    first = Workspace.open(cwd=root).lock()
    write_mix(root, BASE | {"docs": "max: 0.99"})
    second = apply(root)
    assert second.solution.weights_from == 1
    assert failed(root) == set()
    assert checks(root)["history"].ok
    forge(root, second, weights=shifted(second, 300))
    assert "history" in failed(root)
    # A lock that decides its own weights must not borrow the excuse.
    write_mix(root, BASE)
    other = dataclasses.replace(first.solution, weights_from=1)
    forge(root, first, solution=other)
    assert "history" in failed(root)


def test_a_chain_of_locks_that_keep_ratios_verifies_and_its_shares_are_those_before(root):
    write_domain(root, "papers", 30)
    write_mix(root, BASE | {"papers": ""}, evals=("code", "docs"))
    second = apply(root)
    write_domain(root, "books", 30)
    write_mix(root, BASE | {"papers": "", "books": ""}, evals=("code", "docs"))
    third = apply(root)
    assert second.serial + 1 == third.serial
    found = checks(root)
    assert found["history"].ok
    assert "previous" not in found["predicted"].detail
    shares = {d: dataclasses.replace(r, share=r.share + 1) if d == "web" else r for d, r in third.domains.items()}
    forge(root, third, domains=shares)
    assert failed(root) & {"history", "evidence"}


def test_a_projection_is_computed_again_from_the_lock_before(root):
    first = Workspace.open(cwd=root).lock()
    kept = ("docs", "web")
    largest = max(kept, key=lambda d: first.weights[d])
    total = sum(first.weights[d] for d in kept)
    cap = round(first.weights[largest] / total - 0.05, 3)
    write_mix(root, {d: f"max: {cap}" if d == largest else "" for d in kept}, evals=("docs",))
    second = apply(root)
    assert second.solution.status == "projected"
    assert second.weights[largest] <= cap * GRID
    assert checks(root)["kept ratios"].ok
    forge(root, second, weights=shifted(second, 40))
    assert failed(root) == {"kept ratios"}


def test_carried_shares_hold_together_and_say_what_is_not_known(root):
    write_domain(root, "papers", 30)
    write_mix(root, BASE | {"papers": ""}, evals=("code", "docs"))
    workspace = Workspace.open(cwd=root)
    lock = workspace.apply(workspace.plan(PlanOptions(solve_only=True))).lock
    assert lock.solution.status == "carried"
    found = checks(root)
    assert found["history"].ok
    assert found["kept ratios"].ok is None
    assert "carried" in found["kept ratios"].detail
    assert failed(root) == set()
    forge(root, lock, weights=shifted(lock, 40))
    assert "kept ratios" in failed(root)
    explained = workspace.explain("web")
    assert explained.because is None
    assert explained.measured_in == 1


def test_an_uncommitted_lock_before_is_said_not_failed(root):
    with Repo(root) as git:
        git.git.execute(["git", "rm", "-q", "--cached", "mixes/base.lock.yaml"])
    for maximum in (0.99, 0.98):
        write_mix(root, BASE | {"docs": f"max: {maximum}"})
        workspace = Workspace.open(cwd=root)
        workspace.apply(workspace.plan())
    check = checks(root)["history"]
    assert check.ok is None
    assert "not in this Git history" in check.detail
    assert failed(root) == set()
