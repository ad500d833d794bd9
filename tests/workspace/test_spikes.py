"""A run that measured far above what all others say: left out, said, verified; and what follows when it is tainted."""

from __future__ import annotations

import csv
import dataclasses

import pytest
from adopting import edit_table, write_declared_mix, write_tables
from workspaces import make_workspace

from olmixctl.execute.fake import FakeExecutor
from olmixctl.importing import Swarm, import_runs
from olmixctl.ledger.store import evidence_root
from olmixctl.lock import dump
from olmixctl.lock.model import SPIKED, Excluded
from olmixctl.plan import PlanOptions
from olmixctl.report.look import Look
from olmixctl.report.text_lock import lock_text
from olmixctl.workspace import Workspace


class Spiking(FakeExecutor):
    """The fifth run that is measured ends two bits too high."""

    def __init__(self, evals, count):
        super().__init__(evals)
        self.count = count

    def measure(self, run):
        outcome = super().measure(run)
        self.count[0] += 1
        high = 2.0 if self.count[0] == 5 else 0.0
        return dataclasses.replace(outcome, metrics={name: v + high for name, v in outcome.metrics.items()})


def open_at(root, count=100):
    workspace, counted = Workspace.open(cwd=root), [count]
    workspace._executor = lambda evals, _=None: Spiking(evals, counted)
    return workspace


@pytest.fixture
def decided(tmp_path):
    make_workspace(tmp_path)
    workspace = open_at(tmp_path, count=0)
    workspace.apply(workspace.plan())
    return open_at(tmp_path)


def even_row(path):
    """The row of the mixture that has all domains: what it measures others can say."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    return max(range(1, len(rows)), key=lambda row: min(map(float, rows[row][1:])))


def check_of(workspace, name):
    return next((check for check in workspace.verify().checks if check.name == name), None)


def test_it_is_left_out_and_said_and_the_lock_is_sound(decided):
    lock = decided.lock()
    (spike,) = lock.excluded
    assert spike.reason == SPIKED
    high = max(decided.ledger.records().values(), key=lambda record: min(record.metrics.values()))
    assert spike.run == high.key
    assert spike.run not in lock.evidence
    assert (len(lock.evidence), lock.surrogate.runs) == (11, 11)
    said = " ".join(lock_text(lock, Look(width=80, color=False)).split())
    assert f"left out: {spike.run[:11]} lies far above what all other runs say, as after a loss spike" in said
    assert decided.verify().ok
    assert "1 run left out, far above what all others say" in check_of(decided, "spikes").detail
    assert decided.plan().kind == "none"


def test_a_lock_that_leaves_out_what_is_no_spike_is_found(decided):
    lock = decided.lock()
    plain, *rest = lock.evidence
    excluded = (*lock.excluded, Excluded(run=plain, reason=SPIKED))
    root = evidence_root(decided.ledger.records(), tuple(rest))
    forged = dataclasses.replace(lock, excluded=excluded, evidence=tuple(rest), evidence_root=root)
    decided.lock_path.write_text(dump(forged))
    found = check_of(decided, "spikes")
    assert (found.ok, found.detail) == (False, "other runs than these are far above the rest")


def test_a_taint_has_it_trained_again_and_then_it_is_evidence(decided):
    (spike,) = decided.lock().excluded
    decided.ledger.taint(spike.run, "loss spike")
    assert decided.verify().ok
    path = decided.path
    path.write_text(path.read_text() + "constraints: [{name: all, domains: [code, web], max: 0.98}]\n")
    workspace = open_at(decided.root)
    plan = workspace.plan(PlanOptions(reuse="none"))
    workspace.apply(plan)
    after = open_at(decided.root)
    assert after.verify().ok
    assert after.lock().spiked == ()


def test_of_adopted_runs_too_and_nothing_is_to_do_then(tmp_path):
    write_declared_mix(tmp_path)
    write_tables(tmp_path, 24)

    row = even_row(tmp_path / "a.csv")

    def spike(rows):
        for column in (1, 2):
            rows[row][column] = repr(float(rows[row][column]) + 1.5)

    edit_table(tmp_path / "b.csv", spike)
    import_runs(Workspace.open(cwd=tmp_path), Swarm(ratios=tmp_path / "a.csv", metrics=tmp_path / "b.csv"))
    solve = PlanOptions(solve_only=True)
    workspace = Workspace.open(cwd=tmp_path)
    workspace.apply(workspace.plan(solve))
    again = Workspace.open(cwd=tmp_path)
    assert (len(again.lock().evidence), len(again.lock().spiked)) == (23, 1)
    assert again.verify().ok
    assert [again.plan(options).kind for options in (None, solve)] == ["none", "none"]
    assert "runs taint" not in lock_text(again.lock(), Look(width=80, color=False))
