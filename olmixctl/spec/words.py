"""Values and names in the words of a message."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

__all__ = ["closest", "describe", "listed"]


def describe(value: Any) -> str:  # noqa: ANN401
    """What a value is, for "found …"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing"
    if isinstance(value, str):
        shown = value if len(value) <= 60 else value[:57] + "…"
        return f"the text {shown!r}" if value else "empty text"
    if isinstance(value, list | dict):
        kind = "a list" if isinstance(value, list) else "a mapping"
        return kind if value else f"an empty {kind.split()[1]}"
    return f"the number {value}"


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` most likely stands for, or None."""
    by_lower = {k.lower(): k for k in known}
    matches = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None


def listed(names: Iterable[str], *, most: int = 12) -> str:
    """The names with commas, at most `most` of them."""
    all_names = list(names)
    return ", ".join(all_names[:most]) + (", …" if len(all_names) > most else "")
