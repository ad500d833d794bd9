"""Bytes of a file, decompressed and checked, a piece at a time.

Nothing here returns less than the file holds: a read error, an archive that stops early, bytes after its end and
invalid UTF-8 are errors with the file and the offset (in the decompressed stream when there is one).
"""

from __future__ import annotations

import zlib
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from olmixctl.corpus.discover import is_remote
from olmixctl.corpus.protocols import access_remedy
from olmixctl.errors import CorpusError, Place
from olmixctl.stores import store_errors, told

__all__ = ["Hasher", "Utf8Check", "decompressed", "lines", "open_binary", "raw_chunks", "reading"]

_CHUNK = 1 << 18  # stays in the second-level cache between reading, checking and hashing
# A piece of a well-compressed archive can become a thousand times its size; small ones cost a few per cent of speed.
_PACKED_CHUNK = 1 << 12


class Hasher(Protocol):
    """What `blake3.blake3()` gives."""

    def update(self, data: bytes, /) -> object: ...


class _Decoder(Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...


def open_binary(url: str) -> BinaryIO:
    """The file at a path or fsspec URL, unbuffered where local."""
    if not is_remote(url):
        return Path(url).open("rb", buffering=0)
    import fsspec

    return cast("BinaryIO", fsspec.open(url, "rb").open())


@contextmanager
def reading(shown: str) -> Iterator[None]:
    """Turns a failing read into an error that names the file."""
    try:
        yield
    except store_errors() as error:
        remedy = access_remedy(shown) if is_remote(shown) else "check that it exists and is readable"
        raise CorpusError(f"cannot read: {told(error)}", place=Place(shown), remedy=remedy) from error


def raw_chunks(file: BinaryIO, shown: str, hasher: Hasher | None = None, *, packed: bool = False) -> Iterator[bytes]:
    """The bytes as stored, also fed to `hasher`; in small pieces when `packed`."""
    offset = 0
    while True:
        try:
            chunk = file.read(_CHUNK)
        except store_errors() as error:
            where = f"the connection; {access_remedy(shown)}" if is_remote(shown) else "the disk or the connection"
            raise CorpusError(
                f"read error at byte {offset}: {told(error)}",
                place=Place(shown),
                remedy=f"check {where}, then run the command again",
            ) from error
        if not chunk:
            return
        offset += len(chunk)
        if hasher is not None:
            hasher.update(chunk)
        if packed:
            yield from (chunk[i : i + _PACKED_CHUNK] for i in range(0, len(chunk), _PACKED_CHUNK))
        else:
            yield chunk


def decompressed(chunks: Iterator[bytes], compression: str, shown: str) -> Iterator[bytes]:
    """The content of `.gz` (any number of members) or `.zst` (any number of frames); as is when not compressed."""
    if not compression:
        return chunks
    if compression == "gz":
        return _inflate(chunks, _new_gzip, (zlib.error,), shown)
    import zstandard

    context = zstandard.ZstdDecompressor(max_window_size=2**31)
    return _inflate(chunks, lambda: cast("_Decoder", context.decompressobj()), (zstandard.ZstdError,), shown)


def _new_gzip() -> _Decoder:
    return zlib.decompressobj(wbits=31)


def _inflate(
    chunks: Iterator[bytes], new: Callable[[], _Decoder], errors: tuple[type[Exception], ...], shown: str
) -> Iterator[bytes]:
    decoder: _Decoder | None = None
    offset = members = 0
    for chunk in chunks:
        data = chunk
        while data:
            if decoder is None:
                if members and not data.strip(b"\0"):
                    break  # zero padding after the last member is allowed (tapes, block devices)
                decoder = new()
            try:
                out = decoder.decompress(data)
            except errors as error:
                raise _damaged(shown, offset, str(error)) from error
            if out:
                offset += len(out)
                yield out
            data = b""
            if decoder.eof:
                data, decoder, members = decoder.unused_data, None, members + 1
    if decoder is not None or not members:
        raise _damaged(shown, offset, "it ends before its end mark")


def _damaged(shown: str, offset: int, what: str) -> CorpusError:
    return CorpusError(
        f"truncated or damaged archive after {offset} decompressed bytes: {what}",
        place=Place(shown),
        remedy="fetch or compress the file again",
    )


def lines(chunks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """(offset, line without its end) of a stream; a long line is joined once."""
    held: list[bytes] = []
    start = 0
    for chunk in chunks:
        first, *rest = chunk.split(b"\n")
        held.append(first)
        for part in rest:
            line = b"".join(held)
            yield start, line
            start += len(line) + 1
            held = [part]
    if tail := b"".join(held):
        yield start, tail


class Utf8Check:
    """Checks a stream of pieces for valid UTF-8 without NUL bytes, and counts it."""

    def __init__(self, shown: str) -> None:
        self.size = 0
        self._shown = shown
        self._decoder = getincrementaldecoder("utf-8")()

    def feed(self, chunk: bytes) -> None:
        """One piece more.

        Raises:
            CorpusError: it is not UTF-8 or holds a NUL byte, with the offset from the start of the stream.
        """
        pending = len(self._decoder.getstate()[0])
        # ASCII is most of most corpora, and seeing that it is costs a tenth of decoding it.
        if pending or not chunk.isascii():
            self._decode(chunk, pending)
        if (nul := chunk.find(b"\0")) >= 0:
            raise _binary(f"a NUL byte at byte {self.size + nul}", self._shown)
        self.size += len(chunk)

    def close(self) -> None:
        """The stream's end: a character cut in half is an error too."""
        self._decode(b"", len(self._decoder.getstate()[0]), final=True)

    def _decode(self, chunk: bytes, pending: int, *, final: bool = False) -> None:
        try:
            self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            at = self.size - pending + error.start
            bad = error.object[error.start]
            raise _binary(f"invalid UTF-8 at byte {at} (0x{bad:02x}: {error.reason})", self._shown) from error


def _binary(what: str, shown: str) -> CorpusError:
    return CorpusError(
        f"{what}: a binary file, or text in another encoding",
        place=Place(shown),
        remedy="convert it to UTF-8 (iconv -t UTF-8), or leave it out of `paths`",
    )
