"""A canonical YAML emitter for records: one value, one text, the same under YAML 1.1 and 1.2.

A top-level mapping is a block, its entries are flow values on a line each; lists of several items take a line an item,
unless they are of fixed-point numbers: the ends of an interval.
Numbers are whole or fixed-point; a string is quoted wherever any YAML could read it as something else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

__all__ = ["emit"]

# Letters first, then nothing YAML gives a meaning to. Words that are booleans, null or numbers somewhere are quoted.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./+@-]*(?::[A-Za-z0-9_./+@-]+)*\Z")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})
_UNPRINTABLE = re.compile("[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def emit(document: Mapping[str, Any]) -> str:
    """The canonical text of `document`: str, int, bool, None, Decimal, and mappings, lists and tuples of them.

    Raises:
        TypeError: another type (floats have no fixed-point form of their own).
    """
    return "".join(_section(key, value) for key, value in document.items())


def _section(key: str, value: Any) -> str:  # noqa: ANN401
    if isinstance(value, Mapping) and value:
        return f"{_key(key)}:\n" + "".join([_entry(str(k), v) for k, v in value.items()])
    return f"{_key(key)}: {_flow(value)}\n"


def _entry(key: str, value: Any) -> str:  # noqa: ANN401
    if isinstance(value, list | tuple) and len(value) > 1 and not isinstance(value[0], Decimal):
        return f"  {_key(key)}:\n" + "".join([f"    - {_flow(item)}\n" for item in value])
    return f"  {_key(key)}: {_flow(value)}\n"


def _flow(value: Any) -> str:  # noqa: ANN401  (scalars first: they are nearly all there is)
    if isinstance(value, str):
        return _text(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict | Mapping):
        return "{" + ", ".join([f"{_key(str(k))}: {_flow(v)}" for k, v in value.items()]) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join([_flow(v) for v in value]) + "]"
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _text(value: str) -> str:
    if _PLAIN.match(value) and value.lower() not in _WORDS:
        return value
    return _UNPRINTABLE.sub(lambda m: f"\\U{ord(m.group()):08x}", json.dumps(value, ensure_ascii=False))


# The same few names stand in every record.
_key = lru_cache(maxsize=1024)(_text)
