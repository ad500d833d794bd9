"""JSON: everything an exporter knows, for scripts that read the mix themselves.

Weights are fixed-point numbers with six places; read with `parse_float=Decimal` they sum to exactly 1.
"""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

from olmixctl.export.model import ExportDomain, ExportMix
from olmixctl.export.repetition import check_repetition
from olmixctl.export.text import command, compare, fixed, unreadable

__all__ = ["check", "remarks", "render"]

_NAME = "json"
_PLACES = 10**6


def render(mix: ExportMix) -> str:
    """The mix as one JSON object: provenance, `weights` by domain, then the domains with their counts."""
    check_repetition(mix)
    head = {
        "name": mix.name,
        "lock": mix.lock_digest,
        "serial": mix.serial,
        "command": command(mix, _NAME, tokens=True),
        "target_tokens": mix.target_tokens,
        "left_out": list(mix.left_out),
    }
    lines = [f"  {_text(key)}: {_text(value)}," for key, value in head.items()]
    weights = ",\n".join(f"    {_text(domain.id)}: {fixed(domain.weight)}" for domain in mix.used)
    domains = ",\n".join(_domain(mix, domain) for domain in mix.used)
    body = f'  "weights": {{\n{weights}\n  }},\n  "domains": [\n{domains}\n  ]\n'
    return "{\n" + "\n".join(lines) + "\n" + body + "}\n"


def check(text: str, mix: ExportMix) -> None:
    """The object parses, and both of its tables of weights are the lock's; raises IntegrityError otherwise."""
    try:
        value = json.loads(text, parse_float=Decimal)
        table = {str(name): Fraction(weight) for name, weight in value["weights"].items()}
        listed = {str(entry["id"]): Fraction(entry["weight"]) for entry in value["domains"]}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(mix, _NAME, str(error)) from error
    compare(table, mix, trainer=_NAME)
    compare(listed, mix, trainer=_NAME)


def remarks(_mix: ExportMix) -> tuple[str, ...]:
    """Nothing that is not in the object."""
    return ()


def _domain(mix: ExportMix, domain: ExportDomain) -> str:
    repetition = mix.repetition(domain)
    fields = {
        "id": _text(domain.id),
        "weight": fixed(domain.weight),
        "tokens": _text(domain.tokens),
        "documents": _text(domain.documents),
        "requested_tokens": _text(round(mix.requested_tokens(domain))),
        "repetition": "null" if repetition is None else fixed(round(repetition * _PLACES), units=_PLACES),
    }
    return "    {" + ", ".join(f"{_text(key)}: {value}" for key, value in fields.items()) + "}"


def _text(value: Any) -> str:  # noqa: ANN401  (any JSON value)
    return json.dumps(value)
