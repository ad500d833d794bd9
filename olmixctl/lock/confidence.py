"""The section `confidence` of a lock ⇄ its record: how sure the mix is, in numbers of few digits.

Probabilities have two decimals: resamples say no more. `below_noise` follows from the numbers beside it and is written
for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from olmixctl.lock.model import LockedConfidence, LockedNoise

__all__ = ["confidence_as_json", "confidence_section", "read_confidence"]

_SHARE, _BITS = Decimal("0.01"), Decimal("0.000001")


def confidence_section(record: LockedConfidence) -> dict[str, Any]:
    """What stands in the lock."""
    noise, change = record.noise, record.change
    section: dict[str, Any] = {
        "resamples": {"drawn": record.drawn, "solved": record.solved},
        "better_than": {
            "natural": _quantized(record.better_than_natural, _SHARE),
            "previous": _quantized(record.better_than_previous, _SHARE),
        },
        "noise": {
            "basis": noise.basis,
            "degrees": noise.degrees,
            "run": _quantized(noise.run, _BITS),
            "two_runs": _quantized(noise.two_runs, _BITS),
        },
    }
    if change is None:
        return section
    said: dict[str, Any] = {"objective": _quantized(change, _BITS), "below_noise": record.below_noise}
    if record.pull is not None:
        said |= {"pull": _quantized(record.pull, _BITS), "breaks": list(record.breaks)}
    return section | {"change": said}


def confidence_as_json(record: LockedConfidence) -> dict[str, Any]:
    """The same section for programs, numbers as floats."""
    section = confidence_section(record)
    return {
        name: {key: float(value) if isinstance(value, Decimal) else value for key, value in part.items()}
        for name, part in section.items()
    }


def read_confidence(section: Mapping[str, Any] | None) -> LockedConfidence | None:
    """The inverse; None where the lock has none."""
    if section is None:
        return None
    change = section.get("change", {})
    return LockedConfidence(
        drawn=section["resamples"]["drawn"],
        solved=section["resamples"]["solved"],
        better_than_natural=section["better_than"]["natural"],
        better_than_previous=section["better_than"]["previous"],
        noise=LockedNoise(**section["noise"]),
        change=change.get("objective"),
        pull=change.get("pull"),
        breaks=tuple(change.get("breaks", ())),
    )


def _quantized(value: Decimal | None, unit: Decimal) -> Decimal | None:
    return None if value is None else value.quantize(unit)
