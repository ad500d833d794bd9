"""Where a ledger lives: a flat folder of small files, on a disk or behind an fsspec URL.

Files are created whole, or not at all, and exclusively: of several writers of one name exactly one is told that it
succeeded. Everything above (runs that are never rewritten, leases with one winner) rests on that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from olmixctl.atomic import TEMPORARY, create_exclusively, remove_leftovers, write_atomically
from olmixctl.errors import OlmixctlError, Place

__all__ = ["Home", "LocalHome"]


class Home(Protocol):
    """A flat folder; names are plain file names, contents are bytes.

    Every method raises OlmixctlError where the folder cannot be read or written.
    """

    @property
    def where(self) -> str:
        """The folder, for people: a path, or a URL without credentials."""

    @property
    def folder(self) -> Path | None:
        """The folder on this machine's disks; None when it is elsewhere."""

    def place(self, name: str) -> str:
        """A file, for people."""

    def names(self) -> list[str]:
        """What is there, sorted; files that are still being written are not. Empty when there is no folder."""

    def read(self, name: str) -> bytes | None:
        """The content of a file, or None when there is none."""

    def read_many(self, names: Iterable[str]) -> dict[str, bytes]:
        """The contents of several files; those that are not there are left out."""

    def create(self, name: str, data: bytes) -> bool:
        """Create a file, atomically and exclusively; False when the name is taken (nothing is changed)."""

    def replace(self, name: str, data: bytes) -> None:
        """Write a file, whether it exists or not, atomically."""

    def delete(self, name: str) -> None:
        """Remove a file; none is no error."""

    def sweep(self) -> None:
        """Remove what killed writers left behind."""


class LocalHome:
    """A folder on a disk, local or shared.

    Args:
        folder: need not exist; the first write makes it.
        durable: written files survive a loss of power. Leases need not: their holders do not either.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self._folder = folder
        self._durable = durable

    @property
    def folder(self) -> Path:
        """See `Home`."""
        return self._folder

    @property
    def where(self) -> str:
        """See `Home`."""
        return str(self.folder)

    def place(self, name: str) -> str:
        """See `Home`."""
        return str(self.folder / name)

    def names(self) -> list[str]:
        """See `Home`."""
        with _readable(self.where):
            try:
                found = [entry.name for entry in self.folder.iterdir()]
            except FileNotFoundError:
                return []
        return sorted(name for name in found if not name.startswith(".") and not name.endswith(TEMPORARY))

    def read(self, name: str) -> bytes | None:
        """See `Home`."""
        with _readable(self.place(name)):
            try:
                return (self.folder / name).read_bytes()
            except FileNotFoundError:
                return None

    def read_many(self, names: Iterable[str]) -> dict[str, bytes]:
        """See `Home`."""
        contents = ((name, self.read(name)) for name in names)
        return {name: data for name, data in contents if data is not None}

    def create(self, name: str, data: bytes) -> bool:
        """See `Home`; on file systems without hard links see `create_exclusively`."""
        return create_exclusively(self.folder / name, data, durable=self._durable)

    def replace(self, name: str, data: bytes) -> None:
        """See `Home`."""
        write_atomically(self.folder / name, data, durable=self._durable)

    def delete(self, name: str) -> None:
        """See `Home`."""
        with _readable(self.place(name)):
            (self.folder / name).unlink(missing_ok=True)

    def sweep(self) -> None:
        """See `Home`."""
        remove_leftovers(self.folder)


@contextlib.contextmanager
def _readable(place: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OlmixctlError(
            f"cannot read: {error.strerror or error}", place=Place(place), remedy="make it readable"
        ) from error
