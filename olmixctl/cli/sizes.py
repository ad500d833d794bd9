"""Sizes on the command line, written as in the mix file."""

from __future__ import annotations

from olmixctl.errors import UsageError

__all__ = ["size_of"]


def size_of(option: str, text: str | None) -> int | None:
    """`300B` as a number; None where the option was not given.

    Raises:
        UsageError: it is no size.
    """
    from olmixctl.spec.units import parse_size

    if text is None:
        return None
    try:
        return parse_size(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}", remedy="write 1T, 300B, 2.5M or a whole number") from error
