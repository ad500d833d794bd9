"""Amounts of tokens as people write them: `1T`, `300B`, `2.5M`, `10K`, `1000000`, and `5x` for proxies.

The suffixes are decimal (K = 1,000) and the result is always a whole number, reckoned exactly.
"""

from __future__ import annotations

import re
from fractions import Fraction

from olmixctl.spec.presets import PRESETS

__all__ = ["TOKENS_PER_PARAMETER", "format_size", "parse_proxy_tokens", "parse_size"]

TOKENS_PER_PARAMETER = 20
"""Compute-optimal tokens a parameter (Hoffmann et al. 2022, arXiv 2203.15556); the 1 of `1x`."""

_SUFFIXES = {"T": 10**12, "B": 10**9, "M": 10**6, "K": 10**3}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMBT]?)")
_MULTIPLE = re.compile(r"([0-9]+(?:\.[0-9]+)?)x")


def parse_size(value: float | str) -> int:
    """The whole number that `value` means.

    Raises:
        ValueError: it is not a size, not a whole number, or not positive.
    """
    match = _SIZE.fullmatch(str(value)) if isinstance(value, str) else None
    if isinstance(value, str) and match is None:
        raise ValueError(f"{value!r} is not a size such as 1T, 300B, 2.5M, 10K or 1000000")
    exact = Fraction(match[1]) * _SUFFIXES.get(match[2], 1) if match else Fraction(value)
    if exact.denominator != 1 or exact <= 0:
        raise ValueError(f"{value!r} is {float(exact):g}, not a whole number above zero")
    return int(exact)


def format_size(tokens: int) -> str:
    """The shortest exact text of `tokens` that `parse_size` reads back: `2.5M`, `300B`, `1234567`."""
    for suffix, unit in _SUFFIXES.items():
        # At most three decimals keep a figure readable; beyond that the plain number is clearer.
        if tokens >= unit and tokens * 1000 % unit == 0:
            text = f"{tokens // unit}.{tokens % unit * 1000 // unit:03d}".rstrip("0").rstrip(".")
            return f"{text}{suffix}"
    return str(tokens)


def parse_proxy_tokens(value: float | str, model: str) -> int:
    """Training tokens of a proxy run: a size, or `Nx` = N · 20 · non-embedding parameters of the preset `model`.

    Raises:
        ValueError: neither a size nor a multiple, or less than one token.
        KeyError: there is no preset `model`.
    """
    match = _MULTIPLE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return parse_size(value)
    tokens = int(Fraction(match[1]) * TOKENS_PER_PARAMETER * PRESETS[model].non_embedding_parameters)
    if tokens <= 0:
        raise ValueError(f"{value!r} is no tokens at all")
    return tokens
