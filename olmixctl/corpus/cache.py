"""What measuring found, kept so that unchanged files are not read again. Never identity, always safe to delete.

One SQLite table of (name, stamp, value, check). A value counts only while its stamp (size, times and inode of a local
file; what the store says about a remote one) is the same and its check fits, so a damaged cache is at worst slow. A
file that is no database any more is put aside and a new one begun. Transactions are short and wait for each other, so
several commands may share a cache. Where the folder may not be written, or not even be read, a cache says so
(`unavailable`) and keeps what it is given in memory, so looking at a repository needs no right to change it.
"""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

from olmixctl.errors import OlmixctlError, Place

__all__ = ["CacheKey", "CorpusCache"]

_FILE = "corpus-1.sqlite"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS entries"
    " (name BLOB PRIMARY KEY, stamp BLOB NOT NULL, value BLOB NOT NULL, tag BLOB NOT NULL) WITHOUT ROWID"
)
_ASK_AT_ONCE = 500  # under SQLite's oldest limit on parameters
_WAIT_SECONDS = 30.0
_MEMORY_KIB = 64 * 1024
_SYSTEM_ERRORS = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
}
_NO_ACCESS = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY}
_MAY_NOT = {errno.EACCES, errno.EPERM, errno.EROFS}

CacheKey = tuple[str, ...]
_Row = tuple[bytes, bytes, bytes, bytes]  # name, stamp, value, tag


class CorpusCache:
    """A cache in a folder, or none at all.

    Args:
        folder: where the database lies (made when first written); None keeps nothing, so everything is read again.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._memory: dict[bytes, _Row] = {}
        self._unavailable: str | None = None

    @property
    def unavailable(self) -> str | None:
        """The folder and why it may not be used, once that is found out: the next command reads the data again."""
        return self._unavailable

    def get(self, stamps: Mapping[CacheKey, str]) -> dict[CacheKey, bytes]:
        """The values of those keys whose stamp is still the given one."""
        if self._folder is None or not stamps:
            return {}
        names = {_name(key): key for key in stamps}
        found: dict[CacheKey, bytes] = {}
        stored = self._rows([name for name in names if name not in self._memory]) if self._is_there() else []
        for name, stamp, value, tag in [*stored, *(self._memory[n] for n in names if n in self._memory)]:
            key = names[name]
            if stamp == _hash(stamps[key].encode(errors="surrogateescape")) and tag == _hash(name + stamp + value):
                found[key] = value
        return found

    def put(self, entries: Iterable[tuple[CacheKey, str, bytes]]) -> None:
        """Keeps (key, stamp, value), in one transaction.

        Raises:
            OlmixctlError: the disk is full or fails, or something else stands where the folder should.
        """
        if self._folder is None:
            return
        rows = sorted(_row(*entry) for entry in entries)  # in the order of the table, which writes each page once
        if not rows:
            return
        for _ in range(2):  # once more where a damaged file had to go first
            if self._unavailable is None and self._make_folder():
                try:
                    self._insert(rows)
                except sqlite3.DatabaseError as error:
                    self._recover(error)
                else:
                    return
        self._memory |= {row[0]: row for row in rows}

    def _is_there(self) -> bool:
        assert self._folder is not None
        try:
            return (self._folder / _FILE).exists()
        except OSError as error:
            self._forgo(error.strerror or str(error))
            return False

    def _make_folder(self) -> bool:
        assert self._folder is not None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = error.strerror or str(error)
            if error.errno not in _MAY_NOT:
                raise self._unusable(why) from error
            self._forgo(why)
            return False
        return True

    def _insert(self, rows: list[_Row]) -> None:
        with self._connect() as connection, connection:
            connection.execute(_SCHEMA)
            connection.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)", rows)

    def _rows(self, names: list[bytes]) -> list[_Row]:
        rows: list[_Row] = []
        try:
            with self._connect() as connection:
                for start in range(0, len(names), _ASK_AT_ONCE):
                    part = names[start : start + _ASK_AT_ONCE]
                    marks = ",".join("?" * len(part))
                    query = f"SELECT name, stamp, value, tag FROM entries WHERE name IN ({marks})"  # noqa: S608  (marks)
                    rows += connection.execute(query, part).fetchall()
        except sqlite3.DatabaseError as error:
            if "no such table" not in str(error):  # another command is just making it
                self._recover(error)
            return []
        return rows

    @contextlib.contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        assert self._folder is not None
        with closing(sqlite3.connect(self._folder / _FILE, timeout=_WAIT_SECONDS)) as connection:
            # What a power failure damages is found by its tags, so a cache need not wait for the disk.
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(f"PRAGMA cache_size = -{_MEMORY_KIB}")
            yield connection

    def _recover(self, error: sqlite3.DatabaseError) -> None:
        """Deletes what is no cache, unless it may not; an error of the system instead is the user's to hear."""
        assert self._folder is not None
        # Python's own errors (a wrong type found in a row) carry no code; they come from damage too.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _SYSTEM_ERRORS:
            raise self._unusable(str(error)) from error
        if code in _NO_ACCESS:
            self._forgo(str(error))
            return
        for name in (_FILE, f"{_FILE}-journal"):
            with contextlib.suppress(FileNotFoundError):
                try:
                    (self._folder / name).unlink()
                except OSError as denied:
                    if denied.errno not in _MAY_NOT:
                        raise
                    self._forgo(denied.strerror or str(denied))

    def _forgo(self, why: str) -> None:
        self._unavailable = f"{self._folder}: {why}"

    def _unusable(self, why: str) -> OlmixctlError:
        return OlmixctlError(
            f"cannot use the fingerprint cache: {why}",
            place=Place(str(self._folder)),
            remedy="make the folder writable, free space on it, or delete it",
        )


def _row(key: CacheKey, stamp: str, value: bytes) -> _Row:
    name, mark = _name(key), _hash(stamp.encode(errors="surrogateescape"))
    return name, mark, value, _hash(name + mark + value)


def _name(key: CacheKey) -> bytes:
    # NUL cannot stand in a path, so parts cannot run together.
    return _hash("\0".join(key).encode(errors="surrogateescape"))


def _hash(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()
