"""How often a run may pass over a domain: what every export asks before it is written."""

from __future__ import annotations

import math
from fractions import Fraction

from olmixctl.errors import UsageError
from olmixctl.export.model import ExportDomain, ExportMix
from olmixctl.mixture import GRID

__all__ = ["check_repetition"]

_NAMED = 5
"""Domains that the message names; their number is always said."""


def check_repetition(mix: ExportMix) -> None:
    """The run of `mix.target_tokens` passes over no domain more often than the mix allows.

    One grid point of slack: weights were rounded after the cap was applied. Domains of unknown size are not judged.

    Raises:
        UsageError: it does; the domains and the largest run that fits are named.
    """
    limit = Fraction(mix.max_repetition)
    sized = [domain for domain in mix.used if domain.tokens]
    over = [d for d in sized if Fraction((d.weight - 1) * mix.target_tokens, GRID * d.tokens) > limit]
    if not over:
        return
    most = min(math.floor(limit * GRID * domain.tokens / domain.weight) for domain in sized)
    named = ", ".join(_passes(mix, domain) for domain in over[:_NAMED])
    more = f" and over {len(over) - _NAMED} more" if len(over) > _NAMED else ""
    raise UsageError(
        f"{mix.target_tokens} tokens would pass {named}{more}; the mix allows {mix.max_repetition:g}",
        remedy=f"export for at most {most} tokens, or plan the mix again with that target",
    )


def _passes(mix: ExportMix, domain: ExportDomain) -> str:
    passes = Fraction(mix.requested_tokens(domain), domain.tokens)
    times = f"{round(passes):,}" if passes >= 100 else f"{float(passes):.3g}"
    return f"{times} times over domain {domain.id!r}"
