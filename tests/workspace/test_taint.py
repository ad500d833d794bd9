"""Evidence that turns out to be bad, or doubtful: what plan, apply, lock and verify make of it."""

from __future__ import annotations

import dataclasses

import pytest
from workspaces import write_mix

from olmixctl.plan import PlanOptions
from olmixctl.workspace import Workspace


@pytest.fixture
def workspace(root):
    found = Workspace.open(cwd=root)
    found.apply(found.plan())
    return found


def remeasure(workspace, key, shift=0.01):
    """Another result of the run, somewhat off the first."""
    record = workspace.ledger.get(key)
    return dataclasses.replace(record, metrics={name: value + shift for name, value in record.metrics.items()})


def evidence_check(workspace):
    (check,) = [check for check in workspace.verify().checks if check.name == "evidence"]
    return check


def test_a_tainted_run_is_planned_trained_again_and_behind_the_next_lock(workspace):
    first = workspace.lock()
    key = first.evidence[3]
    workspace.ledger.taint(key, "loss spike")
    plan = workspace.plan()
    assert plan.kind == "train"
    assert [run.key for run in plan.missing] == [key]
    assert plan.reason == "1 run behind the lock is tainted: loss spike"
    assert "tainted since: loss spike" in evidence_check(workspace).detail
    result = workspace.apply(plan)
    assert result.trained == 1
    assert key in result.lock.evidence
    assert result.lock.excluded == ()
    assert workspace.verify().ok
    assert not workspace.plan().has_changes


def test_another_result_behind_the_lock_is_decided_on_without_training(workspace):
    """What is left when an apply dies between training a tainted run again and writing the lock."""
    first = workspace.lock()
    key = first.evidence[3]
    again = remeasure(workspace, key)
    workspace.ledger.taint(key, "loss spike")
    workspace.ledger.add(again)
    assert not evidence_check(workspace).ok
    assert "has another result now" in evidence_check(workspace).detail
    plan = workspace.plan()
    assert plan.reason == "1 run behind the lock has another result now"
    assert plan.complete
    lock = workspace.apply(plan).lock
    assert lock.evidence == first.evidence
    assert lock.evidence_root != first.evidence_root
    assert lock.serial == 2
    assert workspace.verify().ok
    assert not workspace.plan().has_changes


def test_a_taint_taken_back_after_the_run_was_trained_again_is_decided_on_too(workspace):
    key = workspace.lock().evidence[3]
    again = remeasure(workspace, key)
    workspace.ledger.taint(key, "loss spike")
    workspace.ledger.add(again)
    second = workspace.apply(workspace.plan()).lock
    workspace.ledger.untaint(key)
    plan = workspace.plan()
    assert plan.reason == "1 run behind the lock has another result now"
    third = workspace.apply(plan).lock
    assert third.evidence_root != second.evidence_root
    assert workspace.verify().ok
    assert workspace.ledger.replicates() == (again,)


def test_a_lock_solved_without_a_tainted_run_says_which_and_why(workspace, root):
    key = workspace.lock().evidence[3]
    workspace.ledger.taint(key, "loss spike")
    lock = workspace.apply(workspace.plan(PlanOptions(solve_only=True))).lock
    assert key not in lock.evidence
    assert [(item.run, item.reason) for item in lock.excluded] == [(key, "tainted: loss spike")]
    assert "tainted: loss spike" in (root / "mixes/base.lock.yaml").read_text()
    assert workspace.verify().ok
    workspace.ledger.untaint(key)
    plan = workspace.plan()
    assert plan.reason == "1 run that the lock left out as tainted may be used now"
    lock = workspace.apply(plan).lock
    assert key in lock.evidence
    assert lock.excluded == ()
    assert workspace.verify().ok


def test_several_taints_and_lost_runs_are_one_sentence(workspace):
    keys = workspace.lock().evidence
    for key, reason in zip(keys[:3], ("spike", "spike", "wrong data"), strict=True):
        workspace.ledger.taint(key, reason)
    name = next(name for name in workspace.ledger.home.names() if keys[5].partition(":")[2] in name)
    workspace.ledger.home.delete(name)
    plan = workspace.plan()
    assert plan.reason == (
        "3 runs behind the lock are tainted: spike; wrong data; 1 of 12 runs behind the lock is not in the ledger"
    )
    assert len(plan.missing) == 4


def test_replicates_of_one_seed_tell_how_much_is_noise(workspace):
    """Runs repeated by other applies count as repeats: these differ by more than the mixtures do."""
    assert "reliability" not in {check.name for check in workspace.plan().checks}
    for shift, key in zip((0.9, -0.5, 0.7, -0.6), workspace.lock().evidence[:4], strict=True):
        assert not workspace.ledger.add(remeasure(workspace, key, shift))
    write_mix(workspace.root, {"code": "", "docs": "", "web": ""}, extra="swarm: {runs_per_coordinate: 4}")
    (check,) = [c for c in Workspace.open(cwd=workspace.root).plan().checks if c.name == "reliability"]
    assert "cannot tell these mixtures apart" in check.message
