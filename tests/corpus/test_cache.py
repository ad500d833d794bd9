from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

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


OTHER = ("file", "1", "b")


def test_a_read_only_cache_is_read_and_what_is_new_kept_in_memory(cache, database, monkeypatch):
    """Root may write anywhere, so the database itself is told to refuse."""
    cache.put([(KEY, "s", b"v"), (OTHER, "s", b"o")])
    original = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **rest: original(f"file:{path}?mode=ro", uri=True, **rest))
    before = database.read_bytes()
    assert cache.get({KEY: "s"}) == {KEY: b"v"}
    assert cache.unavailable is None
    cache.put([(KEY, "t", b"w")])
    assert cache.unavailable == f"{database.parent}: attempt to write a readonly database"
    assert cache.get({KEY: "t", OTHER: "s"}) == {KEY: b"w", OTHER: b"o"}
    assert cache.get({KEY: "s"}) == {}
    assert database.read_bytes() == before


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_folder_that_may_not_be_made_leaves_memory(tmp_path, monkeypatch, code):
    def refuse(path, *_args, **_options):
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    cache = CorpusCache(tmp_path / "cache")
    assert cache.unavailable is None
    cache.put([(KEY, "s", b"v")])
    assert cache.unavailable == f"{tmp_path}/cache: {os.strerror(code)}"
    assert cache.get({KEY: "s", OTHER: "s"}) == {KEY: b"v"}
    assert cache.get({KEY: "t"}) == {}
    assert not (tmp_path / "cache").exists()


def test_a_full_disk_is_no_read_only_folder(tmp_path, monkeypatch):
    def refuse(path, *_args, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OlmixctlError, match=r"cache: cannot use the fingerprint cache: No space left.*\n.*free space"):
        CorpusCache(tmp_path / "cache").put([(KEY, "s", b"v")])


def test_a_folder_of_someone_else_is_read_without_a_cache():
    """The real thing: another user, where root may become one."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    code = (
        "import os, sys; from pathlib import Path\n"
        "from olmixctl.corpus import CorpusCache\n"
        "os.chdir(sys.argv[1]); os.setuid(65534)\n"
        "cache = CorpusCache(Path('made/cache')); cache.put([(('k',), 's', b'v')])\n"
        "assert cache.unavailable == 'made/cache: Permission denied', cache.unavailable\n"
        "closed = CorpusCache(Path('closed/cache'))\n"
        "assert closed.get({('k',): 's'}) == {} and closed.unavailable\n"
        "full = CorpusCache(Path('full')); assert full.get({('k',): 's'}) == {('k',): b'v'} and not full.unavailable\n"
        "full.put([(('l',), 's', b'w')]); assert full.unavailable\n"
        "assert full.get({('k',): 's', ('l',): 's'}) == {('k',): b'v', ('l',): b'w'}\n"
    )
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "closed").mkdir(mode=0o700)
        CorpusCache(folder / "full").put([(("k",), "s", b"v")])
        subprocess.run([sys.executable, "-c", code, name], check=True)


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
