"""How long a saved plan may be applied: a review is of a moment. Pure; the clock is an argument.

The times stand only in the file that is saved, so that a plan is the same text whenever it is made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from olmixctl.errors import StaleError, UsageError

__all__ = ["check_expiry", "life_of", "lifetime"]

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_LONGEST = timedelta(days=3650)


def life_of(text: str) -> timedelta | None:
    """A span of time as people type it: `90s`, `30m`, `12h`, `7d`, `2w`; None for `never`.

    Raises:
        UsageError: it is none, or longer than ten years.
    """
    if text == "never":
        return None
    found = re.fullmatch(r"([0-9]{1,6})([smhdw])", text)
    span = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta(0)
    if not timedelta(0) < span <= _LONGEST:
        raise UsageError(
            f"--expires {text}: this is no span of time up to ten years", remedy="write 30m, 12h, 7d, 2w or never"
        )
    return span


def lifetime(now: datetime, life: timedelta | None) -> dict[str, str | None]:
    """The fields of a plan that is saved at `now` (UTC)."""
    ends = None if life is None else (now + life).strftime(_FORMAT)
    return {"created": now.strftime(_FORMAT), "expires": ends}


def check_expiry(saved: Mapping[str, Any], now: datetime) -> None:
    """Refuse a plan that is too old.

    Raises:
        StaleError: it expired; the message says when.
    """
    ends = saved.get("expires")
    if ends is not None and now >= datetime.strptime(ends, _FORMAT).replace(tzinfo=UTC):
        raise StaleError(
            f"the plan expired on {ends.replace('T', ' at ').removesuffix('Z')} UTC (it is of {saved['created'][:10]})",
            remedy="plan again, and review what changed; `plan --out FILE --expires 30d` lives longer",
        )
