"""Two locks that parted: what joins them, and the place of the joined one."""

from __future__ import annotations

import pytest
from locks import make_lock

from olmixctl.errors import StaleError
from olmixctl.lock.codec import digest_of, dump, parse
from olmixctl.lock.merge import LockMerge, joined_lock

BASE = make_lock({"code": 0.25, "web": 0.75})


def side(weights, serial, **fields):
    return make_lock(weights, serial=serial, parents=(digest_of(BASE),), **fields)


OURS = side({"code": 0.3, "web": 0.7}, 2, domains={"code": {"changed_in": 2}, "web": {"changed_in": 2}})
THEIRS = side({"code": 0.25, "web": 0.75}, 4, evidence=())


def test_the_joined_lock_stands_above_both_sides():
    decided = make_lock({"code": 0.25, "web": 0.75}, serial=9)
    merge = LockMerge(base=BASE, ours=OURS, theirs=THEIRS)
    joined = joined_lock(decided, merge)
    assert joined.serial == 5
    assert joined.parents == tuple(sorted([digest_of(OURS), digest_of(THEIRS)]))
    assert parse(dump(joined)) == joined


def test_a_domain_changed_when_neither_side_has_its_weight():
    merge = LockMerge(base=BASE, ours=OURS, theirs=THEIRS)
    serials = [
        joined_lock(make_lock({"code": c, "web": 1 - c}), merge).domains["code"].changed_in for c in (0.25, 0.3, 0.4)
    ]
    assert serials == [1, 2, 5]


def test_ours_and_theirs_are_treated_alike():
    decided = make_lock({"code": 0.3, "web": 0.7})
    there = LockMerge(base=BASE, ours=OURS, theirs=THEIRS)
    back = LockMerge(base=BASE, ours=THEIRS, theirs=OURS)
    assert dump(joined_lock(decided, there)) == dump(joined_lock(decided, back))


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "standing"),
    [
        (BASE, OURS, THEIRS, "parted"),
        (None, OURS, THEIRS, "parted"),
        (BASE, OURS, BASE, "ours"),
        (BASE, BASE, THEIRS, "theirs"),
        (None, OURS, BASE, "ours"),
        (None, BASE, THEIRS, "theirs"),
        (BASE, OURS, OURS, "same"),
    ],
)
def test_a_side_that_goes_on_from_the_other_is_known_by_base_or_parent(base, ours, theirs, standing):
    assert LockMerge(base=base, ours=ours, theirs=theirs).standing == standing


def test_without_a_base_the_start_is_ours():
    assert LockMerge(base=None, ours=OURS, theirs=THEIRS).start == OURS
    foreign = make_lock({"code": 0.5, "web": 0.5}, lineage="lin1:other")
    assert LockMerge(base=foreign, ours=OURS, theirs=THEIRS).start == OURS
    assert LockMerge(base=BASE, ours=OURS, theirs=THEIRS).start == BASE


@pytest.mark.parametrize(("fields", "said"), [({"lineage": "lin1:other"}, "lineages"), ({"name": "other"}, "mixes")])
def test_strangers_do_not_join(fields, said):
    with pytest.raises(StaleError, match=said) as error:
        LockMerge(base=None, ours=OURS, theirs=side({"code": 0.5, "web": 0.5}, 3, **fields))
    assert error.value.exit_code == 4
