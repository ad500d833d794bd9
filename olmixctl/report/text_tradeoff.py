"""The front that a mix lies on, as text: the pull to the reference, and families of evals against each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from olmixctl.report.look import Cell, Column, Look, Row, heading, table, wrapped
from olmixctl.report.numbers import plural

__all__ = ["trade_off_section"]

Document = Mapping[str, Any]

_NAME = 24
"""A family's name beyond this is cut in the middle: it stands at the side and above a column."""


def trade_off_section(plan: Document, look: Look) -> list[str]:
    """The section of a plan's text; empty where none was asked for."""
    found = plan.get("trade_off")
    if found is None:
        return []
    if found["reason"]:
        return [heading("Trade-off", look), *wrapped(f"none can be told: {found['reason']}", look)]
    runs = f"{plural(found['runs'], 'run')} behind serial {found['serial']}"
    remark = f"predicted change from the reference mix, by the {runs}"
    return [heading("Trade-off", look, remark), *_pull(found, look), *_families(found, look)]


def _pull(found: Document, look: Look) -> list[str]:
    worst = any(point["chosen"] and point["best_for"] == "worst family" for point in found["families"])
    columns = [
        Column(""),
        Column("pull (kl)", right=True),
        Column("distance", right=True),
        Column("worst family" if worst else "weighted mean", right=True),
    ]
    rows: list[Row] = [
        [_arrow(point), _strong(f"{point['kl']:g}", point), f"{point['distance']:.3f}", _change(point["change"])]
        for point in found["pull"]
    ]
    return table(columns, rows, look)


def _families(found: Document, look: Look) -> list[str]:
    if not found["families"]:
        return []
    names = [name for name in found["families"][0]["changes"] if name not in found["left_out"]]
    # The last families go first where the page is too narrow for all.
    shown = [Column(_short(name), right=True, optional=number > 0) for number, name in enumerate(names)]
    rows: list[Row] = [
        [
            _arrow(point),
            _strong(_label(point["best_for"]), point),
            *(_change(point["changes"][name]) for name in names),
        ]
        for point in found["families"]
    ]
    lines = table([Column(""), Column("as near, best for"), *shown], rows, look)
    rest = len(found["left_out"])
    more = "1 family more, which" if rest == 1 else f"{rest} families more, which"
    note = f"{more} the mix serves better, in --json" if rest else ""
    return ["", *lines, *wrapped(note, look, tone="faint")]


def _arrow(point: Document) -> Cell:
    return Cell("→" if point["chosen"] else "", "key")


def _strong(text: str, point: Document) -> Cell:
    return Cell(text, "strong" if point["chosen"] else "plain")


def _change(value: float) -> Cell:
    if abs(value) < 0.00005:
        return Cell("0.0000")
    return Cell(f"{'−' if value < 0 else '+'}{abs(value):.4f}", "good" if value < 0 else "bad")


def _label(text: str) -> str:
    """Two families and their weights have the room of two."""
    return text if " : " in text and len(text) <= 2 * _NAME else _short(text)


def _short(name: str) -> str:
    half = (_NAME - 1) // 2
    return name if len(name) <= _NAME else f"{name[:half]}…{name[-half:]}"
