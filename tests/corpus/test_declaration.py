"""Data that is not as declared: the message leads to the line of the mix file that says so."""

from __future__ import annotations

import errno
import pickle
import shutil
from pathlib import Path

import pytest
from blake3 import blake3

from olmixctl.corpus import DeclarationError
from olmixctl.errors import CorpusError, Place
from olmixctl.workspace import Workspace

TEXTS = [f"text number {i} " + "word " * 20 for i in range(40)]
HEAD = """version: 1
name: base
target: {tokens: 9K, max_repetition: 4}
domains:
  code: {paths: [corpora/code]}
"""
TAIL = """
proxy: {model: 250k, tokens: 4096, sequence_length: 64, batch_size: 8}
executor: {kind: fake}
"""
HELD = "evals:\n  - {name: code-bpb, heldout: code, fraction: 0.3}\n"


@pytest.fixture
def plan(workspace):
    """Plans a mix of `code`, with further domains and evals; the error as text."""
    workspace.texts("corpora/code", TEXTS)

    def run(domains: str, evals: str = HELD) -> str:
        workspace.write("mixes/base.yaml", HEAD + domains + evals + TAIL)
        with pytest.raises(CorpusError) as caught:
            Workspace.open(cwd=workspace.root).plan()
        assert caught.value.exit_code == 1
        return str(caught.value)

    return run


def at(workspace, place):
    return f"{workspace.root}/mixes/base.yaml:{place}"


def test_a_glob_that_matches_nothing(workspace, plan):
    workspace.write("corpora/docs/a.txt", "a")
    text = plan(
        "  web:\n    domains:\n      health:\n        paths:\n          - corpora/docs\n          - none/*.md\n"
    )
    assert text.startswith(at(workspace, "11:13: domains.web/health.paths[1]: 'none/*.md' matches nothing\n  → "))


def test_a_glob_of_an_eval_that_matches_nothing(workspace, plan):
    text = plan("", "evals:\n  - name: python\n    paths: [evals/none.jsonl]\n")
    assert text.startswith(at(workspace, "8:13: evals.python.paths[0]: 'evals/none.jsonl' matches nothing\n  → "))


def test_an_eval_that_holds_nothing_out(workspace, plan):
    workspace.write("corpora/docs/a.txt", TEXTS[0] + "!")
    text = plan("  docs: {paths: [corpora/docs]}\n", HELD + "  - {name: d, heldout: docs, fraction: 0.001}\n")
    expected = "9:40: evals.d.fraction: eval d holds out 0.001 of domain docs, which is none of its 1 documents\n  → "
    assert text.startswith(at(workspace, expected))


def test_a_domain_with_nothing_left_to_train_on(workspace, plan):
    held = next(t for t in map(str, range(99)) if blake3(t.encode()).digest()[0] < 100)
    workspace.write("corpora/docs/a.txt", held)
    text = plan("  docs: {paths: [corpora/docs]}\n", HELD + "  - {name: most, heldout: code, fraction: 0.4}\n")
    expected = "9:43: evals.most.fraction: domain docs has no document left to train on: all 1 are held out\n  → "
    assert text.startswith(at(workspace, expected))


def test_token_files_in_a_folder_without_a_dtype(workspace, plan):
    workspace.write("corpora/tokens/a.bin", b"\0\0")
    text = plan("  tokens:\n    paths: [corpora/tokens]\n")
    assert text.startswith(at(workspace, "7:13: domains.tokens.paths[0]: corpora/tokens/a.bin: a .bin token file"))
    assert "add `dtype: uint16`" in text


def test_token_files_as_an_eval_are_not_told_a_dtype(workspace, plan):
    workspace.write("evals/a.txt", "a")
    workspace.write("evals/b.bin", b"\0\0")
    text = plan("", "evals:\n  - {name: e, paths: [evals/a.txt, evals/b.bin]}\n")
    assert text.startswith(at(workspace, "7:36: evals.e.paths[1]: evals/b.bin: an eval cannot be a bin file\n  → "))
    assert "dtype" not in text


def test_one_file_in_two_domains(workspace, plan):
    workspace.write("corpora/docs/a.txt", "a")
    text = plan("  docs:\n    paths:\n      - corpora/docs\n      - corpora/code/*7.txt\n")
    expected = "9:9: domains.docs.paths[1]: corpora/code/0007.txt: the file stands in two domains, code and docs\n  → "
    assert text.startswith(at(workspace, expected))


def test_a_wrong_file_keeps_its_own_place(workspace, plan):
    workspace.write("corpora/docs/a.jsonl", "{}\n")
    assert plan("  docs: {paths: [corpora/docs]}\n").startswith("corpora/docs/a.jsonl:1: no `text`")


def test_without_a_mix_file_the_address_leads():
    error = DeclarationError("wrong", address="domains.a.paths[0]", place=Place("a.txt", 3), remedy="right it")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "domains.a.paths[0]: a.txt:3: wrong\n  → right it"
    assert (again.address, again.place) == (error.address, error.place)


def test_planning_needs_no_writable_repository(workspace, monkeypatch):
    """Every folder says it is on a read-only file system; what a plan looks at stays what it was."""
    workspace.texts("corpora/code", TEXTS)
    workspace.texts("corpora/docs", [f"{text}!" for text in TEXTS])
    workspace.write("mixes/base.yaml", HEAD + "  docs: {paths: [corpora/docs]}\n" + HELD + TAIL)
    expected = Workspace.open(cwd=workspace.root).plan()
    shutil.rmtree(workspace.root / ".olmixctl")

    def refuse(path, *_args, **_options):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    for name in ("mkdir", "write_bytes", "write_text", "touch"):
        monkeypatch.setattr(Path, name, refuse)
    again = Workspace.open(cwd=workspace.root).plan()
    assert again.observed == expected.observed
    assert not (workspace.root / ".olmixctl").exists()
