"""How evals, constraints and changes name domains: by id, by group id, by glob, or by tag.

`web/science` is a domain, `web` is all domains below it, `web/*` and `*/de-*` are globs over ids (`*` does not cross a
`/`, `**` does), and `tag:code` is every domain with that tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from olmixctl.spec.words import closest, listed

__all__ = ["select", "suggest"]

_WILD = re.compile(r"(\*\*|\*|\?)")


def select(pattern: str, tags_by_id: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The ids that `pattern` names, sorted; empty when it names none.

    Args:
        pattern: id, group id, glob or `tag:NAME`.
        tags_by_id: domain id → its tags, inherited ones included.
    """
    if pattern.startswith("tag:"):
        wanted = pattern.removeprefix("tag:")
        return tuple(sorted(i for i, tags in tags_by_id.items() if wanted in tags))
    if pattern in tags_by_id:
        return (pattern,)
    name = pattern.rstrip("/")
    if not _WILD.search(name):
        # A group: mixes of many domains name many, and this is ten times as fast as the expression.
        return tuple(sorted(i for i in tags_by_id if i == name or i.startswith(f"{name}/")))
    expression = _expression(name)
    return tuple(sorted(i for i in tags_by_id if expression.fullmatch(i)))


def suggest(pattern: str, tags_by_id: Mapping[str, Iterable[str]]) -> str:
    """A remedy for a pattern that names nothing: the likeliest name, or what there is."""
    if pattern.startswith("tag:"):
        known = sorted({f"tag:{t}" for tags in tags_by_id.values() for t in tags})
    else:
        known = sorted({"/".join(i.split("/")[:n]) for i in tags_by_id for n in range(1, i.count("/") + 2)})
    if (likely := closest(pattern, known)) is not None:
        return f"did you mean {likely!r}?"
    return f"there is: {listed(known)}" if known else "give a domain this tag"


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    """A pattern also matches everything below what it names: a group is its domains."""
    parts = _WILD.split(pattern)
    wild = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(wild.get(p, re.escape(p)) for p in parts) + "(/.*)?")
