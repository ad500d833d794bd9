"""The files of a domain as the cache keeps them: compressed, and unpacked by who looks at them.

Most commands ask what a domain is, not which files it lies in; a hundred thousand of them, unpacked, are 50 MB.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from olmixctl.corpus.model import FileState

__all__ = ["PackedFiles", "pack_files"]

_QUICKEST = 1  # digests, half of the bytes, do not compress anyway


def pack_files(files: Iterable[FileState]) -> bytes:
    """What `PackedFiles` unpacks."""
    rows = [[f.path, f.url, f.size, f.digest, f.tokens, f.documents, f.format] for f in files]
    return zlib.compress(json.dumps(rows).encode(), _QUICKEST)


class PackedFiles(Sequence[FileState]):
    """A sequence equal to the tuple of its files; how many they are is known without unpacking.

    Args:
        count: number of files.
        packed: what `pack_files` made of them.
    """

    __slots__ = ("_count", "_files", "_packed")

    def __init__(self, count: int, packed: bytes) -> None:
        self._count = count
        self._packed = packed
        self._files: tuple[FileState, ...] | None = None

    def _unpacked(self) -> tuple[FileState, ...]:
        if self._files is None:
            rows = json.loads(zlib.decompress(self._packed))
            self._files = tuple(
                FileState(path=path, url=url, size=size, digest=digest_, tokens=n, documents=d, format=fmt)
                for path, url, size, digest_, n, d, fmt in rows
            )
        return self._files

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> FileState: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[FileState, ...]: ...
    def __getitem__(self, index: int | slice) -> FileState | tuple[FileState, ...]:
        return self._unpacked()[index]

    def __iter__(self) -> Iterator[FileState]:
        return iter(self._unpacked())

    def __eq__(self, other: object) -> bool:
        return tuple(other) == self._unpacked() if isinstance(other, PackedFiles | tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._unpacked())

    def __repr__(self) -> str:
        return f"PackedFiles({self._count} files)"
