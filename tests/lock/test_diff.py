"""Two locks compared: what is folded, what is listed, and that nothing is left out."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from locks import make_lock
from strategies import points

from olmixctl.errors import StaleError
from olmixctl.lock import digest_of
from olmixctl.lock.diff import diff_locks
from olmixctl.lock.model import LockedMetric
from olmixctl.mixture import GRID

OLD = {"code": 0.25, "web/health": 0.15, "web/science": 0.6}


def test_a_lock_does_not_differ_from_itself(lock):
    diff = diff_locks(lock, lock)
    assert diff.empty
    assert not diff.weights
    assert diff.kept.domains == tuple(OLD)
    assert diff.kept.factor == 1


def test_an_added_domain_leaves_the_kept_ones_in_one_entry(lock):
    new = {name: weight * 0.9 for name, weight in OLD.items()} | {"news": 0.1}
    diff = diff_locks(lock, make_lock(new, block=tuple(OLD), serial=2))
    assert [(w.domain, w.before, w.after) for w in diff.weights] == [("news", None, 100_000)]
    assert diff.kept.domains == tuple(OLD)
    assert (diff.kept.before, diff.kept.after) == (GRID, 900_000)
    assert [(d.domain, d.kind) for d in diff.data] == [("news", "added")]
    assert diff.serials == (1, 2)


def test_a_member_whose_ratio_moved_is_listed(lock):
    new = {"code": 0.3, "web/health": 0.14, "web/science": 0.56}
    diff = diff_locks(lock, make_lock(new, block=("web/health", "web/science")))
    assert [w.domain for w in diff.weights] == ["code"]
    assert diff.kept.domains == ("web/health", "web/science")
    moved = diff_locks(lock, make_lock({"code": 0.3, "web/health": 0.2, "web/science": 0.5}, block=tuple(OLD)))
    assert [w.domain for w in moved.weights] == ["web/science", "code", "web/health"]
    assert [w.delta for w in moved.weights] == [-100_000, 50_000, 50_000]
    assert moved.kept is None


def test_a_renamed_domain_is_followed(lock):
    new = make_lock(
        {"code": 0.25, "web/medicine": 0.15, "web/science": 0.6}, domains={"web/medicine": same("web/health")}
    )
    diff = diff_locks(lock, new)
    assert [(d.domain, d.kind, d.was) for d in diff.data] == [("web/medicine", "moved", "web/health")]
    assert not diff.weights
    assert diff.kept.domains == ("code", "web/medicine", "web/science")


def same(name):
    from locks import make_domain

    twin = make_domain(name)
    return {"content": twin.content, "fingerprint": twin.fingerprint}


def test_revised_data_and_removed_domains_are_told(lock):
    new = make_lock({"code": 0.4, "web/science": 0.6}, domains={"code": {"content": "olc1:new", "tokens": 7}})
    diff = diff_locks(lock, new)
    assert [(d.domain, d.kind, d.before, d.after) for d in diff.data] == [
        ("code", "revised", 100_000_000, 7),
        ("web/health", "removed", 100_000_000, None),
    ]
    assert {w.domain: w.after for w in diff.weights} == {"code": 400_000, "web/health": None}


def test_declared_inputs_are_compared_as_deep_as_they_go(lock):
    inputs = {**lock.inputs, "objective": {"kl": 0.1, "reference": "uniform"}, "domains": {"code": {"min": 0.1}}}
    diff = diff_locks(lock, make_lock(OLD, inputs=inputs))
    assert [(i.field, i.before, i.after) for i in diff.inputs] == [
        ("domains", None, {"code": {"min": 0.1}}),
        ("objective.kl", 0.05, 0.1),
        ("objective.reference", None, "uniform"),
    ]
    assert not diff.empty


def test_a_child_is_compared_by_its_own_laws(lock):
    metric = LockedMetric(natural=None, previous=Decimal("0.9"), this=Decimal("0.8"))
    child = make_lock(OLD, parents=(digest_of(lock),), serial=2, predicted={"python": metric})
    assert diff_locks(lock, child).same_laws
    found = {m.metric: (m.before, m.after) for m in diff_locks(lock, child).predicted}
    assert found["python"] == (Decimal("0.9"), Decimal("0.8"))
    assert found["wiki"] == (Decimal("1.21"), None)
    other = make_lock(OLD, serial=2, predicted={"python": metric})
    assert not diff_locks(lock, other).same_laws
    assert {m.metric: m.before for m in diff_locks(lock, other).predicted}["python"] == Decimal("0.88")


def test_evidence_that_came_and_went(lock):
    diff = diff_locks(lock, make_lock(OLD, evidence=(lock.evidence[0], "r1:new")))
    assert diff.evidence_added == ("r1:new",)
    assert diff.evidence_removed == lock.evidence[1:]


def test_locks_of_other_lineages_are_refused(lock):
    with pytest.raises(StaleError, match="lineage"):
        diff_locks(lock, make_lock(OLD, lineage="lin1:other"))


@given(st.data())
def test_every_domain_is_accounted_for(data):
    names = [f"d{i}" for i in range(6)]
    before = data.draw(points(data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))))
    after = data.draw(points(data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))))
    block = tuple(sorted(data.draw(st.sets(st.sampled_from(sorted(after))))))
    if not sum(after[name] for name in block):
        block = ()
    old, new = (make_lock({d: p / GRID for d, p in mix.items()}) for mix in (before, after))
    new = make_lock({d: p / GRID for d, p in after.items()}, block=block)
    diff = diff_locks(old, new)
    kept = set(diff.kept.domains) if diff.kept else set()
    listed = {w.domain for w in diff.weights}
    assert not kept & listed
    unmoved = {d for d in set(before) & set(after) if before[d] == after[d]}
    assert (set(before) | set(after)) - kept - listed <= unmoved
    total = sum(w.delta for w in diff.weights) + (diff.kept.after - diff.kept.before if diff.kept else 0)
    assert total == 0
    json.dumps(diff.as_json())


def test_a_name_that_another_domain_takes_over_is_told_twice(lock):
    """Its old documents are gone, and it has those of the domain that gave up its own name."""
    taken = make_lock({"code": 0.15, "web/science": 0.85}, domains={"code": same("web/health")}, serial=2)
    diff = diff_locks(lock, taken)
    assert [(d.domain, d.kind, d.was) for d in diff.data] == [
        ("code", "moved", "web/health"),
        ("code", "removed", None),
    ]
    assert {(w.domain, w.was, w.before, w.after) for w in diff.weights} == {
        ("code", None, 250_000, None),
        ("web/science", None, 600_000, 850_000),
    }
