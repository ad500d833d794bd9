"""A thousand random edit scripts against an oracle that knows what was done."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from edits import EDITS, inventory_of, lock_of, observed_of, run_script, state_of

from olmixctl.plan.changes import detect_changes
from olmixctl.plan.reuse import choose_route, kept_shares

SCRIPTS, CHUNK = 1000, 50


def detect(seed):
    before, script = run_script(seed)
    lock = lock_of(before, random.Random(seed))
    observed = observed_of(script.world, before)
    return before, script, lock, observed, detect_changes(observed, lock)


def found(changes):
    return {(c.category, c.subject, c.action) for c in changes.changes}


@pytest.mark.parametrize("start", range(0, SCRIPTS, CHUNK))
def test_every_edit_is_named_and_nothing_else(start):
    for seed in range(start, start + CHUNK):
        before, script, lock, observed, changes = detect(seed)
        assert found(changes) == script.expected, f"seed {seed}: {script.done}"
        # What was not edited keeps its ratio, digit for digit; a renamed domain under its new name.
        contents = {state_of(n, files).content: n for n, files in before.items()}
        untouched = {n: contents[s.content] for n, s in observed.states.items() if s.content in contents}
        assert changes.kept == untouched
        shares = kept_shares(lock, changes.kept)
        assert shares == {new: lock.weights[old] * 1_000_000 for new, old in untouched.items()}
        assert all(sum(origin.values()) <= 1 + 1e-9 for origin in changes.origins.values())


def test_scripts_hold_every_edit_many_times_alone_and_together():
    done = [tuple(run_script(seed)[1].done) for seed in range(SCRIPTS)]
    alone = Counter(script[0] for script in done if len(script) == 1)
    together = Counter(kind for script in done if len(set(script)) > 2 for kind in script)
    assert set(alone) == set(together) == set(EDITS)
    assert min(together.values()) > 70


@pytest.mark.parametrize("seed", range(40))
def test_an_edit_of_metadata_or_files_alone_needs_no_run(seed):
    rng = random.Random(seed)
    before, script = run_script(seed)
    world = dict(before)
    script.free, script.world, script.expected = sorted(world), world, set()
    EDITS["reshard"](script)
    lock = lock_of(before, rng)
    changes = detect_changes(replace(observed_of(script.world, before), full="sha256:other"), lock)
    assert {c.category for c in changes.changes} == {"metadata"}
    assert {c.action for c in changes.changes} == {"none"}
    assert not changes.affected
    assert not changes.removed
    route = choose_route(observed_of(script.world, before), lock, changes, "auto")
    assert route.kind in ("none", "rescale")


@pytest.mark.parametrize("seed", range(0, 200, 5))
def test_names_decide_nothing(seed):
    """The same script over domains whose names sort the other way finds the same, under those names."""
    before, script, _, _, changes = detect(seed)
    names = {name: f"{chr(ord('z') - i)}-{name}" for i, name in enumerate(sorted({*before, *script.world}))}
    flipped = detect_changes(
        observed_of(
            {names[n]: files for n, files in script.world.items()}, {names[n]: files for n, files in before.items()}
        ),
        lock_of({names[n]: files for n, files in before.items()}, random.Random(seed)),
    )
    assert {(c, names[s], a) for c, s, a in found(changes)} == found(flipped)
    assert {names[n]: names[o] for n, o in changes.kept.items()} == flipped.kept


@pytest.mark.parametrize("seed", range(100, 200, 5))
def test_without_inventories_the_same_shares_are_estimated_and_the_plan_says_what_it_cannot_tell(seed):
    before, script, lock, _, changes = detect(seed)
    blind = detect_changes(observed_of(script.world), lock)
    assert (blind.affected, blind.kept) == (changes.affected, changes.kept)
    came = set(script.world) - set(changes.kept)
    gone = set(before) - set(changes.kept.values())
    assert {note.name for note in blind.notes} == ({"no-inventory"} if came and gone else set())
    assert not any(line for line in blind.proposals if "move" not in line)


@pytest.mark.parametrize("seed", range(0, 1000, 50))
def test_what_is_proposed_and_then_declared_gives_the_same_changes_and_nothing_more_to_propose(seed):
    import yaml

    from olmixctl.spec.model import ChangeSpec

    before, script, lock, _, changes = detect(seed)
    declared = []
    for line in changes.proposals:
        ((kind, body),) = yaml.safe_load(line)[0].items()
        sources, targets = body["from"], body.get("to") or body["into"]
        one = lambda v: (v,) if isinstance(v, str) else tuple(v)  # noqa: E731
        declared.append(ChangeSpec(kind=kind, sources=one(sources), targets=one(targets)))
    again = detect_changes(observed_of(script.world, before, changes=tuple(declared)), lock)
    assert found(again) == found(changes)
    assert again.proposals == ()
    assert again.notes == ()


def test_inventories_of_a_world_are_those_of_its_states():
    before, _ = run_script(3)
    for name, files in before.items():
        assert inventory_of(name, files).content == state_of(name, files).content
