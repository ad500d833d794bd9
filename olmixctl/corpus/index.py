"""The documents of a domain as numbers: u, length, file and place of each, without their text.

Sixteen bytes a document, kept by the content of its file, so holding out, choosing what a shard takes and looking for
leaked eval texts need not read the corpus again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from olmixctl.corpus.cache import CacheKey
from olmixctl.corpus.pool import run_parallel
from olmixctl.corpus.scan import FileScan, columns, scan_file
from olmixctl.errors import CorpusError, Place

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from olmixctl.corpus.context import CorpusContext
    from olmixctl.corpus.model import DomainState, FileState

__all__ = ["DocumentIndex", "load_index", "put_scans"]

_VERSION = "1"


@dataclass(frozen=True, slots=True)
class DocumentIndex:
    """The documents of a domain in the order of its files; all arrays of length n.

    Attributes:
        numbers: u (uint64).
        lengths: tokens (uint32).
        files: position in the domain's `files` (int32).
        places: position in the file (int64).
    """

    numbers: NDArray[np.uint64]
    lengths: NDArray[np.uint32]
    files: NDArray[np.int32]
    places: NDArray[np.int64]

    def order(self) -> NDArray[np.int64]:
        """The fixed shuffle: by u, then by length; documents equal in both are, but for a collision, the same."""
        import numpy as np

        return np.lexsort((self.lengths, self.numbers))

    def find(self, wanted: Iterable[int]) -> list[int]:
        """The rows whose u is one of `wanted`, in order."""
        import numpy as np

        return [int(row) for row in np.flatnonzero(np.isin(self.numbers, np.array(list(wanted), dtype=np.uint64)))]


def load_index(state: DomainState, context: CorpusContext) -> DocumentIndex:
    """The index of a measured domain; files the cache does not know are read.

    Raises:
        CorpusError: the domain is declared (its files are not known), or a file is not what was measured.
    """
    import numpy as np

    if not state.files:
        raise CorpusError(
            f"domain {state.id} is declared, so its documents are not known on this machine",
            remedy="remove `declared` where the data can be read",
        )
    parts = _load_files(state.files, context)
    counts = [len(numbers) for numbers, _ in parts]
    return DocumentIndex(
        np.concatenate([numbers for numbers, _ in parts]),
        np.concatenate([lengths for _, lengths in parts]),
        np.repeat(np.arange(len(parts), dtype=np.int32), counts),
        np.concatenate([np.arange(n, dtype=np.int64) for n in counts]),
    )


def put_scans(scans: Iterable[FileScan], context: CorpusContext) -> None:
    """Keeps the indexes of files, by content."""
    context.cache.put((_key(s.digest, s.tokens, s.documents, context), "", s.table) for s in scans if s.table)


def _key(digest: str, tokens: int, documents: int, context: CorpusContext) -> CacheKey:
    # The counts tell apart the same bytes read in two formats.
    return ("index", _VERSION, digest, str(tokens), str(documents), context.tokenizer.digest)


_Part = tuple["NDArray[np.uint64]", "NDArray[np.uint32]"]


def _load_files(files: Sequence[FileState], context: CorpusContext) -> list[_Part]:
    # A plain text file is its one document: what is known of the file is its row.
    keys = {f.url: _key(f.digest, f.tokens, f.documents, context) for f in files if f.format != "text"}
    kept = context.cache.get(dict.fromkeys(keys.values(), ""))
    missing = [f for f in files if f.url in keys and keys[f.url] not in kept]

    def scan(file: FileState) -> FileScan:
        found = scan_file(context.source(file), context.tokenizer)
        if found.digest != file.digest:
            raise changed(context.source(file).shown)
        return found

    scans = list(run_parallel(scan, missing, workers=context.parallel))
    put_scans(scans, context)
    tables = {f.url: s.table for f, s in zip(missing, scans, strict=True)}
    tables |= {url: kept[key] for url, key in keys.items() if key in kept}
    return [columns(f.digest, f.tokens, f.documents, tables.get(f.url, b"")) for f in files]


def changed(shown: str) -> CorpusError:
    """The error for a file that is not what was measured."""
    return CorpusError(
        "the file changed since it was fingerprinted", place=Place(shown), remedy="run the command again"
    )
