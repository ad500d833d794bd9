"""What a domain's data was, compactly: enough to recognise it again in other files and under other names.

An inventory holds, of one domain at one time,

* the number of its documents and the sum of their digests modulo 2^256. Sums add up, so that several domains hold
  together exactly the documents of another is proved by arithmetic, whatever files they lie in;
* its files, with eight bytes of each digest and their tokens;
* where files hold many documents, a sample of these: the `SAMPLE_SIZE` smallest document numbers. Numbers are the first
  64 bits of document digests, uniform and the same in every domain, so below the smaller of two limits both samples are
  complete (bottom-k sketches: Cohen and Kaplan, 2007), and what they share is what the domains share.

It is addressed by the domain's `olx1` fingerprint. Nothing here reads data: `corpus` takes inventories, the ledger
keeps them, `plan` compares them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from olmixctl.fingerprint import digest

__all__ = [
    "EVERY_NUMBER",
    "SAMPLE_SIZE",
    "SUM_MODULUS",
    "DocumentSample",
    "Inventory",
    "InventoryFile",
    "SampledDocument",
    "content_digest",
    "take_sample",
]

SUM_MODULUS = 2**256
SAMPLE_SIZE = 512
EVERY_NUMBER = 2**64
"""Above every document number: the limit of a sample that is complete."""


class InventoryFile(NamedTuple):
    """One file.

    Attributes:
        path: relative to the fixed part of the glob that found it.
        digest: the first 64 bits of its digest.
        tokens: text tokens in it.
        documents: documents in it.
    """

    path: str
    digest: int
    tokens: int
    documents: int


class SampledDocument(NamedTuple):
    """One document of a sample: its number, its tokens, and the position of its file in the inventory."""

    number: int
    tokens: int
    file: int


@dataclass(frozen=True, slots=True)
class DocumentSample:
    """The documents of a domain whose numbers lie under a limit.

    Attributes:
        documents: sorted.
        below: every document with a smaller number is in the sample; `EVERY_NUMBER` when all are.
    """

    documents: tuple[SampledDocument, ...]
    below: int = EVERY_NUMBER


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """A domain's data at one time.

    Attributes:
        fingerprint: its `olx1:` fingerprint, which names the inventory.
        content: its `olc1:` digest; that of `documents`, `total` and `tokenizer`.
        tokens: N_j.
        documents: number of documents.
        total: Σ document digests mod 2^256.
        tokenizer: tokenizer digest.
        files: sorted by path.
        sample: None where every file is one document and its digest that document's.
    """

    fingerprint: str
    content: str
    tokens: int
    documents: int
    total: int
    tokenizer: str
    files: tuple[InventoryFile, ...]
    sample: DocumentSample | None = None


def content_digest(documents: int, total: int, tokenizer: str) -> str:
    """`olc1:` digest of a set of documents: their number and the sum of their digests (AdHash, Bellare and Micciancio
    1997), with the tokenizer that counts them.
    """
    return digest({"count": documents, "sum": f"{total:064x}", "tokenizer": tokenizer}, prefix="olc1")


def take_sample(documents: Iterable[SampledDocument]) -> DocumentSample:
    """The sample of these documents: the smallest numbers, in full up to the first that has no room any more."""
    smallest = heapq.nsmallest(SAMPLE_SIZE + 1, documents)
    if len(smallest) <= SAMPLE_SIZE:
        return DocumentSample(tuple(smallest))
    below = smallest[-1].number
    # Copies of one document share a number: all of them are in, or none.
    return DocumentSample(tuple(d for d in smallest if d.number < below), below)
