"""How long a saved plan may be applied."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from olmixctl.errors import StaleError, UsageError
from olmixctl.plan.expiry import check_expiry, life_of, lifetime

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "life"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(days=14)),
        ("never", None),
    ],
)
def test_spans(text, life):
    assert life_of(text) == life


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "0d", "1.5h", "7 d", "7D", "1y", "4000d", "Never", "٣d"])
def test_nonsense_is_refused(text):
    with pytest.raises(UsageError, match="no span of time") as error:
        life_of(text)
    assert "7d" in error.value.remedy


def test_a_plan_lives_until_its_last_second():
    saved = lifetime(NOW, timedelta(days=7))
    assert saved == {"created": "2026-03-01T12:00:00Z", "expires": "2026-03-08T12:00:00Z"}
    check_expiry(saved, NOW + timedelta(days=7, seconds=-1))
    with pytest.raises(StaleError, match="2026-03-08 at 12:00:00 UTC") as error:
        check_expiry(saved, NOW + timedelta(days=7))
    assert error.value.exit_code == 4


@pytest.mark.parametrize("saved", [lifetime(NOW, None), {}], ids=["never", "made without a life"])
def test_a_plan_that_never_expires(saved):
    check_expiry(saved, NOW + timedelta(days=10_000))
