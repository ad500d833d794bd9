"""One file read once: its digest, its counts, and one number and length a document.

The sum of document digests modulo 2^256, with their count, identifies a multiset of documents without sorting them
(AdHash: Bellare and Micciancio, 1997); sums of files add up to the domain's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from olmixctl.corpus.discover import is_remote
from olmixctl.corpus.documents import Source, document_tokens, empty_file, iter_documents
from olmixctl.corpus.holdout import document_number
from olmixctl.corpus.streams import Utf8Check, decompressed, open_binary, raw_chunks, reading
from olmixctl.corpus.tokenizer import Tokenizer
from olmixctl.errors import CorpusError, Place
from olmixctl.inventory import SUM_MODULUS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from olmixctl.corpus.context import CorpusContext
    from olmixctl.corpus.formats import FileFormat

__all__ = ["FileScan", "columns", "encode_documents", "file_digest", "scan_file", "worth_processes"]

_BATCH_BYTES = 4 << 20
_PROCESS_BYTES = 32 << 20  # a fifth of a second of parsing, which is what starting a process costs
_FILE_BYTES = 8 << 10  # what opening and recording a file takes, in bytes parsed meanwhile
_TEXT_IS_LIGHTER = 64  # so one process reads two gigabytes of text before more are started


@dataclass(frozen=True, slots=True)
class FileScan:
    """What one pass over a file finds.

    Attributes:
        digest: `b3:` + blake3 of the bytes as stored.
        total: Σ document digests mod 2^256.
        tokens: in the file, without separators.
        documents: in the file, n.
        table: u (n little-endian uint64) and tokens (n uint32) of each document in file order; empty for a plain
            text file, whose one document is the file itself.
    """

    digest: str
    total: int
    tokens: int
    documents: int
    table: bytes = b""

    @property
    def columns(self) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
        """U and tokens of each document."""
        return columns(self.digest, self.tokens, self.documents, self.table)


def columns(digest: str, tokens: int, documents: int, table: bytes) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """U and tokens of the documents of a file with these facts (see `FileScan`)."""
    import numpy as np

    if not table:
        number = document_number(bytes.fromhex(digest.removeprefix("b3:")[:16]))
        return np.array([number], dtype=np.uint64), np.array([tokens], dtype=np.uint32)
    split = 8 * documents
    return np.frombuffer(table[:split], dtype="<u8"), np.frombuffer(table[split:], dtype="<u4")


def scan_file(source: Source, tokenizer: Tokenizer) -> FileScan:
    """Reads a file once.

    Raises:
        CorpusError: anything `iter_documents` finds wrong, or a token the tokenizer does not have.
    """
    import numpy as np
    from blake3 import blake3

    if source.format.kind == "text" and tokenizer.byte_level:
        return _scan_text(source)
    hasher = blake3()
    digests: list[bytes] = []
    lengths: list[int] = []
    for batch in _batches(iter_documents(source, hasher)):
        digests.extend(blake3(data).digest() for data in batch)
        lengths.extend(_lengths(source, batch, tokenizer))
    numbers = np.frombuffer(b"".join(digests), dtype=">u8")[::4].astype("<u8")
    total = sum(int.from_bytes(d, "big") for d in digests) % SUM_MODULUS
    table = b"" if _is_plain(source) else numbers.tobytes() + np.asarray(lengths, dtype="<u4").tobytes()
    return FileScan(f"b3:{hasher.hexdigest()}", total, sum(lengths), len(lengths), table)


def _is_plain(source: Source) -> bool:
    """Whether the file's bytes are its one document."""
    return source.format.kind == "text" and not source.format.compression


def encode_documents(source: Source, batch: list[bytes], tokenizer: Tokenizer) -> list[NDArray[Any]]:
    """The tokens of documents that `iter_documents` gave."""
    if source.format.is_tokens:
        return [document_tokens(source, data) for data in batch]
    return tokenizer.encode(batch)


def worth_processes(files: Iterable[tuple[str, int, FileFormat]], context: CorpusContext) -> bool:
    """Whether (url, size, format) of files to read are enough work for the interpreter to start processes for.

    Text as bytes is hashed outside the interpreter, and checked outside it where it is ASCII; remote files wait for
    the network.
    """

    def work(url: str, size: int, fmt: FileFormat) -> int:
        light = fmt.kind == "text" and context.tokenizer.byte_level
        return 0 if is_remote(url) else _FILE_BYTES + size // (_TEXT_IS_LIGHTER if light else 1)

    return sum(work(*file) for file in files) >= _PROCESS_BYTES


def file_digest(url: str, shown: str) -> str:
    """`b3:` + blake3 of a file's bytes as stored."""
    from blake3 import blake3

    hasher = blake3()
    with reading(shown), open_binary(url) as file:
        for _ in raw_chunks(file, shown, hasher):
            pass
    return f"b3:{hasher.hexdigest()}"


def _scan_text(source: Source) -> FileScan:
    """A text file of bytes as tokens: hashed and checked as it streams by, never held."""
    from blake3 import blake3

    stored = blake3()
    # A file that is not compressed is its document: one digest serves for both.
    text = blake3() if source.format.compression else stored
    check = Utf8Check(source.shown)
    with reading(source.shown), open_binary(source.url) as file:
        packed = bool(source.format.compression)
        chunks = raw_chunks(file, source.shown, stored, packed=packed)
        for piece in decompressed(chunks, source.format.compression, source.shown):
            check.feed(piece)
            if text is not stored:
                text.update(piece)
    check.close()
    _check_length(check.size, source)
    digest = text.digest()
    table = b""
    if text is not stored:
        table = document_number(digest).to_bytes(8, "little") + check.size.to_bytes(4, "little")
    return FileScan(f"b3:{stored.hexdigest()}", int.from_bytes(digest, "big"), check.size, 1, table)


def _check_length(size: int, source: Source) -> None:
    if not size:
        raise empty_file(source)
    if size >= 2**32:
        raise CorpusError(
            f"one document of {size} bytes; the most is 4 GiB",
            place=Place(source.shown),
            remedy="split it, or write it as .jsonl with one document a line",
        )


def _lengths(source: Source, batch: list[bytes], tokenizer: Tokenizer) -> list[int]:
    if not source.format.is_tokens:
        return [len(d) for d in batch] if tokenizer.byte_level else [len(t) for t in tokenizer.encode(batch)]
    blocks = encode_documents(source, batch, tokenizer)
    for block in blocks:
        if int(block.max()) >= tokenizer.vocabulary_size:
            raise CorpusError(
                f"token id {int(block.max())}, but {tokenizer.name} has {tokenizer.vocabulary_size}",
                place=Place(source.shown),
                remedy="name the tokenizer the file was made with, and check the dtype",
            )
    return [len(block) for block in blocks]


def _batches(documents: Iterator[tuple[int, bytes]]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for _, data in documents:
        batch.append(data)
        size += len(data)
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
