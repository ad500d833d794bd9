"""The explanation as it is read, at 80 columns and without colour."""

from __future__ import annotations

import copy

import pytest

from olmixctl.report.look import Look
from olmixctl.report.text_explain import explain_text

PLAIN = Look(width=80, color=False)

FOUND = {
    "mix": "base",
    "serial": 3,
    "status": "optimal",
    "domain": "web/health",
    "weight": 0.2,
    "natural": 0.1,
    "reference": 0.1,
    "tokens": 57_992_322_702,
    "repetition": 3.45,
    "changed_in": 3,
    "protected": True,
    "coordinate": "web/health",
    "ratio": 1.0,
    "mass": 0.2,
    "kept_from": None,
    "measured_in": 3,
    "runs": 51,
    "trainer": "t1",
    "because": {
        "optimum": 0.2,
        "objective": 0.84,
        "bounds": [
            {
                "constraint": "max_repetition:web/health",
                "domains": ["web/health"],
                "limit": 4.0,
                "price": 0.0521,
                "loosened": 5.0,
                "worth": 0.0013,
                "share_then": 0.25,
            },
            {
                "constraint": "guardrail:python",
                "domains": [],
                "limit": 0.91,
                "price": 0.2,
                "loosened": 0.92,
                "worth": 0.0000004,
                "share_then": 0.201,
            },
        ],
        "families": {},
        "elsewhere": [],
        "repetition_for_all": 0.0021,
        "pulls": {"metrics": {"python": -0.05, "medicine": 0.15, "wiki": 0.0}, "kl": -0.03, "held": 0.07},
        "witnesses": [
            {
                "run": "r1:4be0aa77",
                "share": 0.4,
                "measured": {"medicine": 0.8, "python": 0.91},
                "residual": {"medicine": -0.0031, "python": 0.0002},
            }
        ],
        "certainty": {
            "interval": {"low": 0.17, "high": 0.2},
            "resamples": 100,
            "failed": 2,
            "pulls": {"python": {"low": -0.07, "high": -0.02}, "medicine": {"low": 0.1, "high": 0.21}},
            "noise": {
                "basis": "errors",
                "degrees": 27,
                "metrics": {"python": 0.0021, "medicine": 0.0034, "wiki": 0.001},
                "objective": 0.0018,
            },
        },
    },
}

TEXT = """\
web/health  in base, lock serial 3

  weight    20.00 %  natural 10.00 %, 2.00× of it
  interval  17.00 %  to 20.00 %, nine tenths of 100 resamples, 2 unsolved
  passes       3.45  over 58.0B tokens
  It moves on its own: 51 runs of evidence estimate its share. Weight or data
  last changed in serial 3. Protected.

What holds it  what loosening it would gain, in bits per byte of the objective
  bound                             loosened     worth  price a unit  share then
  max_repetition:web/health          4× → 5×   0.00130        0.0521     25.00 %
  guardrail:python           0.9100 → 0.9200  <0.00001        0.2000     20.10 %
  One more pass over every domain is worth 0.00210.

What pulls it
  bits per byte that a point more of web/health, all else less in proportion,
  gains (+, better) or costs (−, worse)
                                                   in 9 of 10
  ↑  medicine                   +0.00150  +0.00100 – +0.00210
     wiki                        0.00000
  ↓  python                     −0.00050  −0.00070 – −0.00020
  ↓  KL, towards the reference  −0.00030
  ↑  left, held by bounds       +0.00070

The runs that say so
  with the most and the least of it: measured, and how far off the law is
  run            share        medicine          python
  r1:4be0aa77  40.00 %  0.8000 −0.0031  0.9100 +0.0002
  Run-to-run noise is at most medicine 0.0034, python 0.0021, the objective
  0.0018: no mixture has two runs, so errors on 27 runs that the laws had not
  seen bound it.
"""


def changed(**fields):
    return {**copy.deepcopy(FOUND), **fields}


def because(**fields):
    return changed(because={**copy.deepcopy(FOUND["because"]), **fields})


def test_the_whole_page():
    assert explain_text(FOUND, PLAIN) == TEXT


def test_a_domain_in_a_block_moves_with_it():
    kept = changed(coordinate="reused", ratio=0.25, mass=0.8, kept_from=2, measured_in=1)
    text = explain_text(kept, PLAIN)
    assert "25.00 % of the block reused" in text
    assert "80.00 % of the mix" in text
    assert "Last estimated on its own in serial 1." in " ".join(text.split())
    assert "a point more of the block reused" in " ".join(text.split())
    # The share then is the domain's, not the block's.
    assert "6.25 %" in text


@pytest.mark.parametrize(
    ("elsewhere", "words"), [((), "where the pulls below balance"), (("max:a",), "max:a holds other")]
)
def test_without_a_bound_of_its_own_it_says_what_decides(elsewhere, words):
    text = explain_text(because(bounds=[], elsewhere=list(elsewhere), repetition_for_all=None), PLAIN)
    assert words in " ".join(text.split())
    assert ("left, held" in text) == bool(elsewhere)


def test_without_runs_it_says_which_lock_measured_it():
    bare = changed(because=None, status="kept", measured_in=2, runs=0)
    text = " ".join(explain_text(bare, PLAIN).split())
    assert "No runs stand behind this lock (kept)" in text
    assert "serial 2 last estimated it" in text
    assert "not in this Git history" in " ".join(explain_text({**bare, "measured_in": None}, PLAIN).split())


@pytest.mark.parametrize(
    ("families", "words"),
    [
        ({"web": 1.0}, "The worst family counts, and it is web: metrics of others do not pull."),
        (
            {"code": 0.2, "web": 0.8},
            "2 are equally bad, and pull against each other: web with 0.80 and code with 0.20.",
        ),
    ],
)
def test_the_families_that_hold_the_mix_are_named(families, words):
    text = " ".join(explain_text(because(families=families), PLAIN).split())
    assert words in text
    assert "worst family" not in explain_text(because(), PLAIN)


def test_the_bound_of_a_ratio_is_a_plain_number():
    ratio = {
        "constraint": "max_ratio:code-to-web",
        "domains": ["code", "web/a"],
        "limit": 0.5,
        "price": 0.0312,
        "loosened": 0.55,
        "worth": 0.00123,
        "share_then": 0.2,
    }
    text = explain_text(because(bounds=[ratio]), PLAIN)
    assert "max_ratio:code-to-web  0.5 → 0.55  0.00123" in text


def test_an_interval_that_is_not_known_is_said():
    noise = {"basis": "replicates", "degrees": 3, "metrics": {"medicine": 0.01, "python": 0.02}, "objective": 0.015}
    certainty = {"interval": None, "resamples": 20, "failed": 19, "pulls": {}, "noise": noise}
    text = " ".join(explain_text(because(certainty=certainty), PLAIN).split())
    assert "too few of 20 resamples" in text
    assert "Run-to-run noise, measured on runs of one mixture: medicine 0.0100, python 0.0200" in text
    assert "interval" not in explain_text(because(certainty=None), PLAIN)


def test_a_held_share_has_nothing_that_pulls_it():
    text = explain_text(because(pulls=None, witnesses=[]), PLAIN)
    assert "Nothing moves it" in text
    assert "runs that say so" not in text


def test_another_reference_is_shown():
    assert "where KL pulls it" in explain_text(changed(reference=0.3), PLAIN)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_prose_keeps_to_the_page_and_colour_adds_codes_only(width):
    plain = explain_text(FOUND, Look(width=width, color=False))
    for line in plain.splitlines():
        assert len(line) <= width or "→" in line or "resamples" in line or line.startswith("  bound")
    colored = explain_text(FOUND, Look(width=width, color=True))
    import re

    assert re.sub(r"\x1b\[\d+m", "", colored) == plain


def test_adopted_runs_have_their_own_unit():
    text = explain_text(changed(trainer="adopted1:0123456789ab"), PLAIN)
    assert "51 adopted runs of evidence estimate its share" in text
    assert "bits per byte" not in text
    assert max(len(line) for line in text.splitlines()) <= 80
