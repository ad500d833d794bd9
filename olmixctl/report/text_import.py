"""What was adopted from two tables, as text: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from olmixctl.report.look import Cell, Column, Look, Row, heading, page, table, wrapped
from olmixctl.report.numbers import plural

__all__ = ["imported_text"]


def imported_text(found: Mapping[str, Any], look: Look) -> str:
    """An import for a person.

    Args:
        found: as `import runs --json` has it.
        look: page and colour.
    """
    head = [heading(found["mix"], look, _remark(found))]
    notes = [line for note in found["notes"] for line in wrapped(note, look, hanging=4)]
    return page(
        [
            head,
            _columns("Domains", found["domains"], look),
            _columns("Metrics", found["evals"], look),
            [heading("Left out", look), *_left_out(found, look)] if found["absent"] or found["ignored"] else [],
            [heading("To know", look), *notes] if notes else [],
            [heading("Behind it", look), *wrapped(_standing(found), look, hanging=4)],
        ]
    )


def _remark(found: Mapping[str, Any]) -> str:
    before = found["recorded_before"]
    if not found["new"]:
        return f"all {plural(before, 'run')} of these tables are recorded already"
    known = f", {before} recorded already" if before else ""
    done = "would be adopted" if found["dry_run"] else "adopted"
    return f"{plural(found['new'], 'run')} {done}{known}"


def _columns(title: str, columns: Mapping[str, str], look: Look) -> list[str]:
    """What is read as what; where all columns have the names of the mix, they are counted."""
    named = {column: name for column, name in columns.items() if column != name}
    same = len(columns) - len(named)
    own = "its own name" if same == 1 else "their own names"
    remark = f"{plural(same, 'column')} under {own}" if same else ""
    widest = max(map(len, named), default=0) + max(map(len, named.values()), default=0)
    if widest + len("    →    ") > look.width:
        pairs = ((f"  {look.paint(column, 'faint')}", f"    → {name}") for column, name in named.items())
        lines = [line for pair in pairs for line in pair]
    else:
        lines = _side_by_side(named, look) if named else []
    return [heading(title, look, remark), *lines]


def _side_by_side(named: Mapping[str, str], look: Look) -> list[str]:
    rows: list[Row] = [[Cell(column, "faint"), "→", Cell(name, "strong")] for column, name in named.items()]
    return table([Column("column"), Column(""), Column("is")], rows, look)


def _left_out(found: Mapping[str, Any], look: Look) -> list[str]:
    lines = []
    if found["absent"]:
        lines += wrapped(f"in no run: {', '.join(found['absent'])}", look, hanging=4)
    if found["ignored"]:
        lines += wrapped(f"ignored columns: {', '.join(found['ignored'])}", look, hanging=4)
    return lines


def _standing(found: Mapping[str, Any]) -> str:
    return (
        f"trainer {found['trainer']}: trained by others, so comparable with each other alone; their domains and "
        "metrics are taken to be those of the mix as they are now, and numbers keep their unit"
    )
