"""The ledger on disk: `mixes/NAME.runs/`, one JSON file a run, each written atomically, never rewritten.

The first result recorded under a key is the run's identity. A file that cannot be read is an error that names it:
a missing run and a damaged run are different things.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from olmixctl.atomic import write_atomically
from olmixctl.errors import IntegrityError, Place
from olmixctl.fingerprint import sha256_hex
from olmixctl.ledger.model import RunRecord

__all__ = ["Ledger", "evidence_root"]


class Ledger:
    """The runs of one mix.

    Args:
        folder: `mixes/NAME.runs`; need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path_of(self, key: str) -> Path:
        """The file of a run; `:` is not allowed in file names everywhere, so it is written `-`."""
        return self.folder / f"{key.replace(':', '-')}.json"

    def __contains__(self, key: str) -> bool:
        return self.path_of(key).exists()

    def __iter__(self) -> Iterator[RunRecord]:
        """All runs, sorted by key.

        Raises:
            IntegrityError: a file is truncated, altered or of another version.
        """
        if self.folder.is_dir():
            for path in sorted(self.folder.glob("r*.json")):
                yield read_run(path)

    def records(self) -> dict[str, RunRecord]:
        """Key → run, for all runs."""
        return {record.key: record for record in self}

    def get(self, key: str) -> RunRecord:
        """One run.

        Raises:
            IntegrityError: there is none under `key`, or its file is damaged.
        """
        path = self.path_of(key)
        if not path.exists():
            raise IntegrityError(
                f"run {key} is not in the ledger",
                place=Place(str(path)),
                remedy="restore the file from Git; evidence is committed beside the lock",
            )
        return read_run(path)

    def add(self, record: RunRecord) -> bool:
        """Record a finished run; False when its key is already there (the first result stands)."""
        path = self.path_of(record.key)
        if path.exists():
            return False
        write_atomically(path, dump_run(record))
        return True


def dump_run(record: RunRecord) -> str:
    """The text of a run file: JSON, sorted, indented, with the record's own digest."""
    return json.dumps(record.body() | {"digest": record.digest}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read_run(path: Path) -> RunRecord:
    """Read and check one run file.

    Raises:
        IntegrityError: it is not whole, or was altered since it was written.
    """
    remedy = "restore the file from Git, or delete it: the next apply trains that run again"
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        stated = body.pop("digest")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise IntegrityError(
            f"the run file is truncated or not JSON ({error})", place=Place(str(path)), remedy=remedy
        ) from error
    try:
        record = RunRecord.from_body(body)
    except IntegrityError as error:
        raise IntegrityError(error.message, place=Place(str(path)), remedy=error.remedy or remedy) from error
    if path.stem != record.key.replace(":", "-"):
        raise IntegrityError(
            f"the file is named for another run: it holds {record.key}", place=Place(str(path)), remedy=remedy
        )
    if record.digest != stated:
        raise IntegrityError(
            "the run file was altered after it was written: its digest does not match its content",
            place=Place(str(path)),
            remedy=remedy,
        )
    return record


def evidence_root(records: dict[str, RunRecord], keys: tuple[str, ...]) -> str:
    """One digest over the runs behind a lock: keys with their findings, sorted.

    Raises:
        IntegrityError: a run is missing.
    """
    missing = [key for key in keys if key not in records]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise IntegrityError(
            f"run {missing[0]}{more} behind the lock is not in the ledger",
            remedy="restore mixes/NAME.runs/ from Git; evidence is committed beside the lock",
        )
    lines = "".join(f"{key} {records[key].finding}\n" for key in sorted(keys))
    return "sha256:" + sha256_hex(lines)
