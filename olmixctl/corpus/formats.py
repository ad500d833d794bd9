"""How a file's documents are read, decided from its name alone.

    text      one document a file
    jsonl     one JSON object a line, its `text`
    parquet   the column `text`
    npy, bin  token files: no documents are known inside, so consecutive blocks of `BLOCK_TOKENS` tokens stand for them

`.gz` and `.zst` after `.jsonl` or a text suffix are decompressed. A format's text (`jsonl.zst`, `bin:uint16`) is what
`FileState.format` stores.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from olmixctl.errors import CorpusError, Place

__all__ = ["BLOCK_TOKENS", "FOLDER_SUFFIXES", "FileFormat", "format_of", "is_supported"]

BLOCK_TOKENS = 2048
FOLDER_SUFFIXES = (
    ".txt", ".txt.gz", ".txt.zst", ".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet", ".npy", ".bin",
)  # fmt: skip
_TOKEN_DTYPES = ("uint8", "uint16", "uint32", "int32")
_NOT_TEXT = {".zip", ".tar", ".tgz", ".xz", ".bz2", ".7z", ".arrow", ".pdf"}


@dataclass(frozen=True, slots=True)
class FileFormat:
    """`kind` of content, `compression` around it (`gz`, `zst` or none) and the `dtype` of raw tokens."""

    kind: str
    compression: str = ""
    dtype: str = ""

    def __str__(self) -> str:
        """The text kept in `FileState.format`."""
        dtype = f":{self.dtype}" if self.dtype else ""
        compression = f".{self.compression}" if self.compression else ""
        return f"{self.kind}{dtype}{compression}"

    @classmethod
    def parse(cls, text: str) -> FileFormat:
        """The inverse of `str`."""
        rest, _, compression = text.partition(".")
        kind, _, dtype = rest.partition(":")
        return cls(kind, compression, dtype)

    @property
    def is_tokens(self) -> bool:
        """Whether the file holds tokens instead of text."""
        return self.kind in ("npy", "bin")


def is_supported(name: str) -> bool:
    """Whether a folder (or a glob without a suffix of its own) takes this file."""
    return name.endswith(FOLDER_SUFFIXES)


def format_of(name: str, dtype: str | None, *, shown: str) -> FileFormat:
    """The format of a file called `name`; `dtype` is the domain's, needed for `.bin`.

    Raises:
        CorpusError: an archive or another format that is not read, `.bin` without a dtype, an unknown dtype.
    """
    stem, _, suffix = name.rpartition(".")
    compression = ""
    if suffix in ("gz", "zst"):
        compression, suffix = suffix, stem.rpartition(".")[2]
    try:
        return _format(f".{suffix}", compression, dtype)
    except CorpusError as error:
        raise CorpusError(error.message, place=Place(shown), remedy=error.remedy) from None


@lru_cache(maxsize=256)
def _format(suffix: str, compression: str, dtype: str | None) -> FileFormat:
    if suffix in _NOT_TEXT:
        raise CorpusError(
            f"{suffix} files are not read",
            remedy="unpack it to .txt, .jsonl (also .gz, .zst), .parquet, .npy or .bin, or leave it out of `paths`",
        )
    if suffix == ".jsonl":
        return FileFormat("jsonl", compression)
    if suffix in (".parquet", ".npy", ".bin") and compression:
        raise CorpusError(f"{suffix} files are read uncompressed", remedy="decompress the file")
    if suffix in (".parquet", ".npy"):
        return FileFormat(suffix[1:])
    if suffix == ".bin":
        return FileFormat("bin", "", _checked_dtype(dtype))
    return FileFormat("text", compression)


def _checked_dtype(dtype: str | None) -> str:
    if dtype is None:
        raise CorpusError(
            "a .bin token file does not say its element type", remedy="add `dtype: uint16` (or uint32) to the domain"
        )
    if dtype not in _TOKEN_DTYPES:
        raise CorpusError(
            f"dtype {dtype!r} is not one of {', '.join(_TOKEN_DTYPES)}",
            remedy="write the element type the tokens were saved with",
        )
    return dtype
