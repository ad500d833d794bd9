"""What locks say of how sure they are: computed, verified, kept steady, and right about as often as they claim."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import numpy as np
import pytest
from benchmarks.calibration import trial
from branches import commit, git
from workspaces import make_workspace, write_mix

from olmixctl.lock import dump
from olmixctl.lock.model import LockedConfidence, LockedNoise
from olmixctl.mixture import GRID
from olmixctl.workspace import Workspace

DOMAINS = dict.fromkeys(("code", "docs", "web"), "")


@pytest.fixture
def workspace(tmp_path):
    make_workspace(tmp_path)
    return applied(tmp_path)


def applied(root, domains=DOMAINS, **changes):
    """The workspace after its mix file was written anew and applied."""
    write_mix(root, domains, **changes)
    workspace = Workspace.open(cwd=root)
    workspace.apply(workspace.plan())
    return workspace


def forge(workspace, **changes):
    """Write a lock with other fields and a right integrity line."""
    workspace.lock_path.write_text(dump(dataclasses.replace(workspace.lock(), **changes)))


def check_of(workspace, name="uncertainty"):
    return next((check for check in workspace.verify().checks if check.name == name), None)


def disturbed(workspace, deviation, seed=0):
    """Add a second, noisy result of every run to the ledger."""
    rng = np.random.default_rng(seed)
    for record in list(workspace.ledger):
        metrics = {name: value + float(rng.normal(0, deviation)) for name, value in record.metrics.items()}
        workspace.ledger.add(dataclasses.replace(record, metrics=metrics))


def test_every_weight_and_prediction_lies_in_its_interval(workspace):
    lock = workspace.lock()
    assert set(lock.uncertainty) == set(lock.weights)
    for domain, (low, high) in lock.uncertainty.items():
        assert 0 <= low <= Decimal(lock.weights[domain]) / GRID <= high <= 1
    for metric in lock.predicted.values():
        assert metric.interval[0] <= metric.this <= metric.interval[1]
    found = lock.confidence
    assert (found.drawn, found.solved) == (100, 100)
    assert found.better_than_natural == Decimal("0.99")
    assert found.better_than_previous is found.change is None
    assert (found.noise.basis, found.noise.degrees) == ("errors", 12)
    assert check_of(workspace).ok


def test_the_same_evidence_gives_the_same_bytes(workspace):
    before = workspace.lock_path.read_bytes()
    workspace.lock_path.unlink()
    again = Workspace.open(cwd=workspace.root)
    result = again.apply(again.plan())
    assert result.trained == 0
    assert again.lock_path.read_bytes() == before


@pytest.mark.parametrize("part", ["weight", "metric", "chance", "noise", "solved", "gone"])
def test_what_is_misstated_is_found(workspace, part):
    lock = workspace.lock()
    domain, metric = next(iter(lock.weights)), next(iter(lock.predicted))
    low, high = lock.uncertainty[domain]
    this = lock.predicted[metric]
    sure = lock.confidence
    noise = dataclasses.replace(sure.noise, run=sure.noise.run * 3 + Decimal("0.001"))
    changes = {
        "weight": {"uncertainty": {**lock.uncertainty, domain: (low, high + Decimal("0.01"))}},
        "metric": {
            "predicted": {
                **lock.predicted,
                metric: dataclasses.replace(this, interval=(this.interval[0], this.interval[1] + Decimal("0.001"))),
            }
        },
        "chance": {"confidence": dataclasses.replace(sure, better_than_natural=Decimal("0.80"))},
        "noise": {"confidence": dataclasses.replace(sure, noise=noise)},
        "solved": {"confidence": dataclasses.replace(sure, solved=90)},
        "gone": {"uncertainty": {}},
    }
    forge(workspace, **changes[part])
    assert check_of(workspace).ok is False


def test_a_lock_from_before_there_were_intervals_stands(workspace):
    lock = workspace.lock()
    bare = {name: dataclasses.replace(metric, interval=None) for name, metric in lock.predicted.items()}
    forge(workspace, uncertainty={}, confidence=None, predicted=bare)
    assert workspace.verify().ok
    assert check_of(workspace) is None
    before = workspace.lock_path.read_bytes()
    again = Workspace.open(cwd=workspace.root)
    assert not again.plan().has_changes
    write_mix(workspace.root, DOMAINS, extra="description: nothing that decides")
    again = Workspace.open(cwd=workspace.root)
    again.apply(again.plan())
    assert Workspace.open(cwd=workspace.root).lock().confidence is None or again.lock_path.read_bytes() != before


def test_a_change_is_compared_with_the_mix_before(workspace):
    later = applied(workspace.root, extra="objective: {kl: 0.06}")
    found = later.lock().confidence
    # More KL costs some loss, and runs of the response surface have no noise to hide it in.
    assert found.change > 0
    assert found.better_than_previous < Decimal("0.10")
    assert not found.below_noise
    # What it loses it gains in KL, and more; nothing forbids the mix before.
    assert -found.pull >= found.change
    assert found.breaks == ()
    assert check_of(later).ok


def test_a_mix_before_that_breaks_a_bound_now_is_named_with_it(workspace):
    was = workspace.lock().weights["docs"] / GRID
    domains = DOMAINS | {"docs": f"max: {was - 0.05:.2f}"}
    found = applied(workspace.root, domains).lock().confidence
    assert found.change > 0
    assert found.breaks == ("max:docs",)


def test_why_a_mix_is_worse_is_verified_where_it_is_said(workspace):
    (workspace.root / ".gitattributes").write_text("")
    git(workspace.root, "init", "-q")
    commit(workspace.root, "the first")
    later = applied(workspace.root, extra="objective: {kl: 0.06}")
    commit(workspace.root, "the second")
    sure = later.lock().confidence
    forge(later, confidence=dataclasses.replace(sure, pull=None, breaks=()))
    assert check_of(later).ok, "locks from before it was said"
    forge(later, confidence=dataclasses.replace(sure, pull=sure.pull - Decimal("0.001")))
    assert "pull" in check_of(later).detail
    forge(later, confidence=dataclasses.replace(sure, breaks=("max:docs",)))
    assert "breaks: max:docs" in check_of(later).detail


def test_replicates_measure_the_noise_and_more_of_them_later_are_no_fault(workspace):
    disturbed(workspace, 0.05)
    later = applied(workspace.root, extra="objective: {kl: 0.06}")
    found = later.lock().confidence
    assert (found.noise.basis, found.noise.degrees) == ("replicates", 12)
    # The variance of a difference from a run without noise is half of that between two noisy ones.
    assert 0.01 < float(found.noise.run) < 0.05
    assert found.below_noise
    assert check_of(later).ok
    disturbed(later, 0.05, seed=1)
    assert check_of(Workspace.open(cwd=workspace.root)).ok


def test_kept_ratios_say_nothing_of_their_own(workspace):
    later = applied(workspace.root, {"code": "", "docs": ""}, evals=("code",))
    lock = later.lock()
    if not lock.evidence:
        assert (dict(lock.uncertainty), lock.confidence) == ({}, None)
    assert later.verify().ok


def test_below_noise_is_a_matter_of_both_numbers():
    noise = LockedNoise(basis="replicates", degrees=4, run=Decimal("0.001"), two_runs=Decimal("0.003"))
    asked = {"drawn": 100, "solved": 100, "better_than_natural": None, "better_than_previous": None, "noise": noise}
    assert LockedConfidence(change=Decimal("-0.0029"), **asked).below_noise
    assert not LockedConfidence(change=Decimal("0.0031"), **asked).below_noise
    assert not LockedConfidence(change=None, **asked).below_noise


@pytest.mark.parametrize(
    ("kind", "size", "trials", "least"),
    [("log_linear", (6, 3.0, 0.1), 10, 0.82), ("saturating", (6, 3.0, 0.05), 3, 0.7)],
)
def test_intervals_hold_the_truth_about_as_often_as_they_say(kind, size, trials, least):
    """Nine tenths; the bounds leave room for the few trials (`tests/benchmarks/calibration.py` runs many)."""
    found = [trial(kind, kind, size, 1000 + seed) for seed in range(trials)]
    weights, decided, unseen, regret, width, off = (
        np.mean([getattr(one, field.name) for one in found]) for field in dataclasses.fields(found[0])
    )
    assert min(weights, decided, unseen) >= least
    assert unseen <= 0.99
    assert regret >= 0.6
    # Normal errors would be four times as wide as they are off on average; an interval that holds all says nothing.
    assert width <= 14 * off
