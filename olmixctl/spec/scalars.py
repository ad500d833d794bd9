"""What a YAML scalar means, where YAML 1.1 and 1.2 agree; and what is wrong with it where they do not.

Sources: YAML 1.1 type repository (https://yaml.org/type/), YAML 1.2.2 §10.3 (core schema).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

__all__ = ["Misread", "read_scalar"]

_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?")
# Numbers of YAML 1.2 that YAML 1.1 takes for text.
_FLOAT_12 = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+")
_OCTAL_12 = re.compile(r"0o[0-7]+")
# The one-letter booleans of YAML 1.1, which some readers honour and PyYAML does not.
_LETTERS = frozenset({"y", "Y", "n", "N"})


@dataclass(frozen=True, slots=True)
class Misread:
    """A scalar that readers of YAML disagree on: what YAML 1.1 takes it for, and what to write."""

    meaning: str
    remedy: str


def read_scalar(raw: str, tag: str, *, plain: bool) -> str | int | float | bool | Misread | None:
    """The value of a scalar node.

    Args:
        raw: its text.
        tag: the tag that YAML 1.1 resolved it to.
        plain: whether it stands without quotes.
    """
    kind = tag.removeprefix(_TAG)
    if kind == "str":
        return _text(raw) if plain else raw
    if not plain or not tag.startswith(_TAG):
        return Misread(f"a value with the tag `{tag}`", "leave the tag out")
    if kind == "null":
        return None
    if kind == "bool":
        return _boolean(raw)
    if kind in {"int", "float"}:
        return _number(raw, kind)
    meaning = "a date" if kind == "timestamp" else f"a value of type {kind}"
    return Misread(meaning, f'quote it: "{raw}"')


def _text(raw: str) -> str | Misread:
    if _FLOAT_12.fullmatch(raw):
        return Misread("text, not a number", f"write {_decimal(float(raw))}, or quote it if it is a name")
    if _OCTAL_12.fullmatch(raw):
        return Misread("text, and YAML 1.2 as a number", f'write {int(raw, 8)}, or quote it: "{raw}"')
    if raw in _LETTERS:
        return Misread("true or false in some readers", f'quote it: "{raw}"')
    return raw


def _boolean(raw: str) -> bool | Misread:
    if raw in {"true", "false"}:
        return raw == "true"
    value = "true" if raw.lower() in {"yes", "on", "true"} else "false"
    return Misread(value, f'write {value} if you mean it, or quote it: "{raw}"')


def _number(raw: str, kind: str) -> int | float | Misread:
    if kind == "int" and _INT.fullmatch(raw):
        return int(raw)
    if kind == "float" and _FLOAT.fullmatch(raw) and math.isfinite(float(raw)):
        return float(raw)
    if ":" in raw:
        return Misread("a number to the base 60", f'quote it: "{raw}"')
    if "_" in raw:
        return Misread("a number, and YAML 1.2 as text", f"write {raw.replace('_', '')}")
    if raw.lower().lstrip("+-") in {".inf", ".nan"} or (kind == "float" and _FLOAT.fullmatch(raw)):
        return Misread("infinity or not a number", "write a finite number")
    if kind == "float":
        return Misread("a number by its tag", "leave the tag out")
    base = {"x": "hexadecimal", "b": "binary"}.get(raw.lstrip("+-")[1:2].lower(), "octal")
    return Misread(f"a number in {base}", f'write it in decimal, or quote it: "{raw}"')


def _decimal(value: float) -> str:
    """Without an exponent where that is readable, else with the sign and point that YAML 1.1 needs."""
    if 1e-9 <= abs(value) < 1e15 or value == 0:
        text = f"{value:.15f}".rstrip("0").rstrip(".")
        if float(text) == value:
            return text
    mantissa, _, exponent = f"{value!r}".partition("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{int(exponent or 0):+03d}"
