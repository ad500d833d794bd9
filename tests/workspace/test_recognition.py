"""Changes told from real files: edit scripts on disk, inventories in the ledger, and what is said without them."""

from __future__ import annotations

import json
import random
import shutil

import pytest
from edits import run_script
from locks import make_lock
from workspaces import make_workspace, write_domain, write_mix

from olmixctl.corpus.context import CorpusContext
from olmixctl.ledger.home import LocalHome
from olmixctl.plan.changes import detect_changes
from olmixctl.present import observe
from olmixctl.recall import keep_inventories, with_inventories
from olmixctl.workspace import Workspace

WORDS = ["ka", "lo", "mi", "ru", "te", "vo", "an", "ra", "st", "pe", "xi", "um"]


def text_of(document):
    """A text that is as different from others as the document is."""
    rng = random.Random(document.digest)
    return f"{document.digest:x} " + " ".join(rng.choices(WORDS, k=1 + document.tokens // 25))


def write_world(root, world):
    """Domains of one document a file as `.txt`, others as `.jsonl`; a mix file that names them all."""
    shutil.rmtree(root / "corpora", ignore_errors=True)
    for name, files in world.items():
        folder = root / "corpora" / name
        folder.mkdir(parents=True)
        plain = all(len(file) == 1 for file in files)
        for i, file in enumerate(files):
            texts = [text_of(document) for document in file]
            lines = texts[0] if plain else "".join(json.dumps({"text": t}) + "\n" for t in texts)
            (folder / f"{i:05}.{'txt' if plain else 'jsonl'}").write_text(lines)
    (root / "evals").mkdir(exist_ok=True)
    (root / "evals/always.txt").write_text("what is scored is in no domain")
    domains = "".join(f"  {name}: {{paths: [corpora/{name}]}}\n" for name in world)
    (root / "mixes").mkdir(exist_ok=True)
    (root / "mixes/base.yaml").write_text(
        "version: 1\nname: base\ntarget: {tokens: 1K}\ndomains:\n" + domains + "evals:\n"
        "  - {name: always, paths: [evals/always.txt]}\n"
        "proxy: {model: 250k, tokens: 4096, sequence_length: 64, batch_size: 8}\nexecutor: {kind: fake}\n"
    )


def see(root):
    context = CorpusContext.open(root, tokenizer="bytes", workers=1)
    return observe(Workspace.open(cwd=root).loaded, context, "fake1"), context


@pytest.mark.parametrize("seed", range(20))
def test_edit_scripts_on_real_files(seed, tmp_path):
    before, script = run_script(seed)
    home = LocalHome(tmp_path / "mixes/base.runs")
    write_world(tmp_path, before)
    observed, context = see(tmp_path)
    keep_inventories(observed, home, context)
    facts = {
        d: {"fingerprint": s.fingerprint, "content": s.content, "tokens": s.tokens, "documents": s.documents}
        for d, s in observed.states.items()
    }
    lock = make_lock(
        dict.fromkeys(before, 1 / len(before)), domains=facts, inputs=observed.inputs, evals=observed.evals,
        spec_full=observed.full,
    )  # fmt: skip
    write_world(tmp_path, script.world)
    now, context = see(tmp_path)
    changes = detect_changes(with_inventories(now, lock, home, context), lock)
    found = {(c.category, c.subject, c.action) for c in changes.changes}
    assert found - {("metadata", "mix", "none")} == script.expected, script.done
    assert changes.notes == ()


@pytest.fixture
def applied(tmp_path):
    make_workspace(tmp_path)
    workspace = Workspace.open(cwd=tmp_path)
    workspace.apply(workspace.plan())
    return tmp_path


def revise_and_rename(root):
    write_domain(root, "web", 10, seed=7, start=80)
    (root / "corpora/web").rename(root / "corpora/crawl")
    write_mix(root, dict.fromkeys(("code", "docs", "crawl"), ""), evals=("code", "docs"))


def inventories(root):
    return sorted((root / "mixes/base.runs").glob("d1-*.json"))


def test_apply_keeps_one_inventory_a_domain_and_writes_none_again(applied):
    files = inventories(applied)
    assert len(files) == 3
    times = [path.stat().st_mtime_ns for path in files]
    workspace = Workspace.open(cwd=applied)
    workspace.apply(workspace.plan())
    assert [path.stat().st_mtime_ns for path in inventories(applied)] == times


def test_a_plan_with_nothing_to_do_reads_and_takes_no_inventory(applied, monkeypatch):
    def never(*_: object):
        raise AssertionError("an inventory was asked for")

    monkeypatch.setattr("olmixctl.recall.read_inventories", never)
    monkeypatch.setattr("olmixctl.corpus.inventories.take_inventory", never)
    assert not Workspace.open(cwd=applied).plan().has_changes


@pytest.mark.parametrize("how", ["missing", "damaged", "of another domain"])
def test_an_inventory_that_cannot_be_used_is_a_note_and_no_error(applied, how):
    home = applied / "mixes/base.runs"
    lock = Workspace.open(cwd=applied).lock()
    name = f"d1-{lock.domains['web'].fingerprint.removeprefix('olx1:')}.json"
    other = f"d1-{lock.domains['code'].fingerprint.removeprefix('olx1:')}.json"
    if how == "missing":
        (home / name).unlink()
    elif how == "damaged":
        (home / name).write_text("{")
    else:
        shutil.copy(home / other, home / name)
    revise_and_rename(applied)
    plan = Workspace.open(cwd=applied).plan()
    notes = [check.message for check in plan.checks if check.name == "no-inventory"]
    assert len(notes) == 1
    assert "what became of the documents of web cannot be told" in notes[0]
    assert {c.category for c in plan.changes} == {"added", "removed"}


def test_a_lock_without_inventories_gets_them_with_the_next_apply(applied):
    for path in inventories(applied):
        path.unlink()
    workspace = Workspace.open(cwd=applied)
    assert not workspace.apply(workspace.plan()).written
    revise_and_rename(applied)
    plan = Workspace.open(cwd=applied).plan()
    assert [c.category for c in plan.changes] == ["moved", "revised"]
    assert plan.proposals == ("- move: {from: web, to: crawl}",)


def test_a_protected_domain_that_was_renamed_and_revised_is_not_removed(applied):
    write_mix(applied, {"code": "", "docs": "", "web": "protected: true"}, evals=("code", "docs"))
    workspace = Workspace.open(cwd=applied)
    workspace.apply(workspace.plan())
    revise_and_rename(applied)
    assert not any(check.name == "protected" for check in Workspace.open(cwd=applied).plan().checks)


def test_a_partition_into_a_domain_that_is_not_there_is_refused_with_its_place(applied):
    from olmixctl.errors import SpecError

    write_mix(
        applied,
        dict.fromkeys(("code", "docs", "web"), ""),
        extra="changes: [{partition: {from: web, into: [web, nowhere]}}]",
    )
    with pytest.raises(SpecError, match="nowhere"):
        Workspace.open(cwd=applied)


def test_a_declaration_about_a_domain_that_the_lock_does_not_know_is_a_note(applied):
    write_domain(applied, "papers", 30)
    write_mix(
        applied, dict.fromkeys(("code", "docs", "web", "papers"), ""), evals=("code", "docs"),
        extra="changes: [{move: {from: nothing, to: papers}}]",
    )  # fmt: skip
    plan = Workspace.open(cwd=applied).plan()
    assert [c.message for c in plan.checks if c.name == "idle-declaration"] == [
        "declared move of nothing: not in the lock, so it says nothing"
    ]
    assert [c.category for c in plan.changes] == ["added"]
