"""What documents tell of domains, at the edges of the definitions."""

from __future__ import annotations

import random

import pytest
from edits import documents, inventory_of, lock_of, observed_of, packed, plain

from olmixctl.plan.changes import detect_changes
from olmixctl.plan.flows import find_flows
from olmixctl.plan.recognise import recognise
from olmixctl.spec.model import ChangeSpec


def inventories(world):
    return {name: inventory_of(name, files) for name, files in world.items()}


def told(before, after):
    gone, came = set(before) - set(after), set(after) - set(before)
    return recognise(inventories(before), inventories(after), gone=gone, came=came)


def test_files_are_matched_and_counted_exactly():
    docs = documents(100)
    flow = find_flows(inventories({"a": plain(docs)}), inventories({"b": plain(docs[:90] + documents(30, 1))}))[
        "a", "b"
    ]
    assert (flow.of_old, flow.of_new, flow.files, flow.exact) == (0.9, 0.75, 90, True)


def test_documents_are_found_in_other_files_and_forms():
    docs = documents(100)
    flow = find_flows(inventories({"a": plain(docs)}), inventories({"b": packed(docs[::-1][:50])}))["a", "b"]
    assert (flow.of_old, flow.of_new, flow.files) == (0.5, 1.0, 0)


@pytest.mark.parametrize("kept", [0.05, 0.3, 0.7, 0.97])
def test_the_estimate_from_samples_is_within_four_standard_errors(kept):
    docs = documents(6000, seed=3)
    same = docs[: round(6000 * kept)]
    new = same + documents(3000, seed=4)
    random.Random(5).shuffle(new)
    flow = find_flows(inventories({"a": packed(docs)}), inventories({"a": packed(new, 33)}))["a", "a"]
    assert not flow.exact
    true_new = len(same) / len(new)
    # The smaller limit rules: at least about 512 · 6000 / 9000 of the documents of the smaller domain are seen.
    for estimate, true in ((flow.of_old, kept), (flow.of_new, true_new)):
        assert abs(estimate - true) < 4 * (true * (1 - true) / 300) ** 0.5


def test_a_partition_is_proved_where_samples_could_only_estimate_it():
    docs = documents(3000, seed=7)
    flows = find_flows(
        inventories({"w": packed(docs)}),
        inventories({"x": packed(docs[:1000], 7), "y": packed(docs[1000:2997], 9), "z": packed(docs[2997:], 2)}),
    )
    assert all(flow.proved and flow.of_new == 1 for flow in flows.values())
    assert [flows["w", part].of_old for part in "xyz"] == pytest.approx([1000 / 3000, 1997 / 3000, 3 / 3000])


def test_a_merge_is_proved():
    docs = documents(3000, seed=8)
    flows = find_flows(
        inventories({"x": packed(docs[:1000], 7), "y": packed(docs[1000:], 9)}), inventories({"w": packed(docs, 11)})
    )
    assert [(flow.of_old, flow.proved) for flow in flows.values()] == [(1.0, True), (1.0, True)]


def test_half_is_enough_and_less_is_not():
    docs = documents(100)
    half = told({"a": plain(docs)}, {"b": plain(docs[:50] + documents(50, 1))})
    assert half.moves == {"b": "a"}
    less = told({"a": plain(docs)}, {"b": plain(docs[:49] + documents(51, 1))})
    assert less.moves == {}
    assert less.flows["a", "b"].of_old == 0.49
    larger = told({"a": plain(docs)}, {"b": plain(docs + documents(101, 1))})
    assert larger.moves == {}


def test_a_carved_out_part_is_a_partition_only_while_the_parts_hold_half_of_the_whole():
    docs = documents(100)
    carved = told({"w": plain(docs)}, {"w": plain(docs[:45]), "n": plain(docs[45:50])})
    assert carved.partitions == {"w": ("n", "w")}
    lost = told({"w": plain(docs)}, {"w": plain(docs[:44]), "n": plain(docs[44:49])})
    assert lost.partitions == {}


def test_a_domain_can_be_part_and_merger_at_once():
    one, two = documents(100), documents(50, 1)
    both = told({"a": plain(one), "b": plain(two)}, {"n": plain(one[:60] + two), "m": plain(one[60:])})
    assert both.partitions == {"a": ("m", "n")}
    assert both.merges == {"n": ("a", "b")}


def test_nothing_in_common_is_nothing():
    found = told({"a": plain(documents(50))}, {"b": packed(documents(50, 1))})
    assert (found.partitions, found.merges, found.moves, dict(found.flows)) == ({}, {}, {}, {})


def test_two_domains_that_change_names_keep_their_ratios():
    before = {"a": plain(documents(40)), "b": plain(documents(40, 1)), "c": plain(documents(9, 2))}
    after = {"a": before["b"], "b": before["a"], "c": before["c"]}
    changes = detect_changes(observed_of(after, before), lock_of(before, random.Random(0)))
    assert changes.kept == {"a": "b", "b": "a", "c": "c"}
    assert changes.removed == changes.affected == changes.proposals == ()


def test_a_name_taken_over_by_a_known_domain_removes_the_one_before():
    before = {"a": plain(documents(40)), "b": plain(documents(40, 1)), "c": plain(documents(9, 2))}
    after = {"b": before["a"], "c": before["c"]}
    changes = detect_changes(observed_of(after, before), lock_of(before, random.Random(0)))
    assert changes.kept == {"b": "a", "c": "c"}
    assert changes.removed == ("b",)
    assert {(c.category, c.subject, c.before) for c in changes.changes} == {("moved", "b", "a"), ("removed", "b", 4000)}


WORLD = {"a": plain(documents(40)), "b": plain(documents(40, 1)), "c": plain(documents(40, 2))}


def declare(after, kind, sources, targets):
    changes = (ChangeSpec(kind=kind, sources=sources, targets=targets),)
    return detect_changes(observed_of(after, WORLD, changes=changes), lock_of(WORLD, random.Random(0)))


CONTRADICTED = {
    "a move to unrelated documents": (
        {"b": WORLD["b"], "c": WORLD["c"], "n": plain(documents(40, 9))}, "move", ("a",), ("n",),
        "declared move of a to n, but none of the tokens of n are in a",
    ),
    "a move of what is elsewhere": (
        {"b": WORLD["b"], "c": WORLD["c"], "m": WORLD["a"], "n": plain(documents(40, 9))}, "move", ("a",), ("n",),
        "declared move of a to n, but all documents of a are still there, in m",
    ),
    "a part that is none": (
        {"b": WORLD["b"], "c": WORLD["c"], "m": WORLD["a"][:30], "n": (*WORLD["a"][30:], *plain(documents(30, 9)))},
        "partition", ("a",), ("m", "n"), "declared partition of a into n, but only 25 % of the tokens of n are in a",
    ),
    "a source that went nowhere": (
        {"c": WORLD["c"], "n": (*WORLD["a"], *plain(documents(5, 9)))}, "merge", ("a", "b"), ("n",),
        "declared merge of b into n, but none of the tokens of b are in n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTRADICTED)
def test_a_declaration_that_the_documents_speak_against_is_followed_and_said(name):
    after, kind, sources, targets, message = CONTRADICTED[name]
    notes = declare(after, kind, sources, targets).notes
    assert [(note.level, note.message) for note in notes] == [("warn", message)]


def test_a_declared_move_wins_over_what_would_be_recognised():
    after = {"b": WORLD["b"], "c": WORLD["c"], "n": (*WORLD["a"][:10], *plain(documents(5, 9)))}
    changes = declare(after, "move", ("a",), ("n",))
    assert {(c.category, c.subject, c.reason) for c in changes.changes} == {
        ("moved", "n", "declared: renamed and revised"),
        ("revised", "n", "its documents changed"),
    }
    assert changes.removed == changes.notes == changes.proposals == ()


def test_a_declaration_that_the_lock_has_is_over():
    after = WORLD | {"b": (*WORLD["b"][:30], *plain(documents(3, 9)))}
    changes = declare(after, "partition", ("a",), ("a", "b"))
    assert [c.category for c in changes.changes] == ["revised"]
    assert changes.notes == ()


def test_origins_are_the_shares_that_came_from_each_domain():
    after = {"c": WORLD["c"], "n": (*WORLD["a"], *WORLD["b"], *plain(documents(20, 9)))}
    changes = detect_changes(observed_of(after, WORLD), lock_of(WORLD, random.Random(0)))
    assert changes.origins == {"c": {"c": 1.0}, "n": {"a": 0.4, "b": 0.4}}


def test_ids_that_yaml_takes_for_something_else_are_quoted():
    after = {"b": WORLD["b"], "c": WORLD["c"], "no": WORLD["a"][:20], "1e5": WORLD["a"][20:]}
    changes = detect_changes(observed_of(after, WORLD), lock_of(WORLD, random.Random(0)))
    assert changes.proposals == ('- partition: {from: a, into: ["1e5", "no"]}',)
