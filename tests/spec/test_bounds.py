"""Bounds that exclude each other are found, and the set that is named is irreducible."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from olmixctl.spec.bounds import Bound, _laminar_families, find_conflict, spec_bounds

IDS = ("a", "b", "c", "d")


def bound(kind, value, ids, name=None):
    members = frozenset(ids)
    name = name or "+".join(sorted(members))
    return Bound(name, kind, Fraction(str(value)), members, f"constraints.{name}.{kind}")


def feasible(bounds, ids=IDS):
    """By linear programming, as `solve` would find."""
    from scipy.optimize import linprog

    rows = [(1 if b.kind == "max" else -1) * np.array([i in b.ids for i in ids], dtype=float) for b in bounds]
    sides = [(1 if b.kind == "max" else -1) * float(b.value) for b in bounds]
    result = linprog(
        np.zeros(len(ids)),
        A_ub=np.array(rows) if rows else None,
        b_ub=sides or None,
        A_eq=np.ones((1, len(ids))),
        b_eq=[1.0],
        bounds=(0, None),
    )
    return result.status == 0


@pytest.mark.parametrize(
    ("bounds", "labels", "low", "high"),
    [
        ([bound("min", 0.6, "a"), bound("max", 0.5, "a")], ["min:a", "max:a"], "0.6", "0.5"),
        ([bound("min", 0.6, "a"), bound("min", 0.5, "b"), bound("min", 0.1, "c")], ["min:a", "min:b"], "1.1", "1"),
        ([bound("max", 0.2, i) for i in IDS], ["max:a", "max:b", "max:c", "max:d"], "1", "0.8"),
        ([bound("min", 0.6, "ab"), bound("max", 0.2, "a"), bound("max", 0.3, "b")], None, "0.6", "0.5"),
        ([bound("max", 0.3, "ab"), bound("min", 0.2, "a"), bound("min", 0.2, "b")], None, "0.4", "0.3"),
        ([bound("max", 0.3, "ab"), bound("max", 0.2, "c"), bound("max", 0.4, "d")], None, "1", "0.9"),
        ([bound("max", 0.3, "abc"), bound("max", 0.9, "d")], None, None, None),
        ([bound("max", 0.9, "abcd")], ["max:a+b+c+d"], "1", "0.9"),
        ([bound("min", 1, "a"), bound("min", 0.000001, "b")], None, "1.000001", "1"),
        ([bound("min", 0.1, i) for i in "abcdefghij"], None, None, None),
    ],
)
def test_golden(bounds, labels, low, high):
    ids = sorted({i for b in bounds for i in b.ids} | set(IDS))
    found = find_conflict(bounds, ids)
    if low is None:
        assert found is None
        return
    assert (found.low, found.high) == (Fraction(low), Fraction(high))
    assert [b.label for b in found.bounds] == (labels or sorted((b.label for b in bounds), key=lambda t: t[4:]))


def test_constraints_that_overlap_are_each_checked():
    bounds = [
        bound("min", 0.5, "ab"),
        bound("min", 0.5, "bc"),
        bound("max", 0.1, "b"),
        bound("max", 0.1, "c"),
        bound("max", 0.5, "cd"),
    ]
    assert [b.label for b in find_conflict(bounds, IDS).bounds] == ["max:b", "min:b+c", "max:c"]


def test_what_only_a_linear_program_sees_is_left_to_it():
    pairs = [bound("min", 0.7, pair) for pair in ("ab", "bc", "ac")]
    assert not feasible(pairs, "abc")
    assert find_conflict(pairs, "abc") is None


SHARES = st.sampled_from(["0.05", "0.1", "0.2", "0.25", "0.3", "0.5", "0.6", "0.9"])
NESTED = st.sampled_from(["a", "b", "c", "d", "ab", "cd", "abc", "abcd"]).map(frozenset)
LAMINAR = [frozenset(s) for s in ("a", "b", "c", "d", "ab", "abc", "abcd")]


@st.composite
def bound_lists(draw, sets):
    chosen = draw(
        st.lists(st.tuples(sets, st.sampled_from(["min", "max"]), SHARES), max_size=8, unique_by=lambda t: t[:2])
    )
    return [bound(kind, value, ids) for ids, kind, value in chosen]


@settings(max_examples=150, deadline=None)
@given(bound_lists(st.sampled_from(LAMINAR)))
def test_on_nesting_sets_the_arithmetic_agrees_with_a_linear_program(bounds):
    assert (find_conflict(bounds, IDS) is None) == feasible(bounds)


@settings(max_examples=150, deadline=None)
@given(bound_lists(NESTED))
@example([bound("max", "0.5", "ab"), bound("min", "0.6", "a"), bound("min", "0.6", "b")])
def test_what_is_named_is_in_conflict_and_irreducible(bounds):
    found = find_conflict(bounds, IDS)
    if found is None:
        return
    named = list(found.bounds)
    assert not feasible(named)
    for left_out in named:
        assert feasible([b for b in named if b is not left_out]), left_out.label


@given(bound_lists(NESTED), st.randoms(use_true_random=False))
def test_whether_there_is_a_conflict_does_not_hang_on_the_order(bounds, random):
    shuffled = list(bounds)
    random.shuffle(shuffled)
    assert (find_conflict(bounds, IDS) is None) == (find_conflict(shuffled, reversed(IDS)) is None)


def test_spec_bounds_have_the_address_of_what_they_bound(load, full):
    fields = {b.label: b.field for b in spec_bounds(load(full).spec)}
    assert fields == {
        "min:code": "domains.code.min",
        "max:web/health": "domains.web/health.max",
        "min:code-share": "constraints.code-share.min",
        "max:code-share": "constraints.code-share.max",
        "max:crawled": "constraints.crawled.max",
        "max:web": "domains.web.max",
    }


def test_a_thousand_bounds_take_no_time():
    ids = [f"d{i:04}" for i in range(1000)]
    start = time.perf_counter()
    assert len(find_conflict([bound("max", "0.0009", [i]) for i in ids], ids).bounds) == 1000
    assert len(find_conflict([bound("min", "0.002", [i]) for i in ids], ids).bounds) == 501
    assert time.perf_counter() - start < 2


@given(st.lists(st.frozensets(st.sampled_from("abcdef"), min_size=2, max_size=5), unique=True, max_size=8))
def test_families_nest_hold_every_set_and_take_in_all_that_fits(sets):
    everything = frozenset("abcdef")
    bounds = [Bound(f"b{i}", "max", Fraction(1, 2), ids, f"b{i}") for i, ids in enumerate(sets)]
    families = [{b.ids for b in family} for family in _laminar_families(bounds, everything)]

    def nests(one, other):
        return one <= other or other <= one or one.isdisjoint(other)

    assert {ids for family in families for ids in family} == set(sets)
    for family in families:
        assert all(nests(one, other) for one in family for other in family)
        assert not any(all(nests(ids, other) for other in family) for ids in set(sets) - family)
