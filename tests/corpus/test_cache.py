from __future__ import annotations

import os
import sqlite3
import subprocess
import sys

import pytest

from olmixctl.corpus import CorpusCache, measure_domains
from olmixctl.errors import OlmixctlError

KEY = ("file", "1", "a")


@pytest.fixture
def cache(tmp_path):
    return CorpusCache(tmp_path / "cache")


@pytest.fixture
def database(tmp_path):
    return tmp_path / "cache/corpus-1.sqlite"


def test_a_value_counts_while_its_stamp_is_the_same(cache):
    assert cache.get({KEY: "s1"}) == {}
    cache.put([(KEY, "s1", b"v1")])
    assert cache.get({KEY: "s1", ("file", "1", "b"): "s1"}) == {KEY: b"v1"}
    assert cache.get({KEY: "s2"}) == {}
    cache.put([(KEY, "s2", b"v2")])
    assert cache.get({KEY: "s1"}) == {}
    assert cache.get({KEY: "s2"}) == {KEY: b"v2"}


def test_keys_are_not_run_together(cache):
    cache.put([(("a", "bc"), "", b"1"), (("ab", "c"), "", b"2")])
    assert cache.get({("a", "bc"): "", ("ab", "c"): ""}) == {("a", "bc"): b"1", ("ab", "c"): b"2"}


def test_more_keys_than_one_question_takes(cache):
    entries = [(("file", str(i)), "s", str(i).encode()) for i in range(2345)]
    cache.put(entries)
    assert cache.get({key: stamp for key, stamp, _ in entries}) == {key: value for key, _, value in entries}


def test_nothing_is_written_for_nothing(cache, tmp_path):
    cache.put([])
    assert cache.get({}) == {}
    assert not (tmp_path / "cache").exists()
    none = CorpusCache(None)
    none.put([(KEY, "s", b"v")])
    assert none.get({KEY: "s"}) == {}


@pytest.mark.parametrize("damage", [b"", b"not a database at all, far from it", None])
def test_a_damaged_file_is_begun_anew(cache, database, damage):
    cache.put([(KEY, "s", b"v" * 10_000)])
    data = database.read_bytes()
    database.write_bytes(data[: len(data) // 2] if damage is None else damage)
    assert cache.get({KEY: "s"}) == {}
    cache.put([(KEY, "s", b"w")])
    assert cache.get({KEY: "s"}) == {KEY: b"w"}


def test_a_flipped_bit_is_a_miss(cache, database):
    cache.put([(KEY, "s", b"value-to-damage")])
    database.write_bytes(database.read_bytes().replace(b"value-to-damage", b"value-to-dbmage"))
    assert cache.get({KEY: "s"}) == {}


def test_every_byte_of_a_cache_can_be_damaged_without_a_wrong_answer(workspace, monkeypatch):
    monkeypatch.setattr("olmixctl.corpus.measure._RACY_NS", 0)
    domain = workspace.texts("web", ["alpha", "beta"])
    truth = measure_domains([domain], workspace.context())
    path = workspace.root / ".olmixctl/cache/corpus-1.sqlite"
    whole = path.read_bytes()
    for position in range(0, len(whole), 97):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x41]) + whole[position + 1 :])
        assert measure_domains([domain], workspace.context()) == truth


def test_a_foreign_table_of_that_name_is_no_cache(cache, database):
    database.parent.mkdir()
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE entries (a INTEGER)")
    connection.close()
    assert cache.get({KEY: "s"}) == {}
    cache.put([(KEY, "s", b"v")])
    assert cache.get({KEY: "s"}) == {KEY: b"v"}


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "cache").write_text("a file in the way")
    with pytest.raises(OlmixctlError, match=r"cache: cannot use the fingerprint cache: .*\n.*make the folder writable"):
        CorpusCache(tmp_path / "cache").put([(KEY, "s", b"v")])


def test_a_read_only_cache_is_read_and_not_written(cache, database, tmp_path, monkeypatch):
    """Root may write anywhere, so the database itself is told to refuse."""
    cache.put([(KEY, "s", b"v")])
    original = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **rest: original(f"file:{path}?mode=ro", uri=True, **rest))
    assert cache.get({KEY: "s"}) == {KEY: b"v"}
    with pytest.raises(OlmixctlError, match="cannot use the fingerprint cache: attempt to write a readonly database"):
        cache.put([(KEY, "s", b"w")])
    assert cache.get({KEY: "s"}) == {KEY: b"v"}


def test_a_read_only_folder_is_named(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "cache").mkdir(mode=0o555)
    with pytest.raises(OlmixctlError, match="cache: cannot use the fingerprint cache"):
        CorpusCache(tmp_path / "cache").put([(KEY, "s", b"v")])


def test_two_processes_write_one_cache(cache, tmp_path):
    code = (
        "import sys; from pathlib import Path; from olmixctl.corpus import CorpusCache\n"
        "cache = CorpusCache(Path(sys.argv[1]))\n"
        "for i in range(40): cache.put([((sys.argv[2], str(i)), 's', sys.argv[2].encode())])"
    )
    workers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "cache"), name]) for name in "abc"]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    expected = {(name, str(i)): name.encode() for name in "abc" for i in range(40)}
    assert cache.get(dict.fromkeys(expected, "s")) == expected
