"""The demo's text: real, without copies between domains, the same every time."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).parents[2] / "docs" / "demo" / "collect.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("collect", _SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["collect"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["collect"]


@pytest.fixture(scope="module")
def collected(script, tmp_path_factory):
    """All kinds, capped low so that it takes a moment."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        kinds = tuple(script.Kind(kind.name, 200_000, kind.documents) for kind in script.KINDS)
        patch.setattr(script, "KINDS", kinds)
        domains = script.collect(folder)
        again = tmp_path_factory.mktemp("again")
        assert script.collect(again) == domains
    return folder, again, domains


def texts(folder: Path) -> list[str]:
    return [
        json.loads(line)["text"]
        for file in sorted(folder.glob("*.jsonl"))
        for line in file.read_text().split("\n")[:-1]
    ]


def test_there_are_the_first_six_kinds_the_later_one_and_more(script, collected):
    _, _, domains = collected
    names = {domain.domain for domain in domains}
    assert names > {*script.FIRST, script.LATER}
    assert len(names) >= 8
    assert len(script.FIRST) == 6
    assert script.LATER not in script.FIRST


def test_every_domain_holds_enough_documents_of_a_fair_size(script, collected):
    folder, _, domains = collected
    for domain in domains:
        documents = texts(folder / "corpora" / domain.domain)
        sizes = [len(text.encode()) for text in documents]
        assert len(documents) == domain.documents >= 5, domain
        assert sum(sizes) == domain.size, domain
        assert min(sizes) >= script.LEAST_BYTES
        assert max(sizes) <= script.MOST_BYTES


def test_no_document_stands_twice_in_any_domain_or_in_the_eval(collected):
    folder, _, domains = collected
    everything = [text for domain in domains for text in texts(folder / "corpora" / domain.domain)]
    plain = {"".join(text.split()).casefold() for text in everything}
    assert len(plain) == len(everything)
    for line in (folder / "evals" / "docs.jsonl").read_text().split("\n")[:-1]:
        item = json.loads(line)
        assert item["context"]
        assert item["continuation"]
        assert not any(
            (item["context"] + item["continuation"]) in text for text in texts(folder / "corpora/docstrings")
        )


def test_the_same_environment_gives_the_same_bytes(collected):
    folder, again, _ = collected
    first = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.jsonl")}
    assert first == {path.relative_to(again): path.read_bytes() for path in again.rglob("*.jsonl")}


def test_a_folder_with_corpora_in_it_is_left_alone(script, tmp_path):
    (tmp_path / "corpora").mkdir()
    with pytest.raises(FileExistsError):
        script.collect(tmp_path)


def test_long_text_is_cut_at_line_ends_and_short_text_dropped(script):
    line = "x" * 99 + "\n"
    pieces = list(script._documents(line * 1000))
    assert "".join(pieces) == line * 1000
    assert len(pieces) == 100_000 // script.MOST_BYTES
    assert all(piece.endswith("\n") for piece in pieces)
    assert list(script._documents("short\n")) == []
    assert list(script._documents("y" * 40_000 + "\n" + line * 3)) == [line * 3]


def test_a_kind_that_is_not_here_is_an_error_not_an_empty_domain(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "KINDS", (script.Kind("nothing", 100, list),))
    with pytest.raises(RuntimeError, match="'nothing'"):
        script.collect(tmp_path)


def test_the_table_names_the_largest_first(script):
    text = script.table([script.Collected("a", 1, 1_000_000), script.Collected("b", 2, 2_000_000)])
    assert [row.split() for row in text.splitlines()] == [
        ["domain", "documents", "MB"],
        ["b", "2", "2.00"],
        ["a", "1", "1.00"],
        ["3", "3.00"],
    ]
