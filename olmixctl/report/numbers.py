"""Numbers as people read them: three significant digits, a unit, and the sign where it matters."""

from __future__ import annotations

from olmixctl.ledger.model import is_adopted

__all__ = [
    "bits",
    "count",
    "factor",
    "flops",
    "loss",
    "loss_unit",
    "money",
    "percent",
    "plural",
    "points",
    "run_name",
    "seconds",
    "short",
    "significant",
]

_COUNTS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))
_FLOPS = ((1e24, "YFLOP"), (1e21, "ZFLOP"), (1e18, "EFLOP"), (1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"))
_MEGA = 1e6

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400

NONE = "–"
"""What stands where there is no number."""


def significant(value: float) -> str:
    """Three significant digits without an exponent: 1.20, 12.3, 123, 1234."""
    size = abs(value)
    # The bounds are those of rounding, so that 9.999 reads 10.0 and not 10.00.
    places = 2 if size < 9.995 else 1 if size < 99.95 else 0
    return f"{value:.{places}f}"


def loss_unit(trainer: str) -> str:
    """What metrics are counted in: adopted ones in whatever their tables have them in."""
    return "units of the adopted losses" if is_adopted(trainer) else "bits per byte"


def count(value: float) -> str:
    """Tokens and the like: 12.3M, 57.9B; whole below a thousand."""
    for size, unit in _COUNTS:
        # 999,999 rounds to 1.00M, not to 1000K.
        if abs(value) >= size * 0.9995:
            # A round number, as people declare it, has no decimals to show: 400K, 1.5B.
            text = significant(value / size)
            bare = text.rstrip("0").rstrip(".") if "." in text else text
            return f"{bare if float(bare) * size == value else text}{unit}"
    return f"{value:.0f}"


def flops(value: float) -> str:
    """Floating-point operations: 4.20 GFLOP."""
    for size, unit in _FLOPS:
        if value >= size * 0.9995:
            return f"{significant(value / size)} {unit}"
    return f"{significant(value / _MEGA)} MFLOP" if value else "0 FLOP"


def seconds(value: float) -> str:
    """A duration: 0.8 s, 42 s, 3 min 20 s, 1 h 05 min, 2 d 3 h."""
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    if whole < _DAY:
        minutes = round(value / _MINUTE)
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(value / _HOUR)
    return f"{hours // 24} d {hours % 24} h"


def percent(share: float) -> str:
    """A share of one: 23.71 %; what is not zero never reads zero."""
    if 0 < share < 0.00005:
        return "<0.01 %"
    return f"{share * 100:.2f} %"


def points(share: float) -> str:
    """A difference of shares in percentage points, signed: +1.20, −0.35."""
    text = f"{abs(share) * 100:.2f}"
    if float(text) == 0:
        return "0.00"
    return f"{'−' if share < 0 else '+'}{text}"


def factor(value: float) -> str:
    """How many times: 1.96×."""
    return f"{significant(value)}×"


def bits(value: float) -> str:
    """Bits per byte."""
    return f"{value:.4f}"


def loss(value: float) -> str:
    """A loss in whatever unit a table has it: four decimals, four significant digits where those would say little."""
    size = abs(value)
    return f"{'−' if value < 0 else ''}{f'{size:.4f}' if size == 0 or size >= 0.1 else f'{size:.4g}'}"


def short(digest: str) -> str:
    """The first eight digits of a digest, without its algorithm's name."""
    return digest.rpartition(":")[2][:8]


def run_name(key: str) -> str:
    """The start of a run's key: enough to tell runs apart and to name one on the command line."""
    return key[:11]


def money(value: float, currency: str) -> str:
    """An amount: 3.20 USD."""
    return f"{value:,.2f} {currency}"


def plural(number: int, noun: str) -> str:
    """`1 run`, `2 runs`, `1,234 runs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
