"""Weights under review do not flicker: what is still optimal stays, to the last digit."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workspaces import make_workspace, write_domain, write_mix

from olmixctl.lock import dump
from olmixctl.methods.steady import committed_weights, masses, still_optimal
from olmixctl.mixture import Block, Coordinates, GridMixture, Mixture
from olmixctl.solve.certificate import certify
from olmixctl.solve.exact import optimum
from olmixctl.solve.problem import ConvexMetric, LinearBound, MixProblem
from olmixctl.solve.round import round_solution
from olmixctl.workspace import Workspace

BASE = {"code": "", "docs": "", "web": ""}


@pytest.fixture
def root(tmp_path):
    make_workspace(tmp_path)
    apply(tmp_path)
    return tmp_path


def apply(root):
    workspace = Workspace.open(cwd=root)
    return workspace.apply(workspace.plan())


def lock_of(root):
    return Workspace.open(cwd=root).lock()


def perturbed(lock):
    """The lock with weights a millionth off, as another processor's rounding might give."""
    weights = dict(lock.weights)
    first, second = sorted(weights)[:2]
    weights[first] += 1
    weights[second] -= 1
    return dataclasses.replace(lock, weights=GridMixture(weights))


def write(root, lock):
    Workspace.open(cwd=root).lock_path.write_text(dump(lock))


def test_a_rename_moves_no_weight_and_says_whose_they_are(root):
    before = perturbed(lock_of(root))
    write(root, before)
    shutil.move(root / "corpora/docs", root / "corpora/aa")
    write_mix(root, {"aa": "", "code": "", "web": ""}, evals=("code",), extra="")
    text = (root / "mixes/base.yaml").read_text().replace("name: code-bpb", "name: code-bpb", 1)
    (root / "mixes/base.yaml").write_text(
        text.replace("proxy:", "  - {name: docs-bpb, heldout: aa, fraction: 0.1}\nproxy:")
    )
    after = apply(root).lock
    assert {d: after.weights[d] for d in ("code", "web")} == {d: before.weights[d] for d in ("code", "web")}
    assert after.weights["aa"] == before.weights["docs"]
    assert after.solution.weights_from == before.serial
    assert after.domains["code"].changed_in == 1


def test_other_files_with_the_same_documents_move_no_weight(root):
    before = perturbed(lock_of(root))
    write(root, before)
    shutil.move(root / "corpora/web/0003.txt", root / "corpora/web/9999.txt")
    after = apply(root).lock
    assert after.weights == before.weights
    assert after.domains["web"].fingerprint != before.domains["web"].fingerprint


def test_a_bound_that_does_not_bind_moves_no_weight_and_the_origin_is_kept_through_generations(root):
    before = perturbed(lock_of(root))
    write(root, before)
    for maximum in (0.99, 0.995):
        write_mix(root, BASE | {"docs": f"max: {maximum}"})
        after = apply(root).lock
        assert after.weights == before.weights
    assert after.serial == 3
    assert after.solution.weights_from == 1
    assert Workspace.open(cwd=root).verify().ok


def test_a_bound_that_binds_moves_them(root):
    before = lock_of(root)
    limit = round(before.weights["web"] / 1e6 - 0.1, 2)
    write_mix(root, BASE | {"web": f"max: {limit}"})
    after = apply(root).lock
    assert after.weights["web"] <= limit * 1e6
    assert after.solution.weights_from is None


def test_weights_far_from_the_optimum_do_not_stand(root):
    before = lock_of(root)
    weights = dict(before.weights)
    weights["docs"] -= 50_000
    weights["web"] += 50_000
    write(root, dataclasses.replace(before, weights=GridMixture(weights)))
    write_mix(root, BASE | {"docs": "max: 0.99"})
    after = apply(root).lock
    assert all(abs(after.weights[d] - before.weights[d]) <= 2 for d in BASE)
    assert after.solution.weights_from is None


def test_lost_runs_that_give_the_same_again_leave_every_byte(root):
    workspace = Workspace.open(cwd=root)
    before = workspace.lock_path.read_bytes()
    files = sorted((root / "mixes/base.runs").glob("r1-*.json"))
    for file in files[:3]:
        file.unlink()
    result = apply(root)
    assert result.trained == 3
    assert not result.written
    assert workspace.lock_path.read_bytes() == before
    assert Workspace.open(cwd=root).plan().kind == "none"


def test_new_evidence_is_solved_anew(root):
    write_domain(root, "papers", 50)
    write_mix(root, BASE | {"papers": ""}, evals=("code", "docs"))
    assert apply(root).lock.solution.weights_from is None


def problem(**fields):
    coordinates = Coordinates(("a",), (Block("kept", {"b": 1, "c": 3}),))
    values = {
        "coordinates": coordinates,
        "reference": GridMixture({"a": 400_000, "b": 150_000, "c": 450_000}).as_mixture(),
        "kl": 1.0,
        "metric_weights": {},
    }
    return MixProblem(**{**values, **fields})


def test_only_what_lies_in_the_coordinates_within_the_bounds_and_near_the_optimum_stands():
    metrics = (ConvexMetric(name="m", offset=0.0, coefficients={"a": 0.0, "kept": 0.0}),)
    at = GridMixture({"a": 400_001, "b": 150_000, "c": 449_999})
    found = still_optimal(problem(), partial(certify, problem(), metrics), at)
    assert found is not None
    assert found[0].leaves == at
    assert found[0].coordinates == GridMixture({"a": 400_001, "kept": 599_999})
    # Another ratio inside the block, a bound broken by a millionth, a mix that is not optimal.
    assert (
        still_optimal(
            problem(), partial(certify, problem(), metrics), GridMixture({"a": 400_000, "b": 150_100, "c": 449_900})
        )
        is None
    )
    tight = problem(rows=(LinearBound(name="max:a", coefficients={"a": 1.0}, upper=0.4),))
    assert still_optimal(tight, partial(certify, tight, metrics), at) is None
    assert (
        still_optimal(
            problem(), partial(certify, problem(), metrics), GridMixture({"a": 420_000, "b": 145_000, "c": 435_000})
        )
        is None
    )


def test_masses_are_sums_over_blocks():
    coordinates = Coordinates(("a",), (Block("kept", {"b": 1, "c": 3}),))
    assert masses(coordinates, {"a": 400_000, "b": 150_000, "c": 450_000}) == GridMixture(
        {"a": 400_000, "kept": 600_000}
    )


def test_without_a_lock_nothing_can_stand(root):
    plan = Workspace.open(cwd=root).plan()
    assert committed_weights(plan, None, ()) is None
    assert committed_weights(plan, lock_of(root), ("r1:other",)) is None


@given(seed=st.integers(0, 10_000), slack=st.floats(1e-4, 0.5))
@settings(max_examples=25, derandomize=True)
def test_what_was_solved_and_rounded_stands_when_bounds_that_do_not_bind_are_loosened(seed, slack):
    rng = np.random.default_rng(seed)
    names = ("a", "b", "c")
    metrics = (
        ConvexMetric(name="m", offset=0.5, coefficients=dict(zip(names, rng.uniform(-2, 1, 3).tolist(), strict=True))),
    )
    free = MixProblem(
        coordinates=Coordinates(names),
        reference=Mixture.normalised(dict(zip(names, rng.uniform(0.2, 1, 3).tolist(), strict=True))),
        kl=0.05,
        metric_weights={"m": 1.0},
    )
    best = optimum(free, metrics).point
    low, high = min(best, key=best.get), max(best, key=best.get)

    def bounded(room):
        """The most is held a little below its optimum; the least has a bound that it does not touch."""
        idle = LinearBound(name=f"max:{low}", coefficients={low: 1.0}, upper=min(best[low] + 0.2 + room, 1.0))
        binds = LinearBound(name=f"max:{high}", coefficients={high: 1.0}, upper=best[high] - 0.01)
        return replace(free, rows=(idle, binds))

    decided = round_solution(bounded(0.0), optimum(bounded(0.0), metrics).point).leaves
    found = still_optimal(bounded(slack), partial(certify, bounded(slack), metrics), decided)
    assert found is not None
    assert found[0].leaves == decided
