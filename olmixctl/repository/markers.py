"""The sides of a conflict, read back from a text with conflict markers. Pure."""

from __future__ import annotations

__all__ = ["sides_of"]

_OURS, _BASE, _MIDDLE, _THEIRS = "<<<<<<< ", "||||||| ", "=======", ">>>>>>> "


def sides_of(text: str) -> tuple[str | None, str, str] | None:
    """Base (None where the markers do not show it), ours and theirs; None where `text` has no whole markers.

    Lines outside the markers belong to all sides. Where Git merged other lines cleanly, that is not what a side held:
    the caller checks what comes out.
    """
    sides: dict[str, list[str]] = {"base": [], "ours": [], "theirs": []}
    inside, found, shows_base = "", False, True
    for line in text.splitlines(keepends=True):
        before = inside
        if line.startswith(_OURS) and not inside:
            inside, found, based = "ours", True, False
        elif line.startswith(_BASE) and inside == "ours":
            inside, based = "base", True
        elif line.rstrip("\r\n") == _MIDDLE and inside in ("ours", "base"):
            inside, shows_base = "theirs", shows_base and based
        elif line.startswith(_THEIRS) and inside == "theirs":
            inside = ""
        if inside == before:
            for side in [inside] if inside else sides:
                sides[side].append(line)
    if not found or inside:
        return None
    base, ours, theirs = ("".join(sides[name]) for name in ("base", "ours", "theirs"))
    return base if shows_base else None, ours, theirs
