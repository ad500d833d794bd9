"""Leases as text."""

from __future__ import annotations

from olmixctl.ledger.freeing import Freed
from olmixctl.ledger.leases import LOCK, Held, Lease
from olmixctl.ledger.owner import Owner
from olmixctl.report.look import Look
from olmixctl.report.text_leases import leases_text

OWNER = Owner(host="trainer-07", boot="b", space="pid:[1]", pid=4711, started="99")


def freed(name, *, owner=OWNER, dead=False, age=75, removed=False):
    held = Held(lease=Lease(name, 3), owner=owner, since=0, dead=dead)
    return Freed(held=held, age_seconds=age, removed=removed)


def test_a_line_a_lease():
    leases = [
        freed(LOCK),
        freed("r1-0123456789abcdef", dead=True, removed=True, age=7200),
        freed("r1-fedcba9876543210", owner=None, age=0),
    ]
    assert leases_text("base", leases, Look()).splitlines() == [
        "base  3 leases, 1 removed",
        "",
        "lease on     holder                                    age",
        "the lock     process 4711 on trainer-07         1 min 15 s  held",
        "r1:01234567  process 4711 on trainer-07  ended  2 h 00 min  removed",
        "r1:fedcba98  unreadable                                  –  held",
    ]


def test_no_leases():
    assert leases_text("base", [], Look()) == "base has no leases: nobody trains or solves it.\n"


def test_json_says_what_the_text_says():
    assert freed("r1-0123", dead=True, removed=True).as_json() == {
        "subject": "r1:0123",
        "holder": {"host": "trainer-07", "pid": 4711},
        "age_seconds": 75,
        "ended": True,
        "removed": True,
    }
    assert freed(LOCK, owner=None).as_json()["holder"] is None
