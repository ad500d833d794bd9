"""The run files of both sides of a merge, as one ledger: nothing that was measured is lost.

A run trained on both branches is a file that Git could not merge. Our result stays; theirs becomes a replicate, unless
it found the same. A plan sees the settled ledger in memory; the files are written when the join is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from olmixctl.errors import IntegrityError, Place
from olmixctl.ledger.files import attempt_of, parse_run
from olmixctl.ledger.home import Home
from olmixctl.ledger.store import Ledger
from olmixctl.report.numbers import run_name
from olmixctl.repository import Conflict, sides_of

__all__ = ["SettledHome", "settle"]


class SettledHome:
    """A ledger's home with changes that are not written yet.

    Args:
        home: where they go.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        self.changes: dict[str, bytes] = {}

    @property
    def where(self) -> str:
        """See `Home`."""
        return self.home.where

    @property
    def folder(self) -> Path | None:
        """See `Home`."""
        return self.home.folder

    def place(self, name: str) -> str:
        """See `Home`."""
        return self.home.place(name)

    def names(self) -> list[str]:
        """See `Home`."""
        return sorted({*self.home.names(), *self.changes})

    def read(self, name: str) -> bytes | None:
        """See `Home`."""
        return self.changes[name] if name in self.changes else self.home.read(name)

    def read_many(self, names: Iterable[str]) -> dict[str, bytes]:
        """See `Home`."""
        wanted = list(names)
        found = self.home.read_many(name for name in wanted if name not in self.changes) | self.changes
        return {name: found[name] for name in wanted if name in found}

    def create(self, name: str, data: bytes) -> bool:
        """See `Home`; in memory."""
        if self.read(name) is not None:
            return False
        self.changes[name] = data
        return True

    def replace(self, name: str, data: bytes) -> None:
        """See `Home`; in memory."""
        self.changes[name] = data

    def delete(self, name: str) -> None:
        """See `Home`; a merge takes nothing away."""
        raise AssertionError(f"{name}: a merge deletes no evidence")

    def sweep(self) -> None:
        """See `Home`."""

    def write(self) -> None:
        """Put the changes where they belong.

        Raises:
            OlmixctlError: the folder cannot be written.
        """
        for name, data in sorted(self.changes.items()):
            self.home.replace(name, data)
        self.changes.clear()


def settle(
    home: Home, conflicts: Mapping[str, Conflict], sides: Iterable[Mapping[str, bytes]] = ()
) -> tuple[SettledHome, tuple[str, ...]]:
    """The ledger at `home` with the files of both sides.

    Args:
        home: of the working tree.
        conflicts: name → what Git could not merge.
        sides: name → content at revisions whose files may not be in the working tree.

    Returns:
        The home, and what was done, in words.

    Raises:
        IntegrityError: a file of either side is not whole.
    """
    settled = SettledHome(home)
    notes: list[str] = []
    pairs = {name: (found.ours, found.theirs) for name, found in conflicts.items()} | _marked(home, conflicts)
    for name, (ours, theirs) in sorted(pairs.items()):
        settled.replace(name, _whole(home, name, ours if ours is not None else theirs or b"", "ours"))
    for name, (ours, theirs) in sorted(pairs.items()):
        if ours is not None and theirs is not None:
            notes += _second(settled, name, theirs)
    for side in sides:
        for name, data in sorted(side.items()):
            if not settled.create(name, _whole(home, name, data, "their side")) and settled.read(name) != data:
                notes += _second(settled, name, data)
    return settled, tuple(notes)


def _marked(home: Home, known: Iterable[str]) -> dict[str, tuple[bytes, bytes]]:
    """Files with conflict markers that Git does not list any more: added as they were.

    Raises:
        IntegrityError: the markers do not give two sides.
    """
    found = {}
    for name, data in home.read_many(set(home.names()) - set(known)).items():
        if b"<<<<<<< " not in data:
            continue
        sides = sides_of(data.decode(errors="replace"))
        if sides is None:
            raise IntegrityError(
                "the run file holds conflict markers that are not whole",
                place=Place(home.place(name)),
                remedy=f"restore one side: `git checkout --ours -- {name}`, or from a commit that has it",
            )
        found[name] = (sides[1].encode(), sides[2].encode())
    return found


def _whole(home: Home, name: str, data: bytes, side: str) -> bytes:
    """`data`, checked where it is a run.

    Raises:
        IntegrityError: it is not whole.
    """
    if attempt_of(name) is not None:
        parse_run(data, name, f"{home.place(name)} ({side})")
    return data


def _second(settled: SettledHome, name: str, theirs: bytes) -> list[str]:
    """Their version of a file that ours has, too."""
    attempt = attempt_of(name)
    if attempt is None:
        same = settled.read(name) == theirs
        return [] if same else [f"{name} differs between both sides: ours stays"]
    record = parse_run(theirs, name, f"{settled.place(name)} (theirs)")
    before = set(settled.changes)
    Ledger(settled).add(record)
    if set(settled.changes) == before:
        return [f"run {run_name(attempt.key)} was trained on both sides and found the same: ours stays"]
    return [f"run {run_name(attempt.key)} was trained on both sides: ours stays, theirs is kept as a replicate"]
