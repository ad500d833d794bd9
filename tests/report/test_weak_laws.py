"""Laws that rank unseen runs no better than chance, chances that cannot be told, and what a change is a change of."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import numpy as np
import pytest
from locks import make_lock

from olmixctl.lock import digest_of
from olmixctl.lock.diff import diff_locks
from olmixctl.lock.model import CrossValidation, LockedConfidence, LockedNoise
from olmixctl.plan.checks import weak_laws_check
from olmixctl.ranks import rank_by_chance
from olmixctl.report.markdown import diff_markdown
from olmixctl.report.text_confidence import weak_in_words
from olmixctl.report.text_diff import diff_text
from olmixctl.report.text_lock import lock_text
from olmixctl.surrogate.validation import rank_correlation

WEIGHTS = {"code": 0.25, "web/health": 0.15, "web/science": 0.6}
NOISE = LockedNoise(basis="errors", degrees=27, run=Decimal("0.001200"), two_runs=Decimal("0.002900"))
SAID = "rank unseen runs no better than chance (rank correlation −0.917), and the mix rests on them"


def ranked(spearman, *, weights=WEIGHTS, runs=100, **fields):
    lock = make_lock(weights, **fields)
    cv = CrossValidation(spearman=Decimal(spearman), rmse=Decimal("0.0061"))
    return dataclasses.replace(lock, surrogate=dataclasses.replace(lock.surrogate, cv=cv, runs=runs))


def sure(natural="0.99", change="-0.018"):
    return LockedConfidence(
        drawn=100,
        solved=100,
        better_than_natural=None if natural is None else Decimal(natural),
        better_than_previous=Decimal("0.93"),
        noise=NOISE,
        change=Decimal(change),
    )


def flat(text):
    return " ".join(text.split())


@pytest.mark.parametrize("spearman", ["-0.917", "0", "-0.000001"])
def test_laws_that_rank_no_better_than_chance_are_said_to(look, spearman):
    lock = ranked(spearman)
    assert "no better than chance" in weak_in_words(lock)
    assert "no better than chance" in flat(lock_text(lock, look).partition("Behind it")[2])
    (check,) = weak_laws_check(lock)
    assert (check.level, check.name) == ("warn", "weak-laws")


def test_laws_that_rank_are_not(look):
    assert weak_in_words(ranked("0.2")) == ""
    assert "chance" not in lock_text(ranked("0.2"), look)
    assert not list(weak_laws_check(ranked("0.2")))
    assert not list(weak_laws_check(None))


def test_a_rank_that_chance_reaches_says_nothing():
    """Of 40 runs chance reaches 1.645 / √39 in one of twenty swarms; of fewer than ten only what is not above zero."""
    luck = "(rank correlation 0.151; chance reaches 0.26 in one of twenty swarms of 40)"
    assert luck in weak_in_words(ranked("0.151", runs=40))
    assert [check.name for check in weak_laws_check(ranked("0.151", runs=40))] == ["weak-laws"]
    assert weak_in_words(ranked("0.27", runs=40)) == ""
    assert weak_in_words(ranked("0.151", runs=200)) == ""
    assert weak_in_words(ranked("0.001", runs=9)) == ""
    assert rank_by_chance(40) == pytest.approx(1.645 / 39**0.5)


def test_chance_reaches_what_is_said_in_one_of_twenty_swarms():
    rng = np.random.default_rng(0)
    ranks = [rank_correlation(rng.normal(size=25), rng.normal(size=25)) for _ in range(4000)]
    assert 0.04 < np.mean(np.array(ranks) > rank_by_chance(25)) < 0.06


def test_a_diff_says_so_in_text_and_markdown(look):
    first = make_lock(WEIGHTS)
    moved = dict(zip(WEIGHTS, (0.5, 0.25, 0.25), strict=True))
    after = ranked("-0.917", serial=2, parents=(digest_of(first),), weights=moved)
    found = diff_locks(first, after)
    assert SAID in flat(diff_text(found, look))
    assert SAID in flat(diff_markdown(found))


def test_a_chance_that_cannot_be_told_is_told_why(look):
    kept = make_lock(WEIGHTS, block=("web/health", "web/science"), confidence=sure(natural=None))
    assert "no P(better than natural): the natural mix does not have the kept ratios" in flat(lock_text(kept, look))
    known = make_lock(WEIGHTS, block=("web/health", "web/science"), confidence=sure())
    assert "no P(better than natural)" not in flat(lock_text(known, look))


def test_where_the_worst_family_counts_its_change_is_what_moves(look):
    lock = make_lock(WEIGHTS, confidence=sure())
    assert "the objective is predicted to move by −0.0180" in flat(lock_text(lock, look))
    worst = dataclasses.replace(lock, inputs={**lock.inputs, "objective": {"worst_case": True}})
    text = flat(lock_text(worst, look))
    assert "the objective is predicted to move" not in text
    moves = "the objective, the worst family's change from the reference mix, is predicted to move by −0.0180"
    assert moves in text
    first = make_lock(WEIGHTS)
    moved = dict(zip(WEIGHTS, (0.5, 0.25, 0.25), strict=True))
    after = dataclasses.replace(worst, serial=2, parents=(digest_of(first),), weights=make_lock(moved).weights)
    assert moves in flat(diff_text(diff_locks(first, after), look))
