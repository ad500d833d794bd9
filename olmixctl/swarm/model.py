"""What a swarm is drawn for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from olmixctl.mixture import Coordinates

__all__ = ["SwarmProblem"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SwarmProblem:
    """The mixtures wanted, in coordinate space: a block is one coordinate and is never touched inside.

    Attributes:
        coordinates: the directions in which mixtures differ.
        prior: coordinate → weight of the reference mix (collapsed); the draws are centred on it. Coordinates without
            a positive prior are never sampled.
        count: K, how many mixtures.
        seed: from the spec.
        limits: coordinate → greatest weight the proxy's own data allows; absent is no limit. The target's budget does
            not belong here: constraining the swarm costs accuracy, constraining the solve does not.
    """

    coordinates: Coordinates
    prior: Mapping[str, float]
    count: int
    seed: int
    limits: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = sorted({*self.prior, *self.limits} - set(self.coordinates.names))
        if unknown:
            raise ValueError(f"prior or limits name {unknown[0]!r}, which is no coordinate")
        if self.count < 1:
            raise ValueError(f"a swarm has at least one mixture, not {self.count}")
        values = [*self.prior.values(), *self.limits.values()]
        if any(not math.isfinite(v) or v < 0 for v in values):
            raise ValueError("prior and limits must be finite and not negative")
        if not any(self.prior.values()):
            raise ValueError("the prior gives no coordinate any weight")
        object.__setattr__(self, "prior", MappingProxyType(dict(sorted(self.prior.items()))))
        object.__setattr__(self, "limits", MappingProxyType(dict(sorted(self.limits.items()))))

    def sources(self) -> dict[str, tuple[str, ...]]:
        """Source → its coordinates: the two levels of the draw.

        The source of a free domain is the first name of its id; a block is a source of its own. A source with one
        coordinate has no topics and is drawn at the source level alone.
        """
        blocks = {block.name for block in self.coordinates.blocks}
        groups: dict[str, list[str]] = {}
        for name in self.coordinates.names:
            # A NUL keeps a block called `web` apart from the source of `web/health`.
            source = f"\0{name}" if name in blocks else name.split("/", 1)[0]
            groups.setdefault(source, []).append(name)
        return {source: tuple(members) for source, members in sorted(groups.items())}
