"""What a plan must know of a ledger beside its records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from olmixctl.ledger.model import RunRecord

__all__ = ["UNCONTESTED", "Standing"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How the results of runs stand to each other.

    Attributes:
        tainted: key → why, of runs that have no result but tainted ones.
        contested: keys of runs with several results, or with a taint: the one in use may not be the one a lock saw.
        replicates: further results of runs, not tainted.
    """

    tainted: Mapping[str, str] = field(default_factory=dict)
    contested: frozenset[str] = frozenset()
    replicates: tuple[RunRecord, ...] = ()


UNCONTESTED = Standing()
"""Every run has one result, and none is tainted."""
