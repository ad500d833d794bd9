"""A domain's training tokens as one array on disk, in an order that only the documents decide.

The index says beforehand which documents a shard takes and where each begins, so files are read in any order, in
parallel, and every document is written to its place; no more than a few documents are in memory. A shard is built in a
temporary folder and renamed, so it is whole or absent, and two commands may build the same one.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.format import open_memmap

from olmixctl.corpus.context import CorpusContext
from olmixctl.corpus.documents import Source, iter_documents
from olmixctl.corpus.formats import FileFormat
from olmixctl.corpus.holdout import document_number, threshold
from olmixctl.corpus.index import DocumentIndex, changed, load_index
from olmixctl.corpus.model import DomainState, TokenShard
from olmixctl.corpus.pool import run_parallel
from olmixctl.corpus.scan import encode_documents, worth_processes
from olmixctl.corpus.tokenizer import Tokenizer
from olmixctl.errors import CorpusError, OlmixctlError, Place
from olmixctl.fingerprint import sha256_hex

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Group", "build_shards", "folder_errors", "read_documents"]

_VERSION = "1"
_BATCH_BYTES = 4 << 20


def build_shards(
    states: Mapping[str, DomainState],
    context: CorpusContext,
    *,
    holdout_fraction: float,
    limit_tokens: int | None = None,
) -> dict[str, TokenShard]:
    """The shard of each domain, built where it is not there yet.

    Args:
        states: measured domains by id.
        context: tokenizer, cache and the folder of shards.
        holdout_fraction: F of the mix (`holdout.holdout_fraction`).
        limit_tokens: a shard takes documents in its order until it has so many tokens, separators included; None
            takes all. Pass what the proxy run needs of one domain.

    Raises:
        CorpusError: a domain is declared, changed since it was measured, or has no training tokens.
        OlmixctlError: the folder cannot be written, or the disk is full.
    """
    jobs = {id_: _Job(state, context, threshold(holdout_fraction), limit_tokens) for id_, state in states.items()}
    ready = {id_: shard for id_, job in jobs.items() if (shard := job.existing()) is not None}
    done = 0
    missing = [id_ for id_ in jobs if id_ not in ready]
    # Progress is in documents' tokens; what is not planned yet counts with the domain's size.
    total = sum(min(states[id_].tokens, limit_tokens or states[id_].tokens) for id_ in missing)
    for id_ in missing:
        context.on_progress(done, total)
        ready[id_] = jobs[id_].build()
        done = min(total, done + ready[id_].tokens)
    if missing:
        context.on_progress(total, total)
    return {id_: ready[id_] for id_ in states}


@dataclass(frozen=True)
class Group:
    """Documents to take from one file; arrays of length n, in any order.

    Attributes:
        source: the file.
        rows: what the caller knows each document by.
        places: position in the file.
        numbers: u, checked when the document is read.
    """

    source: Source
    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    numbers: NDArray[np.uint64]

    @classmethod
    def of(cls, source: Source, index: DocumentIndex, rows: NDArray[np.int64]) -> Group:
        """The documents at `rows` of an index, all of one file."""
        return cls(source, rows, index.places[rows], index.numbers[rows])


def read_documents(group: Group) -> Iterator[tuple[int, bytes]]:
    """(position in the group, bytes) of its documents in file order.

    Raises:
        CorpusError: the file is not what was measured.
    """
    from blake3 import blake3

    wanted = {place: i for i, place in enumerate(group.places.tolist())}
    left = len(wanted)
    for place, (_, data) in enumerate(iter_documents(group.source)):
        i = wanted.get(place)
        if i is None:
            continue
        if document_number(blake3(data).digest()) != int(group.numbers[i]):
            raise changed(group.source.shown)
        yield i, data
        left -= 1
        if not left:
            return
    raise changed(group.source.shown)


@contextlib.contextmanager
def folder_errors(folder: Path) -> Iterator[None]:
    """Turns a failing write into an error that names the folder."""
    try:
        yield
    except OSError as error:
        raise OlmixctlError(
            f"cannot write: {error.strerror or error}",
            place=Place(str(folder)),
            remedy="make the folder writable, or free space on its disk; nothing half-written is kept",
        ) from error


@dataclass(frozen=True)
class _Job:
    """One domain's shard: what it takes, where it lies."""

    state: DomainState
    context: CorpusContext
    held_below: int
    limit_tokens: int | None

    @property
    def folder(self) -> Path:
        tokenizer = self.context.tokenizer
        identity = [_VERSION, self.state.content, tokenizer.digest, self.held_below, self.limit_tokens]
        return self.context.shards / sha256_hex(json.dumps(identity))[:32]

    def existing(self) -> TokenShard | None:
        """The shard on disk, if it is whole."""
        try:
            facts = json.loads((self.folder / "shard.json").read_text())
            path = self.folder / "tokens.npy"
            return self._shard(facts["tokens"], facts["documents"]) if path.stat().st_size == facts["bytes"] else None
        except (OSError, ValueError, KeyError):
            return None

    def build(self) -> TokenShard:
        index = load_index(self.state, self.context)
        rows = self._chosen(index)
        temporary = self._temporary_folder()
        try:
            with folder_errors(self.folder.parent):
                size = self._write(index, rows, temporary)
                tokens = int(index.lengths[rows].sum(dtype=np.int64)) + len(rows)
                facts = {"tokens": tokens, "documents": len(rows), "bytes": size}
                (temporary / "shard.json").write_text(json.dumps(facts))
                self._publish(temporary)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return self._shard(tokens, len(rows))

    def _chosen(self, index: DocumentIndex) -> NDArray[np.int64]:
        """Rows in shard order: not held out, up to the limit; equal documents at the limit all come in."""
        order = index.order()
        order = order[np.searchsorted(index.numbers[order], np.uint64(self.held_below)) :] if self.held_below else order
        if not len(order):
            raise CorpusError(
                f"domain {self.state.id} has no document left to train on: all {self.state.documents} are held out",
                remedy="hold out a smaller fraction, or give the domain more documents",
            )
        if self.limit_tokens is None:
            return order
        ends = np.cumsum(index.lengths[order].astype(np.int64) + 1)
        taken = int(np.searchsorted(ends, self.limit_tokens)) + 1
        if taken >= len(order):
            return order
        last = index.numbers[order[taken - 1]]
        return order[: int(np.searchsorted(index.numbers[order], last, side="right"))]

    def _write(self, index: DocumentIndex, rows: NDArray[np.int64], folder: Path) -> int:
        lengths = index.lengths[rows].astype(np.int64) + 1
        starts = np.zeros(len(index.numbers), dtype=np.int64)
        starts[rows] = np.cumsum(lengths) - lengths
        path = folder / "tokens.npy"
        array = open_memmap(path, mode="w+", dtype=np.dtype(self.context.tokenizer.dtype), shape=(int(lengths.sum()),))
        header = int(array.offset)
        del array
        size = path.stat().st_size
        with path.open("r+b") as file:
            # Space is taken first: a full disk is an error now instead of a fault while mapped pages are written.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            self._fill(index, rows, _Placer(path, header, self.context.tokenizer), starts)
            os.fsync(file.fileno())
        return size

    def _fill(self, index: DocumentIndex, rows: NDArray[np.int64], place: _Placer, starts: NDArray[np.int64]) -> None:
        by_file = rows[np.argsort(index.files[rows], kind="stable")]
        parts = np.split(by_file, np.flatnonzero(np.diff(index.files[by_file])) + 1)
        files = [self.state.files[int(index.files[part[0]])] for part in parts]
        groups = [
            (Group.of(self.context.source(file), index, part), starts[part])
            for file, part in zip(files, parts, strict=True)
        ]
        work = ((file.url, file.size, FileFormat.parse(file.format)) for file in files)
        processes = worth_processes(work, self.context)
        try:
            for _ in run_parallel(place, groups, workers=self.context.parallel, processes=processes):
                pass
        finally:
            place.close()

    def _temporary_folder(self) -> Path:
        parent = self.folder.parent
        with folder_errors(parent):
            parent.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(prefix=".building-", dir=parent))

    def _publish(self, temporary: Path) -> None:
        temporary.chmod(0o755)
        for _ in range(2):
            try:
                temporary.rename(self.folder)
            except OSError:
                # Another command was faster, or a damaged shard lies there.
                if self.existing() is not None:
                    return
                shutil.rmtree(self.folder, ignore_errors=True)
            else:
                return
        temporary.rename(self.folder)

    def _shard(self, tokens: int, documents: int) -> TokenShard:
        return TokenShard(
            domain=self.state.id,
            key=self.state.content,
            tokens_path=self.folder / "tokens.npy",
            tokens=tokens,
            documents=documents,
        )


class _Placer:
    """Writes documents' tokens, each followed by end-of-text, at their places in a file; from any thread or process."""

    def __init__(self, path: Path, header: int, tokenizer: Tokenizer) -> None:
        self.path = path
        self.header = header
        self.tokenizer = tokenizer
        self.descriptor = os.open(path, os.O_WRONLY)

    def __reduce__(self) -> tuple[object, ...]:
        """Every process opens the file itself."""
        return _Placer, (self.path, self.header, self.tokenizer)

    def __call__(self, item: tuple[Group, NDArray[np.int64]]) -> None:
        """Writes the documents of a group, which start at the given tokens."""
        group, starts = item
        batch: list[tuple[int, bytes]] = []
        size = 0
        for i, data in read_documents(group):
            batch.append((int(starts[i]), data))
            size += len(data)
            if size >= _BATCH_BYTES:
                self._place(group.source, batch)
                batch, size = [], 0
        self._place(group.source, batch)

    def close(self) -> None:
        """Closes the file in this process."""
        os.close(self.descriptor)

    def _place(self, source: Source, batch: Sequence[tuple[int, bytes]]) -> None:
        dtype = np.dtype(self.tokenizer.dtype)
        encoded = encode_documents(source, [data for _, data in batch], self.tokenizer)
        with folder_errors(self.path.parent):
            for (start, _), tokens in zip(batch, encoded, strict=True):
                out = np.empty(len(tokens) + 1, dtype=dtype)
                out[:-1] = tokens
                out[-1] = self.tokenizer.end_of_text
                self._write(out, self.header + start * dtype.itemsize)

    def _write(self, tokens: NDArray[Any], offset: int) -> None:
        view = tokens.view(np.uint8).data
        while view:
            written = os.pwrite(self.descriptor, view, offset)
            view, offset = view[written:], offset + written
