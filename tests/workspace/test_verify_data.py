"""The data read again: files that drifted are named against the lock; declared counts are checked where they can be."""

from __future__ import annotations

import os

import pytest
from typer.testing import CliRunner
from workspaces import make_workspace, write_domain, write_mix

from olmixctl.cli.app import app
from olmixctl.corpus.context import CorpusContext
from olmixctl.corpus.inventories import take_inventory
from olmixctl.ledger.inventories import put_inventory
from olmixctl.plan import PlanOptions
from olmixctl.reread import count_declared
from olmixctl.workspace import Workspace

BASE = {"code": "", "docs": "", "web": ""}


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    """What `web` holds, counted the usual way."""
    root = tmp_path_factory.mktemp("counts")
    make_workspace(root)
    state = Workspace.open(cwd=root).plan().observed.states["web"]
    return state.tokens, state.documents


@pytest.fixture
def root(tmp_path, monkeypatch):
    make_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def declare(root, tokens, documents, revision="2026-02-11"):
    held = "" if documents is None else f"documents: {documents}, "
    declared = f'declared: {{tokens: {tokens}, {held}revision: "{revision}"}}'
    return write_mix(root, BASE | {"web": declared}, evals=("code", "docs"))


def refreshed(root):
    plan = Workspace.open(cwd=root).plan(PlanOptions(refresh=True))
    return [check for check in plan.checks if check.name == "declared"]


def deep(root):
    return {check.name: check for check in Workspace.open(cwd=root).verify(deep=True).checks}


def apply(root):
    """Apply, with an inventory of what was read beside the lock."""
    workspace = Workspace.open(cwd=root)
    plan = workspace.plan()
    result = workspace.apply(plan)
    context = CorpusContext.open(root, tokenizer="bytes")
    for state in plan.observed.states.values():
        if inventory := take_inventory(state, context):
            put_inventory(workspace.ledger.home, inventory)
    return result


def test_counts_that_agree_are_a_note_and_the_revision_stays_a_claim(root, counts):
    for documents in (counts[1], None):
        declare(root, counts[0], documents)
        (check,) = refreshed(root)
        assert check.level == "note"
        assert "a claim" in check.message
        assert "2026-02-11" in check.message


@pytest.mark.parametrize(("tokens_off", "documents_off"), [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_counts_that_differ_by_one_block_and_name_both_and_the_entry_to_write(root, counts, tokens_off, documents_off):
    tokens, documents = counts
    declare(root, tokens + tokens_off, documents + documents_off)
    (check,) = refreshed(root)
    assert check.level == "block"
    assert f"{tokens + tokens_off:,} tokens and {documents + documents_off:,} documents are declared" in check.message
    assert f"the files hold {tokens:,} tokens and {documents:,} documents" in check.message
    entry = f'declared: {{tokens: {tokens}, documents: {documents}, revision: "2026-02-11"}}'
    assert entry in check.remedy
    # Written as told, it agrees.
    declare(root, tokens, documents)
    assert refreshed(root)[0].level == "note"


def test_documents_that_are_not_declared_are_not_asked_for(root, counts):
    declare(root, counts[0] + 1, None)
    (check,) = refreshed(root)
    assert check.level == "block"
    assert "documents" not in check.message
    assert "documents" not in check.remedy


@pytest.mark.parametrize("damage", ["gone", "unreadable"])
def test_files_that_cannot_be_read_here_are_said_with_the_reason(root, counts, damage):
    declare(root, *counts)
    if damage == "gone":
        for file in (root / "corpora/web").iterdir():
            file.unlink()
    else:
        (root / "corpora/web/0003.txt").write_bytes(b"\xff\xfe\x00")
    (check,) = refreshed(root)
    assert check.level == "note"
    assert "not read here" in check.message
    assert "corpora/web" in check.message


def test_one_that_cannot_be_read_does_not_hide_another(root, counts):
    write_domain(root, "pdfs", 5)
    declared = 'declared: {tokens: 7, revision: "%s"}'
    write_mix(root, BASE | {"web": declared % 1, "pdfs": declared % 2}, evals=("code", "docs"))
    for file in (root / "corpora/pdfs").iterdir():
        file.unlink()
    workspace = Workspace.open(cwd=root)
    found = {c.domain: c for c in count_declared(workspace.spec.domains, CorpusContext.open(root, tokenizer="bytes"))}
    assert found["pdfs"].state is None
    assert found["web"].state.tokens == counts[0]
    assert [check.level for check in refreshed(root)] == ["note", "block"]


def test_with_nothing_declared_it_says_so(root):
    (check,) = refreshed(root)
    assert check.level == "note"
    assert "no domain is declared" in check.message


def test_without_refresh_nothing_is_counted(root):
    declare(root, 1_000_000, 5)
    assert not [c for c in Workspace.open(cwd=root).plan().checks if c.name == "declared"]


def test_the_command_exits_3_and_shows_the_whole_plan(root, counts):
    declare(root, counts[0] + 1, counts[1])
    result = CliRunner().invoke(app, ["plan", "--refresh"])
    assert result.exit_code == 3
    assert "Steps" in result.stdout
    assert f"tokens: {counts[0]}," in result.stdout
    declare(root, *counts)
    assert CliRunner().invoke(app, ["plan", "--refresh"]).exit_code == 0


def test_a_saved_plan_is_refreshed_again_when_it_is_applied(root, counts):
    declare(root, *counts)
    assert CliRunner().invoke(app, ["plan", "--refresh", "--out", "plan.json"]).exit_code == 0
    write_domain(root, "web", 1, start=80)
    result = CliRunner().invoke(app, ["apply", "plan.json"])
    assert result.exit_code == 3, result.output
    assert not (root / "mixes/base.lock.yaml").exists()


def test_deep_checks_declared_domains_too(root, counts):
    declare(root, *counts)
    apply(root)
    assert deep(root)["data web"].ok
    # The data moved on under the same declaration: all that can be seen of that is in the counts.
    write_domain(root, "web", 1, start=80)
    check = deep(root)["data web"]
    assert check.ok is False
    assert "are declared" in check.detail
    assert CliRunner().invoke(app, ["verify", "--deep"]).exit_code == 8
    for file in (root / "corpora/web").iterdir():
        file.unlink()
    found = deep(root)
    assert found["data web"].ok is None
    assert "not read here" in found["data web"].detail
    assert CliRunner().invoke(app, ["verify", "--deep"]).exit_code == 0


def test_deep_names_the_files_that_drifted_from_the_lock_even_after_a_plan_has_seen_them(root):
    apply(root)
    found = deep(root)
    assert found["data web"].ok
    assert found["data evals"].ok
    file = root / "corpora/web/0003.txt"
    file.write_text(file.read_text() + " one word more")
    (root / "corpora/web/0004.txt").unlink()
    Workspace.open(cwd=root).plan()
    check = deep(root)["data web"]
    assert check.ok is False
    assert "0003.txt" in check.detail
    assert "0004.txt" in check.detail
    assert "0005.txt" not in check.detail


def test_deep_sees_what_size_and_times_hide(root):
    apply(root)
    file = root / "corpora/web/0003.txt"
    stat = file.stat()
    file.write_text(file.read_text().replace("web", "wab", 1))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    check = deep(root)["data web"]
    assert check.ok is False
    assert "0003.txt" in check.detail


def test_deep_says_when_the_same_documents_lie_in_other_files(root):
    apply(root)
    (root / "corpora/web/0003.txt").rename(root / "corpora/web/9999.txt")
    check = deep(root)["data web"]
    assert check.ok
    assert "9999.txt" in check.detail


def test_deep_sees_evals_that_score_something_else(root):
    path = root / "evals.jsonl"
    path.write_text('{"text": "one two three"}\n')
    mix = write_mix(root, BASE, evals=("code",))
    mix.write_text(mix.read_text().replace("proxy:", "  - {name: own, paths: [evals.jsonl]}\nproxy:"))
    apply(root)
    assert deep(root)["data evals"].ok
    path.write_text('{"text": "one two four"}\n')
    check = deep(root)["data evals"]
    assert check.ok is False
    assert "own" in check.detail
