"""What changed, as text: one line a domain or field, below it what stayed and where it came from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from olmixctl.report.look import Cell, Column, Look, Tone, heading, table, wrapped
from olmixctl.report.numbers import count

__all__ = ["ACTIONS", "SYMBOLS", "changes_section", "detail_in_words", "is_size", "values_in_words"]

Document = Mapping[str, Any]

SYMBOLS: dict[str, str] = {"added": "+", "removed": "-", "moved": ">", "partitioned": "/", "merged": "&"}
"""Category → symbol; every other category is `~`."""

ACTIONS: dict[str, str] = {
    "re-estimate": "share estimated anew",
    "keep-ratio": "ratio kept",
    "drop": "dropped",
    "rescale": "rescaled",
    "none": "no runs",
}
"""Action → what it means for the mix."""

_TONES: dict[str, Tone] = {"+": "good", "-": "bad", "~": "care", ">": "key", "/": "key", "&": "key"}

_FOLD = 12
"""Changes of one kind beyond these are counted, not listed, unless the whole plan is asked for."""

_LONGEST_VALUE = 28

_NAMED = 4
"""Origins that a line names."""

_SHOWN_SHARE = 0.005
"""Less of a domain than this is not worth a word."""


def changes_section(plan: Document, look: Look, *, full: bool = False) -> list[str]:
    """The changes of a plan, those of one kind together, and how to declare what was recognised.

    Args:
        plan: as `plan_as_json` makes it.
        look: page and colour.
        full: list every change.
    """
    lines = [heading("Changes", look)]
    for (category, action, reason), members in _grouped(plan["changes"]):
        symbol = SYMBOLS.get(category, "~")
        head = f"{category}, {ACTIONS[action]}: {reason}"
        lines += wrapped(head, look, hanging=4, tone="faint")
        shown = members if full or len(members) <= _FOLD else members[: _FOLD - 1]
        rows = [[Cell(symbol, _TONES[symbol]), change["subject"], *_values(change)] for change in shown]
        columns = [Column(""), Column(""), Column("", right=True), Column("", right=True), Column("")]
        for line, change in zip(table(columns, rows, look, indent=4), shown, strict=True):
            lines += [line, *wrapped(detail_in_words(change), look, indent=7, tone="faint")]
        if len(shown) < len(members):
            lines.append(f"    … and {len(members) - len(shown)} more (--full lists them)")
    return [*lines, *_proposals(plan, look)] if plan["changes"] else [*lines, "  none"]


def _proposals(plan: Document, look: Look) -> list[str]:
    """Lines to paste: they are not wrapped, whatever their length."""
    if not plan["proposals"]:
        return []
    head = wrapped("recognised from content; to record the intent, declare it in the mix file:", look, tone="faint")
    return [*head, "    changes:", *(f"      {line}" for line in plan["proposals"])]


def detail_in_words(change: Document) -> str:
    """What is known of a change beyond its size; empty where nothing is, or it goes without saying."""
    detail = change["detail"]
    if not detail:
        return ""
    about = "about " if detail["estimated"] else ""
    if "tokens" in detail:
        return about + _sizes_in_words(detail)
    shares = detail.get("from") or detail.get("into") or {}
    named = [f"{_percent(share)} {name}" for name, share in _largest_first(shares) if share >= _SHOWN_SHARE]
    # One origin with all of the tokens is what the line above says already.
    if not named or (change["category"] != "added" and list(shares.values()) == [1.0]):
        return ""
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return f"{'from' if 'from' in detail else 'into'} {about}{', '.join(named[:_NAMED])}{more}"


def _largest_first(shares: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(shares.items(), key=lambda item: (-item[1], item[0]))


def _sizes_in_words(detail: Document) -> str:
    """`100 % of its tokens kept; 30 of 110 files new, none gone`."""
    tokens, files, documents = detail["tokens"], detail["files"], detail["documents"]
    text = f"{_percent(tokens['kept'] / max(tokens['kept'] + tokens['dropped'], 1))} of its tokens kept"
    parts = [_new_and_gone(files, "files")]
    # Where every file is a document, files say it all.
    if documents != files:
        parts.append(_new_and_gone(documents, "documents"))
    return "; ".join([text, *parts])


def _new_and_gone(counts: Mapping[str, int], noun: str) -> str:
    now = counts["kept"] + counts["added"]
    new = f"{counts['added']:,} of {now:,} {noun} new" if counts["added"] else f"no {noun} new"
    return f"{new}, {counts['dropped']:,} gone" if counts["dropped"] else f"{new}, none gone"


def _percent(share: float) -> str:
    """A share in whole percent; what is not all never reads 100, what is not nothing never reads 0."""
    if 0 < share < 1:
        share = min(max(share, 0.01), 0.99)
    return f"{share * 100:.0f} %"


def _grouped(changes: Sequence[Document]) -> Iterator[tuple[tuple[str, str, str], list[Document]]]:
    """Changes of one category, action and reason together, in the order of their first."""
    groups: dict[tuple[str, str, str], list[Document]] = {}
    for change in changes:
        groups.setdefault((change["category"], change["action"], change["reason"]), []).append(change)
    yield from groups.items()


def is_size(change: Document) -> bool:
    """Whether its values are numbers of tokens."""
    return change["category"] in {"added", "removed", "revised", "partitioned", "merged"}


def _values(change: Document) -> tuple[str, str, str]:
    """Before and after, numbers of tokens aligned to the right, and what does not align."""
    before, after = change["before"], change["after"]
    if before is None and after is None:
        return "", "", ""
    if change["category"] == "moved":
        return "", "", f"from {before}"
    if not is_size(change):
        return "", "", " → ".join(filter(None, values_in_words(before, after)))
    if before is None or after is None:
        return "", count(after if before is None else before), "tokens"
    # Three digits hide a small revision: whole numbers show it.
    if count(before) == count(after):
        return f"{before:,}", f"→ {after:,}", "tokens"
    return count(before), f"→ {count(after)}", "tokens"


def values_in_words(before: Any, after: Any) -> tuple[str, str]:  # noqa: ANN401  (any JSON values)
    """A declared value before and after; a section that came or went is `added` or `removed`, a list
    shows what it gained and lost.
    """
    if before is None and isinstance(after, Mapping):
        return "", "added"
    if after is None and isinstance(before, Mapping):
        return "", "removed"
    if isinstance(before, list) and isinstance(after, list):
        gone = [f"-{_value(item)}" for item in before if item not in after]
        return "", " ".join([*gone, *(f"+{_value(item)}" for item in after if item not in before)])
    return _value(before), _value(after)


def _value(value: Any) -> str:  # noqa: ANN401
    if value is None:
        return "none"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
