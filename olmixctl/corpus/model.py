"""What the data is, as frozen values: what discovery found, what fingerprinting measured, what training reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["DomainState", "EvalState", "EvalTokens", "FileState", "TokenShard"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FileState:
    """One file of a domain.

    Attributes:
        path: relative to the fixed part of the glob that found it, with `/`; identity, with size, digest and tokens.
        url: where it is read; never identity.
        size: bytes as stored.
        digest: `b3:` + blake3 of the bytes as stored.
        tokens: text tokens, without separators.
        documents: documents in the file.
        format: how its documents are read: `text`, `jsonl`, `parquet`, `npy` or `bin:DTYPE`, then `.gz` or `.zst`.
    """

    path: str
    url: str
    size: int
    digest: str
    tokens: int
    documents: int
    format: str = "text"


@dataclass(frozen=True, kw_only=True, slots=True)
class DomainState:
    """A domain as it is now.

    Attributes:
        id: as declared.
        fingerprint: `olx1:` + digest.
        content: `olc1:` + order-free digest of the set of documents: equal when the same documents lie in other files.
        tokens: text tokens, N_j.
        documents: number of documents; None when declared without.
        files: the files, sorted by path, never changed; empty for a declared domain.
        total: Σ document digests mod 2^256; None for a declared domain.
    """

    id: str
    fingerprint: str
    content: str
    tokens: int
    documents: int | None
    files: Sequence[FileState] = ()
    total: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalState:
    """A metric's identity: `digest` changes exactly when what is scored changes.

    `tokens` is about what a run scores, for costs; 0 where it is not known.
    """

    name: str
    digest: str
    tokens: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenShard:
    """A domain's training tokens on disk, memory-mapped by the trainer.

    Documents stand in the order of their digests (a fixed shuffle that no file name or order changes), each followed
    by one end-of-text token. Held-out documents are not in it.

    Attributes:
        domain: id.
        key: the domain's `content` digest; seeds of the data order derive from it, so neither the domain's name nor the
            way its documents lie in files changes what a run sees.
        tokens_path: `.npy`, one dimension, uint16 or uint32.
        tokens: its length, separators included.
        documents: documents in it.
    """

    domain: str
    key: str
    tokens_path: Path
    tokens: int
    documents: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalTokens:
    """What a metric scores, on disk.

    Document i is `tokens[offsets[i]:offsets[i+1]]`; its tokens from `targets[i]` on (counted from the document's
    start) are scored given those before; the score is their negative log-likelihood in bits over `sizes[i]` bytes of
    UTF-8. Plain text has targets 0: the first token is predicted from the end-of-text token, which the trainer puts
    before every document.

    Attributes:
        name: the metric.
        kind: `text` or `continuation`.
        path: `.npz` with `tokens` (uint16/uint32), `offsets` (int64, n+1), `targets` (int64, n), `sizes` (int64, n).
        documents: n.
        tokens: total length.
    """

    name: str
    kind: Literal["text", "continuation"]
    path: Path
    documents: int
    tokens: int
