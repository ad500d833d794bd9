"""How sure a mix is, in words."""

from __future__ import annotations

from decimal import Decimal

from olmixctl.lock.confidence import confidence_as_json, confidence_section, read_confidence
from olmixctl.lock.model import LockedConfidence, LockedNoise
from olmixctl.report.text_confidence import (
    base_in_words,
    chances_in_words,
    change_in_words,
    doubt_in_words,
    ends_in_percent,
    gain_in_words,
    noise_in_words,
    worse_in_words,
)

BITS = "bits per byte"


def confidence(**changes):
    noise = LockedNoise(basis="errors", degrees=27, run=Decimal("0.001200"), two_runs=Decimal("0.002900"))
    given = {
        "drawn": 100,
        "solved": 98,
        "better_than_natural": Decimal("0.99"),
        "better_than_previous": Decimal("0.93"),
        "noise": noise,
        "change": Decimal("-0.002100"),
    }
    return LockedConfidence(**{**given, **changes})


MEASURED = LockedNoise(basis="replicates", degrees=1, run=Decimal("0.000120"), two_runs=Decimal("0.000310"))


def test_chances_are_said_as_far_as_they_are_known():
    text = "P(better than natural) 0.99, P(better than previous) 0.93, by 100 resamples, 2 of them unsolved"
    assert chances_in_words(confidence()) == text
    assert chances_in_words(confidence(better_than_previous=None, solved=100)) == (
        "P(better than natural) 0.99, by 100 resamples"
    )
    assert chances_in_words(confidence(solved=100), worst_case=True) == (
        "P(worst family better than natural) 0.99, P(worst family better than previous) 0.93, by 100 resamples"
    )
    assert chances_in_words(confidence(better_than_natural=None, better_than_previous=None)) == ""


def test_a_change_stands_beside_the_noise():
    small = Decimal("-0.000210")
    below = change_in_words(confidence(change=small, noise=MEASURED, better_than_previous=Decimal("0.80")), BITS)
    assert below == (
        "this change is below run-to-run noise: the objective is predicted to move by −0.000210 bits per byte, and "
        "two runs of one mixture differ by 0.000310 in one of ten cases"
    )
    above = change_in_words(confidence(change=Decimal("0.004"), noise=MEASURED), BITS)
    assert above.startswith("this change is above run-to-run noise")
    assert "one run of each" not in above
    assert change_in_words(confidence(change=None), BITS) == ""


def test_a_bound_of_the_noise_is_never_said_as_noise():
    below = change_in_words(confidence(better_than_previous=None), BITS)
    assert below == (
        "this change cannot be told from run-to-run noise: the objective is predicted to move by −0.0021 bits per "
        "byte, and two runs of one mixture differ by at most 0.0029 in nine of ten cases (a bound: no mixture has two "
        "runs)"
    )
    assert change_in_words(confidence(change=Decimal("0.004")), BITS).startswith(
        "this change is above run-to-run noise"
    )


def test_a_mix_that_natural_is_likelier_better_than_is_doubted():
    assert doubt_in_words(confidence()) == doubt_in_words(confidence(better_than_natural=None)) == ""
    assert doubt_in_words(confidence(better_than_natural=Decimal("0.50"))) == ""
    doubted = confidence(better_than_natural=Decimal("0.04"))
    assert doubt_in_words(doubted).startswith("the natural mix is likelier better; whether it keeps the bounds")
    assert doubt_in_words(doubted, worst_case=True).startswith("some family is likelier worse than at the natural mix")


def test_a_gain_over_natural_stands_beside_the_noise_where_no_previous_mix_does():
    first = confidence(change=None, better_than_previous=None, noise=MEASURED)
    assert gain_in_words(first, Decimal("0.000210"), BITS) == (
        "the gain over natural is below run-to-run noise: 0.000210 bits per byte of the objective are predicted, and "
        "two runs of one mixture differ by 0.000310 in one of ten cases; P(better than natural) is of their means, "
        "which one run of each would not show"
    )
    unsure = confidence(change=None, better_than_natural=Decimal("0.80"))
    said = gain_in_words(unsure, Decimal("0.000210"), BITS)
    assert said.startswith("the gain over natural cannot be told from run-to-run noise")
    assert "one run of each" not in said
    for gain in (None, Decimal(0), Decimal("-0.1"), Decimal("0.004")):
        assert gain_in_words(first, gain, BITS) == ""
    assert gain_in_words(confidence(), Decimal("0.000210"), BITS) == ""


def test_a_change_that_is_sure_and_below_the_noise_says_how_both_can_be():
    both = "; P(better than previous) is of their means, which one run of each would not show"
    assert change_in_words(confidence(), BITS).endswith(f"(a bound: no mixture has two runs){both}")
    assert change_in_words(confidence(noise=MEASURED, change=Decimal("-0.0001")), BITS).endswith(both)


def test_a_mix_that_is_predicted_worse_says_why():
    worse = {"change": Decimal("0.000900"), "pull": Decimal("-0.002100")}
    start = "predicted loss is 0.0009 bits per byte above the previous mix's by the same laws: "
    assert worse_in_words(confidence(**worse), BITS) == (
        f"{start}the pull to the reference (kl) weighs more: it is 0.0021 lower here"
    )
    broken = {"change": Decimal("0.000900"), "pull": Decimal("0.000100"), "breaks": ("max:a", "max:b")}
    assert worse_in_words(confidence(**broken), BITS) == f"{start}the previous mix breaks max:a, max:b"
    both = worse_in_words(confidence(**worse, breaks=("max:a", "max:b", "max:c", "max:d")), BITS)
    assert both.startswith(f"{start}the previous mix breaks max:a, max:b, max:c and 1 more, and the pull to")
    astray = confidence(change=Decimal("0.000900"), pull=Decimal("-0.000100"))
    assert worse_in_words(astray, BITS).endswith(
        "a local search under laws that are not convex did not reach the previous mix"
    )


def test_where_the_worst_family_counts_it_is_what_is_said_to_be_worse():
    worse = confidence(change=Decimal("0.000900"), pull=Decimal("-0.002100"))
    assert worse_in_words(worse, BITS, worst_case=True) == (
        "the predicted change of the worst family is 0.0009 bits per byte above the previous mix's by the same laws: "
        "the pull to the reference (kl) weighs more: it is 0.0021 lower here"
    )


def test_a_mix_that_is_not_worse_or_says_nothing_of_it_needs_no_reason():
    assert worse_in_words(confidence(), BITS) == ""
    assert worse_in_words(confidence(change=None), BITS) == ""
    assert worse_in_words(confidence(change=Decimal("0.000900")), BITS) == ""
    assert worse_in_words(confidence(change=Decimal("0.000002"), pull=Decimal("-0.000001")), BITS) == ""


def test_noise_is_said_with_how_it_is_known():
    assert "at most 0.0012" in noise_in_words(confidence(), BITS)
    assert "errors on 27 runs that the laws had not seen" in noise_in_words(confidence(), BITS)
    measured = noise_in_words(confidence(noise=MEASURED), BITS)
    assert "0.000120 bits per byte, measured on runs of one mixture (1 degree of freedom)" in measured


def test_a_plan_says_what_would_be_noise():
    said = base_in_words(confidence_as_json(confidence()), 4, BITS)
    assert said == (
        "serial 4 is better than natural with P 0.99; a change of the objective below 0.0029 bits per byte cannot be "
        "told from run-to-run noise: two runs of one mixture differ by at most 0.0029 in nine of ten cases (a bound: "
        "no mixture has two runs)"
    )
    measured = base_in_words(confidence_as_json(confidence(noise=MEASURED)), 4, BITS)
    assert measured.endswith(
        "below 0.000310 bits per byte is run-to-run noise: two runs of one mixture differ by that much in one of ten "
        "cases"
    )


def test_ends_are_in_percent():
    assert ends_in_percent((Decimal("0.051000"), Decimal("0.083000"))) == "5.10 – 8.30"
    assert ends_in_percent(None) == ""


def test_the_section_of_a_lock_is_read_back():
    worse = confidence(change=Decimal("0.000900"), pull=Decimal("-0.002100"), breaks=("max:a",))
    for one in (confidence(), worse, confidence(change=None, noise=MEASURED, better_than_previous=None)):
        assert read_confidence(confidence_section(one)) == one
    assert confidence_section(confidence())["change"] == {"objective": Decimal("-0.002100"), "below_noise": True}
    assert read_confidence(None) is None
