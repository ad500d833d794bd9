"""Domains of a lock whose documents stand in other domains of a later one: split, merged, or renamed and revised. Pure.

A lock does not say where its domains come from. It has digests of their documents, and the ledger keeps inventories
that answer to these digests; who has both can tell (`plan.origins`). Here is what is told, with the shares that belong
together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from olmixctl.lock.model import Lock
from olmixctl.mixture import GRID

__all__ = ["REGROUPINGS", "Origins", "Regrouped", "Regrouping", "unknown_origins"]

Regrouping = Literal["renamed", "partitioned", "merged", "regrouped"]
REGROUPINGS: tuple[Regrouping, ...] = get_args(Regrouping)


@dataclass(frozen=True, kw_only=True, slots=True)
class Regrouped:
    """Domains that hold together what others held before.

    Attributes:
        before: id in the earlier lock → millionths, sorted by id.
        after: id in the later lock → millionths, sorted by id; a part that keeps its name stands on both sides.
        tokens: of all on either side.
        estimated: told by samples of the documents; False where counts or sums of digests prove it.
    """

    before: Mapping[str, int]
    after: Mapping[str, int]
    tokens: tuple[int, int]
    estimated: bool

    @classmethod
    def of(cls, before: Lock, after: Lock, olds: Iterable[str], news: Iterable[str], *, estimated: bool) -> Regrouped:
        """The domains `olds` of one lock and `news` of the next, with their shares and tokens."""
        was, now = sorted(olds), sorted(news)
        return cls(
            before={old: before.weights[old] for old in was},
            after={new: after.weights[new] for new in now},
            tokens=(sum(before.domains[old].tokens for old in was), sum(after.domains[new].tokens for new in now)),
            estimated=estimated,
        )

    @property
    def kind(self) -> Regrouping:
        """What happened: one got another name and other documents, became several, several became one, or others."""
        if len(self.before) == 1:
            return "partitioned" if len(self.after) > 1 else "renamed"
        return "merged" if len(self.after) == 1 else "regrouped"

    @property
    def shares(self) -> tuple[int, int]:
        """Millionths of all on either side."""
        return sum(self.before.values()), sum(self.after.values())

    def in_short(self) -> str:
        """Both sides as a sum of names."""
        return f"{' + '.join(self.before)} → {' + '.join(self.after)}"

    def as_json(self) -> dict[str, Any]:
        """The change for programs; shares as numbers of one."""
        before, after = self.shares
        return {
            "kind": self.kind,
            "before": {old: weight / GRID for old, weight in self.before.items()},
            "after": {new: weight / GRID for new, weight in self.after.items()},
            "shares": {"before": before / GRID, "after": after / GRID},
            "tokens": {"before": self.tokens[0], "after": self.tokens[1]},
            "estimated": self.estimated,
        }


Origins = Callable[[Lock, Lock], tuple[Regrouped, ...]]
"""An earlier and a later lock → what was split, merged, or renamed and revised between them, by the first old id."""


def unknown_origins(before: Lock, after: Lock) -> tuple[Regrouped, ...]:
    """Nothing is known but the locks themselves: what was split shows as removed and added."""
    del before, after
    return ()
