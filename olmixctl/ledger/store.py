"""The ledger: one JSON file a result, created whole and exclusively, never rewritten.

The first result recorded under a run's key is the run's identity; a later one that differs (of another apply, of
another branch, after a taint) is kept beside it as a replicate. A file that cannot be read is an error that names it:
a missing run and a damaged run are different things.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from olmixctl.errors import IntegrityError, Place
from olmixctl.fingerprint import sha256_hex
from olmixctl.ledger.files import (
    Attempt,
    Taint,
    attempt_of,
    dump_run,
    dump_taint,
    parse_run,
    parse_taint,
    run_name,
    taint_name,
    taint_of,
)
from olmixctl.ledger.home import Home
from olmixctl.ledger.model import RunRecord
from olmixctl.ledger.standing import Standing

__all__ = ["Ledger", "evidence_root"]

_AT_ONCE = 16
"""Files that are written at once."""


class Ledger:
    """The runs of one mix.

    Args:
        home: where they live; need not exist yet.
    """

    def __init__(self, home: Home) -> None:
        self.home = home

    @property
    def folder(self) -> Path | None:
        """The folder on this machine's disks; None when the ledger is elsewhere."""
        return self.home.folder

    def __contains__(self, key: str) -> bool:
        """Whether there is a result that may be used. Looks at names alone."""
        return key in self.usable_keys()

    def __iter__(self) -> Iterator[RunRecord]:
        """All runs with a result that may be used, sorted by key; see `records`."""
        return iter(self.records().values())

    def records(self) -> dict[str, RunRecord]:
        """Key → the run's first result that is not tainted; a run with none is left out. Sorted by key.

        Raises:
            IntegrityError: a file is truncated, altered or of another version.
        """
        return {attempt.key: record for attempt, record in self._read(_firsts(self._usable())).items()}

    def replicates(self) -> tuple[RunRecord, ...]:
        """Further results of runs, those that are not tainted: what they differ by is noise.

        Raises:
            IntegrityError: a file is truncated, altered or of another version.
        """
        usable = self._usable()
        firsts = set(_firsts(usable))
        return tuple(self._read([attempt for attempt in usable if attempt not in firsts]).values())

    def tainted(self) -> dict[str, str]:
        """Key → why, of runs that have no result but tainted ones. Sorted by key.

        Raises:
            IntegrityError: a taint file is damaged.
        """
        usable = {attempt.key for attempt in self._usable()}
        return {key: taints[-1].reason for key, taints in self.taints().items() if key not in usable}

    def standing(self) -> Standing:
        """Taints and replicates. Where there are none, only names are looked at.

        Raises:
            IntegrityError: a file that is read is damaged.
        """
        files = Counter(attempt.key for name in self.home.names() if (attempt := attempt_of(name) or taint_of(name)))
        contested = frozenset(key for key, count in files.items() if count > 1)
        if not contested:
            return Standing()
        return Standing(tainted=self.tainted(), contested=contested, replicates=self.replicates())

    def taints(self) -> dict[str, tuple[Taint, ...]]:
        """Key → all its taints, in the order of the results. Sorted by key.

        Raises:
            IntegrityError: a taint file is damaged.
        """
        names = [name for name in self.home.names() if taint_of(name)]
        found: dict[str, tuple[Taint, ...]] = {}
        for name, raw in self.home.read_many(names).items():
            taint = parse_taint(raw, name, self.home.place(name))
            found[taint.attempt.key] = (*found.get(taint.attempt.key, ()), taint)
        return {key: tuple(sorted(taints, key=lambda t: t.attempt)) for key, taints in sorted(found.items())}

    def check(self) -> None:
        """Read every run and taint file, those that are not in use too.

        Raises:
            IntegrityError: one is truncated, altered or of another version.
        """
        self._read(self._attempts())
        self.taints()

    def results(self, key: str | None = None) -> dict[Attempt, RunRecord]:
        """All results, tainted ones too, or those of one run; sorted by key and attempt.

        Raises:
            IntegrityError: a file is damaged.
        """
        return self._read(sorted(attempt for attempt in self._attempts() if key in (None, attempt.key)))

    def keys(self) -> list[str]:
        """Keys of all runs, those with tainted results alone too, sorted."""
        return sorted({attempt.key for attempt in self._attempts()})

    def usable_keys(self) -> frozenset[str]:
        """Keys of the runs with a result that may be used. Looks at names alone."""
        return frozenset(attempt.key for attempt in self._usable())

    def get(self, key: str) -> RunRecord:
        """One run's result.

        Raises:
            IntegrityError: there is none under `key` that may be used, or its file is damaged.
        """
        usable = [attempt for attempt in _firsts(self._usable()) if attempt.key == key]
        if not usable:
            raise IntegrityError(
                f"run {key} is not in the ledger",
                place=Place(self.home.place(run_name(Attempt(key, 1)))),
                remedy="restore the file from Git; evidence is committed beside the lock",
            )
        return self._read(usable)[usable[0]]

    def add(self, record: RunRecord, *, fenced: bool = False) -> bool:
        """Record a result; True when it is the run's first that may be used.

        A later result is kept as a replicate, unless it found exactly what one before did.

        Args:
            record: the result.
            fenced: its lease was taken over while it was trained. It may then be a replicate of what the new holder
                recorded, never the first result.

        Raises:
            OlmixctlError: it could not be written.
            IntegrityError: a result that is there already is damaged.
        """
        raw = dump_run(record).encode()
        while True:
            others = self.results(record.key)
            tainted = {taint_of(name) for name in self.home.names()}
            usable = [found for attempt, found in others.items() if attempt not in tainted]
            if any(found.finding == record.finding for found in usable) or (fenced and not usable):
                return False
            number = max((attempt.number for attempt in others), default=0) + 1
            # Another writer may take the number first: then its result is one to compare with.
            if self.home.create(run_name(Attempt(record.key, number)), raw):
                return not usable

    def add_all(self, records: Iterable[RunRecord]) -> int:
        """Record runs that nobody recorded yet, a file each; how many files were created.

        Several at once, since each waits for its disk or store. Looks at each once, where `add` compares; one that
        another writer recorded meanwhile is compared after all.

        Raises:
            OlmixctlError: one could not be written; others may stand.
            IntegrityError: a result that is there already is damaged.
        """
        from concurrent.futures import ThreadPoolExecutor

        def first(record: RunRecord) -> bool:
            return self.home.create(run_name(Attempt(record.key, 1)), dump_run(record).encode())

        wanted = list(records)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            created = list(pool.map(first, wanted))
        return sum(new or self.add(record) for new, record in zip(created, wanted, strict=True))

    def taint(self, key: str, reason: str) -> Taint | None:
        """Take the result of `key` that is in use out of use; None when there is none left to taint.

        Raises:
            OlmixctlError: it could not be written.
        """
        usable = [attempt for attempt in _firsts(self._usable()) if attempt.key == key]
        if not usable:
            return None
        taint = Taint(attempt=usable[0], reason=reason, finding=self._read(usable)[usable[0]].finding)
        created = self.home.create(taint_name(taint.attempt), dump_taint(taint).encode())
        return taint if created else None

    def untaint(self, key: str) -> int:
        """Remove all taints of `key`; returns how many there were."""
        names = [name for name in self.home.names() if (found := taint_of(name)) and found.key == key]
        for name in names:
            self.home.delete(name)
        return len(names)

    def _attempts(self) -> list[Attempt]:
        return [attempt for name in self.home.names() if (attempt := attempt_of(name))]

    def _usable(self) -> list[Attempt]:
        """Results that are not tainted, sorted by key and number."""
        names = self.home.names()
        tainted = {taint_of(name) for name in names}
        return sorted(attempt for name in names if (attempt := attempt_of(name)) and attempt not in tainted)

    def _read(self, attempts: list[Attempt]) -> dict[Attempt, RunRecord]:
        names = {run_name(attempt): attempt for attempt in attempts}
        contents = self.home.read_many(names)
        return {names[name]: parse_run(raw, name, self.home.place(name)) for name, raw in contents.items()}


def _firsts(usable: list[Attempt]) -> list[Attempt]:
    """The first attempt of each key, of attempts in their order."""
    firsts: dict[str, Attempt] = {}
    for attempt in usable:
        firsts.setdefault(attempt.key, attempt)
    return list(firsts.values())


def evidence_root(records: Mapping[str, RunRecord], keys: tuple[str, ...]) -> str:
    """One digest over the runs behind a lock: keys with their findings, sorted.

    Raises:
        IntegrityError: a run is missing.
    """
    missing = [key for key in keys if key not in records]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise IntegrityError(
            f"run {missing[0]}{more} behind the lock is not in the ledger",
            remedy="restore the run files from Git: they are committed beside the lock",
        )
    lines = "".join(f"{key} {records[key].finding}\n" for key in sorted(keys))
    return "sha256:" + sha256_hex(lines)
