"""Batches as a pure function of (seed, step): which domain, where in it, which tokens. Without torch.

*Which domain.* Sequence n of a run belongs to the domain that an earliest-deadline-first schedule gives it: domain j's
k-th sequence has to fall within [k/w_j, (k+1)/w_j). Unit jobs with such windows always fit (Baruah et al. 1996,
proportionate progress), so at every prefix each domain's sequences are within one of its share: the mixture that was
trained is the mixture that was asked for, and independent draws add no noise to it.

*Where in it.* A shard is cut into windows of the sequence length; a domain's sequences visit them in strides of about
0.618 of the shard, coprime to their number, from a window that the seed and the shard's key give. So a run that reads
a thousandth of a domain reads from all over it, not from the few documents at one place (docs/proxy.md: the largest
single gain), every window comes once an epoch, and two runs of a swarm with one seed read the same text of a domain in
the same order, whatever their mixtures (common random numbers).

No iterator, so no state: a resumed run computes its next batch as the uninterrupted one would.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from olmixctl.corpus.model import TokenShard
from olmixctl.errors import CorpusError, SpecError
from olmixctl.mixture import GRID, round_to_grid
from olmixctl.proxy.config import RunConfig

__all__ = ["Batches", "schedule"]

Tokens = NDArray[np.uint16] | NDArray[np.uint32]


def schedule(points: Mapping[str, int], sequences: int) -> NDArray[np.int32]:
    """The domain of each sequence, as an index into the keys of `points`.

    Args:
        points: name → whole grid points, summing to `GRID`; ties go to the earlier key.
        sequences: how many to schedule. The order repeats after `GRID` sequences.
    """
    period = min(sequences, GRID)
    shares = [(index, share) for index, share in enumerate(points.values()) if share]
    waiting = [(0, index, 0, share) for index, share in shares]  # (release, domain, k-th job, grid points)
    ready: list[tuple[int, int, int, int]] = []  # (deadline, domain, k-th job, grid points)
    order = np.empty(period, dtype=np.int32)
    for slot in range(period):
        while waiting and waiting[0][0] <= slot:
            _, index, job, share = heapq.heappop(waiting)
            heapq.heappush(ready, (-(-(job + 1) * GRID // share), index, job, share))
        _, index, job, share = heapq.heappop(ready)
        order[slot] = index
        heapq.heappush(waiting, ((job + 1) * GRID // share, index, job + 1, share))
    return np.resize(order, sequences)


def first_window(seed: int, key: str, windows: int) -> int:
    """Where in a shard a run starts to read: from the seed and the shard's content, never from a name."""
    mixed = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return int.from_bytes(mixed[:8], "big") % windows


def stride(windows: int) -> int:
    """The number coprime to `windows` next to its golden section: the visited windows are spread evenly at any time."""
    step = max(1, round(windows * (5**0.5 - 1) / 2))
    while math.gcd(step, windows) != 1:
        step += 1
    return step


@dataclass(frozen=True, slots=True)
class _Source:
    """One domain's tokens, cut into windows, and the order to visit them in."""

    domain: str
    tokens: Tokens
    windows: int
    first: int
    stride: int

    def sequence(self, ordinal: int, length: int) -> Tokens:
        """The domain's n-th sequence and the token after it: `length` + 1, wrapping at the shard's end."""
        begin = (self.first + ordinal * self.stride) % self.windows * length
        piece = self.tokens[begin : begin + length + 1]
        while len(piece) <= length:
            piece = np.concatenate([piece, self.tokens[: length + 1 - len(piece)]])
        return piece


class Batches:
    """All batches of a run, by step.

    Args:
        config: the run; `weights` name the domains.
        shards: domain → its training tokens; must hold every domain of positive weight.

    Raises:
        SpecError: the weights do not sum to one, or a domain of positive weight has no shard.
        CorpusError: a shard is empty or cannot be read.
    """

    def __init__(self, config: RunConfig, shards: Mapping[str, TokenShard]) -> None:
        self.config = config
        trained = {domain: weight for domain, weight in config.weights.items() if weight > 0}
        missing = sorted(set(trained) - set(shards))
        if missing:
            raise SpecError(f"no tokens for domain {missing[0]!r}", remedy="give a shard for every domain with weight")
        # By content, so that renaming a domain changes no batch.
        by_key = sorted(trained, key=lambda domain: (shards[domain].key, domain))
        points = _grid_points({domain: trained[domain] for domain in by_key})
        self.sources = [_open(shards[domain], config) for domain in by_key]
        self.domain_N = schedule(points, config.steps * config.batch_size)
        self.ordinal_N = _ordinals(self.domain_N, len(self.sources))

    def batch(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Inputs and targets of a step, each (batch, sequence).

        Raises:
            CorpusError: a token id is not in the vocabulary.
        """
        size, length = self.config.batch_size, self.config.sequence_length
        rows_BT = np.empty((size, length + 1), dtype=np.int64)
        for row, n in enumerate(range(step * size, (step + 1) * size)):
            rows_BT[row] = self.sources[self.domain_N[n]].sequence(int(self.ordinal_N[n]), length)
        if rows_BT.max() >= self.config.vocabulary:
            raise CorpusError(
                f"token id {rows_BT.max()} stands in the training tokens, beyond the {self.config.vocabulary} ids "
                "of the tokenizer",
                remedy="the tokens were made with another tokenizer; name the one they were made with",
            )
        return rows_BT[:, :-1], rows_BT[:, 1:]

    def parts(self, step: int, rows: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """The batch of a step, at most `rows` sequences at a time."""
        inputs_BT, targets_BT = self.batch(step)
        for begin in range(0, len(inputs_BT), rows):
            yield inputs_BT[begin : begin + rows], targets_BT[begin : begin + rows]

    def realised_tokens(self, steps: int) -> dict[str, int]:
        """Domain → tokens trained on after `steps`, every domain of the mixture included."""
        counts = np.bincount(self.domain_N[: steps * self.config.batch_size], minlength=len(self.sources))
        realised = dict.fromkeys(self.config.weights, 0)
        for source, count in zip(self.sources, counts.tolist(), strict=True):
            realised[source.domain] = count * self.config.sequence_length
        return dict(sorted(realised.items()))

    def epochs(self, steps: int) -> dict[str, float]:
        """Domain → passes over its shard after `steps`; above 1 is repetition."""
        lengths = {source.domain: len(source.tokens) for source in self.sources}
        realised = self.realised_tokens(steps)
        return {name: count / lengths[name] if name in lengths else 0.0 for name, count in realised.items()}


def _grid_points(weights: Mapping[str, float]) -> dict[str, int]:
    total = sum(weights.values())
    if abs(total - 1.0) > 1e-6:
        raise SpecError(f"the weights of the mixture sum to {total:.6f}, not 1", remedy="normalise them")
    return round_to_grid({name: Fraction(weight) * GRID for name, weight in weights.items()})


def _ordinals(domain_N: NDArray[np.int32], domains: int) -> NDArray[np.int64]:
    """For each sequence, how many of its domain came before it."""
    ordinal_N = np.empty(len(domain_N), dtype=np.int64)
    for index in range(domains):
        mine = np.flatnonzero(domain_N == index)
        ordinal_N[mine] = np.arange(len(mine))
    return ordinal_N


def _open(shard: TokenShard, config: RunConfig) -> _Source:
    try:
        tokens = np.load(shard.tokens_path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise CorpusError(
            f"the tokens of {shard.domain!r} cannot be read from {shard.tokens_path}: {error}",
            remedy="delete the file; the next apply builds it again",
        ) from error
    if tokens.ndim != 1 or len(tokens) == 0:
        raise CorpusError(
            f"the tokens of {shard.domain!r} in {shard.tokens_path} have shape {tokens.shape}",
            remedy="a domain needs at least one training document; lower its held-out fraction or add text",
        )
    windows = -(-len(tokens) // config.sequence_length)
    return _Source(shard.domain, tokens, windows, first_window(config.seed, shard.key, windows), stride(windows))
