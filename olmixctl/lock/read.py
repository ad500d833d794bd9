"""What `emit` wrote, read line by line: the quick way into a lock of thousands of domains.

Nearly every line of a lock is `key: scalar` or `key: {name: scalar, …}` without quotes; those are split here, the rest
is YAML's. Nothing is checked: whoever reads this way emits the values again and compares the texts, and reads with YAML
where they differ (`codec.parse`). A text that the emitter writes stands for one document only, so what survives that is
what YAML reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

__all__ = ["read_lines"]

_LINE = re.compile(r"""("(?:[^"\\]|\\.)*"|[^\s":]+(?::[^\s":]+)*):(?: (.*))?""")
_FLAT = re.compile(r"\{([^\"{}\[\]]+)\}")
_PLAIN = re.compile(r"[^\"{}\[\],]+")
_ENDS = re.compile(r"\[(-?[0-9]+\.[0-9]+), (-?[0-9]+\.[0-9]+)\]")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_WORDS: dict[str, bool | None] = {"null": None, "true": True, "false": False}


def read_lines(text: str, load: Callable[[str], Any]) -> dict[str, Any]:
    """The document that `emit` made `text` of; something else, or an error, where it did not.

    Args:
        text: the emitted text.
        load: reads one flow value as YAML.

    Raises:
        ValueError: a line is none that the emitter writes.
    """
    document: dict[str, Any] = {}
    section: dict[str, Any] = {}
    entry: list[Any] = []
    for line in text.split("\n")[:-1]:
        if line.startswith("    - "):
            entry.append(_flow(line[6:], load))
            continue
        indented = line.startswith("  ")
        found = _LINE.fullmatch(line, 2 if indented else 0)
        if found is None:
            raise ValueError(f"no line of a record: {line[:80]!r}")
        key, value = found.groups()
        # A key with nothing behind it opens a section, and within one a list.
        holder = section if indented else document
        if value is None:
            opened: Any = [] if indented else {}
            entry, section = (opened, section) if indented else (entry, opened)
        else:
            opened = _flow(value, load)
        holder[_text(key) if key[0] == '"' else key] = opened
    return document


def _flow(value: str, load: Callable[[str], Any]) -> Any:  # noqa: ANN401  (any value of a record)
    if value[:1] == "{":
        if (flat := _FLAT.fullmatch(value)) is not None:
            pairs = (pair.split(": ") for pair in flat[1].split(", "))
            return {key: _scalar(item) for key, item in pairs}
    elif value[:1] == '"':
        return _text(value)
    elif _PLAIN.fullmatch(value):
        return _scalar(value)
    elif (ends := _ENDS.fullmatch(value)) is not None:
        return [Decimal(ends[1]), Decimal(ends[2])]
    return load(value)


def _scalar(text: str) -> str | int | Decimal | bool | None:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "-0123456789":
        return text
    if (number := _NUMBER.fullmatch(text)) is None:
        raise ValueError(f"no scalar of a record: {text[:80]!r}")
    return int(text) if number[1] is None else Decimal(text)


def _text(quoted: str) -> str:
    r"""A quoted text; the emitter's `\U0001f600` is no JSON, and such a text is rare: YAML reads it."""
    value = json.loads(quoted)
    if not isinstance(value, str):
        raise TypeError(f"no text: {quoted[:80]!r}")
    return value
