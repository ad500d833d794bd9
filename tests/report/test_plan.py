"""A plan as text and Markdown, whole pages."""

from __future__ import annotations

import pytest

from olmixctl.report.look import Look
from olmixctl.report.markdown import in_section, plan_markdown
from olmixctl.report.text_changes import values_in_words
from olmixctl.report.text_plan import kept_mass, plan_text

CHANGES = (
    {"category": "revised", "subject": "web/health", "action": "re-estimate", "reason": "its documents changed"}
    | {"before": 57_900_000_000, "after": 61_200_000_000},
    {"category": "added", "subject": "news", "action": "re-estimate", "reason": "not in the lock", "after": 5_000_000},
    {"category": "removed", "subject": "pdfs", "action": "drop", "reason": "no longer in the mix", "before": 999},
    {
        "category": "moved",
        "subject": "web/science",
        "action": "keep-ratio",
        "reason": "the same documents under another name",
    }
    | {"before": "dclm/science", "after": "web/science"},
    {"category": "objective", "subject": "objective.kl", "action": "none", "reason": "re-solved from recorded evidence"}
    | {"before": 0.05, "after": 0.1},
)
CHECKS = (
    {
        "level": "block",
        "name": "max-runs",
        "message": "9 runs are needed, 5 are allowed",
        "remedy": "raise budget.max_runs",
    },
    {"level": "note", "name": "caps-decide", "message": "caps decide much of this mix"},
)

PAGE = """\
Plan for base  on lock serial 41

Changes
  revised, share estimated anew: its documents changed
    ~  web/health  57.9B  → 61.2B  tokens
  added, share estimated anew: not in the lock
    +  news  5M  tokens
  removed, dropped: no longer in the mix
    -  pdfs  999  tokens
  moved, ratio kept: the same documents under another name
    >  web/science  from dclm/science
  objective, no runs: re-solved from recorded evidence
    ~  objective.kl  0.05 → 0.1

Kept
  2 domains keep their ratios from serial 41, 91.04 % of the lock's mix
  the block may take at most <0.01 %

Runs and cost
                   runs     compute  device time     price
  to train            9  9.90 PFLOP   6 min 00 s  0.25 USD
  recomputing all   123   135 PFLOP   1 h 22 min  3.42 USD
  12 runs needed, 3 recorded already
  114 runs saved against recomputing, 13.7× less compute
  p10 – p90: 4 min 30 s – 9 min 09 s, price 0.19 USD – 0.38 USD, from 12
  recorded runs

Steps  2 unaffected domains keep their ratios as one virtual domain; 2 estimated
  1. train 9 proxy runs (1m, 25M tokens each)
  2. fit the laws that predict best to 12 runs and solve for 3 coordinates
  3. write the lock, serial 42

To train 9 runs and write lock serial 42: olmixctl apply base
"""


def test_a_whole_page(make_plan, look):
    assert plan_text(make_plan(changes=CHANGES), look, mass=0.9104, target="base") == PAGE


def test_every_line_fits_eighty_columns(make_plan, look, plain):
    text = plan_text(make_plan(changes=CHANGES, checks=CHECKS), look, mass=0.9104, full=True, target="base")
    assert max(map(len, text.splitlines())) <= 80


def test_colour_changes_no_letter(make_plan, plain):
    plan = make_plan(changes=CHANGES, checks=CHECKS)
    colored = plan_text(plan, Look(width=80, color=True), full=True, target="")
    assert "\x1b[32m+" in colored
    assert plain(colored) == plan_text(plan, Look(width=80), full=True, target="")


def test_the_first_plan_has_nothing_to_save(make_plan, look):
    text = plan_text(make_plan(serial=0, kept=(), recorded=0, runs=123), look, target="")
    assert "Plan for base  no lock yet" in text
    assert "recomputing" not in text
    assert "uncalibrated" in text
    assert text.endswith("To train 123 runs and write lock serial 1: olmixctl apply\n")


def test_nothing_to_do(make_plan, look):
    text = plan_text(make_plan("none"), look, target="")
    assert "Runs and cost" not in text
    assert "Kept" not in text
    assert "Steps" not in text
    assert text.endswith("Nothing to do: the lock is of this mix file and this data.\n")


@pytest.mark.parametrize(("kind", "step"), [("resolve", "1. fit"), ("rescale", "1. keep the ratios of 4 domains")])
def test_plans_without_runs(make_plan, look, kind, step):
    text = plan_text(make_plan(kind), look, target="base")
    assert step in text
    assert "123 runs saved against recomputing\n" in text
    assert text.endswith("To write lock serial 42: olmixctl apply base\n")


def test_a_blocked_plan_is_whole_and_says_what_to_do(make_plan, look):
    text = plan_text(make_plan(checks=CHECKS), look, target="base")
    assert "  block  9 runs are needed, 5 are allowed\n         → raise budget.max_runs\n" in text
    assert "  note   caps decide" in text
    assert "Steps" in text
    assert text.endswith("Blocked by 1 check; apply would refuse (exit 3).\n")


def test_long_lists_are_counted_unless_asked_for(make_plan, look):
    many = [
        {"category": "added", "subject": f"d{i:02}", "action": "re-estimate", "reason": "new", "after": i}
        for i in range(40)
    ]
    text = plan_text(make_plan(changes=many), look)
    assert "d10" in text
    assert "d11" not in text
    assert "… and 29 more (--full lists them)" in text
    full = plan_text(make_plan(changes=many), look, full=True)
    assert "d39" in full
    assert full.count("to train") == 9 + 1
    assert full.count("recorded") >= 3
    assert f"    code{' ' * 14}50.00 %\n    web/science{' ' * 7}50.00 %\n" in full


def test_a_revision_too_small_for_three_digits_shows_whole_numbers(make_plan, look):
    change = CHANGES[0] | {"before": 57_900_000_000, "after": 57_900_000_001}
    assert "57,900,000,000  → 57,900,000,001  tokens" in plan_text(make_plan(changes=[change]), look)


def test_while_applying_there_is_no_next_command(make_plan, look):
    assert "olmixctl apply" not in plan_text(make_plan(), look)


def test_options_are_repeated_unless_the_plan_is_saved(make_plan, look):
    plan = make_plan()
    plan["options"] = {
        "reuse": "none", "recompute": [], "solve_only": False, "max_runs": 9, "allow_remove": ["a", "b"]
    }  # fmt: skip
    text = plan_text(plan, look, target="base")
    assert "olmixctl apply base --reuse none --max-runs 9 --allow-remove a --allow-remove b\n" in text
    plan["options"] |= {"reuse": None, "recompute": ["web", "c*"], "solve_only": True, "max_runs": None}
    assert "apply base --recompute web --recompute 'c*' --solve-only --allow-remove a" in plan_text(
        plan, look, target="base"
    )
    assert plan_text(plan, look, target="p.json").endswith("olmixctl apply p.json\n")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (1_000_000, 500_000, ("1,000,000", "500,000")),
        (None, 0.1, ("none", "0.1")),
        (None, {"min": 0.1}, ("", "added")),
        ({"min": 0.1}, None, ("", "removed")),
        (["a", "b"], ["b", "c"], ("", "-a +c")),
        ("natural", {"a": 1.0}, ("natural", '{"a": 1.0}')),
        (True, False, ("true", "false")),
        ("x" * 50, "y", ("x" * 27 + "…", "y")),
    ],
)
def test_declared_values_in_words(before, after, said):
    assert values_in_words(before, after) == said


def test_kept_mass_follows_renames(make_plan):
    plan = make_plan()
    weights = {"programs": 0.3, "web/science": 0.2, "old": 0.5}
    assert kept_mass(plan, weights, {"code": "programs"}) == pytest.approx(0.5)
    assert kept_mass(make_plan(kept=()), weights, {}) is None


# Markdown


def test_markdown_says_the_outcome_first(make_plan):
    text = plan_markdown(make_plan(changes=CHANGES, checks=CHECKS))
    lines = text.splitlines()
    assert lines[0] == "### olmixctl plan: `base`"
    assert lines[2].startswith("**9 proxy runs to train**: 2 unaffected domains")
    assert "114 runs fewer than recomputing, 13.7× less compute." in lines[2]
    assert "- **Blocked** (max-runs): 9 runs are needed, 5 are allowed → raise budget.max_runs" in text
    assert "| `web/science` | moved | ratio kept | from `dclm/science` |" in text
    assert "| `objective.kl` | objective | no runs | 0.05 → 0.1 | re-solved from recorded evidence |" in text
    assert "1. train 9 proxy runs (1m, 25M tokens each)" in text


def test_markdown_without_work(make_plan):
    assert "**Nothing to do**" in plan_markdown(make_plan("none"))
    assert "**No runs**, a new lock" in plan_markdown(make_plan("resolve"))


def test_names_cannot_break_the_table(make_plan):
    change = {"category": "added", "subject": "a|b<c>", "action": "re-estimate", "reason": "x|y\nz", "after": 1}
    row = next(line for line in plan_markdown(make_plan(changes=[change])).splitlines() if "a\\|b" in line)
    assert row == "| `a\\|b&lt;c>` | added | share estimated anew | 1 tokens | x\\|y z |"


def test_long_tables_are_folded(make_plan):
    many = [
        {"category": "added", "subject": f"d{i}", "action": "re-estimate", "reason": "new", "after": i}
        for i in range(16)
    ]
    assert "<details><summary>16 rows: change</summary>" in plan_markdown(make_plan(changes=many))


def test_a_section_is_appended_then_replaced_and_the_rest_left_alone():
    text = "# Title\nwords"
    once = in_section(text, "plan base", "one\n")
    assert once == "# Title\nwords\n\n<!-- olmixctl: plan base -->\none\n<!-- /olmixctl: plan base -->\n"
    twice = in_section(once + "\ntail\n", "plan base", "two")
    assert twice == once.replace("one", "two") + "\ntail\n"
    assert in_section(twice, "plan base", "two") == twice
    both = in_section(twice, "plan other", "x")
    assert in_section(both, "plan other", "x") == both
    assert both.startswith(twice)
    assert in_section("", "a", "b").startswith("<!-- olmixctl: a -->\n")


@pytest.mark.parametrize("broken", ["<!-- olmixctl: a -->", "<!-- /olmixctl: a --> <!-- olmixctl: a -->"])
def test_marks_that_do_not_fit_are_refused(broken):
    with pytest.raises(ValueError, match="once each"):
        in_section(broken, "a", "b")
