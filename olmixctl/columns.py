"""Which column of a table is which domain or metric of a mix. Nothing is guessed by likeness, nothing left out unsaid.

A column has the name that a person gave it; else its own, where the mix has that; else its own without what other tools
put around names: RegMix's `train_` and `metric/…_val_loss`, Olmix's `eval/`, `:` between source and topic, or
whatever all columns of the table begin and end with.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import product, takewhile

from olmixctl.errors import CorpusError, UsageError
from olmixctl.tables import Table

__all__ = ["Naming", "match_columns", "plain_names", "short_names"]

_PREFIXES = ("train_", "metric/", "eval/downstream/", "eval/")
_SUFFIXES = ("_val_loss", "_loss")
_BORDERS = "_/:. -("
_NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Naming:
    """What a person says of the columns of one table.

    Attributes:
        kind: what the columns are, `domain` or `metric`; also the option that names them.
        given: column → name.
        ignored: columns that are left out, and globs of those that are left out where they are nothing in the mix;
            they need not be of this table.
        absent: names that have no column, because no run had any of them.
    """

    kind: str
    given: Mapping[str, str] = field(default_factory=dict)
    ignored: Collection[str] = ()
    absent: Collection[str] = ()

    def leaves_out(self, column: str) -> bool:
        """Whether a column that is nothing in the mix is said to be left out."""
        return any(fnmatchcase(column, pattern) for pattern in self.ignored) or column in self.ignored


def match_columns(table: Table, columns: Sequence[str], known: Sequence[str], naming: Naming) -> dict[str, str]:
    """Column → name, of all that are not ignored; every name of the mix has one column, or is said to be absent.

    Args:
        table: for messages.
        columns: of numbers, in the order of the file.
        known: the names that the mix has.
        naming: what a person says of them.

    Raises:
        UsageError: somebody named a column that is not there, or a name that the mix does not have.
        CorpusError: a column is none of the mix's, a name has no column, or two have one name.
    """
    _check_naming(table, columns, known, naming)
    shorter = short_names([column for column in columns if column not in naming.ignored])
    found: dict[str, str] = {}
    for column in columns:
        if column in naming.ignored:
            continue
        candidates = [naming.given[column]] if column in naming.given else [column, *shorter[column]]
        name = next((name for name in candidates if name in known), None)
        if name is not None:
            twin = next((other for other, taken in found.items() if taken == name), None)
            if twin is not None:
                raise _twins(table, twin, column, name, naming)
            found[column] = name
    unknown = [column for column in columns if column not in found and not naming.leaves_out(column)]
    missing = [name for name in known if name not in found.values() and name not in naming.absent]
    if unknown or missing:
        raise _unmatched(table, unknown, missing, naming)
    said = next((name for name in found.values() if name in naming.absent), None)
    if said is not None:
        raise UsageError(f"--absent {said}: the table has a column for it", remedy="leave --absent out")
    return found


def plain_names(columns: Sequence[str]) -> dict[str, str]:
    """Column → its name without what other tools put around names; `short_names` has it, too."""
    found = {}
    for column in columns:
        start = next((sign for sign in _PREFIXES if column.startswith(sign)), "")
        end = next((sign for sign in _SUFFIXES if column.endswith(sign)), "")
        found[column] = column.removeprefix(start).removesuffix(end) or column
    return found


def short_names(columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Column → shorter names, the least taken off first: what tools put around them, and signs a name cannot have."""
    starts = _common(columns)
    ends = [end[::-1] for end in _common([column[::-1] for column in columns])]
    return {column: tuple(dict.fromkeys(_shorter(column, starts, ends))) for column in columns}


def _shorter(column: str, starts: Sequence[str], ends: Sequence[str]) -> Iterator[str]:
    """What is left when one thing or none is taken off each end."""
    ahead = {"", *starts, *(sign for sign in _PREFIXES if column.startswith(sign))}
    behind = {"", *ends, *(sign for sign in _SUFFIXES if column.endswith(sign))}
    pairs = [(start, end) for start, end in product(ahead, behind) if len(start) + len(end) < len(column)]
    for start, end in sorted(pairs, key=lambda pair: (len(pair[0]) + len(pair[1]), pair)):
        form = column.removeprefix(start).removesuffix(end)
        yield form
        yield form.replace(":", "/")
        yield re.sub(r"[^A-Za-z0-9_.-]+", "-", form).strip("-.")


def _common(columns: Sequence[str]) -> list[str]:
    """What several columns all begin with, up to each border between words."""
    if len(columns) < 2:
        return []
    pairs = zip(min(columns), max(columns), strict=False)
    start = "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return [start[: i + 1] for i, sign in enumerate(start) if sign in _BORDERS]


def _check_naming(table: Table, columns: Sequence[str], known: Sequence[str], naming: Naming) -> None:
    kind = naming.kind
    for column, name in naming.given.items():
        if column not in columns:
            raise UsageError(
                f"--{kind} {column}={name}: {table.file} has no such column", remedy=_there_is(column, columns)
            )
        if name not in known:
            raise UsageError(f"--{kind} {column}={name}: the mix has no {kind} {name!r}", remedy=_there_is(name, known))
    for name in naming.absent:
        if name not in known:
            raise UsageError(f"--absent {name}: the mix has no {kind} {name!r}", remedy=_there_is(name, known))


def _there_is(name: str, known: Sequence[str]) -> str:
    return f"there is: {_some(get_close_matches(name, known) or known)}"


def _twins(table: Table, first: str, second: str, name: str, naming: Naming) -> CorpusError:
    return CorpusError(
        f"columns {first!r} and {second!r} would both be {naming.kind} {name!r}",
        place=table.place(),
        remedy=f"--{naming.kind} COLUMN=NAME says which is which",
    )


def _unmatched(table: Table, unknown: Sequence[str], missing: Sequence[str], naming: Naming) -> CorpusError:
    kind = naming.kind
    parts = []
    if unknown:
        be = f"column {unknown[0]!r} is no {kind}" if len(unknown) == 1 else f"{len(unknown)} columns are no {kind}s"
        parts.append(f"{be} of the mix" + ("" if len(unknown) == 1 else f": {_some(unknown)}"))
    if missing:
        have = "has" if len(missing) == 1 else "have"
        parts.append(f"{'' if unknown else 'the mix: '}{_some(missing)} {have} no column")
    named = f"--{kind} COLUMN=NAME says which column is which {kind}"
    left = "--ignore COLUMN leaves one out" if unknown else ""
    none = ""
    if missing:
        none = (
            "--absent ID says that no run had any of a domain"
            if kind == "domain"
            else "take evals that were not measured out of the mix file"
        )
    return CorpusError("; ".join(parts), place=table.place(), remedy="; ".join(filter(None, (named, left, none))))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
