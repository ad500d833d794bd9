"""The documents of one file, one at a time, each as the bytes that identify it.

A text document is its UTF-8. A block of a token file is its ids as little-endian uint32, so the element type they are
stored in is no part of their identity.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from olmixctl.corpus.formats import BLOCK_TOKENS, FileFormat
from olmixctl.corpus.streams import Hasher, Utf8Check, decompressed, lines, open_binary, raw_chunks, reading
from olmixctl.errors import CorpusError, MissingExtraError, Place

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Source", "as_utf8", "document_tokens", "empty_file", "iter_documents", "iter_lines"]


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read: where, under which name in messages, and how."""

    url: str
    shown: str
    format: FileFormat


def iter_documents(source: Source, hasher: Hasher | None = None) -> Iterator[tuple[int, bytes]]:
    """(line or number from 1, identifying bytes) of each document; `hasher` gets the file's bytes as stored.

    Raises:
        CorpusError: the file cannot be read, is empty, damaged, not UTF-8, or a document has no text.
    """
    with reading(source.shown), open_binary(source.url) as file:
        empty = True
        for item in _READERS[source.format.kind](file, source, hasher):
            empty = False
            yield item
    if empty:
        raise empty_file(source)


def document_tokens(source: Source, data: bytes) -> NDArray[np.uint32]:
    """The tokens of a block that `iter_documents` gave for a token file."""
    import numpy as np

    assert source.format.is_tokens
    return np.frombuffer(data, dtype="<u4")


def _text(file: BinaryIO, source: Source, hasher: Hasher | None) -> Iterator[tuple[int, bytes]]:
    pieces: list[bytes] = []
    check = Utf8Check(source.shown)
    for piece in _stream(file, source, hasher):
        check.feed(piece)
        pieces.append(piece)
    check.close()
    if check.size:
        yield 1, b"".join(pieces)


def _jsonl(file: BinaryIO, source: Source, hasher: Hasher | None) -> Iterator[tuple[int, bytes]]:
    for number, value in iter_lines(_stream(file, source, hasher), source.shown):
        yield number, _text_of(value, Place(source.shown, number))


def iter_lines(stream: Iterator[bytes], shown: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of JSON lines; lines of white space alone are skipped.

    Raises:
        CorpusError: a line is not UTF-8 or not a JSON object.
    """
    for number, (offset, line) in enumerate(lines(stream), start=1):
        if not line or line.isspace():
            continue
        place = Place(shown, number)
        try:
            value = json.loads(line.decode())
        except UnicodeDecodeError as error:
            at = offset + error.start
            raise CorpusError(
                f"invalid UTF-8 at byte {at} of the file (0x{line[error.start]:02x}: {error.reason})",
                place=place,
                remedy="write the file again as UTF-8",
            ) from error
        except (ValueError, RecursionError) as error:
            raise CorpusError(
                f"not JSON ({error}): {_excerpt(line)}", place=place, remedy='write one object a line: {"text": "…"}'
            ) from error
        if not isinstance(value, dict):
            raise CorpusError(
                f"a JSON {type(value).__name__}, not an object: {_excerpt(line)}",
                place=place,
                remedy='write one object a line: {"text": "…"}',
            )
        yield number, value


def _text_of(value: dict[str, Any], place: Place) -> bytes:
    text = value.get("text")
    if not isinstance(text, str):
        found = f"`text` is {type(text).__name__}" if "text" in value else f"no `text` among {sorted(value)[:8]}"
        raise CorpusError(found, place=place, remedy="every line needs a string `text`")
    return as_utf8(text, place)


def as_utf8(text: str, place: Place) -> bytes:
    """The bytes of a document's text.

    Raises:
        CorpusError: it is empty, or holds half of a surrogate pair (JSON can spell what UTF-8 cannot).
    """
    if not text:
        raise CorpusError("an empty document", place=place, remedy="remove it")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise CorpusError(
            f"half of a surrogate pair at character {error.start}", place=place, remedy="repair the text's escapes"
        ) from error


def _parquet(file: BinaryIO, source: Source, hasher: Hasher | None) -> Iterator[tuple[int, bytes]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(
            f"{source.shown} needs the package pyarrow", remedy="pip install 'olmixctl[parquet]'"
        ) from error
    for _ in raw_chunks(file, source.shown, hasher):
        pass  # the format is read out of order; its digest is of the bytes in order
    file.seek(0)
    try:
        table = pq.ParquetFile(file)
        if "text" not in table.schema_arrow.names:
            raise CorpusError(
                f"no column `text` among {table.schema_arrow.names[:8]}",
                place=Place(source.shown),
                remedy="name the column `text`",
            )
        row = 0
        for batch in table.iter_batches(batch_size=1024, columns=["text"]):
            for text in batch.column(0).to_pylist():
                row += 1
                yield row, _text_of({"text": text}, Place(source.shown, row))
    except pa.ArrowException as error:
        raise CorpusError(
            f"damaged Parquet: {error}", place=Place(source.shown), remedy="fetch or write the file again"
        ) from error


def _tokens(file: BinaryIO, source: Source, hasher: Hasher | None) -> Iterator[tuple[int, bytes]]:
    import numpy as np

    stream = _Pieces(raw_chunks(file, source.shown, hasher))
    expected: int | None = None
    if source.format.kind == "npy":
        dtype, expected = _npy_header(stream, source.shown)
    else:
        dtype = np.dtype(source.format.dtype).newbyteorder("<")
    number = 0
    while data := stream.read(BLOCK_TOKENS * dtype.itemsize):
        number += 1
        if len(data) % dtype.itemsize:
            raise _cut(source, stream.offset, f"not a whole number of {dtype} tokens")
        yield number, _canonical(np.frombuffer(data, dtype=dtype), source, (number - 1) * BLOCK_TOKENS)
    if expected is not None and stream.offset != expected:
        raise _cut(source, stream.offset, f"its header announces {expected} bytes")


def _canonical(block: NDArray[Any], source: Source, start: int) -> bytes:
    if block.dtype.kind == "i" and int(block.min()) < 0:
        position = start + int((block < 0).argmax())
        raise CorpusError(
            f"token {position} is {int(block[position - start])}",
            place=Place(source.shown),
            remedy="token ids are 0 or more: check the dtype",
        )
    return block.astype("<u4").tobytes()


def _npy_header(stream: _Pieces, shown: str) -> tuple[np.dtype[Any], int]:
    import numpy as np
    from numpy.lib import format as npy

    try:
        version = npy.read_magic(stream)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = header(stream)
    except ValueError as error:
        raise CorpusError(f"not a .npy file: {error}", place=Place(shown), remedy="save it with numpy.save") from error
    kinds = ("uint8", "uint16", "uint32", "int32", "int64")
    if len(shape) != 1 or np.dtype(dtype).newbyteorder("=").name not in kinds:
        raise CorpusError(
            f"an array of {dtype} with shape {shape}",
            place=Place(shown),
            remedy=f"token files have one dimension and one of the types {', '.join(kinds)}",
        )
    return dtype, stream.offset + shape[0] * dtype.itemsize


class _Pieces:
    """A stream of pieces as a file with `read(n)` that gives n bytes unless it ends."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.offset = 0
        self._chunks = chunks
        self._held = bytearray()

    def read(self, size: int = 0, /) -> bytes:
        while len(self._held) < size and (chunk := next(self._chunks, b"")):
            self._held += chunk
        out = bytes(self._held[:size])
        del self._held[:size]
        self.offset += len(out)
        return out


def _stream(file: BinaryIO, source: Source, hasher: Hasher | None) -> Iterator[bytes]:
    packed = bool(source.format.compression)
    return decompressed(raw_chunks(file, source.shown, hasher, packed=packed), source.format.compression, source.shown)


def _excerpt(line: bytes) -> str:
    text = line[:60].decode(errors="replace")
    return f"{text}…" if len(line) > 60 else text


def empty_file(source: Source) -> CorpusError:
    """The error for a file without a document."""
    return CorpusError(
        "the file holds no document", place=Place(source.shown), remedy="remove it, or leave it out of `paths`"
    )


def _cut(source: Source, offset: int, why: str) -> CorpusError:
    return CorpusError(
        f"the token file ends at byte {offset}: {why}",
        place=Place(source.shown),
        remedy="fetch or write the file again, and check the dtype",
    )


_READERS = {"text": _text, "jsonl": _jsonl, "parquet": _parquet, "npy": _tokens, "bin": _tokens}
