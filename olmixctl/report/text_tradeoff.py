"""The front that a mix lies on, as text: the pull to the reference, and families of evals against each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from olmixctl.report.look import Cell, Column, Look, Row, Tone, heading, left_out, table, wrapped
from olmixctl.report.numbers import plural

__all__ = [
    "basis_in_words",
    "change_in_digits",
    "left_out_in_words",
    "shown_families",
    "trade_off_section",
    "what_counts",
]

Document = Mapping[str, Any]

_NOTHING = 0.00005
"""A change below this rounds to nothing."""
_NAME = 24
"""A family's name beyond this is cut in the middle: it stands at the side and above a column."""


def trade_off_section(plan: Document, look: Look) -> list[str]:
    """The section of a plan's text; empty where none was asked for."""
    found = plan.get("trade_off")
    if found is None:
        return []
    if found["reason"]:
        return [heading("Trade-off", look), *wrapped(f"none can be told: {found['reason']}", look)]
    return [heading("Trade-off", look, basis_in_words(found)), *_pull(found, look), *_families(found, look)]


def basis_in_words(found: Document) -> str:
    """What the numbers are, and what they rest on."""
    runs = f"{plural(found['runs'], 'run')} behind serial {found['serial']}"
    return f"predicted change from the reference mix, by the {runs}"


def what_counts(found: Document) -> str:
    """What the objective counts of the metrics."""
    worst = any(point["chosen"] and point["best_for"] == "worst family" for point in found["families"])
    return "worst family" if worst else "weighted mean"


def shown_families(found: Document) -> list[str]:
    """The families that were looked at on their own."""
    return [name for name in found["families"][0]["changes"] if name not in found["left_out"]]


def left_out_in_words(found: Document) -> str:
    """How many families are not shown; empty where all are."""
    rest = len(found["left_out"])
    more = "1 family more, which" if rest == 1 else f"{rest} families more, which"
    return f"{more} the mix serves better, in --json" if rest else ""


def change_in_digits(value: float) -> str:
    """A predicted change with its sign; none for what rounds to nothing."""
    return "0.0000" if abs(value) < _NOTHING else f"{'−' if value < 0 else '+'}{abs(value):.4f}"


def _pull(found: Document, look: Look) -> list[str]:
    columns = [
        Column(""),
        Column("pull (kl)", right=True),
        Column("distance", right=True),
        Column(what_counts(found), right=True),
    ]
    rows: list[Row] = [
        [_arrow(point), _strong(f"{point['kl']:g}", point), f"{point['distance']:.3f}", _change(point["change"])]
        for point in found["pull"]
    ]
    return table(columns, rows, look)


def _families(found: Document, look: Look) -> list[str]:
    if not found["families"]:
        return []
    names = shown_families(found)
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
    columns = [Column(""), Column("as near, best for"), *shown]
    lines = table(columns, rows, look)
    return ["", *lines, *left_out(columns, rows, lines, look), *wrapped(left_out_in_words(found), look, tone="faint")]


def _arrow(point: Document) -> Cell:
    return Cell("→" if point["chosen"] else "", "key")


def _strong(text: str, point: Document) -> Cell:
    return Cell(text, "strong" if point["chosen"] else "plain")


def _change(value: float) -> Cell:
    tone: Tone = "plain" if abs(value) < _NOTHING else "good" if value < 0 else "bad"
    return Cell(change_in_digits(value), tone)


def _label(text: str) -> str:
    """Two families and their weights have the room of two."""
    return text if " : " in text and len(text) <= 2 * _NAME else _short(text)


def _short(name: str) -> str:
    half = (_NAME - 1) // 2
    return name if len(name) <= _NAME else f"{name[:half]}…{name[-half:]}"
