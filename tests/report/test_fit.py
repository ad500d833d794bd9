"""A fit as text: aligned, at 80 columns and narrower, with and without colour."""

from __future__ import annotations

from dataclasses import replace

from olmixctl.report.look import Look
from olmixctl.report.text_fit import FitShown, fit_text

SHOWN = FitShown(
    family="gaussian",
    reason="least error of the average on runs it had not seen",
    runs=34,
    domains=17,
    folds=5,
    targets=[("one", 0.9712, 0.12345), ("two", None, 0.0), ("objective", 0.95, 1.2e-5)],
    compared={"log_linear": (0.701, 123456.0, 2e5), "gaussian": (0.95, 1.2e-5, 0.0312)},
    notes=["3 of 34 rows did not sum to 1 (furthest 0.997) and were renormalised"],
    written=["Wrote p.csv: 2 mixtures."],
)

GOLDEN = """\
Fit by gaussian  34 runs, 17 domains
  least error of the average on runs it had not seen

Families  rank and error of the objective, on runs held out
     family       rank    error  of metrics
     log_linear  0.701  1.2e+05     2.0e+05
  →  gaussian    0.950  1.2e-05      0.0312

Runs held out  rank (Spearman) and error (RMSE), 5-fold
  metric      rank    error
  one        0.971   0.1235
  two            –   0.0000
  objective  0.950  1.2e-05

To know
  · 3 of 34 rows did not sum to 1 (furthest 0.997) and were renormalised

Wrote p.csv: 2 mixtures.
"""


def test_the_page():
    assert fit_text(SHOWN, Look(width=80)) == GOLDEN


def test_colour_changes_nothing_but_colour():
    import re

    painted = fit_text(SHOWN, Look(width=80, color=True))
    assert "\x1b[" in painted
    assert re.sub(r"\x1b\[\d+m", "", painted) == GOLDEN


def test_long_names_are_cut_in_the_middle_to_fit():
    name = "metric/" + "very_" * 20 + "long"
    shown = replace(SHOWN, targets=[(name, 0.5, 0.5), ("objective", 0.5, 0.5)])
    for width in (60, 80, 100):
        lines = fit_text(shown, Look(width=width)).splitlines()
        assert max(map(len, lines)) <= width
        assert any("metric/very" in line and "…" in line and "long " in line for line in lines)


def test_without_cross_validation_there_is_no_table():
    said = fit_text(replace(SHOWN, folds=0, targets=[], compared={}), Look(width=80))
    assert "Families" not in said
    assert "held out" not in said
