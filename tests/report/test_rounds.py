"""What plans, locks and Markdown say of rounds and early stops, at 80 columns."""

from __future__ import annotations

from decimal import Decimal

import pytest

from olmixctl.lock.model import Stopped
from olmixctl.report.markdown import plan_markdown
from olmixctl.report.text_plan import plan_text
from olmixctl.report.text_rounds import stopped_in_words


@pytest.fixture
def document(make_plan):
    """A plan of 12 runs, 3 recorded, that goes on in rounds."""
    found = make_plan()
    found["cost"]["runs"] += 8
    return found | {"rounds": {"later": [4, 4], "looks": [12], "stop": {"regret": 0.002, "confidence": 0.9}}}


def test_rounds_in_a_plan(document, look):
    text = plan_text(document, look)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    joined = " ".join(text.split())
    assert "to train, at most 17" in joined
    assert "up to 20 runs needed, 3 recorded already" in joined
    assert "12 are known now; up to 8 more, in 2 rounds, are chosen by what those before measured" in joined
    assert "may stop early: apply looks after each round whether the mix is within 0.002 of" in joined
    assert "at least 106 runs saved against recomputing" in joined


def test_one_round_that_may_stop(document, look):
    document["rounds"] |= {"later": [], "looks": [4, 6, 9]}
    document["cost"]["runs"] -= 8
    joined = " ".join(plan_text(document, look).split())
    assert "apply looks after 4, 6 and 9 runs whether" in joined
    assert "known now" not in joined
    document["rounds"]["looks"] = [4]
    assert "after 4 runs whether" in " ".join(plan_text(document, look).split())


def test_rounds_in_markdown(document):
    text = plan_markdown(document)
    assert "**Up to 17 proxy runs to train**" in text
    assert "12 are known now; up to 8 more" in text
    assert "May stop early" in text


def test_where_training_stopped():
    stopped = Stopped(planned=75, trained=51, regret=Decimal("0.002000000"), probability=Decimal("0.934000"))
    assert stopped_in_words(stopped) == (
        "stopped early, after 51 of 75 runs: the mix is within 0.002 of the best one with probability 0.93"
    )
