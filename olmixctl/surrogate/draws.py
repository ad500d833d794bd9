"""Evidence drawn anew: how often each run counts and, where it is drawn too, what it measured.

Array dimensions: N draws, R runs, M metrics.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from olmixctl.surrogate.model import Array, Evidence

__all__ = ["Draws", "drawn_evidence"]

_BATCH = 500_000
"""Entries of an array that is worked on at once: 4 MB, and some dozen are alive."""


@dataclass(frozen=True, slots=True)
class Draws:
    """N draws of the same runs.

    Attributes:
        counts_NR: how often each run counts, not negative; need not be whole.
        losses_NRM: what is measured in each draw; None: what was measured.
        streams: entropy of each draw's own random numbers, for what a family draws beside runs; none: nothing.
    """

    counts_NR: Array
    losses_NRM: Array | None = None
    streams: tuple[tuple[int, ...], ...] = ()

    def __len__(self) -> int:
        """N."""
        return len(self.counts_NR)

    def shares(self) -> Array:
        """What each run counts for; N × R, every row sums to one."""
        return np.asarray(self.counts_NR / self.counts_NR.sum(axis=1, keepdims=True))

    def losses(self, evidence: Evidence) -> Array:
        """What each draw measured: N × R × M."""
        if self.losses_NRM is not None:
            return self.losses_NRM
        return np.broadcast_to(evidence.losses_RM, (len(self), *evidence.losses_RM.shape))

    def batches(self, entries: int) -> Iterator[Draws]:
        """The draws, so many at once that arrays of `entries` for each stay small."""
        size = max(1, _BATCH // max(entries, 1))
        for start in range(0, len(self), size):
            rows = slice(start, start + size)
            losses_NRM = None if self.losses_NRM is None else self.losses_NRM[rows]
            yield Draws(self.counts_NR[rows], losses_NRM, self.streams[rows])


def drawn_evidence(evidence: Evidence, draws: Draws, number: int) -> Evidence:
    """One draw as evidence: runs stand as often as they count, those that count nothing are left out."""
    times_R = np.rint(draws.counts_NR[number]).astype(np.intp)
    rows = np.repeat(np.arange(len(times_R)), times_R)
    losses_RM = draws.losses(evidence)[number]
    return Evidence(
        runs=tuple(f"{place}:{evidence.runs[row]}" for place, row in enumerate(rows.tolist())),
        coordinates=evidence.coordinates,
        metrics=evidence.metrics,
        weights_RC=evidence.weights_RC[rows],
        losses_RM=losses_RM[rows],
    )
