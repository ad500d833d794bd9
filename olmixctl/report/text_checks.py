"""A list of checks and their outcomes, as text."""

from __future__ import annotations

from collections.abc import Sequence

from olmixctl.report.look import Look, heading, page, wrapped
from olmixctl.report.numbers import plural

__all__ = ["checks_text"]


def checks_text(title: str, checks: Sequence[tuple[str, bool | None, str]], look: Look) -> str:
    """Checks for a person.

    Args:
        title: what was checked.
        checks: name, whether it passed (None: it could not be checked here), what was found.
        look: page and colour.
    """
    width = max([len(name) for name, _, _ in checks], default=0)
    lines = []
    for name, ok, detail in checks:
        word = "–   " if ok is None else "ok  " if ok else "FAIL"
        first, *rest = wrapped(f"{word}  {name:<{width}}  {detail}", look, hanging=width + 10)
        lines += [first.replace(word, look.paint(word, "faint" if ok is None else "good" if ok else "bad"), 1), *rest]
    failed, skipped = (sum(ok is value for _, ok, _ in checks) for value in (False, None))
    passed = f"{plural(len(checks) - skipped, 'check')} passed{f', {skipped} not possible here' if skipped else ''}."
    closing = f"{plural(failed, 'check')} failed." if failed else passed
    return page([[heading(title, look)], lines, [look.paint(closing, "bad" if failed else "good")]])
