"""The canonical form of a mix file, comments kept.

Lines are moved and indented, never rewritten, so that whatever a person wrote on them stays: sections stand in the
order of the documentation, blocks are indented by two, dashes by two under their key, runs of blank lines become one,
and no line ends in white space. Comments above a section move with it. Values need no care: the strict reader refuses
what readers of YAML disagree on, so nothing is left to quote.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import yaml

from olmixctl.errors import SpecError
from olmixctl.fingerprint import canonical_json
from olmixctl.spec.source import parse_source
from olmixctl.spec.syntax import compose

__all__ = ["SECTIONS", "format_mix"]

SECTIONS = (
    "version",
    "name",
    "description",
    "owner",
    "target",
    "tokenizer",
    "domains",
    "changes",
    "evals",
    "objective",
    "constraints",
    "proxy",
    "swarm",
    "surrogate",
    "method",
    "reuse",
    "recompute",
    "executor",
    "budget",
    "ledger",
)
"""The order of sections; unknown ones come last, as they stand."""

_STEP = 2
_MARKER = re.compile(r"(---|\.\.\.|%[^#]*)\s*(?P<comment>#.*)?")


def format_mix(text: str, file: str = "mix.yaml") -> str:
    """The canonical form of a mix file's text; of a canonical text, the text itself.

    Args:
        text: the file, valid YAML that the strict reader takes; it need not be a valid mix.
        file: its name, for errors.

    Raises:
        SpecError: the strict reader refuses the text.
        RuntimeError: the result would mean something else (a defect; nothing is lost).
    """
    source = parse_source(text, file)
    if source.problems:
        raise SpecError.collect(source.problems)
    clean = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    root = compose(clean, file)
    lines = clean.split("\n")
    layout = _Layout(lines)
    # A file that is one `{…}` has no lines to order or indent.
    blocks = _is_block(root)
    if blocks:
        layout.mapping(root, 0)
    else:
        layout.inline(root)
    formed = layout.formed()
    ordered = _in_order(formed, _section_starts(root)) if blocks else formed
    result = "\n".join(_squeezed(ordered)) + "\n"
    if canonical_json(parse_source(result, file).data) != canonical_json(source.data):
        raise RuntimeError(f"formatting {file} would change its meaning")
    return result


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the result; `fixed` lines are part of a value and are never dropped, `number` is where it stood."""

    text: str
    number: int
    fixed: bool

    @property
    def is_blank(self) -> bool:
        return not self.fixed and not self.text

    @property
    def is_comment(self) -> bool:
        return not self.fixed and self.text.lstrip().startswith("#")


@dataclass(slots=True)
class _Layout:
    """What each line of the file is: the start of something with an indentation of its own, or part of a value.

    Attributes:
        lines: the file's.
        indents: line that starts a key or an item → its new indentation.
        inside: line within a value over several lines → the line where that value starts.
        verbatim: lines of texts in which white space at the end may mean something.
        gaps: line → (from, to) columns between a dash and what follows it.
    """

    lines: list[str]
    indents: dict[int, int] = field(default_factory=dict)
    inside: dict[int, int] = field(default_factory=dict)
    verbatim: set[int] = field(default_factory=set)
    gaps: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def mapping(self, node: Any, indent: int) -> None:  # noqa: ANN401  (PyYAML's nodes are untyped)
        """Lay out a block mapping whose keys stand at `indent`."""
        for key, value in node.value:
            line = key.start_mark.line
            if not self.lines[line][: key.start_mark.column].strip():
                self.indents[line] = indent
            self.inline(key)
            self.child(value, indent + _STEP)

    def sequence(self, node: Any, indent: int) -> None:  # noqa: ANN401
        """Lay out a block sequence whose dashes stand at `indent`."""
        column = node.start_mark.column
        for item in node.value:
            line = item.start_mark.line
            while self.lines[line][column : column + 1] != "-":
                line -= 1
            if not self.lines[line][:column].strip():
                self.indents[line] = indent
            if line == item.start_mark.line and item.start_mark.index < item.end_mark.index:
                # What follows the dash stands two further in, as the lines below it will.
                self.gaps.setdefault(line, []).append((column + 1, item.start_mark.column))
            self.child(item, indent + _STEP)

    def child(self, node: Any, indent: int) -> None:  # noqa: ANN401
        if not _is_block(node):
            self.inline(node)
        elif isinstance(node, yaml.MappingNode):
            self.mapping(node, indent)
        else:
            self.sequence(node, indent)

    def inline(self, node: Any) -> None:  # noqa: ANN401
        """Note the lines of a value that goes over several: they move with its first."""
        first, last = node.start_mark.line, node.end_mark.line
        if node.end_mark.column == 0 or getattr(node, "style", None) in {"|", ">"}:
            last -= 1
        for line in range(first + 1, last + 1):
            self.inside.setdefault(line, first)
        if isinstance(node, yaml.ScalarNode) and last > first:
            # The line that opens a block (`|`) is only its head; a quoted text starts on its first.
            self.verbatim.update(range(first + (node.style in {"|", ">"}), last + 1))
        for child in node.value if isinstance(node, yaml.CollectionNode) else ():
            for part in child if isinstance(child, tuple) else (child,):
                self.inline(part)

    def formed(self) -> list[_Line]:
        """All lines, indented anew, without document markers."""
        shifts = {n: new - _indent(self.lines[n]) for n, new in self.indents.items()}
        formed = []
        for number, line in enumerate(self.lines):
            text = self._without_gaps(number, line)
            if number not in self.verbatim:
                text = text.rstrip()
            if number in self.inside:
                text = _shifted(text, self._shift_of(self.inside[number], shifts))
            elif number in self.indents:
                text = " " * self.indents[number] + text.lstrip(" ")
            elif (marker := _MARKER.fullmatch(text)) is not None:
                if not marker["comment"]:
                    continue
                text = marker["comment"]
            elif text:
                text = " " * self._comment_indent(number) + text.strip()
            formed.append(_Line(text, number, fixed=number in self.inside))
        return formed

    def _without_gaps(self, number: int, text: str) -> str:
        for start, end in sorted(self.gaps.get(number, ()), reverse=True):
            text = f"{text[:start]} {text[end:]}"
        return text

    def _shift_of(self, number: int, shifts: dict[int, int]) -> int:
        """How far the value that starts on line `number` moves: as far as the structure it stands in."""
        while number not in shifts and number > 0:
            number -= 1
        return shifts.get(number, 0)

    def _comment_indent(self, number: int) -> int:
        """A comment goes with the line below, or, standing deeper, with the block above that it closes."""
        own = _indent(self.lines[number])
        below = next((n for n in range(number + 1, len(self.lines)) if n in self.indents), None)
        least = 0 if below is None else self.indents[below]
        if own == 0 or (below is not None and own <= _indent(self.lines[below])):
            return least
        above = (
            self.indents[n] for n in range(number - 1, -1, -1) if n in self.indents and _indent(self.lines[n]) <= own
        )
        return max(least, next(above, 0))


def _is_block(node: Any) -> bool:  # noqa: ANN401
    return isinstance(node, yaml.CollectionNode) and not node.flow_style


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" "))


def _shifted(text: str, shift: int) -> str:
    if not text.strip():
        return text
    return " " * max(0, _indent(text) + shift) + text.lstrip(" ")


def _section_starts(root: Any) -> dict[int, str]:  # noqa: ANN401
    return {key.start_mark.line: str(key.value) for key, _ in root.value}


def _in_order(lines: list[_Line], starts: dict[int, str]) -> list[_Line]:
    """The sections in their order, each with the comments above it; what heads the file stays there."""
    sections: list[tuple[str, list[_Line]]] = []
    waiting: list[_Line] = []
    for line in lines:
        if line.number in starts and not line.fixed:
            sections.append((starts[line.number], [*waiting, line]))
            waiting = []
        elif sections and not (line.is_blank or (line.is_comment and not line.text.startswith(" "))):
            sections[-1][1].extend([*waiting, line])
            waiting = []
        else:
            waiting.append(line)
    head, sections[0] = _split_head(sections[0], moves=sections[0][0] != _first(sections))
    known = {name: position for position, name in enumerate(SECTIONS)}
    sections.sort(key=lambda s: known.get(s[0], len(SECTIONS)))
    return [*head, *(line for _, section in sections for line in section), *waiting]


def _first(sections: list[tuple[str, list[_Line]]]) -> str:
    return min((name for name, _ in sections), key=lambda n: SECTIONS.index(n) if n in SECTIONS else len(SECTIONS))


def _split_head(section: tuple[str, list[_Line]], *, moves: bool) -> tuple[list[_Line], tuple[str, list[_Line]]]:
    """What heads the file, and the first section. A section that moves takes the comment right above it along."""
    name, lines = section
    at = next(i for i, line in enumerate(lines) if not (line.is_blank or line.is_comment))
    if moves:
        while at > 0 and lines[at - 1].is_comment and not lines[at - 1].text.startswith("# yaml-language-server"):
            at -= 1
    return lines[:at], (name, lines[at:])


def _squeezed(lines: list[_Line]) -> list[str]:
    """No blank line at either end, never two in a row, no white space behind; values are left as they are."""
    result: list[str] = []
    for blank, group in groupby(lines, key=lambda line: line.is_blank):
        if not blank:
            result += [line.text for line in group]
        elif result:
            result.append("")
    while result and not result[-1]:
        result.pop()
    return result
