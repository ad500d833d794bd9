"""Can the bounds hold together? Plain arithmetic where they nest, which is nearly always; the general case is `solve/`.

A family of sets is laminar when any two are disjoint or one holds the other: domains, groups and a constraint that
cuts through none of them. On such a family the least and the greatest share of each set follow from its parts, from
the inside out, exactly. Constraints that overlap without nesting are checked in one laminar family each.

What is reported is irreducible: without any one of the bounds named, the others could hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Literal

from olmixctl.spec.model import MixSpec, RatioSpec

__all__ = ["Bound", "Conflict", "find_conflict", "is_decided", "ratio_conflict", "spec_bounds"]


@dataclass(frozen=True, slots=True)
class Bound:
    """`kind` (min or max) `value` on the summed share of `ids`.

    Attributes:
        name: the domain, group or constraint it belongs to.
        field: its address in the mix file.
    """

    name: str
    kind: Literal["min", "max"]
    value: Fraction
    ids: frozenset[str]
    field: str

    @property
    def label(self) -> str:
        """`min:code`, as locks and explanations name a bound."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class Conflict:
    """Bounds that exclude each other: the share of `ids` would be at least `low` and at most `high` < `low`."""

    bounds: tuple[Bound, ...]
    low: Fraction
    high: Fraction


@dataclass(frozen=True, slots=True)
class _Interval:
    """What the parts of a set allow for it, and the bounds that say so."""

    low: Fraction
    high: Fraction
    low_from: tuple[Bound, ...] = ()
    high_from: tuple[Bound, ...] = ()


_FREE = _Interval(Fraction(0), Fraction(1))


def spec_bounds(spec: MixSpec) -> list[Bound]:
    """Every bound of a mix that says something: a least share above 0, a greatest below 1."""
    groups = {"/".join(i.split("/")[:n]) for i in spec.domain_ids for n in range(1, i.count("/") + 1)}
    bounds: list[Bound] = []
    for domain in spec.domains:
        bounds += _pair(domain.id, domain.min, domain.max, (domain.id,), f"domains.{domain.id}")
    for constraint in spec.constraints:
        section = "domains" if constraint.name in groups else "constraints"
        where = f"{section}.{constraint.name}"
        bounds += _pair(constraint.name, constraint.min, constraint.max, constraint.domains, where)
    return bounds


def find_conflict(bounds: Sequence[Bound], ids: Iterable[str]) -> Conflict | None:
    """An irreducible set of bounds that no mix over `ids` can hold, or None where nesting bounds show none."""
    everything = frozenset(ids)
    for family in _laminar_families(bounds, everything):
        if (found := _conflict(family, everything)) is not None:
            return _irreducible(found)
    return None


def ratio_conflict(ratio: RatioSpec) -> Conflict | None:
    """The bounds of a ratio where its least is above its greatest; what it and other bounds exclude is for `solve/`."""
    if ratio.max is None or ratio.min <= ratio.max:
        return None
    low, high, ids = Fraction(str(ratio.min)), Fraction(str(ratio.max)), frozenset((*ratio.of, *ratio.to))
    where = f"constraints.{ratio.name}"
    bounds = (
        Bound(ratio.name, "min", low, ids, f"{where}.min"),
        Bound(ratio.name, "max", high, ids, f"{where}.max"),
    )
    return Conflict(bounds, low, high)


def is_decided(spec: MixSpec) -> bool:
    """Whether `find_conflict` finds every conflict of the bounds of a mix: all sets nest, and there is no ratio."""
    families = _laminar_families(spec_bounds(spec), frozenset(spec.domain_ids))
    return not spec.ratios and sum(1 for _ in islice(families, 2)) == 1


def _pair(name: str, low: float, high: float, ids: Iterable[str], where: str) -> list[Bound]:
    # By their decimal text: ten times 0.1 is 1, as whoever wrote it meant.
    least, most, members = Fraction(str(low)), Fraction(str(high)), frozenset(ids)
    bounds = [Bound(name, "min", least, members, f"{where}.min")] if least > 0 else []
    return [*bounds, Bound(name, "max", most, members, f"{where}.max")] if most < 1 else bounds


def _laminar_families(bounds: Sequence[Bound], everything: frozenset[str]) -> Iterable[list[Bound]]:
    """Families of bounds on nesting sets that together hold every bound; one family when all sets nest."""
    sets = list(dict.fromkeys(b.ids for b in bounds if 1 < len(b.ids) < len(everything)))
    left = list(sets)
    while True:
        chosen: set[frozenset[str]] = set()
        holding: dict[str, list[frozenset[str]]] = {}  # id → the chosen sets it is in
        for candidate in [*left[:1], *sets]:
            touched = {other for id_ in candidate for other in holding.get(id_, ())}
            if all(candidate <= other or other <= candidate for other in touched):
                chosen.add(candidate)
                for id_ in candidate:
                    holding.setdefault(id_, []).append(candidate)
        yield [b for b in bounds if b.ids in chosen or len(b.ids) in {1, len(everything)}]
        left = [s for s in left if s not in chosen]
        if not left:
            return


def _conflict(bounds: Sequence[Bound], everything: frozenset[str]) -> Conflict | None:
    """The first set, from the inside out, whose least share exceeds its greatest; `bounds` are on nesting sets."""
    by_set: dict[frozenset[str], list[Bound]] = {everything: []}
    for bound in bounds:
        by_set.setdefault(bound.ids, []).append(bound)
    around: dict[str, frozenset[str]] = {id_: frozenset({id_}) for id_ in everything}
    interval: dict[frozenset[str], _Interval] = {}
    for ids in sorted(by_set, key=len):
        parts = [interval.get(part, _FREE) for part in {around[i] for i in ids} if part != ids]
        interval[ids] = _tighten(_sum(parts) if parts else _FREE, by_set[ids])
        around |= dict.fromkeys(ids, ids)
        if (found := _crossed(interval[ids], whole=ids == everything)) is not None:
            return found
    return None


def _sum(parts: Sequence[_Interval]) -> _Interval:
    low = sum((p.low for p in parts), Fraction(0))
    high = sum((p.high for p in parts), Fraction(0))
    low_from = tuple(b for p in parts for b in p.low_from)
    if high >= 1:
        return _Interval(low, Fraction(1), low_from)
    return _Interval(low, high, low_from, tuple(b for p in parts for b in p.high_from))


def _tighten(interval: _Interval, bounds: Sequence[Bound]) -> _Interval:
    for bound in bounds:
        if bound.kind == "min" and bound.value > interval.low:
            interval = _Interval(bound.value, interval.high, (bound,), interval.high_from)
        if bound.kind == "max" and bound.value < interval.high:
            interval = _Interval(interval.low, bound.value, interval.low_from, (bound,))
    return interval


def _crossed(interval: _Interval, *, whole: bool) -> Conflict | None:
    if whole and interval.high < 1:  # these alone cannot sum to 1, whatever the least shares
        return Conflict(interval.high_from, Fraction(1), interval.high)
    if interval.low > interval.high:
        return Conflict((*interval.low_from, *interval.high_from), interval.low, interval.high)
    return None


def _irreducible(conflict: Conflict) -> Conflict:
    """Drop every bound that the conflict does not need, the least telling first.

    The bounds come from disjoint sets on either side and no set further in is in conflict, so sums decide: without
    one least share the low sum falls by it; without one greatest share its set may take all there is.
    """
    lows = sorted((b for b in conflict.bounds if b.kind == "min"), key=lambda b: (b.value, b.label))
    highs = [b for b in conflict.bounds if b.kind == "max"]
    low, high = conflict.low, conflict.high
    if highs and lows and low > 1:
        highs, high = [], Fraction(1)
    for bound in list(lows):
        if low - bound.value > high:
            lows.remove(bound)
            low -= bound.value
    return Conflict(tuple(sorted([*lows, *highs], key=lambda b: (b.name, b.kind == "max"))), low, high)
