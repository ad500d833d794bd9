"""What an import read as what, on a page."""

from __future__ import annotations

import pytest

from olmixctl.report.look import Look
from olmixctl.report.text_import import imported_text

FOUND = {
    "mix": "base",
    "trainer": "adopted1:0123456789ab",
    "ratios": "a.csv",
    "metrics": "b.csv",
    "runs": 14,
    "recorded_before": 0,
    "new": 14,
    "written": 14,
    "dry_run": False,
    "domains": {"train_code": "code", "web": "web"},
    "evals": {"one": "one", "two": "two"},
    "absent": [],
    "ignored": [],
    "moved_millionths": 0.4,
    "notes": [],
}
PLAIN = Look(width=80, color=False)


def test_what_is_read_under_another_name_is_listed_and_the_rest_is_counted():
    assert imported_text(FOUND, PLAIN).splitlines()[:8] == [
        "base  14 runs adopted",
        "",
        "Domains  1 column under its own name",
        "  column         is",
        "  train_code  →  code",
        "",
        "Metrics  2 columns under their own names",
        "",
    ]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"dry_run": True}, "14 runs would be adopted"),
        ({"new": 6, "recorded_before": 14}, "6 runs adopted, 14 recorded already"),
        ({"new": 0, "recorded_before": 14}, "all 14 runs of these tables are recorded already"),
        ({"absent": ["news"], "ignored": ["accuracy"]}, "in no run: news"),
        ({"ignored": ["accuracy"]}, "ignored columns: accuracy"),
        ({"notes": ["a note of its own"]}, "To know\n  a note of its own"),
    ],
)
def test_what_was_done_is_said(changed, words):
    assert words in imported_text(FOUND | changed, PLAIN)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_long_names_stand_below_their_columns(width):
    column = "eval/downstream/minerva_math_counting_and_gold_bpb_0shot"
    text = imported_text(FOUND | {"evals": {column: "minerva_math_counting_and_gold_bpb_0shot"}}, Look(width=width))
    assert max(len(line) for line in text.splitlines()) <= width
    assert column in text
    assert "→" in text


def test_colour_adds_codes_only():
    coloured = imported_text(FOUND, Look(width=80, color=True))
    for code in ("\x1b[0m", "\x1b[1m", "\x1b[2m"):
        coloured = coloured.replace(code, "")
    assert coloured == imported_text(FOUND, PLAIN)
