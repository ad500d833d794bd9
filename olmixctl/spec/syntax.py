"""YAML syntax: composing the node tree, and what is wrong with a text that has none, in words."""

from __future__ import annotations

import re
from typing import Any

import yaml

from olmixctl.errors import Place, SpecError

__all__ = ["compose"]

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_DEPTH = 40


def compose(text: str, file: str) -> Any:  # noqa: ANN401  (PyYAML's nodes are untyped)
    """The YAML node tree of `text`, or None when it is empty.

    Raises:
        SpecError: it is not YAML, it has aliases, or it is nested too deep.
    """
    if (hidden := _HIDDEN_BREAK.search(text)) is not None:
        raise _bad_character(text, hidden.start(), ord(hidden[0]), file)
    try:
        _guard(text, file)
        return yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise _syntax_error(error, text, file) from None


def _guard(text: str, file: str) -> None:
    """Refuse what the composer cannot take: nesting that would exhaust the stack, and aliases, which nodes hide."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            message, remedy = f"nested deeper than {_MAX_DEPTH} levels", "flatten the domains"
        elif isinstance(event, yaml.AliasEvent):
            message, remedy = "aliases (`*name`) are not read", "write the value out where it is used"
        else:
            continue
        mark: Any = event.start_mark
        raise SpecError(message, place=Place(file, mark.line + 1, mark.column + 1), remedy=remedy)


_CONFLICT = re.compile(r"^(<<<<<<<|=======|>>>>>>>)( |$)", re.MULTILINE)


# Lines end here for YAML 1.1, not for YAML 1.2 and most editors.
_HIDDEN_BREAK = re.compile("[\x85\u2028\u2029]")


def _bad_character(text: str, at: int, code: int, file: str) -> SpecError:
    before = text[:at]
    place = Place(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
    return SpecError(f"the character U+{code:04X} may not stand in a mix file", place=place, remedy="delete it")


def _syntax_error(error: yaml.YAMLError, text: str, file: str) -> SpecError:
    if (marker := _CONFLICT.search(text)) is not None:
        place = Place(file, text.count("\n", 0, marker.start()) + 1, 1)
        return SpecError("a conflict marker of Git", place=place, remedy="settle the conflict and remove the markers")
    if isinstance(error, yaml.reader.ReaderError):
        code = error.character if isinstance(error.character, int) else ord(error.character)
        return _bad_character(text, error.position, code, file)
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    opened = getattr(error, "context_mark", None)
    if opened and re.search("quoted scalar|simple key", str(getattr(error, "context", ""))):
        mark = opened  # where the quote or the key starts, not where the reader gave up
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    found = " ".join(filter(None, (getattr(error, "problem", None), getattr(error, "context", None))))
    lines = text.splitlines() or [""]
    # At the end of the file the mark stands one line below the last.
    line, column = (line, column) if line <= len(lines) else (len(lines), len(lines[-1]) + 1)
    shown = lines[line - 1]
    message, remedy = _explain_syntax(found, shown, column)
    return SpecError(message, place=Place(file, line, column), remedy=remedy)


def _explain_syntax(found: str, line: str, column: int) -> tuple[str, str]:
    """What libyaml found, in words, and what to write."""
    if "\t" in line[: column + 1]:
        return "a tab where YAML takes only spaces", "indent with spaces"
    if "alias" in found or "anchor" in found:
        return "a plain value may not start with `*` or `&`", 'quote it, as in "*.txt"'
    if "cannot start any token" in found:
        return f"a plain value may not start with `{line[column - 1 : column]}`", "quote the value"
    if "mapping values are not allowed" in found:
        return (
            "a second `: ` on this line, or wrong indentation",
            "quote the value, or align it with its siblings",
        )
    if "quoted scalar" in found and "end of stream" in found:
        return "this quote is never closed", "close it"
    if "simple key" in found:
        return "a line without `:`, or a value that goes on at the left", "write `key: value`, or indent it"
    if "flow" in found:
        return "a `[` or `{` that is not closed, or a missing comma", "close it, with commas between the items"
    if "expected key" in found or "block collection" in found or "'-' indicator" in found:
        return "a line that does not line up with those above it", "indent it as its siblings"
    if "document" in found:
        return "a second document, or text after the end of the mapping", "keep one mapping a file, aligned at the left"
    return f"not valid YAML: {found}", "check indentation, brackets and quotes here and on the line above"
