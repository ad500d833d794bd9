"""Inventories of measured domains; what the cache does not know of their documents is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from olmixctl.corpus.index import load_index
from olmixctl.inventory import (
    SAMPLE_SIZE,
    DocumentSample,
    Inventory,
    InventoryFile,
    SampledDocument,
    take_sample,
)

if TYPE_CHECKING:
    from olmixctl.corpus.context import CorpusContext
    from olmixctl.corpus.model import DomainState

__all__ = ["short_digest", "take_inventory"]

_PLAIN = "text"
"""The format of files whose bytes are their one document."""


def take_inventory(state: DomainState, context: CorpusContext) -> Inventory | None:
    """The inventory of a domain as it was measured; None of a declared one, whose files are not known.

    Raises:
        CorpusError: a file is not what was measured.
    """
    if not state.files or state.total is None or state.documents is None:
        return None
    return Inventory(
        fingerprint=state.fingerprint,
        content=state.content,
        tokens=state.tokens,
        documents=state.documents,
        total=state.total,
        tokenizer=context.tokenizer.digest,
        files=tuple(InventoryFile(f.path, short_digest(f.digest), f.tokens, f.documents) for f in state.files),
        sample=None if all(f.format == _PLAIN for f in state.files) else _sample(state, context),
    )


def short_digest(digest: str) -> int:
    """The first 64 bits of a `b3:` digest; of a plain text file, the number of its document."""
    return int(digest.removeprefix("b3:")[:16], 16)


def _sample(state: DomainState, context: CorpusContext) -> DocumentSample:
    import numpy as np

    index = load_index(state, context)
    numbers = index.numbers
    many = len(numbers) > SAMPLE_SIZE
    rows = np.flatnonzero(numbers <= np.partition(numbers, SAMPLE_SIZE)[SAMPLE_SIZE]) if many else range(len(numbers))
    return take_sample(
        SampledDocument(int(numbers[row]), int(index.lengths[row]), int(index.files[row])) for row in rows
    )
