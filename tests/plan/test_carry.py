"""A mix without a run: its laws, whatever was kept, revised, parted, merged, added or removed."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from locks import make_lock

from olmixctl.corpus.model import DomainState
from olmixctl.mixture import GRID
from olmixctl.plan.carry import carried_mix
from olmixctl.plan.changes import ChangeSet
from olmixctl.plan.model import Observed
from olmixctl.spec.model import DomainSpec, EvalSpec, MixSpec, ProxySpec, TargetSpec

OLD = {"a": 0.4, "b": 0.3, "c": 0.2, "d": 0.1}


def observed(tokens):
    spec = MixSpec(
        name="m", target=TargetSpec(tokens=10**9), domains=tuple(DomainSpec(id=d, paths=(d,)) for d in tokens),
        evals=(EvalSpec(name="m", paths=("e",)),), proxy=ProxySpec(model="250k", tokens=10**6),
    )  # fmt: skip
    states = {d: DomainState(id=d, fingerprint=d, content=d, tokens=n, documents=1) for d, n in tokens.items()}
    return Observed(
        spec=spec, inputs={}, semantic="", full="", states=states, evals={}, tokenizer="bytes", trainer="t1",
        vocabulary=257,
    )  # fmt: skip


def changes(kept, affected, origins):
    removed = tuple(sorted(set(OLD) - set(kept.values()) - set(affected)))
    return ChangeSet(
        changes=(), affected=tuple(sorted(affected)), kept=kept, removed=removed, evals_added=(), evals_changed=False,
        protection_changed=False, sections=(), origins=origins,
    )  # fmt: skip


def carried(tokens, kept, origins):
    affected = set(tokens) - set(kept)
    return carried_mix(observed(tokens), make_lock(OLD), changes(kept, affected, origins))


def test_parts_merges_revisions_and_additions_at_once():
    """One is kept, one parted by tokens in two, two are merged into one, and one is new."""
    tokens = {"a": 100, "b": 30, "x": 60, "y": 50, "z": 160}
    origins = {"b": {"b": 1.0}, "x": {"b": 1.0}, "y": {"c": 0.7, "d": 0.3}}
    mix = carried(tokens, {"a": "a"}, origins)
    rest = 1 - 160 / 400
    expected = {"a": 0.4 * rest, "b": 0.1 * rest, "x": 0.2 * rest, "y": 0.3 * rest, "z": 0.4}
    assert dict(mix) == pytest.approx(expected)


def test_a_revision_of_which_nothing_is_left_keeps_its_share():
    mix = carried({"a": 100, "b": 100, "c": 100, "d": 100}, {d: d for d in "abc"}, {})
    assert dict(mix) == pytest.approx(OLD)


def test_what_comes_from_a_domain_that_stays_takes_nothing_from_it():
    """Documents that stand in a kept domain too are no reason to give its share away."""
    mix = carried({"a": 100, "n": 100}, {"a": "a"}, {"n": {"a": 1.0}})
    assert dict(mix) == pytest.approx({"a": 0.5, "n": 0.5})


def test_a_removal_renormalises_and_nothing_left_is_the_reference():
    assert dict(carried({"a": 1, "b": 1}, {"a": "a", "b": "b"}, {})) == pytest.approx({"a": 4 / 7, "b": 3 / 7})
    assert dict(carried({"n": 30, "o": 10}, {}, {})) == pytest.approx({"n": 0.75, "o": 0.25})


@st.composite
def updates(draw):
    """Tokens now, kept domains (perhaps under another name) and origins of the others."""
    kept = {f"{old}{draw(st.sampled_from(['', '2']))}": old for old in draw(st.sets(st.sampled_from(sorted(OLD))))}
    others = draw(st.sets(st.sampled_from(["p", "q", "r", "s"]), min_size=0 if kept else 1))
    tokens = {d: draw(st.integers(1, 10**6)) for d in sorted({*kept, *others})}
    origins = {d: dict.fromkeys(draw(st.sets(st.sampled_from(sorted(OLD)), max_size=4)), 1 / 4) for d in sorted(others)}
    return tokens, kept, origins


@given(updates())
def test_a_carried_mix_is_a_mix_that_keeps_every_ratio(update):
    tokens, kept, origins = update
    mix = carried(tokens, kept, origins)
    assert set(mix) == set(tokens)
    lock = make_lock(OLD)
    first, *rest = sorted(kept) or [""]
    for domain in rest:
        ratio = Fraction(lock.weights[kept[domain]], lock.weights[kept[first]])
        assert mix[domain] == pytest.approx(mix[first] * float(ratio))
    gone = set(OLD) - set(kept.values())
    for domain in set(tokens) - set(kept):
        if not any(old in gone for old in origins[domain]) and (kept or any(gone & set(o) for o in origins.values())):
            assert mix[domain] == pytest.approx(observed(tokens).reference[domain])


@given(updates(), st.permutations(["a", "b", "c", "d", "p", "q", "r", "s"]))
def test_order_means_nothing(update, order):
    tokens, kept, origins = update
    position = {name: i for i, name in enumerate(order)}

    def by_order(table):
        return dict(sorted(table.items(), key=lambda item: position[item[0][0]]))

    assert carried(by_order(tokens), by_order(kept), by_order(origins)) == carried(tokens, kept, origins)


def test_weights_of_the_lock_are_taken_exactly():
    mix = carried({"a": 1, "b": 1, "c": 1, "d": 1}, {d: d for d in OLD}, {})
    assert [round(mix[d] * GRID) for d in OLD] == [400_000, 300_000, 200_000, 100_000]
