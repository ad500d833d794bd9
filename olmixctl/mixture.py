"""Mixtures: named points on the simplex, the grid they are recorded on, and the coordinates they are searched in.

A `Mixture` is the only weight type outside numeric kernels: weights never travel without their domain names.
What is decided or trained stands on a grid of millionths, in whole numbers, so that sums are exact and digests stable.

`Coordinates` say in which directions a mix may move. A free domain is a coordinate of its own; a `Block` is several
domains whose ratios are kept, moving as one virtual domain (Chen et al. 2026, arXiv 2602.12237, §4, full reuse).

Array dimensions: L leaves (domains), C coordinates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

__all__ = ["GRID", "SHARE_UNITS", "Block", "Coordinates", "GridMixture", "Mixture", "round_to_grid"]

GRID = 1_000_000
"""Grid points per unit of weight: six decimals."""

SHARE_UNITS = 10**12
"""Units per 1.0 of a block member's recorded share: twelve decimals."""

_SUM_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Mixture(Mapping[str, float]):
    """A named point on the simplex: domain id → share of the training tokens; iterates in id order.

    Raises:
        ValueError: a weight is negative or not finite, or the weights do not sum to 1 within 1e-9.
    """

    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        ordered = {name: float(self.weights[name]) for name in sorted(self.weights)}
        for name, weight in ordered.items():
            if not math.isfinite(weight) or weight < 0:
                raise ValueError(f"weight of {name!r} is {weight!r}; weights are finite and not negative")
        total = math.fsum(ordered.values())
        if abs(total - 1.0) > _SUM_TOLERANCE:
            raise ValueError(f"weights sum to {total!r}, not 1")
        object.__setattr__(self, "weights", MappingProxyType(ordered))

    @classmethod
    def normalised(cls, amounts: Mapping[str, float]) -> Mixture:
        """The mixture in proportion to `amounts` (token counts, say); raises ValueError when they sum to zero."""
        total = math.fsum(amounts.values())
        if not total > 0:
            raise ValueError("amounts sum to zero; no mixture is in proportion to them")
        return cls({name: amount / total for name, amount in amounts.items()})

    def __getitem__(self, domain: str) -> float:
        return self.weights[domain]

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)

    def __reduce__(self) -> tuple[object, ...]:
        return Mixture, (dict(self.weights),)


@dataclass(frozen=True, slots=True)
class GridMixture(Mapping[str, int]):
    """A mixture in whole millionths: id → grid points, summing to exactly `GRID`."""

    points: Mapping[str, int]

    def __post_init__(self) -> None:
        ordered = {name: self.points[name] for name in sorted(self.points)}
        for name, points in ordered.items():
            if points < 0:
                raise ValueError(f"weight of {name!r} is negative: {points} millionths")
        total = sum(ordered.values())
        if total != GRID:
            raise ValueError(f"weights sum to {total} millionths, not {GRID}")
        object.__setattr__(self, "points", MappingProxyType(ordered))

    def __getitem__(self, domain: str) -> int:
        return self.points[domain]

    def __iter__(self) -> Iterator[str]:
        return iter(self.points)

    def __len__(self) -> int:
        return len(self.points)

    def __reduce__(self) -> tuple[object, ...]:
        return GridMixture, (dict(self.points),)

    def as_mixture(self) -> Mixture:
        """The same point with float weights."""
        return Mixture({name: points / GRID for name, points in self.points.items()})


def round_to_grid(
    amounts: Mapping[str, float | Fraction],
    *,
    total: int = GRID,
    lower: Mapping[str, int] | None = None,
    upper: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Whole numbers that sum to exactly `total`, closest to `amounts` by largest remainder, within the bounds.

    Args:
        amounts: id → wanted amount in grid points; their sum is `total` but for rounding error.
        total: what the result sums to.
        lower: id → least grid points, where bounded.
        upper: id → most grid points, where bounded.

    Raises:
        ValueError: the bounds leave no way to reach `total`.
    """
    low = dict.fromkeys(amounts, 0) | dict(lower or {})
    high = dict.fromkeys(amounts, total) | dict(upper or {})
    exact = {name: Fraction(amount) for name, amount in amounts.items()}
    points = {name: min(max(math.floor(exact[name]), low[name]), high[name]) for name in amounts}
    missing = total - sum(points.values())
    while missing:
        step = 1 if missing > 0 else -1
        # The domain furthest from its wanted amount in the direction of the step moves first; ties go by name.
        room = [n for n in points if (points[n] < high[n] if step > 0 else points[n] > low[n])]
        if not room:
            raise ValueError(f"the bounds leave no way to sum to {total}: {missing} left over")
        room.sort(key=lambda n: (-step * (exact[n] - points[n]), n))
        for name in room[: abs(missing)]:
            points[name] += step
        missing = total - sum(points.values())
    return points


@dataclass(frozen=True, slots=True)
class Block:
    """Domains whose ratios are kept: a virtual domain.

    Attributes:
        name: the coordinate's name.
        shares: domain id → share in units of 1/`SHARE_UNITS`. Shares are ratios and are carried from lock to lock
            verbatim; they need not sum to one (members may have left), every use divides by their sum.
    """

    name: str
    shares: Mapping[str, int]

    def __post_init__(self) -> None:
        ordered = {name: self.shares[name] for name in sorted(self.shares)}
        if any(share < 0 for share in ordered.values()) or sum(ordered.values()) <= 0:
            raise ValueError(f"shares of block {self.name!r} must not be negative and must not all be zero")
        object.__setattr__(self, "shares", MappingProxyType(ordered))

    def __reduce__(self) -> tuple[object, ...]:
        return Block, (self.name, dict(self.shares))

    def ratios(self) -> dict[str, Fraction]:
        """Domain id → exact share of the block's mass."""
        total = sum(self.shares.values())
        return {name: Fraction(share, total) for name, share in self.shares.items()}


@dataclass(frozen=True, slots=True)
class Coordinates:
    """The directions in which a mix may move: free domains, and blocks that move as one.

    Attributes:
        free: ids of the free domains, sorted.
        blocks: the blocks, sorted by name; their members are disjoint from each other and from `free`.
    """

    free: tuple[str, ...]
    blocks: tuple[Block, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "free", tuple(sorted(self.free)))
        object.__setattr__(self, "blocks", tuple(sorted(self.blocks, key=lambda b: b.name)))
        members = [*self.free, *(m for b in self.blocks for m in b.shares)]
        if len(set(members)) != len(members) or len(set(self.names)) != len(self.names):
            raise ValueError("a domain or a name stands in two coordinates")

    @property
    def names(self) -> tuple[str, ...]:
        """The C coordinate names, free domains and blocks together, sorted."""
        return tuple(sorted([*self.free, *(b.name for b in self.blocks)]))

    @property
    def leaves(self) -> tuple[str, ...]:
        """The L domain ids, sorted."""
        return tuple(sorted([*self.free, *(m for b in self.blocks for m in b.shares)]))

    def members(self) -> dict[str, dict[str, Fraction]]:
        """Coordinate → its domains with their exact share of the coordinate: the matrix E (L × C), by name."""
        table = {name: {name: Fraction(1)} for name in self.free}
        table |= {block.name: block.ratios() for block in self.blocks}
        return {name: table[name] for name in self.names}

    def expand(self, point: Mapping[str, float]) -> Mixture:
        """The mix over domains at `point` (coordinate → weight): q = E r."""
        return Mixture(
            {
                leaf: point[name] * float(ratio)
                for name, members in self.members().items()
                for leaf, ratio in members.items()
            }
        )

    def collapse(self, mix: Mapping[str, float], *, tolerance: float = 1e-9) -> Mixture | None:
        """The point r with E r = `mix`, or None when `mix` does not keep the blocks' ratios or has other domains.

        Domains absent from `mix` have weight zero.
        """
        return self.collapser(tolerance=tolerance)(mix)

    def collapser(self, *, tolerance: float = 1e-9) -> Callable[[Mapping[str, float]], Mixture | None]:
        """`collapse` for many mixes: what does not depend on the mix is looked up once."""
        table = {name: [(leaf, float(r)) for leaf, r in leaves.items()] for name, leaves in self.members().items()}
        known = frozenset(leaf for leaves in table.values() for leaf, _ in leaves)

        def collapsed(mix: Mapping[str, float]) -> Mixture | None:
            if any(weight > 0 and leaf not in known for leaf, weight in mix.items()):
                return None
            point: dict[str, float] = {}
            for name, leaves in table.items():
                mass = math.fsum(mix.get(leaf, 0.0) for leaf, _ in leaves)
                if any(abs(mix.get(leaf, 0.0) - mass * ratio) > tolerance for leaf, ratio in leaves):
                    return None
                point[name] = mass
            return Mixture(point)

        return collapsed

    def expand_to_grid(
        self,
        point: GridMixture,
        *,
        lower: Mapping[str, int] | None = None,
        upper: Mapping[str, int] | None = None,
    ) -> GridMixture:
        """The mix over domains on the grid: each block's points go to its members by largest remainder, within bounds.

        Raises:
            ValueError: the members' bounds leave no way to place a block's points.
        """
        points: dict[str, int] = {}
        for name, members in self.members().items():
            wanted = {leaf: point[name] * ratio for leaf, ratio in members.items()}
            low = {leaf: bound for leaf, bound in (lower or {}).items() if leaf in members}
            high = {leaf: bound for leaf, bound in (upper or {}).items() if leaf in members}
            points |= round_to_grid(wanted, total=point[name], lower=low, upper=high)
        return GridMixture(points)
