"""What an apply took, beside what its plan had said."""

from __future__ import annotations

from olmixctl.plan.model import Cost
from olmixctl.report.numbers import money, seconds

__all__ = ["spent_as_json", "spent_in_words"]

_HOUR = 3600.0


def spent_in_words(actual: float | None, planned: Cost, price: float | None) -> str:
    """`Device time 41 s, predicted 38 s (p10 33 s – p90 47 s)`; empty where the runs do not tell their time.

    Args:
        actual: device-seconds of the runs.
        planned: the cost of the same runs as the plan had it.
        price: of a device-hour, or None.
    """
    if actual is None:
        return ""
    paid = "" if price is None else f" ({money(actual / _HOUR * price, planned.currency)})"
    if planned.device_seconds is None:
        return f"Device time {seconds(actual)}{paid}, not predicted: the plan was uncalibrated"
    low, middle, high = planned.device_seconds
    return (
        f"Device time {seconds(actual)}{paid}, predicted {seconds(middle)} (p10 {seconds(low)} – p90 {seconds(high)})"
    )


def spent_as_json(actual: float | None, planned: Cost) -> dict[str, object]:
    """The same as JSON values."""
    p10, p50, p90 = planned.device_seconds or (None, None, None)
    return {"actual": actual, "predicted": {"p10": p10, "p50": p50, "p90": p90}}
