"""CSV tables of runs: one row a run, an id column, numbers in the rest. Read strictly: nothing is dropped unsaid.

What other tools write is accepted as it is: `index` and `train_*` or `metric/*` columns (RegMix), `run_id`, or `run`,
`name` and `index` side by side (Olmix). Ids are text and are compared as written; columns keep their names.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from olmixctl.errors import CorpusError, Place, UsageError

__all__ = [
    "ID_COLUMNS",
    "SUM_TOLERANCE",
    "Joined",
    "Table",
    "id_column",
    "joined",
    "numbers",
    "paired",
    "read_table",
    "shares",
]

ID_COLUMNS = ("run_id", "run", "index", "id", "name")
"""Names of columns that say which run a row is, the first that both tables have is used; the others are labels."""

SUM_TOLERANCE = 0.01
"""Rows of weights may miss one by this much: published weights have three decimals."""

_EXACT = 1e-6
_MOST = 1e100
"""Of a number: squares of larger ones are no numbers any more."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it was written.

    Attributes:
        file: its path, for messages.
        columns: names, in the order of the file.
        rows: cells; as many in each row as there are columns.
        lines: where each row ends in the file.
    """

    file: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    def place(self, row: int | None = None, column: str = "") -> Place:
        """The place of a row, for messages."""
        return Place(self.file, None if row is None else self.lines[row], field=column)


@dataclass(frozen=True, kw_only=True, slots=True)
class Joined:
    """Two tables of the same runs.

    Attributes:
        ratios: as written.
        metrics: as written.
        weights: id → column → share; each row sums to one.
        losses: id → column → number.
        notes: what was done to the rows, a sentence each.
    """

    ratios: Table
    metrics: Table
    weights: dict[str, dict[str, float]]
    losses: dict[str, dict[str, float]]
    notes: tuple[str, ...]


def joined(ratios: Path, metrics: Path) -> Joined:
    """The runs of two tables, joined on their ids whatever the order of their rows.

    Raises:
        CorpusError: a table that is not as it should be; the message says where.
        UsageError: the same table is given twice.
    """
    left, right = read_table(ratios), read_table(metrics)
    if (left.columns, left.rows) == (right.columns, right.rows):
        raise UsageError(
            "--ratios and --metrics are the same table",
            place=Place(str(metrics)),
            remedy="give the weights of domains as --ratios, and as --metrics what the runs measured",
        )
    key = id_column(left, right)
    weights, left_labels = numbers(left, key)
    losses, right_labels = numbers(right, key)
    paired(left, right, set(weights), set(losses))
    weights, renormalised = _ratios(left, weights, right, losses)
    labels = sorted({*left_labels, *right_labels})
    notes = [f"read as labels, beside the id {key!r}: {', '.join(labels)}"] if labels else []
    notes += [renormalised] if renormalised else []
    return Joined(ratios=left, metrics=right, weights=weights, losses=losses, notes=tuple(notes))


def _ratios(
    left: Table, weights: dict[str, dict[str, float]], right: Table, losses: dict[str, dict[str, float]]
) -> tuple[dict[str, dict[str, float]], str]:
    """`shares` of the left table; where it has none and the right one does, the error says so."""
    try:
        return shares(left, weights)
    except CorpusError as error:
        if not all(abs(math.fsum(row.values()) - 1.0) <= SUM_TOLERANCE for row in losses.values()):
            raise
        remedy = f"the rows of {right.file} sum to 1: give that table as --ratios, and this one as --metrics"
        raise CorpusError(error.message, place=error.place, remedy=remedy) from error


def read_table(path: Path) -> Table:
    """The table in a CSV file of UTF-8 text, separated by commas.

    Raises:
        CorpusError: not text, not CSV, empty, ragged, or with columns that share a name.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
        found = [(reader.line_num, tuple(cell.strip() for cell in row)) for row in reader]
    except UnicodeDecodeError as error:
        raise CorpusError("this is no UTF-8 text", place=Place(str(path)), remedy=_CSV) from error
    except csv.Error as error:
        raise CorpusError(f"this is no CSV: {error}", place=Place(str(path)), remedy=_CSV) from error
    filled = [(line, row) for line, row in found if any(row)]
    if not filled:
        raise CorpusError("the file is empty", place=Place(str(path)), remedy=_CSV)
    (line, columns), *rest = filled
    table = Table(str(path), columns, tuple(row for _, row in rest), tuple(line for line, _ in rest))
    _check_shape(table, Place(str(path), line))
    return table


_CSV = "write comma-separated text: a line of column names, then a line for each run, its id among the columns"


def _check_shape(table: Table, head: Place) -> None:
    columns = table.columns
    if len(columns) < 2:
        other = next((sign for sign in (";", "\t", "|") if sign in columns[0]), None)
        seen = f", which holds {other!r}" if other else ""
        raise CorpusError(f"there is one column{seen}; an id and at least one more are needed", place=head, remedy=_CSV)
    twice = next((name for i, name in enumerate(columns) if name in columns[:i]), None)
    if twice is not None:
        raise CorpusError(f"two columns are named {twice!r}", place=head, remedy="give each column its own name")
    if not all(columns[1:]):
        raise CorpusError("a column has no name", place=head, remedy="name every column but the first")
    if not table.rows:
        raise CorpusError("there are no runs below the column names", place=head, remedy=_CSV)
    for i, row in enumerate(table.rows):
        if len(row) != len(columns):
            raise CorpusError(
                f"this row has {len(row)} cells, and there are {len(columns)} columns",
                place=table.place(i),
                remedy="write a value for every column",
            )


def id_column(*tables: Table) -> str:
    """The column that says which run a row is, the same in all tables.

    Raises:
        CorpusError: no column does that in all of them.
    """
    for name in ID_COLUMNS:
        if all(name in table.columns for table in tables):
            return name
    first = {table.columns[0] for table in tables}
    if len(first) == 1 and not _numeric_share(tables):
        return first.pop()
    raise CorpusError(
        f"no id column is in all of {', '.join(table.file for table in tables)}",
        place=tables[0].place(),
        remedy=f"name it {', '.join(ID_COLUMNS[:-1])} or {ID_COLUMNS[-1]}, in every table alike; or put it first",
    )


def _numeric_share(tables: tuple[Table, ...]) -> bool:
    """Whether the shared first column repeats values in some table, so that it cannot tell runs apart."""
    return any(len({row[0] for row in table.rows}) < len(table.rows) for table in tables)


def numbers(table: Table, key: str) -> tuple[dict[str, dict[str, float]], tuple[str, ...]]:
    """Id → column → number, in the order of the file, and the label columns that were left out.

    Raises:
        CorpusError: an id stands twice or is empty, a cell is no finite number, or no columns are left.
    """
    labels = tuple(name for name in table.columns if name in ID_COLUMNS and name != key)
    kept = [(i, name) for i, name in enumerate(table.columns) if name != key and name not in labels]
    if not kept:
        raise CorpusError("there are no columns beside the ids", place=table.place(), remedy=_CSV)
    at = table.columns.index(key)
    found: dict[str, dict[str, float]] = {}
    lines: dict[str, int] = {}
    for r, row in enumerate(table.rows):
        run = row[at]
        if not run:
            raise CorpusError("the id is empty", place=table.place(r, key), remedy="give every run an id")
        if run in found:
            raise CorpusError(
                f"run {run!r} stands twice, first in line {lines[run]}",
                place=table.place(r, key),
                remedy="give every run its own id; repeated runs of one mixture are runs of their own",
            )
        found[run] = {name: _number(table, r, name, row[i]) for i, name in kept}
        lines[run] = table.lines[r]
    return found, labels


def _number(table: Table, row: int, column: str, cell: str) -> float:
    try:
        value = float(cell.replace("_", "?"))
    except ValueError:
        what = f"{cell!r} is no number" if cell else "there is no value"
        _refuse(table, row, column, what)
    if not math.isfinite(value):
        _refuse(table, row, column, f"{cell} is not finite")
    if abs(value) > _MOST:
        _refuse(table, row, column, f"{cell} is beyond {_MOST:g}, and no loss is that large")
    return value


def _refuse(table: Table, row: int, column: str, what: str) -> NoReturn:
    remedy = "write a number, or take the run out of every table: a run without all of its numbers cannot be used"
    raise CorpusError(what, place=table.place(row, column), remedy=remedy)


def paired(left: Table, right: Table, left_ids: set[str], right_ids: set[str]) -> None:
    """Check that the same runs stand in both tables.

    Raises:
        CorpusError: a run stands in one of them only.
    """
    for one, other, extra in ((left, right, left_ids - right_ids), (right, left, right_ids - left_ids)):
        if extra:
            some = ", ".join(repr(run) for run in sorted(extra)[:3]) + (", …" if len(extra) > 3 else "")
            raise CorpusError(
                f"{len(extra)} of {len(one.rows)} runs are not in {other.file}: {some}",
                place=one.place(),
                remedy="every run needs its mixture and its metrics, its id written alike in both; take out the others",
            )


def shares(table: Table, rows: dict[str, dict[str, float]]) -> tuple[dict[str, dict[str, float]], str]:
    """The rows as weights that sum to one, and in words what was renormalised (empty: nothing).

    Raises:
        CorpusError: a weight below zero, or a row whose sum misses one by more than `SUM_TOLERANCE`.
    """
    found: dict[str, dict[str, float]] = {}
    off: list[float] = []
    for r, (run, row) in enumerate(rows.items()):
        negative = next((name for name, weight in row.items() if weight < 0), None)
        if negative is not None:
            place = table.place(r, negative)
            raise CorpusError(
                f"the weight of run {run!r} is {row[negative]:g}", place=place, remedy="weights are shares of one"
            )
        total = math.fsum(row.values())
        if abs(total - 1.0) > SUM_TOLERANCE + 1e-12:
            hint = (
                "write shares, not percent" if abs(total - 100.0) < 1.0 else "put every domain into a column of its own"
            )
            raise CorpusError(
                f"the weights of run {run!r} sum to {total:.6g}; 1 ± {SUM_TOLERANCE} is renormalised, this is not",
                place=table.place(r),
                remedy=f"{hint}; columns read as domains: {_some(tuple(row))}",
            )
        off += [total] if abs(total - 1.0) > _EXACT else []
        found[run] = {name: weight / total for name, weight in row.items()}
    if not off:
        return found, ""
    worst = max(off, key=lambda total: abs(total - 1.0))
    return found, f"{len(off)} of {len(rows)} rows did not sum to 1 (furthest {worst:.9g}) and were renormalised"


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
