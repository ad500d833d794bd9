"""Which documents are kept out of training: a pure function of a document's text.

A document's digest, read as a number u in [0, 2^64), is uniform. It is held out when u < F · 2^64 with F the largest
fraction any eval of the mix asks for, in every domain: the same document can never be on both sides, whatever file,
domain or order it stands in, and one domain's training set does not depend on another's. An eval with a smaller
fraction f scores the documents with u < f · 2^64, a subset.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from olmixctl.corpus.inputs import DeclaredEval

__all__ = ["document_number", "holdout_fraction", "threshold"]


def holdout_fraction(evals: Iterable[DeclaredEval]) -> float:
    """F: the largest fraction of the held-out evals; 0 when there is none."""
    return max((e.fraction or 0.0 for e in evals if e.heldout), default=0.0)


def threshold(fraction: float) -> int:
    """⌊fraction · 2^64⌋, below 2^64, with the fraction as it is written in decimal, the same on every machine."""
    return min(int(Fraction(repr(float(fraction))) * 2**64), 2**64 - 1)


def document_number(digest: bytes) -> int:
    """u: the first eight bytes of a document's digest, big-endian."""
    return int.from_bytes(digest[:8], "big")
