"""Locks over commits: which lock each is compared with, and the reason of each change."""

from __future__ import annotations

from dataclasses import replace

from locks import make_domain, make_lock

from olmixctl.fingerprint import sha256_hex
from olmixctl.lock.codec import digest_of
from olmixctl.lock.history import domain_history, lock_history
from olmixctl.lock.line import Committed
from olmixctl.lock.model import LockedSolution
from olmixctl.lock.regrouped import Regrouped

OLD = {"code": 0.25, "web": 0.75}
RUNS = tuple(sorted(f"r1:{sha256_hex(f'new{n}')}" for n in range(3)))


def child(*parents, weights, **fields):
    values = {"serial": max(p.serial for p in parents) + 1, "parents": tuple(sorted(digest_of(p) for p in parents))}
    return make_lock(weights, **{**values, **fields})


def commits(*locks, sides=None):
    """Locks, newest first, as commits c0, c1, … ; None is a damaged one."""
    return tuple(
        Committed(
            commit=f"c{number}",
            date="2026-02-11T10:00:00+01:00",
            subject=f"commit {number}",
            lock=lock,
            digest="" if lock is None else digest_of(lock),
            problem="" if lock is not None else "edited by hand",
            side=(sides or {}).get(number),
        )
        for number, lock in enumerate(locks)
    )


def kinds(entry):
    return [(fact.kind, fact.subject) for fact in entry.facts]


FIRST = make_lock(OLD)
NEWS = {"code": 0.2, "news": 0.2, "web": 0.6}
ADDED = child(FIRST, weights=NEWS, block=("code", "web"), evidence=RUNS)


def test_the_first_lock_says_so():
    [entry] = lock_history(commits(FIRST))
    assert entry.before is None
    assert entry.facts[-1].reason == "the first lock: 2 domains, estimated from 4 runs"


def test_an_added_domain_with_kept_ratios():
    newest, _ = lock_history(commits(ADDED, FIRST))
    assert newest.before == FIRST
    assert kinds(newest) == [("added", "news"), ("kept", "2 domains"), ("decided", "")]
    assert newest.facts[1].reason == "ratios kept in the block: multiplied by 0.8"
    assert newest.facts[2].reason == "estimated from 3 runs"


def test_what_was_asked_for_goes_by_its_section():
    inputs = FIRST.inputs | {"objective": {"kl": 0.1}, "swarm": {"runs_per_coordinate": "4"}, "target": {"tokens": 5}}
    lock = child(FIRST, weights=OLD, inputs=inputs)
    newest, _ = lock_history(commits(lock, FIRST))
    assert {("objective", "objective.kl"), ("proxy", "swarm"), ("constraint", "target.tokens")} <= set(kinds(newest))
    assert newest.facts[-1].reason == "re-solved from the same 4 runs"


def test_how_the_weights_came_about():
    def reason(**fields):
        return lock_history(commits(child(FIRST, weights=OLD, **fields), FIRST))[0].facts[-1].reason

    assert reason(evidence=(*FIRST.evidence, *RUNS)) == "estimated from 7 runs, 3 of them new"
    stands = replace(FIRST.solution, weights_from=1)
    assert "the weights of serial 1 are still optimal" in reason(solution=stands)
    for status, words in (
        ("kept", "renormalised"),
        ("projected", "meets every bound"),
        ("carried", "nothing measured"),
    ):
        assert words in reason(solution=LockedSolution(status=status), surrogate=None, evidence=(), predicted={})


def test_a_lock_is_compared_with_the_parent_it_names_not_with_its_neighbour():
    theirs = child(FIRST, weights={"books": 0.5, "code": 0.125, "web": 0.375}, evidence=RUNS)
    joined = child(ADDED, theirs, weights={"books": 0.3, "code": 0.1, "news": 0.1, "web": 0.5})
    line = commits(joined, theirs, ADDED, FIRST, sides={0: digest_of(ADDED)})
    entries = lock_history(line)
    assert [entry.before for entry in entries] == [ADDED, FIRST, FIRST, None]
    assert entries[0].facts[-1].reason.startswith("both sides of a merge joined: ")
    assert ("added", "books") in kinds(entries[0])
    assert ("added", "news") not in kinds(entries[0])


def test_a_damaged_lock_is_named_and_the_one_before_it_stands_in():
    last = child(ADDED, weights=NEWS, inputs=FIRST.inputs | {"objective": {"kl": 0.2}})
    entries = lock_history(commits(last, None, FIRST))
    assert entries[1].at.problem == "edited by hand"
    assert entries[1].facts == ()
    assert entries[0].before == FIRST


def test_the_edge_of_a_shallow_clone_is_no_first_lock():
    [entry] = lock_history(commits(ADDED), complete=False)
    assert "the clone is shallow" in entry.facts[0].reason
    assert "the first lock" not in entry.facts[0].reason


def test_a_lock_that_was_put_back_says_since_when_it_stands():
    entries = lock_history(commits(FIRST, ADDED, FIRST))
    assert entries[0].facts[-1].reason == "put back as it was in c2"
    assert ("removed", "news") in kinds(entries[0])
    assert entries[1].before == FIRST


def test_a_new_lineage_is_compared_with_nothing():
    other = make_lock(OLD, lineage=f"lin1:{sha256_hex('other')}")
    assert [entry.before for entry in lock_history(commits(other, FIRST))] == [None, None]


# A domain


def test_a_kept_domain_says_by_what_it_was_multiplied():
    newest, first = domain_history(commits(ADDED, FIRST), "web")
    assert (newest.before, newest.weight, newest.changed) == (750_000, 600_000, True)
    assert newest.reason == "kept in the block: multiplied by 0.8"
    assert first.reason == "the first lock: estimated from 4 runs"


def test_an_added_domain_begins_where_it_came():
    [entry] = domain_history(commits(ADDED, FIRST), "news")
    assert entry.reason == "added: estimated from 3 runs"
    assert entry.before is None


def test_a_revised_domain_says_what_its_documents_did():
    revised = {"web": {"content": f"olc1:{sha256_hex('web2')}", "tokens": 120_000_000}}
    lock = child(FIRST, weights={"code": 0.2, "web": 0.8}, domains=revised)
    assert domain_history(commits(lock, FIRST), "web")[0].reason == (
        "re-estimated: its documents changed, 100,000,000 → 120,000,000 tokens"
    )


def test_a_renamed_domain_is_followed_under_both_names():
    moved = make_domain("web").content
    lock = child(FIRST, weights={"code": 0.25, "crawl": 0.75}, domains={"crawl": {"content": moved}})
    newest, first = domain_history(commits(lock, FIRST), "crawl")
    assert (newest.name, first.name) == ("crawl", "web")
    assert newest.reason == "renamed from web"
    by_old = domain_history(commits(lock, FIRST), "web")
    assert [entry.reason for entry in by_old] == ["renamed to crawl", "the first lock: estimated from 4 runs"]


def told(*groups):
    """Origins that know what became of what: ids before and after."""

    def origins(before, after):
        fitting = [(o, n) for o, n in groups if set(o) <= set(before.domains) and set(n) <= set(after.domains)]
        return tuple(Regrouped.of(before, after, olds, news, estimated=False) for olds, news in fitting)

    return origins


SPLIT = child(FIRST, weights={"blogs": 0.3, "code": 0.25, "shops": 0.45}, evidence=RUNS)


def test_a_part_goes_on_as_the_whole_it_was_part_of():
    older = child(FIRST, weights={"code": 0.4, "web": 0.6}, evidence=RUNS)
    split = child(older, weights={"blogs": 0.3, "code": 0.25, "shops": 0.45}, evidence=RUNS)
    origins = told((["web"], ["blogs", "shops"]))
    part, whole, first = domain_history(commits(split, older, FIRST), "blogs", origins=origins)
    assert (part.name, part.weight, part.before) == ("blogs", 300_000, None)
    assert part.reason.startswith("part of web: ")
    assert (whole.name, whole.weight, whole.before) == ("web", 600_000, 750_000)
    assert (first.name, first.weight) == ("web", 750_000)


def test_a_domain_that_was_renamed_and_revised_goes_on_under_its_old_name():
    lock = child(FIRST, weights={"code": 0.25, "crawl": 0.75}, evidence=RUNS)
    newest, first = domain_history(commits(lock, FIRST), "crawl", origins=told((["web"], ["crawl"])))
    assert newest.reason.startswith("renamed from web, and revised")
    assert (first.name, first.weight) == ("web", 750_000)


def test_what_was_merged_begins_with_the_merge_for_it_was_several():
    merged = child(SPLIT, weights={"all": 0.75, "code": 0.25})
    [entry] = domain_history(commits(merged, SPLIT), "all", origins=told((["blogs", "shops"], ["all"])))
    assert entry.reason.startswith("merged from blogs, shops: ")


def test_a_removed_domain_ends_where_it_went():
    lock = child(FIRST, weights={"code": 1.0})
    newest, _ = domain_history(commits(lock, FIRST), "web")
    assert (newest.name, newest.weight, newest.before, newest.reason) == (None, None, 750_000, "removed")


def test_a_bound_is_named_as_the_reason():
    inputs = FIRST.inputs | {"domains": {"web": {"max": 0.7}}}
    lock = child(FIRST, weights={"code": 0.3, "web": 0.7}, inputs=inputs)
    reason = domain_history(commits(lock, FIRST), "web")[0].reason
    assert reason == "re-solved from the same 4 runs; domains changed"


def test_a_domain_is_followed_through_both_sides_of_a_join():
    theirs = child(FIRST, weights={"books": 0.5, "code": 0.125, "web": 0.375})
    joined = child(ADDED, theirs, weights={"books": 0.3, "code": 0.1, "news": 0.1, "web": 0.5})
    line = commits(joined, theirs, ADDED, FIRST, sides={0: digest_of(ADDED)})
    assert [entry.at.commit for entry in domain_history(line, "web")] == ["c0", "c1", "c2", "c3"]
    assert [entry.at.commit for entry in domain_history(line, "news")] == ["c0", "c2"]


def test_an_unchanged_domain_is_no_change():
    lock = child(FIRST, weights=OLD, inputs=FIRST.inputs | {"objective": {"kl": 0.2}})
    newest, _ = domain_history(commits(lock, FIRST), "web")
    assert not newest.changed
    assert newest.reason == "unchanged"


def test_a_domain_that_never_was_has_no_history():
    assert domain_history(commits(ADDED, FIRST), "nope") == ()


def test_entries_are_plain_json():
    import json

    line = commits(ADDED, None, FIRST)
    json.dumps([entry.as_json() for entry in lock_history(line)])
    [newest, damaged, first] = [entry.as_json() for entry in domain_history(line, "web")]
    assert (newest["weight"], newest["before"], first["weight"]) == (0.6, 0.75, 0.75)
    assert damaged["problem"] == "edited by hand"
