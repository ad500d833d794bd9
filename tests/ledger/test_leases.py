"""Leases: one holder at a time, whoever sleeps, dies or wakes late."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from olmixctl.errors import OlmixctlError
from olmixctl.ledger.home import LocalHome
from olmixctl.ledger.leases import Lease, Leases
from olmixctl.ledger.owner import started, this_process

TTL = 60.0


class Clock:
    """Seconds of one machine: moves when told to, and starts where it likes."""

    def __init__(self, now=0.0):
        self.now = now

    def __call__(self):
        return self.now


class Memory:
    """A home in a dictionary: what the protocol rests on, and nothing else."""

    folder = None
    where = "memory"

    def __init__(self):
        self.files = {}

    def place(self, name):
        return name

    def names(self):
        return sorted(self.files)

    def read(self, name):
        return self.files.get(name)

    def read_many(self, names):
        return {name: self.files[name] for name in names if name in self.files}

    def create(self, name, data):
        if name in self.files:
            return False
        self.files[name] = data
        return True

    def replace(self, name, data):
        self.files[name] = data

    def delete(self, name):
        self.files.pop(name, None)

    def sweep(self):
        pass


@pytest.fixture
def home(tmp_path):
    return LocalHome(tmp_path / "leases", durable=False)


def elsewhere(monkeypatch, host="other-host"):
    """This process, as if it ran on another machine: nothing can be seen of it from here."""
    owner = dataclasses.replace(this_process(), host=host)
    monkeypatch.setattr("olmixctl.ledger.leases.this_process", lambda: owner)


def gone(home, lease):
    """The holder of `lease` ended: its file names a process that is none."""
    value = json.loads(home.read(lease.file))
    value["owner"]["started"] = "1"
    home.replace(lease.file, json.dumps(value).encode())


def test_a_free_name_is_claimed_once(home):
    one, two = Leases(home), Leases(home)
    lease = one.claim(["a"])
    assert lease == Lease("a", 1)
    assert one.holds(lease)
    assert two.claim(["a"]) is None
    assert two.claim(["a", "b"]) == Lease("b", 1)


def test_a_released_name_is_claimed_under_the_next_number(home):
    one, two = Leases(home), Leases(home)
    lease = one.claim(["a"])
    one.release(lease)
    assert not one.holds(lease)
    assert two.claim(["a"]) == Lease("a", 2)
    assert two.holds(Lease("a", 2))


def test_a_lease_without_heartbeat_expires_by_the_observers_own_clock(home, monkeypatch):
    elsewhere(monkeypatch)
    mine, others = Clock(1e9), Clock(-5.0)
    one, two = Leases(home, clock=mine), Leases(home, clock=others)
    lease = one.claim(["a"])
    monkeypatch.undo()
    assert two.claim(["a"]) is None
    others.now += TTL - 1
    assert two.claim(["a"]) is None
    others.now += 1
    assert two.claim(["a"]) == Lease("a", 2)
    assert not one.holds(lease)


def test_a_heartbeat_keeps_a_lease(home, monkeypatch):
    elsewhere(monkeypatch)
    clock = Clock()
    one, two = Leases(home), Leases(home, clock=clock)
    lease = one.claim(["a"])
    monkeypatch.undo()
    for _ in range(10):
        assert two.claim(["a"]) is None
        clock.now += TTL - 1
        one.beat()
    assert one.holds(lease)


def test_the_lease_of_a_process_of_this_machine_that_ended_is_free_at_once(home):
    one, two = Leases(home), Leases(home)
    lease = one.claim(["a"])
    gone(home, lease)
    assert two.claim(["a"]) == Lease("a", 2)


def test_a_process_in_another_container_or_boot_is_not_judged(home):
    for field in ("host", "boot", "space"):
        owner = dataclasses.replace(this_process(), started="1", **{field: "elsewhere"})
        assert not owner.is_dead()
    assert dataclasses.replace(this_process(), started="1").is_dead()
    assert not this_process().is_dead()


def test_a_child_that_ended_is_dead_before_anyone_waits_for_it():
    child = subprocess.Popen(["sleep", "60"])
    owner = dataclasses.replace(this_process(), pid=child.pid, started=started(child.pid))
    assert not owner.is_dead()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert owner.is_dead()
    child.wait()
    assert owner.is_dead()


def test_one_that_was_taken_over_finds_out_and_leaves_nothing(home):
    one, two = Leases(home), Leases(home)
    lease = one.claim(["a"])
    assert two.evict(lease)
    assert not one.holds(lease)
    one.beat()  # it does not know yet, and does no harm
    assert not one.holds(lease)
    taken = two.claim(["a"])
    assert taken == Lease("a", 3)
    one.release(lease)
    assert two.holds(taken)
    assert lease.file not in home.names()


def test_evicting_what_changed_hands_meanwhile_is_refused(home):
    one, two = Leases(home), Leases(home)
    lease = one.claim(["a"])
    one.release(lease)
    assert two.claim(["a"]) == Lease("a", 2)
    assert not one.evict(lease)


def test_holders_are_listed_with_what_is_known_of_them(home):
    one = Leases(home)
    held, ended, released = one.claim(["a"]), one.claim(["b"]), one.claim(["c"])
    gone(home, ended)
    one.release(released)
    home.create("d.1", b"not a lease")
    found = {entry.lease.name: entry for entry in one.holders()}
    assert set(found) == {"a", "b", "d"}
    assert not found["a"].dead
    assert found["a"].lease == held
    assert found["a"].owner.pid == os.getpid()
    assert found["b"].dead
    assert found["d"].owner is None
    assert found["d"].who == "unreadable"


def test_a_damaged_lease_file_expires_like_any_other(home):
    home.create("a.1", b"{")
    clock = Clock()
    leases = Leases(home, clock=clock)
    assert leases.claim(["a"]) is None
    clock.now += TTL
    assert leases.claim(["a"]) == Lease("a", 2)


@pytest.mark.parametrize("write", ["create", "replace", "names"])
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_an_interrupt_in_the_middle_leaves_no_lease_behind(write, done, monkeypatch):
    """Ctrl-C comes at any line: before and after each look or write of claiming and releasing."""
    home = Memory()
    leases, original, left = Leases(home), getattr(home, write), [0]

    def interrupted(*arguments):
        left[0] -= 1
        if left[0] == 0 and not done:
            raise KeyboardInterrupt
        result = original(*arguments)
        if left[0] == 0:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(home, write, interrupted)
    for at in range(1, 6):
        left[0] = at
        with contextlib.suppress(KeyboardInterrupt), leases.beating():
            leases.release(leases.claim([f"r{at}"]))
        left[0] = 0
        assert [held.lease for held in leases.holders()] == []


def test_swept_names_leave_no_files(home):
    leases = Leases(home)
    for name in ("a", "b"):
        leases.release(leases.claim([name]))
    leases.sweep(["a", "never"])
    assert home.names() == ["b.1"]


def test_beating_moves_the_counter_and_releases_in_the_end(home):
    leases = Leases(home)
    beaten = threading.Event()
    beat = leases.beat

    def tell():
        beat()
        beaten.set()

    leases.beat = tell
    with leases.beating(every=0.01):
        lease = leases.claim(["a"])
        before = json.loads(home.read(lease.file))["counter"]
        beaten.clear()
        assert beaten.wait(10)
        assert json.loads(home.read(lease.file))["counter"] > before
    assert json.loads(home.read(lease.file))["state"] == "released"
    assert leases.holders() == []


def test_a_store_that_is_away_for_a_while_does_not_end_the_heartbeat(home):
    leases = Leases(home)
    beats = []
    again = threading.Event()

    def fail():
        beats.append(1)
        if len(beats) >= 3:
            again.set()
        raise OlmixctlError("away")

    leases.beat = fail
    with leases.beating(every=0.01):
        assert again.wait(10)


def test_many_claimants_of_one_name_have_one_winner(home):
    gate, won = threading.Barrier(8), []

    def claim():
        leases = Leases(home)
        gate.wait()
        won.append(leases.claim(["a"]))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [lease for lease in won if lease] == [Lease("a", 1)]


class Holders(RuleBasedStateMachine):
    """Appliers on machines with clocks of their own; some pause, some die, all want the same two names.

    A pause stops everything a process does, its heartbeat too; others see time pass meanwhile.
    """

    NAMES = ("a", "b")
    COUNT = 3

    def __init__(self):
        super().__init__()
        self.home = Memory()
        self.clocks = [Clock(1000.0 * number) for number in range(self.COUNT)]
        self.leases = [Leases(self.home, ttl=TTL, clock=clock) for clock in self.clocks]
        self.awake = [True] * self.COUNT
        self.beliefs = [{} for _ in range(self.COUNT)]
        self.numbers = dict.fromkeys(self.NAMES, 0)

    who = st.integers(0, COUNT - 1)

    def active(self, who):
        return self.awake[who]

    @rule(who=who, name=st.sampled_from(NAMES))
    def claim(self, who, name):
        if not self.active(who) or name in self.beliefs[who]:
            return
        before = [other for other in range(self.COUNT) if other != who and self.unfenced(other, name)]
        lease = self.leases[who].claim([name])
        if lease is None:
            return
        self.beliefs[who][name] = lease
        # Numbers only grow, so one that slept cannot meet its own number again.
        assert lease.number > self.numbers[name]
        self.numbers[name] = lease.number
        # Nobody who was awake and beating all the time loses a lease.
        assert not any(self.active(other) for other in before)

    @rule(who=who, name=st.sampled_from(NAMES))
    def wait_for(self, who, name):
        """What an apply does that finds a name held: look, wait, look again."""
        self.claim(who, name)
        self.time_passes(TTL)
        self.claim(who, name)
        if self.active(who) and name not in self.beliefs[who]:
            # Only one that is well keeps others waiting.
            assert any(self.active(other) and self.unfenced(other, name) for other in range(self.COUNT))

    @rule(who=who)
    def beat(self, who):
        if self.active(who):
            self.leases[who].beat()

    @rule(seconds=st.sampled_from([1.0, TTL / 4, TTL]))
    def time_passes(self, seconds):
        """Who is awake beats four times a TTL; who is not, does not."""
        left = seconds
        while left > 0:
            step = min(left, TTL / 4)
            left -= step
            for clock in self.clocks:
                clock.now += step
            for who in range(self.COUNT):
                self.beat(who)

    @rule(who=who)
    def pause(self, who):
        self.awake[who] = False

    @rule(who=who)
    def wake(self, who):
        self.awake[who] = True

    @rule(who=who)
    def die(self, who):
        """Another process starts in its place; what the dead one held, nobody beats for."""
        self.leases[who] = Leases(self.home, ttl=TTL, clock=self.clocks[who])
        self.awake[who] = True
        self.beliefs[who] = {}

    @rule(who=who, name=st.sampled_from(NAMES))
    def finish(self, who, name):
        """Record and release: only whoever is not fenced may record."""
        lease = self.beliefs[who].get(name)
        if not self.active(who) or lease is None:
            return
        if self.leases[who].holds(lease):
            assert lease.number == self.numbers[name]
        self.leases[who].release(lease)
        del self.beliefs[who][name]

    @rule(who=who, name=st.sampled_from(NAMES))
    def evict(self, who, name):
        if not self.active(who):
            return
        for held in self.leases[who].holders():
            if held.lease.name == name and self.leases[who].evict(held.lease):
                self.numbers[name] = held.lease.number + 1

    @precondition(lambda self: any(self.beliefs))
    @invariant()
    def never_two_unfenced_holders(self):
        for name in self.NAMES:
            assert sum(self.unfenced(who, name) for who in range(self.COUNT)) <= 1

    def unfenced(self, who, name):
        """Believes that it holds the name, and the fence would let it record."""
        lease = self.beliefs[who].get(name)
        return lease is not None and self.leases[who].holds(lease)


Holders.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestHolders = Holders.TestCase
