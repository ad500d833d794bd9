"""Numbers as locks have them."""

from __future__ import annotations

from decimal import Decimal

__all__ = ["fixed"]


def fixed(value: float | Decimal, places: int) -> Decimal:
    """`value` in fixed point, with no negative zero."""
    fixed = Decimal(value).quantize(Decimal(1).scaleb(-places))
    return abs(fixed) if fixed == 0 else fixed
