"""The page: its width, its colours, aligned tables and wrapped lines. The only place that knows about terminals."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Cell", "Column", "Look", "Row", "Tone", "bar", "heading", "left_out", "page", "table", "wrapped"]

Tone = Literal["plain", "strong", "faint", "good", "bad", "care", "key"]

# Select Graphic Rendition codes; the terminal's own palette, so that dark and light themes both stay readable.
_CODES: dict[Tone, str] = {"strong": "1", "faint": "2", "good": "32", "bad": "31", "care": "33", "key": "36"}

_EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True, slots=True)
class Look:
    """How a text is set.

    Attributes:
        width: columns of the page; prose wraps at it, tables drop their ornaments to fit, data is never cut.
        color: whether tones are shown.
    """

    width: int = 80
    color: bool = False

    def paint(self, text: str, tone: Tone) -> str:
        """`text` in a tone, or as it is without colour."""
        code = _CODES.get(tone)
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and code and text else text


@dataclass(frozen=True, slots=True)
class Cell:
    """A table cell with a tone."""

    text: str
    tone: Tone = "plain"


Row = Sequence[Cell | str]


@dataclass(frozen=True, slots=True)
class Column:
    """A table column. Where the table is wider than the page, columns go: the most `optional` first (0: never), and of
    equal ones the last.
    """

    title: str
    right: bool = False
    optional: int = 0


def table(columns: Sequence[Column], rows: Sequence[Row], look: Look, *, indent: int = 2) -> list[str]:
    """Lines of an aligned table; columns whose every cell and title is empty are left out."""
    cells = [[c if isinstance(c, Cell) else Cell(c) for c in row] for row in rows]
    widths = [max([len(column.title), *(len(row[i].text) for row in cells)]) for i, column in enumerate(columns)]
    shown = [i for i, width in enumerate(widths) if width and any(row[i].text for row in cells)]
    while indent + sum(widths[i] + 2 for i in shown) - 2 > look.width:
        spare = [i for i in shown if columns[i].optional]
        if not spare:
            break
        shown.remove(max(spare, key=lambda i: (columns[i].optional, i)))
    titles = [Cell(column.title, "faint") for column in columns]
    lines = [titles, *cells] if any(columns[i].title for i in shown) else cells
    return [_line([(row[i], widths[i], columns[i].right) for i in shown], look, indent) for row in lines]


def left_out(columns: Sequence[Column], rows: Sequence[Row], lines: Sequence[str], look: Look) -> list[str]:
    """A line that names the columns of `rows` that `lines`, their table, had no room for; none where it has all."""
    texts = [[cell if isinstance(cell, str) else cell.text for cell in row] for row in rows]
    titles = [column.title for i, column in enumerate(columns) if column.title and any(row[i] for row in texts)]
    gone = [title for title in titles if title not in lines[0]]
    if not gone:
        return []
    return wrapped(
        f"no room here for {', '.join(gone)}: a wider terminal shows them, and --json has them", look, tone="faint"
    )


def _line(cells: list[tuple[Cell, int, bool]], look: Look, indent: int) -> str:
    parts: list[str] = []
    gap = " " * indent
    for cell, width, right in cells:
        space = " " * (width - len(cell.text))
        text = look.paint(cell.text, cell.tone)
        parts.append(f"{gap}{space}{text}" if right else f"{gap}{text}")
        # White space to the right waits until something follows it: lines end where their text ends.
        gap = "  " if right else f"{space}  "
    return "".join(parts).rstrip()


def wrapped(text: str, look: Look, *, indent: int = 2, hanging: int | None = None, tone: Tone = "plain") -> list[str]:
    """`text` in lines of the page's width; words are never broken. `hanging` indents all lines but the first."""
    rest = indent if hanging is None else hanging
    lines = textwrap.wrap(
        text,
        width=max(look.width, 40),
        initial_indent=" " * indent,
        subsequent_indent=" " * rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [look.paint(line, tone) for line in lines]


def heading(title: str, look: Look, remark: str = "") -> str:
    """The title of a section, with an optional remark beside it, or below where the page is too narrow."""
    shown = look.paint(title, "strong")
    if not remark:
        return shown
    if len(title) + len(remark) + 2 > look.width:
        return "\n".join([shown, *wrapped(remark, look, tone="faint")])
    return f"{shown}  {look.paint(remark, 'faint')}"


def bar(share: float, whole: float, width: int) -> str:
    """A bar of `width` cells for `share`, full at `whole`, in steps of an eighth of a cell."""
    eighths = round(min(share / whole, 1.0) * width * 8) if whole > 0 else 0
    full, part = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[part] if part else "")


def page(sections: Iterable[Sequence[str]]) -> str:
    """Sections with an empty line between them; empty sections leave no gap."""
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"
