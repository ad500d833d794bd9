"""CSV: one row a domain, for spreadsheets and data frames (`pandas.read_csv(path, comment="#")`)."""

from __future__ import annotations

import csv
import io
from fractions import Fraction

from olmixctl.export.model import ExportDomain, ExportMix
from olmixctl.export.repetition import check_repetition
from olmixctl.export.text import compare, fixed, notes, unreadable

__all__ = ["check", "remarks", "render"]

_NAME = "csv"
_COLUMNS = ("domain", "weight", "tokens", "documents", "requested_tokens", "repetition")
_PLACES = 10**6


def render(mix: ExportMix) -> str:
    """A header in `#` comments, the column names, one row a domain with weight."""
    check_repetition(mix)
    lines = [*(f"# {note}" for note in notes(mix, _NAME, tokens=True)), ",".join(_COLUMNS)]
    lines += [_row(mix, domain) for domain in mix.used]
    return "\n".join(lines) + "\n"


def check(text: str, mix: ExportMix) -> None:
    """The rows' weights are the lock's; raises IntegrityError otherwise."""
    lines = text.split("\n")
    while lines and lines[0].startswith("#"):
        lines.pop(0)
    try:
        rows = list(csv.DictReader(io.StringIO("\n".join(lines), newline=""), strict=True))
        found = {row["domain"]: Fraction(row["weight"]) for row in rows}
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise unreadable(mix, _NAME, str(error)) from error
    if len(found) != len(rows):
        raise unreadable(mix, _NAME, "a domain has two rows")
    compare(found, mix, trainer=_NAME)


def remarks(_mix: ExportMix) -> tuple[str, ...]:
    """Nothing that is not in the header."""
    return ()


def _row(mix: ExportMix, domain: ExportDomain) -> str:
    repetition = mix.repetition(domain)
    return ",".join(
        (
            # Always quoted: an id may hold commas, or begin like a comment.
            '"' + domain.id.replace('"', '""') + '"',
            fixed(domain.weight),
            str(domain.tokens),
            "" if domain.documents is None else str(domain.documents),
            str(round(mix.requested_tokens(domain))),
            "" if repetition is None else fixed(round(repetition * _PLACES), units=_PLACES),
        )
    )
