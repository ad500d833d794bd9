"""Work that is shared: claimed when a worker is free, counted by whoever recorded it, fenced when it was taken over."""

from __future__ import annotations

import dataclasses
from unittest.mock import Mock

import pytest
from workspaces import make_workspace

from olmixctl.errors import LeaseError, OlmixctlError
from olmixctl.execute.events import RunFinished, TrainingStarted, WaitingForOthers, silent
from olmixctl.execute.fake import FakeExecutor
from olmixctl.execute.spool import hand_over, put_by
from olmixctl.execute.training import train_missing
from olmixctl.execute.work import SharedWork, Sharing, alone, lease_name
from olmixctl.ledger import Ledger, LocalHome, RunRecord
from olmixctl.ledger.files import Attempt, run_name
from olmixctl.ledger.leases import LOCK, Leases
from olmixctl.workspace import Workspace


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    root = tmp_path_factory.mktemp("work")
    make_workspace(root, extra="swarm: {runs_per_coordinate: 1}")
    return Workspace.open(cwd=root).plan()


@pytest.fixture
def place(tmp_path):
    """A ledger and the leases on it, as several applies see them."""

    def sharing(**options):
        homes = LocalHome(tmp_path / "runs"), LocalHome(tmp_path / "leases", durable=False)
        return Sharing(ledger=Ledger(homes[0]), leases=Leases(homes[1]), look_seconds=0.01, **options)

    return sharing


def train(plan, sharing, executor=None, events=None, spool=None):
    return train_missing(
        plan,
        executor or FakeExecutor(plan.observed.evals),
        sharing,
        lambda: pytest.fail("the surface reads no data"),
        provenance={"git_commit": "abc"},
        on_event=silent if events is None else events.append,
        spool=spool,
    )


def test_runs_are_recorded_and_leases_given_back(plan, place):
    sharing, events = place(), []
    assert train(plan, sharing, events=events) == 4
    assert sharing.ledger.usable_keys() == {run.key for run in plan.runs}
    assert sharing.leases.holders() == []
    assert [(e.done, e.total) for e in events if isinstance(e, RunFinished)] == [(n, 4) for n in range(1, 5)]
    assert [e.missing for e in events if isinstance(e, TrainingStarted)] == [4]


def test_a_record_says_what_its_plan_expected(plan, place):
    first, second = place(), place()
    train(plan, first)
    (record, *_) = first.ledger.records().values()
    assert record.provenance["predicted_device_seconds"] is None
    assert record.provenance["git_commit"] == "abc"
    cost = dataclasses.replace(plan.cost, runs=4, device_seconds=(4.0, 8.0, 20.0))
    other = dataclasses.replace(plan, cost=cost)
    for name in first.ledger.home.names():
        first.ledger.home.delete(name)
    train(other, second)
    (record, *_) = second.ledger.records().values()
    assert record.provenance["predicted_device_seconds"] == [1.0, 2.0, 5.0]


def test_runs_that_another_records_meanwhile_are_not_trained(plan, place):
    class Interrupted(FakeExecutor):
        """Another apply does all the rest while this one trains its first run."""

        def measure(self, run):
            train(plan_without(plan, run), place())
            return super().measure(run)

    assert train(plan, place(), Interrupted(plan.observed.evals)) == 1


def plan_without(plan, run):
    return dataclasses.replace(plan, runs=tuple(other for other in plan.runs if other.key != run.key))


def test_what_others_hold_is_waited_for_and_then_trained(plan, place):
    other = place().leases
    held = other.claim([lease_name(plan.runs[0].key)])
    events = []

    def tell(event):
        events.append(event)
        if isinstance(event, WaitingForOthers):
            other.release(held)

    count = train_missing(plan, FakeExecutor(plan.observed.evals), place(), lambda: None, provenance={}, on_event=tell)
    assert count == 4
    assert [e.runs for e in events if isinstance(e, WaitingForOthers)] == [1]
    keys = [e.key for e in events if isinstance(e, RunFinished)]
    assert keys[-1] == plan.runs[0].key  # what is held comes last


def test_without_waiting_the_rest_is_trained_first(plan, place):
    other = place().leases
    other.claim([lease_name(plan.runs[0].key)])
    sharing = place(wait=False)
    with pytest.raises(LeaseError, match="what is left, 1 of the runs") as caught:
        train(plan, sharing)
    assert caught.value.exit_code == 5
    assert len(sharing.ledger.usable_keys()) == 3
    assert [held.lease.name for held in sharing.leases.holders()] == [lease_name(plan.runs[0].key)]


def test_a_result_whose_lease_was_taken_over_is_not_recorded_and_the_run_is_left_to_the_other(plan, place):
    sharing, other = place(), place()
    kept = []

    def keep(_, lease):
        kept.append(sharing.leases.holds(lease))
        return kept[-1]

    work = SharedWork(plan.runs, sharing, keep, silent)
    run = work.claim()
    held = next(held for held in other.leases.holders() if held.lease.name == lease_name(run.key))
    assert other.leases.evict(held.lease)
    theirs = other.leases.claim([lease_name(run.key)])
    work.record(FakeExecutor(plan.observed.evals).measure(run))
    assert kept == [False]
    assert work.done == 0
    assert work.total == 4
    assert other.leases.holds(theirs)


def test_claims_are_rare_where_nothing_is_free(plan, place, monkeypatch):
    """Workers that wait do not list the leases again and again."""
    other = place().leases
    for run in plan.runs:
        other.claim([lease_name(run.key)])
    sharing = place()
    looks = []
    monkeypatch.setattr(sharing.leases, "claim", looks.append)
    work = SharedWork(plan.runs, sharing, lambda *_: True, silent)
    work._sharing = Sharing(ledger=sharing.ledger, leases=sharing.leases, look_seconds=3600.0)
    for _ in range(50):
        assert work.claim() is None
    assert len(looks) == 1


def test_the_lock_is_decided_by_one_at_a_time(place):
    one, two, events = place(), place(wait=False), []
    with alone(one, events.append) as check:
        check()
        with pytest.raises(LeaseError, match="deciding the mix"), alone(two, events.append):
            pytest.fail("two decide at once")
        (held,) = two.leases.holders()
        assert held.lease.name == LOCK
        two.leases.evict(held.lease)
        with pytest.raises(LeaseError, match="another took over"):
            check()
    with alone(two, events.append) as check:
        check()


def test_one_that_waits_for_the_lock_says_so(place):
    one, two, events = place(), place(), []
    lease = one.leases.claim([LOCK])

    def tell(event):
        events.append(event)
        one.leases.release(lease)

    with alone(two, tell):
        assert events == [WaitingForOthers(0)]


def test_a_result_that_the_ledger_cannot_take_waits_for_the_next_apply(plan, place, tmp_path, monkeypatch):
    sharing, spool = place(), LocalHome(tmp_path / "unrecorded")
    away = OlmixctlError("the ledger cannot be reached", remedy="check the network")
    monkeypatch.setattr(sharing.ledger, "add", Mock(side_effect=away))
    with pytest.raises(OlmixctlError, match="cannot be reached") as caught:
        train(plan, sharing, spool=spool)
    assert "the next apply records it" in caught.value.remedy
    (name,) = spool.names()
    later = place()
    assert train(plan, later, spool=spool) == 3
    assert spool.names() == []
    assert name in later.ledger.home.names()
    assert len(later.ledger.usable_keys()) == 4
    assert later.leases.holders() == []


def test_a_result_that_waits_is_not_recorded_over_the_head_of_another_apply(plan, place, tmp_path):
    spool, first = LocalHome(tmp_path / "unrecorded"), place()
    train(plan, first)
    key = plan.runs[0].key
    late = dataclasses.replace(first.ledger.get(key), metrics=dict.fromkeys(first.ledger.get(key).metrics, 0.5))
    first.ledger.home.delete(run_name(Attempt(key, 1)))
    put_by(late, spool, OlmixctlError("away"))
    other = place()
    lease = other.leases.claim([lease_name(key)])
    assert hand_over(place(), spool) == 0
    assert len(spool.names()) == 1
    other.leases.release(lease)
    assert hand_over(place(), spool) == 1
    assert first.ledger.get(key) == late


def test_where_nothing_can_be_put_by_the_first_error_is_told(plan, place, tmp_path):
    (tmp_path / "file").write_text("no folder")
    record = RunRecord(
        inputs=plan.runs[0].inputs, mixture=plan.runs[0].weights, evals={}, status="diverged", metrics={}
    )
    cause = OlmixctlError("the disk is full")
    assert put_by(record, LocalHome(tmp_path / "file" / "sub"), cause) is cause


def test_nothing_is_prepared_when_all_is_recorded_already(plan, place):
    train(plan, place())
    executor = Mock(spec=FakeExecutor)
    assert train(plan, place(), executor) == 0
    executor.execute.assert_not_called()
