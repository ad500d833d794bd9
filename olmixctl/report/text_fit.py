"""A fit of two tables, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from olmixctl.report.look import Cell, Column, Look, Row, heading, page, table, wrapped
from olmixctl.report.numbers import NONE, plural

__all__ = ["FitShown", "fit_text"]

_NAME = 44
"""A metric's name beyond this is cut in the middle on pages too narrow for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FitShown:
    """What is shown of a fit: numbers and words only.

    Attributes:
        family: its name.
        reason: why it.
        runs: how many.
        domains: how many.
        folds: of the cross-validation; 0 where there is none.
        targets: (name, rank, error), the objective last; no rank where a side is constant.
        compared: family → (rank, error) of the objective, and error of the metrics.
        notes: sentences.
        written: what became of the predictions; empty where none were asked for.
    """

    family: str
    reason: str
    runs: int
    domains: int
    folds: int
    targets: Sequence[tuple[str, float | None, float]]
    compared: Mapping[str, tuple[float | None, float, float]]
    notes: Sequence[str]
    written: Sequence[str]


def fit_text(shown: FitShown, look: Look) -> str:
    """A fit for a person: the family and why, how it predicts runs it has not seen, and what to know."""
    remark = f"{plural(shown.runs, 'run')}, {plural(shown.domains, 'domain')}"
    head = [heading(f"Fit by {shown.family}", look, remark), *wrapped(shown.reason, look)]
    notes = [line for note in shown.notes for line in wrapped(f"· {note}", look, hanging=4)]
    notes = [heading("To know", look), *notes] if notes else []
    written = [line for each in shown.written for line in wrapped(each, look, indent=0)]
    return page([head, _compared(shown, look), _targets(shown, look), notes, written])


def _compared(shown: FitShown, look: Look) -> list[str]:
    if len(shown.compared) < 2:
        return []
    columns = [Column(""), Column("family"), *(Column(each, right=True) for each in ("rank", "error", "of metrics"))]
    rows: list[Row] = [
        [Cell("→" if name == shown.family else "", "good"), name, _rank(rank), _error(error), _error(metrics)]
        for name, (rank, error, metrics) in shown.compared.items()
    ]
    return [heading("Families", look, "rank and error of the objective, on runs held out"), *table(columns, rows, look)]


def _targets(shown: FitShown, look: Look) -> list[str]:
    if not shown.folds:
        return []
    columns = [Column("metric"), Column("rank", right=True), Column("error", right=True)]
    rows: list[Row] = [[_short(name, look), _rank(rank), _error(error)] for name, rank, error in shown.targets]
    last = [Cell(cell if isinstance(cell, str) else cell.text, "strong") for cell in rows[-1]]
    remark = f"rank (Spearman) and error (RMSE), {shown.folds}-fold"
    return [heading("Runs held out", look, remark), *table(columns, [*rows[:-1], last], look)]


def _short(name: str, look: Look) -> str:
    room = max(look.width - 30, 20)
    if len(name) <= min(room, max(_NAME, room)):
        return name
    half = (room - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def _rank(rank: float | None) -> str:
    return NONE if rank is None else f"{rank:.3f}".replace("-", "−")


def _error(error: float) -> str:
    return f"{error:.4f}" if error == 0 or 5e-4 <= error < 1e4 else f"{error:.1e}"
