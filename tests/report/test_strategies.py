"""The table of strategies, to the letter, and what its gaps rest on."""

from __future__ import annotations

import pytest

from olmixctl.report.look import Look
from olmixctl.report.markdown import plan_markdown
from olmixctl.report.text_plan import plan_text
from olmixctl.report.text_strategies import cap_in_words, laws_in_words, loss_in_words, strategies_section


def cost(runs):
    spread = {"p10": runs * 30.0, "p50": runs * 40.0, "p90": runs * 61.0}
    money = {name: seconds / 3600 * 2.5 for name, seconds in spread.items()}
    return {
        "runs": runs, "flops": runs * 1e15, "device_seconds": spread, "calibrated_on_runs": 12, "device": "cpu",
        "other_devices": {}, "money": money, "currency": "USD",
    }  # fmt: skip


def row(name, needed, recorded, evidence, loss, *, chosen=False, recompute=()):
    return {
        "name": name, "chosen": chosen, "recompute": list(recompute), "needed": needed, "recorded": recorded,
        "evidence": evidence, "cost": cost(needed - recorded),
        "gap": {"loss": loss, "kappa": 13.0972, "freed": 0.0873},
    }  # fmt: skip


@pytest.fixture
def plan(make_plan):
    document = make_plan()
    document["strategies"] = [
        row("solve-only", 0, 0, 0, 0.0121),
        row("full", 9, 3, 0, 0.0040),
        row("partial", 15, 0, 12, 0.00002, chosen=True, recompute=("code", "web/a", "web/b", "web/c", "web/d")),
        row("none", 138, 0, 127, 0.0),
    ]
    document["laws"] = {
        "runs": 150, "reason": "", "error": 0.0021, "affected": 0.2087,
        "guesses": {"news": "the mean of 3 domains", "web/new": "the mean of 3 domains", "pdfs": "web/health (62%)"},
        "scores": {"code": 0.432, "web/a": 0.305, "web/b": 0.5, "web/c": 0.1},
        "choice": "auto adds code, web/a, web/b, web/c, web/d; nothing more gains 0.0021, the least that counts",
    }  # fmt: skip
    return document


TABLE = """\
Strategies
                 runs  recorded  other evidence  device time  predicted gap
     solve-only     0                         0                      0.0121
     full           6         3               0   4 min 00 s         0.0040
  →  partial       15         0              12  10 min 00 s        <0.0001
     none         138         0             127   1 h 32 min         0.0000
  partial also estimates code, web/a, web/b and 2 more
  predicted gap: objective above the best mix over all domains, by laws on 150
    runs (cross-validated error 0.0021)
  coupling κ 13.1; 8.73 % of the best mix is estimated anew (1−ρ); 20.87 % of
    the lock's mix is affected
  guessed until measured: news, web/new from the mean of 3 domains; pdfs from
    web/health (62%)
  most coupled to what changed: web/b 0.5, code 0.432, web/a 0.305
  auto adds code, web/a, web/b, web/c, web/d; nothing more gains 0.0021, the
    least that counts"""


def test_the_section_at_80_columns(plan, look):
    lines = strategies_section(plan, look)
    assert max(map(len, lines)) <= 80
    found = "\n".join(lines)
    assert found == TABLE
    assert found in plan_text(plan, look)


def test_prices_stand_where_the_page_is_wide(plan):
    (first, *_) = [line for line in strategies_section(plan, Look(width=110)) if "full" in line]
    assert "0.17 USD" in first


def test_one_way_is_no_choice(plan, look):
    plan["strategies"] = plan["strategies"][:1]
    assert strategies_section(plan, look) == []
    assert "strategy" not in plan_markdown(plan)


def test_without_laws_the_reason_is_said(plan, look):
    plan["laws"] = {**plan["laws"], "runs": 0, "reason": "too few recorded runs", "choice": ""}
    for entry in plan["strategies"]:
        entry["gap"] = None
    text = "\n".join(strategies_section(plan, look))
    assert "no gap is predicted: too few recorded runs" in text
    assert "–" in text
    assert laws_in_words({**plan, "laws": {**plan["laws"], "choice": "auto is full: too few recorded runs"}}) == [
        "auto is full: too few recorded runs"
    ]


def test_markdown_marks_the_chosen_one(plan):
    text = plan_markdown(plan)
    assert "| **partial** | **15** | **12** | **10 min 00 s** | **0.42 USD** | **&lt;0.0001** |" in text
    assert "| full | 6 | 3 | 4 min 00 s | 0.17 USD | 0.0040 |" in text
    assert "- most coupled to what changed: web/b 0.5, code 0.432, web/a 0.305" in text


@pytest.mark.parametrize(
    ("gap", "words"),
    [(None, "–"), ({"loss": 0.0}, "0.0000"), ({"loss": 1e-6}, "<0.0001"), ({"loss": 0.12345}, "0.1235")],
)
def test_what_is_not_zero_never_reads_zero(gap, words):
    assert loss_in_words(gap) == words


@pytest.mark.parametrize(
    ("cap", "words"),
    [
        (2.812168, "no bound on the block: its data lasts for 2.8122 of the run"),
        (0.974894, "the block may take at most 97.49 %"),
        (1e-7, "the block may take at most <0.01 %"),
    ],
)
def test_caps(cap, words):
    assert cap_in_words(cap) == words
