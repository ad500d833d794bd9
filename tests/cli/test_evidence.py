"""runs taint, unlock, apply --no-wait: what a person does about evidence and leases."""

from __future__ import annotations

import json
import os

import pytest

from olmixctl.ledger.leases import Leases
from olmixctl.ledger.locate import locate
from olmixctl.workspace import Workspace


def some_key(root):
    return Workspace.open(cwd=root).lock().evidence[0]


def leases(root):
    return Leases(locate(None, root / "mixes/base", root)[1])


def test_a_taint_is_said_everywhere_and_ends_with_the_next_apply(applied, olmixctl):
    key = some_key(applied)
    said = olmixctl("runs", "taint", key[:9], "--reason", "  loss spike\nafter a restart ").stdout
    assert said.startswith(f"{key} is tainted: loss spike after a restart\n")
    assert "tainted: loss spike after a restart" in olmixctl("runs", "show", key).stdout
    listed = olmixctl("runs", "list").stdout
    assert "11 behind the lock, 1 tainted" in listed
    assert "    loss spike after a restart" in listed
    (run,) = [run for run in olmixctl.json("runs", "list")["runs"] if run["key"] == key]
    assert (run["tainted"], run["stands"], run["evidence"]) == ("loss spike after a restart", False, False)
    assert "1 run behind the lock is tainted: loss spike" in olmixctl("plan").stdout
    assert "`olmixctl apply` trains it again" in " ".join(olmixctl("verify", code=8).stdout.split())
    assert olmixctl.json("apply", "--auto-approve")["trained"] == 1
    olmixctl("verify")
    assert olmixctl.json("plan")["has_changes"] is False


def test_a_taint_taken_back_leaves_nothing_to_do(applied, olmixctl):
    key = some_key(applied)
    before = sorted((applied / "mixes/base.runs").iterdir())
    olmixctl("runs", "taint", key, "--reason", "a guess")
    assert "no longer tainted" in olmixctl("runs", "taint", key, "--undo").stdout
    assert sorted((applied / "mixes/base.runs").iterdir()) == before
    olmixctl("verify")
    assert olmixctl.json("plan")["has_changes"] is False


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["KEY"], "needs a reason"),
        (["KEY", "--reason", " \n"], "needs a reason"),
        (["KEY", "--undo"], "is not tainted"),
        (["KEY", "--undo", "--reason", "x"], "--undo takes no reason"),
        (["r1:zz", "--reason", "x"], "no recorded run"),
        (["r1:", "--reason", "x"], "12 runs have keys"),
    ],
)
def test_a_taint_that_says_too_little_is_refused(applied, olmixctl, words, message):
    before = sorted((applied / "mixes/base.runs").iterdir())
    words = [some_key(applied) if word == "KEY" else word for word in words]
    assert message in olmixctl("runs", "taint", *words, code=64).stderr
    assert sorted((applied / "mixes/base.runs").iterdir()) == before


def test_tainting_twice_says_why_it_is_tainted(applied, olmixctl):
    key = some_key(applied)
    olmixctl("runs", "taint", key, "--reason", "first")
    again = olmixctl("runs", "taint", key, "--reason", "second", code=64).stderr
    assert "tainted already: first" in again
    assert "--undo" in again


def test_no_leases_are_said(root, olmixctl):
    assert olmixctl("unlock").stdout == "base has no leases: nobody trains or solves it.\n"
    assert olmixctl.json("unlock") == {"leases": []}


def test_leases_of_the_dead_are_removed_and_others_only_by_force(root, olmixctl):
    dead = leases(root)
    lease = dead.claim(["r1-0123456789abcdef"])
    value = json.loads(dead.home.read(lease.file))
    value["owner"] |= {"pid": 1, "started": "0"}  # a process of this machine that is none any more
    dead.home.replace(lease.file, json.dumps(value).encode())
    mine = leases(root)
    held = mine.claim(["lock"])
    shown = olmixctl("unlock")
    lines = shown.stdout.splitlines()
    assert lines[0] == "base  2 leases, 1 removed"
    assert lines[3].split()[:2] == ["the", "lock"]
    assert lines[3].endswith("held")
    assert lines[4].startswith("r1:01234567")
    assert lines[4].endswith("removed")
    assert "process 1 on " in lines[4]
    assert "--force" in shown.stderr
    assert mine.holds(held)
    (lease,) = olmixctl.json("unlock", "--force")["leases"]
    assert (lease["subject"], lease["removed"], lease["ended"]) == ("lock", True, False)
    assert lease["holder"]["pid"] == os.getpid()
    assert not mine.holds(held)
    assert olmixctl.json("unlock") == {"leases": []}


def test_apply_without_waiting_exits_5_when_another_holds_the_rest(root, olmixctl):
    workspace = Workspace.open(cwd=root)
    key = workspace.plan().missing[0].key
    other = leases(root)
    held = other.claim([key.replace(":", "-")])
    failed = olmixctl("apply", "--auto-approve", "--no-wait", code=5)
    assert "another apply trains what is left, 1 of the runs" in failed.stderr
    assert f"process {os.getpid()} on " in failed.stderr
    assert len(workspace.ledger.records()) == 11
    assert workspace.lock() is None
    other.release(held)
    assert olmixctl.json("apply", "--auto-approve")["trained"] == 1


def test_apply_without_waiting_exits_5_when_another_decides(root, olmixctl):
    other = leases(root)
    held = other.claim(["lock"])
    assert "deciding the mix" in olmixctl("apply", "--auto-approve", "--no-wait", code=5).stderr
    other.release(held)
    assert olmixctl.json("apply", "--auto-approve")["written"]
