"""A lock and a diff as text and Markdown."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

from hypothesis import given
from locks import make_lock
from strategies import locks

from olmixctl.lock import digest_of
from olmixctl.lock.diff import diff_locks
from olmixctl.lock.model import (
    ActiveBound,
    Choice,
    CrossValidation,
    Excluded,
    LockedMetric,
    LockedSolution,
    LockedSurrogate,
)
from olmixctl.report.look import Look
from olmixctl.report.markdown import diff_markdown
from olmixctl.report.text_checks import checks_text
from olmixctl.report.text_diff import diff_text
from olmixctl.report.text_lock import lock_text, marks_of, natural_weights
from olmixctl.surrogate.choice import best_of, reason_for

WEIGHTS = {"code": 0.25, "web/health": 0.15, "web/science": 0.6}
TOKENS = {"code": {"tokens": 50_000_000}, "web/health": {"tokens": 100_000_000, "protected": True}}

PAGE = """\
base  lock serial 1, 3 domains, for 1B tokens, at most 4 passes

domain        weight                natural  ratio  tokens  passes  held
web/science  60.00 %  ████████████  40.00 %  1.50×    100M    6.00
code         25.00 %  █████         20.00 %  1.25×     50M    5.00  at cap
web/health   15.00 %  ███           40.00 %  0.37×    100M    1.50  protected

Predicted  bits per byte of the proxy, less is better
  metric         weight  natural    this  vs natural
  python              1   0.9100  0.8800     −3.30 %
  wiki                3   1.2000  1.2100     +0.83 %
  weighted mean           1.1275  1.1275      0.00 %

Behind it
  solved to optimality by CLARABEL
  log_linear laws on 4 runs; cross-validated: rank correlation 0.951, error
    0.0061
  bounds that hold it, costliest first: max_repetition:code
  lineage 4a4f7f2e, written by olmixctl 0.1.0
"""


def held(lock, *bounds):
    active = tuple(ActiveBound(constraint=name, multiplier=Decimal(i + 1)) for i, name in enumerate(bounds))
    return dataclasses.replace(lock, solution=dataclasses.replace(lock.solution, active=active))


def test_a_whole_page(look):
    lock = held(make_lock(WEIGHTS, domains=TOKENS), "max_repetition:code")
    page = PAGE.replace("4a4f7f2e", lock.lineage.removeprefix("lin1:")[:8])
    assert lock_text(lock, look) == page


def test_where_ids_are_long_intervals_stay_and_what_is_left_out_is_named():
    names = ("github", "pile/stackexchange-and-more", "pile/openwebtext-two-and-more")
    weights = dict(zip(names, (250_000, 150_000, 600_000), strict=True))
    lock = make_lock(weights, domains={name: {"tokens": 50_000_000} for name in names})
    ends = (Decimal("0.100000"), Decimal("0.700000"))
    long = "metric/pile-openwebtext-two-validation-loss-bits"
    metric = LockedMetric(natural=Decimal("0.91"), previous=Decimal("0.92"), this=Decimal("0.9"), interval=ends)
    lock = dataclasses.replace(lock, uncertainty=dict.fromkeys(names, ends), predicted={long: metric})
    lock = held(lock, "max_repetition:pile/openwebtext-two-and-more")
    said = lock_text(lock, Look(width=80))
    table = said.split("\n\n")[1].splitlines()
    assert max(map(len, table)) <= 80
    assert "in 9 of 10" in table[0]
    assert all("10.00 – 70.00" in line for line in table[1:4])
    assert table[4] == "  no room here for tokens, passes: a wider terminal shows them, and --json has"
    assert "  no room here for in 9 of 10: a wider terminal" in said
    assert "no room" not in lock_text(lock, Look(width=140))


def test_every_bound_that_holds_a_domain_is_marked():
    lock = make_lock(WEIGHTS, block=("web/health",), domains=TOKENS)
    lock = dataclasses.replace(lock, inputs={"constraints": {"web-share": {"domains": ["web/health", "web/science"]}}})
    marks = marks_of(held(lock, "max:code", "constraint:web-share", "guardrail:python", "min:gone"))
    assert marks == {"code": "at max", "web/health": "in web-share, kept, protected", "web/science": "in web-share"}


def test_both_sides_of_a_ratio_are_marked():
    ratio = {"code-to-web": {"of": ["code"], "to": ["web/health", "web/gone"], "min": 0.0, "max": 0.5}}
    lock = dataclasses.replace(make_lock(WEIGHTS, domains=TOKENS), inputs={"constraints": ratio})
    marks = marks_of(held(lock, "max_ratio:code-to-web"))
    assert marks == {"code": "in code-to-web", "web/health": "in code-to-web, protected", "web/science": ""}


def weighted(lock, objective=(), **weights):
    evals = {name: {"weight": weight, "family": family} for name, (weight, family) in weights.items()}
    return dataclasses.replace(lock, inputs={**lock.inputs, "evals": evals, "objective": dict(objective)})


def test_a_metric_without_weight_is_shown_and_does_not_count_in_the_mean(look):
    text = lock_text(weighted(make_lock(WEIGHTS), python=(2, ""), wiki=(0, "")), look)
    assert "  wiki                0   1.2000  1.2100     +0.83 %\n" in text
    assert "  weighted mean           0.9100  0.8800     −3.30 %\n" in text
    # Weights that are all alike need no column.
    text = lock_text(weighted(make_lock(WEIGHTS), python=(2, ""), wiki=(2, "")), look)
    assert "  weighted mean   1.0550  1.0450     −0.95 %\n" in text
    assert "weight  natural" not in text.partition("Predicted")[2]


def test_where_the_worst_family_counts_families_stand_for_the_mean(look):
    three = {
        name: LockedMetric(natural=Decimal(natural), previous=None, this=Decimal(this))
        for name, natural, this in (("a", "1.0", "0.9"), ("b", "2.0", "1.9"), ("c", "1.0", "1.05"))
    }
    lock = make_lock(WEIGHTS, domains=TOKENS, predicted=three)
    lock = weighted(lock, {"worst_case": True}, a=(1, "x"), b=(3, "x"), c=(1, ""))
    text = lock_text(held(lock, "max:code", "family:c"), look)
    assert "weighted mean" not in text
    assert "  x (family)           1.7500  1.6500     −5.71 %\n" in text
    assert "c (family)" not in text, "the metric says it all"
    assert "  solved for the worst family, c\n" in text
    assert "costliest first: max:code\n" in text
    both = " ".join(lock_text(held(lock, "family:c", "family:x"), look).split())
    assert "equally bad, and weighed against each other: x 2.00, c 1.00" in both
    assert "costliest first" not in both


def test_a_mix_around_a_kept_block_compares_with_the_previous_one(look):
    metric = LockedMetric(natural=None, previous=Decimal("0.9"), this=Decimal("0.81"))
    text = lock_text(make_lock(WEIGHTS, predicted={"python": metric}), look)
    assert "  metric  previous    this  vs previous\n  python    0.9000  0.8100     −10.00 %\n" in text


def test_a_kept_mix_says_that_nothing_was_solved(look):
    kept = make_lock(WEIGHTS, solution=LockedSolution(status="kept"), surrogate=None, evidence=(), predicted={})
    text = lock_text(kept, look)
    assert "no solve was needed" in text
    assert "no runs of its own" in text
    assert "Predicted" not in text
    moved = dataclasses.replace(kept, solution=LockedSolution(status="projected"))
    assert "nearest mix that meets every bound" in lock_text(moved, look)


def test_where_the_metrics_chose_the_family_their_errors_are_shown(look):
    """The others' error of the objective alone would not say why."""
    rows = {
        "gaussian": ("0.960", "0.0761", "0.0924"),
        "log_linear": ("0.955", "0.0454", "0.1378"),
        "saturating": ("0.957", "0.0640", "0.0838"),
    }
    scores = {
        name: CrossValidation(**dict(zip(("spearman", "rmse", "mean_rmse"), map(Decimal, row), strict=True)))
        for name, row in rows.items()
    }
    reason = reason_for("saturating", scores)
    laws = LockedSurrogate(
        family="saturating",
        digest="sg1:laws",
        runs=21,
        cv=scores["saturating"],
        choice=Choice(reason=reason, scores=scores),
    )
    assert best_of(scores, 21) == "saturating"
    page = lock_text(make_lock(WEIGHTS, surrogate=laws), look)
    assert (
        "  auto took saturating: level with log_linear for the average of runs it had not\n"
        "    seen, and ahead with their metrics (rank and error of the others: log_linear\n"
        "    0.955, 0.0454; gaussian 0.960, 0.0761; error of the metrics: saturating\n"
        "    0.0838, gaussian 0.0924, log_linear 0.1378)\n"
    ) in page
    former = {name: dataclasses.replace(found, mean_rmse=None) for name, found in scores.items()}
    laws = dataclasses.replace(laws, choice=Choice(reason=reason, scores=former))
    assert "error of the metrics:" not in lock_text(make_lock(WEIGHTS, surrogate=laws), look)


def test_runs_left_out_are_told(look):
    text = lock_text(make_lock(WEIGHTS, excluded=(Excluded(run="r1:x", reason="diverged"),)), look)
    assert "4 runs, 1 left out" in text


def test_a_domain_without_tokens_or_weight(look):
    lock = make_lock({"a": 1.0, "b": 0.0}, domains={"b": {"tokens": 0}})
    line = next(line for line in lock_text(lock, look).splitlines() if line.startswith("b "))
    assert line.split() == ["b", "0.00", "%", "0.00", "%", "–", "0", "0.00"]


@given(locks())
def test_any_lock_can_be_shown_and_colour_changes_no_letter(lock):
    import re

    colored = lock_text(lock, Look(color=True))
    text = lock_text(lock, Look())
    strip = lambda t: re.sub(r"\x1b\[\d+m", "", t)  # noqa: E731  (used twice, here alone)
    assert [line.rstrip() for line in strip(colored).splitlines()] == [l.rstrip() for l in strip(text).splitlines()]
    for name in lock.weights:
        assert name in text


@given(locks())
def test_natural_weights_are_a_mix_or_nothing(lock):
    total = sum(natural_weights(lock).values())
    assert abs(total - 1) < 1e-9 or total == 0


# Diffs

DIFF = """\
base  serial 1 → 2

Weights  shares in percent, change in points
     domain  before    after  change
  +  news         –  10.00 %  +10.00
  = 3 domains with the same ratios to each other, 100.00 % → 90.00 % together
    (×0.9000)

Data
  +  news  added  100M tokens

Asked for
  ~  objective.kl  0.05 → 0.1

Predicted  bits per byte, both by the later laws; less is better
  metric  before   after   change
  python  0.9000  0.8800  −0.0200
  wiki         –  1.2000

Evidence: 1 run added, 4 no longer used.
"""


def child(lock):
    weights = {name: weight * 0.9 for name, weight in WEIGHTS.items()} | {"news": 0.1}
    predicted = {
        "python": LockedMetric(natural=None, previous=Decimal("0.9"), this=Decimal("0.88")),
        "wiki": LockedMetric(natural=None, previous=None, this=Decimal("1.2")),
    }
    return make_lock(
        weights,
        block=tuple(WEIGHTS),
        serial=2,
        parents=(digest_of(lock),),
        predicted=predicted,
        evidence=("r1:new",),
        inputs={**lock.inputs, "objective": {"kl": 0.1}, "domains": {"news": {"min": 0}}},
    )


def first():
    lock = make_lock(WEIGHTS)
    return dataclasses.replace(lock, inputs={**lock.inputs, "domains": {}})


def test_a_whole_diff(look):
    assert diff_text(diff_locks(first(), child(first())), look) == DIFF


def test_no_difference(look):
    assert diff_text(diff_locks(first(), first()), look) == (
        "base  serial 1 → 1\n\nNo difference in weights, data or what is asked for.\n"
    )
    assert diff_markdown(diff_locks(first(), first())).endswith(
        "No difference in weights, data or what is asked for.\n"
    )


def test_revisions_renames_and_removals(look):
    new = make_lock(
        {"code": 0.3, "web/medicine": 0.15, "extra": 0.55},
        domains={
            "code": {"content": "olc1:new", "tokens": 100_000_001},
            "web/medicine": {"content": make_lock(WEIGHTS).domains["web/health"].content},
        },
    )
    text = diff_text(diff_locks(make_lock(WEIGHTS), new), look)
    assert "  ~  code          revised  100,000,000 → 100,000,001 tokens" in text
    assert "  >  web/medicine  moved    from web/health" in text
    assert "  -  web/science   removed  100M tokens" in text
    assert "= 1 domain unchanged, 15.00 % together" in text
    order = [line.split()[1] for line in text.splitlines() if line.endswith(("+55.00", "−60.00", "+5.00"))]
    assert order == ["web/science", "extra", "code"]


def test_diff_as_markdown():
    text = diff_markdown(diff_locks(first(), child(first())))
    assert text.startswith("### Mix `base`: serial 1 → 2\n\n| domain | before | after | change |\n")
    assert "| `news` | – | 10.00 % | +10.00 |" in text
    assert "3 domains with the same ratios to each other, 100.00 % → 90.00 % together (×0.9000)." in text
    assert "| `objective.kl` | 0.05 | 0.1 |" in text
    assert "| `python` | 0.9000 | 0.8800 |" in text


# Checks


def test_checks_are_aligned_and_counted(look):
    rows = [("spec", True, "made for this mix file"), ("optimality", False, "word " * 20)]
    lines = checks_text("base, lock serial 3", rows, look).splitlines()
    assert lines[2] == "  ok    spec        made for this mix file"
    assert lines[3].startswith("  FAIL  optimality  word word")
    assert lines[4].startswith(" " * 20 + "word")
    assert lines[-1] == "1 check failed."
    assert checks_text("t", rows[:1], look).endswith("1 check passed.\n")


def test_a_check_that_is_not_possible_here_is_neither_passed_nor_failed():
    rows = [("bytes", True, "whole"), ("history", None, "not in a Git repository")]
    text = checks_text("base", rows, Look(width=80, color=False))
    assert "  –     history  not in a Git repository" in text
    assert text.endswith("1 check passed, 1 not possible here.\n")
    assert checks_text("t", [*rows, ("b", False, "x")], Look(width=80, color=False)).endswith("1 check failed.\n")


def test_a_later_lock_without_laws_says_whose_predictions_are_shown(look):
    metric = LockedMetric(natural=None, previous=None, this=Decimal("0.9"))
    before = make_lock(WEIGHTS, predicted={"python": metric})
    moved = dict(zip(WEIGHTS, (0.5, 0.25, 0.25), strict=True))
    kept = make_lock(moved, solution=LockedSolution(status="kept"), surrogate=None, evidence=(), predicted={})
    after = dataclasses.replace(kept, serial=before.serial + 1, parents=(digest_of(before),), lineage=before.lineage)
    text = diff_text(diff_locks(before, after), look)
    assert "by the earlier lock's laws" in text
    assert "both by the later laws" not in text
    assert "0.9000" in text
