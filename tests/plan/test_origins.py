"""Splits and merges between two locks, told from inventories, and what diff and history say of them."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from edits import documents, inventory_of, lock_of, packed, plain, run_script

from olmixctl.lock.codec import digest_of
from olmixctl.lock.diff import diff_locks
from olmixctl.lock.history import domain_history, lock_history
from olmixctl.lock.line import Committed
from olmixctl.mixture import GRID
from olmixctl.plan.origins import find_origins, to_tell

CODE, WEB, BOOKS = (plain(documents(60, seed)) for seed in range(3))
WHOLE = {"code": CODE, "web": WEB}
SPLIT = {"code": CODE, "web/a": WEB[:20], "web/b": WEB[20:]}


def locks_of(before, after):
    first = lock_of(before, random.Random(1))
    return first, replace(lock_of(after, random.Random(2)), serial=2, parents=(digest_of(first),))


def known(*worlds):
    found = (inventory_of(name, files) for world in worlds for name, files in world.items())
    return {inventory.fingerprint: inventory for inventory in found}


def told(before, after, *worlds):
    return find_origins(*locks_of(before, after), known(*(worlds or (before, after))))


def test_a_split_is_told_with_the_sum_of_its_shares():
    first, second = locks_of(WHOLE, SPLIT)
    [group] = find_origins(first, second, known(WHOLE, SPLIT))
    assert (group.kind, list(group.before), list(group.after)) == ("partitioned", ["web"], ["web/a", "web/b"])
    assert group.shares == (first.weights["web"], second.weights["web/a"] + second.weights["web/b"])
    assert group.tokens == (6000, 6000)
    assert not group.estimated


def test_a_merge_is_the_other_way_round():
    [group] = told(SPLIT, WHOLE)
    assert (group.kind, list(group.before), list(group.after)) == ("merged", ["web/a", "web/b"], ["web"])


def test_a_part_may_keep_the_name():
    [group] = told(WHOLE, {"code": CODE, "web": WEB[:40], "web/b": WEB[40:]})
    assert (group.kind, list(group.before), list(group.after)) == ("partitioned", ["web"], ["web", "web/b"])


def test_a_split_and_a_merge_that_share_a_domain_are_one_regrouping():
    before, after = {"web": WEB, "books": BOOKS[:30]}, {"web/a": WEB[:25], "library": WEB[25:] + BOOKS[:30]}
    [group] = told(before, after)
    assert (group.kind, list(group.before), list(group.after)) == ("regrouped", ["books", "web"], ["library", "web/a"])


def test_a_domain_that_was_renamed_and_revised_is_followed():
    first, second = locks_of(WHOLE, {"code": CODE, "crawl": WEB[:50] + BOOKS[:5]})
    [group] = find_origins(first, second, known(WHOLE, {"crawl": WEB[:50] + BOOKS[:5]}))
    assert (group.kind, list(group.before), list(group.after), group.tokens) == (
        "renamed",
        ["web"],
        ["crawl"],
        (6000, 5500),
    )
    tells = origins(WHOLE, {"crawl": WEB[:50] + BOOKS[:5]})
    assert {(d.domain, d.kind) for d in diff_locks(first, second, tells).data} == {
        ("web", "renamed"),
        ("crawl", "renamed"),
    }
    seen = trail(second, first)
    fact = lock_history(seen, origins=tells)[0].facts[0]
    assert (fact.kind, fact.subject) == ("renamed", "web → crawl")
    entry, before = domain_history(seen, "crawl", origins=tells)
    assert (before.name, before.reason) == ("web", "the first lock: estimated from 0 runs")
    assert entry.reason.startswith("renamed from web, and revised: estimated from")
    assert domain_history(seen, "web", origins=tells)[0].reason == "renamed to crawl, and revised"


def test_two_splits_are_two():
    after = {"a1": CODE[:20], "a2": CODE[20:], "web/a": WEB[:20], "web/b": WEB[20:]}
    assert [list(group.before) for group in told(WHOLE, after)] == [["code"], ["web"]]


def test_what_samples_tell_is_called_estimated():
    docs = documents(3000, 5)
    before = {"web": packed(docs)}
    after = {"a": packed(docs[:1400] + documents(300, 6)), "b": packed(docs[1500:])}
    [group] = told(before, after)
    assert (group.kind, group.estimated) == ("partitioned", True)


@pytest.mark.parametrize("worlds", [(SPLIT,), (WHOLE,), ({"code": CODE},)])
def test_without_inventories_of_both_sides_nothing_is_told(worlds):
    assert told(WHOLE, SPLIT, *worlds) == ()


def test_an_inventory_of_other_documents_says_nothing():
    inventories = known(WHOLE, SPLIT)
    first, second = locks_of(WHOLE, SPLIT)
    name = first.domains["web"].fingerprint
    lies = inventories | {name: inventory_of("web", WEB + BOOKS)}
    assert find_origins(first, second, lies) == ()


def test_locks_with_the_same_documents_need_no_inventory():
    first, _ = locks_of(WHOLE, SPLIT)
    assert to_tell(first, first) == ({}, {})
    assert to_tell(*locks_of(WHOLE, {"code": CODE, "crawl": WEB, "books": BOOKS})) == ({}, {})


@pytest.mark.parametrize("seed", range(12))
def test_random_edits_are_told_as_a_plan_tells_them(seed):
    """What a plan called partitioned or merged is so between the locks, each domain once."""
    before, script = run_script(seed)
    groups = told(before, script.world)
    found = {("moved" if g.kind == "renamed" else "regrouped", new) for g in groups for new in g.after}
    wanted = {
        ("moved" if category == "moved" else "regrouped", subject)
        for category, subject, action in script.expected
        if category in ("partitioned", "merged", "moved") and action == "re-estimate"
    }
    assert found == wanted
    gone = {subject for category, subject, action in script.expected if action == "drop" and category != "removed"}
    assert gone <= {old for group in groups for old in group.before}
    assert len(found) == sum(len(group.after) for group in groups), "each domain once"


# Diff


def origins(*worlds):
    return lambda before, after: find_origins(before, after, known(*worlds))


def test_a_diff_has_the_regrouping_as_data_and_names_its_domains_by_it():
    first, second = locks_of(WHOLE, SPLIT)
    diff = diff_locks(first, second, origins(WHOLE, SPLIT))
    assert {(d.domain, d.kind) for d in diff.data} == {(name, "partitioned") for name in ("web", "web/a", "web/b")}
    [found] = json.loads(json.dumps(diff.as_json()))["regrouped"]
    assert (found["kind"], found["before"]) == ("partitioned", {"web": first.weights["web"] / GRID})
    assert found["shares"]["after"] == pytest.approx(sum(found["after"].values()))
    assert diff_locks(first, second).as_json()["regrouped"] == []


def test_every_share_is_still_listed_alone():
    first, second = locks_of(WHOLE, SPLIT)
    diff = diff_locks(first, second, origins(WHOLE, SPLIT))
    assert {w.domain for w in diff.weights} == {"code", "web", "web/a", "web/b"}
    assert sum(w.delta for w in diff.weights) == 0


# History


def trail(*locks):
    return tuple(
        Committed(commit=f"c{n}", date="2026-02-11T10:00:00+01:00", subject=f"commit {n}", lock=lock,
                  digest=digest_of(lock))
        for n, lock in enumerate(locks)
    )  # fmt: skip


def test_history_says_what_became_of_what():
    first, second = locks_of(WHOLE, SPLIT)
    newest, _ = lock_history(trail(second, first), origins=origins(WHOLE, SPLIT))
    [fact] = [fact for fact in newest.facts if fact.kind == "partitioned"]
    assert fact.subject == "web → web/a + web/b"
    assert fact.as_json()["before"] == {"web": first.weights["web"] / GRID}
    assert set(fact.as_json()["after"]) == {"web/a", "web/b"}
    assert not [fact for fact in newest.facts if fact.kind in ("added", "removed")]


def test_the_history_of_a_domain_says_what_it_came_from_and_went_to():
    first, second = locks_of(WHOLE, SPLIT)
    seen = trail(second, first)
    part, whole_before = domain_history(seen, "web/a", origins=origins(WHOLE, SPLIT))
    assert (whole_before.name, whole_before.reason) == ("web", "the first lock: estimated from 0 runs")
    assert part.reason.startswith("part of web: estimated from")
    gone, _ = domain_history(seen, "web", origins=origins(WHOLE, SPLIT))
    assert (gone.name, gone.reason) == (None, "partitioned into web/a, web/b")
    whole, parts = locks_of(SPLIT, WHOLE)[::-1]
    assert domain_history(trail(whole, parts), "web", origins=origins(WHOLE, SPLIT))[0].reason.startswith(
        "merged from web/a, web/b: "
    )
    merged = domain_history(trail(whole, parts), "web/b", origins=origins(WHOLE, SPLIT))[0]
    assert merged.reason == "merged into web"


def test_a_part_that_keeps_the_name_says_so():
    after = {"code": CODE, "web": WEB[:40], "web/b": WEB[40:]}
    first, second = locks_of(WHOLE, after)
    entry = domain_history(trail(second, first), "web", origins=origins(WHOLE, after))[0]
    assert entry.reason == "partitioned into web, web/b: its documents changed, 6,000 → 4,000 tokens"
