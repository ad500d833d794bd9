"""What an exporter is given: the decided weights with the files and counts behind them. Filled from lock and spec."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from olmixctl.mixture import GRID, GridMixture

__all__ = ["ExportDomain", "ExportFile", "ExportMix"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportFile:
    """One file of a domain.

    Attributes:
        path: where the trainer reads it, path or URL.
        tokens: tokens it holds.
        documents: documents it holds, when counted.
        kind: how it is read (`text`, `jsonl.zst`, `npy`, `bin:uint16` …); empty where only its name can tell.
    """

    path: str
    tokens: int
    documents: int | None = None
    kind: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportDomain:
    """A domain of the mix.

    Attributes:
        id: as in the lock.
        weight: share of the training tokens in millionths (`olmixctl.mixture.GRID`).
        tokens: tokens the domain holds.
        documents: documents it holds, or None when nobody counted them.
        files: its files; empty when the lock was made from declared counts alone.
    """

    id: str
    weight: int
    tokens: int
    documents: int | None = None
    files: tuple[ExportFile, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", tuple(sorted(self.files, key=lambda file: file.path)))


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportMix:
    """A locked mix, ready to be written for a trainer. Domains are held in id order, files in path order.

    Attributes:
        name: of the mix.
        lock_digest: digest of the lock's bytes.
        serial: of the lock.
        domains: all domains of the lock, those at weight zero too.
        target_tokens: tokens of the training run (`--tokens`, or the mix's target).
        max_repetition: how often the mix lets a domain be repeated.

    Raises:
        ValueError: the weights do not sum to one, or a domain stands twice.
    """

    name: str
    lock_digest: str
    serial: int
    domains: tuple[ExportDomain, ...]
    target_tokens: int
    max_repetition: float

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.domains, key=lambda domain: domain.id))
        if len({domain.id for domain in ordered}) != len(ordered):
            raise ValueError("a domain stands twice in the mix")
        object.__setattr__(self, "domains", ordered)
        _ = self.weights  # a mixture that does not sum to one cannot be made

    @property
    def weights(self) -> GridMixture:
        """Domain id → millionths, zeros included."""
        return GridMixture({domain.id: domain.weight for domain in self.domains})

    @property
    def used(self) -> tuple[ExportDomain, ...]:
        """The domains that trainers hear of: those with weight."""
        return tuple(domain for domain in self.domains if domain.weight > 0)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Ids of the domains at weight zero: most trainers refuse a zero, so they are named in a comment instead."""
        return tuple(domain.id for domain in self.domains if domain.weight == 0)

    def requested_tokens(self, domain: ExportDomain) -> Fraction:
        """Tokens of the run that come from `domain`, exactly."""
        return Fraction(domain.weight * self.target_tokens, GRID)

    def repetition(self, domain: ExportDomain) -> Fraction | None:
        """How often the run passes over `domain`; None when the domain's size is not known (zero tokens)."""
        return self.requested_tokens(domain) / domain.tokens if domain.tokens else None
