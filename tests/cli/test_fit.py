"""`olmixctl fit`: tables in, laws and predictions out; outside of any workspace."""

from __future__ import annotations

import csv
import json
import random

import numpy as np
import pytest
from swarms import diminishing, mixtures
from typer.testing import CliRunner

from olmixctl.cli.app import app


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with tables of 14 runs, 3 domains and 2 metrics, and no mix."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    weights_RC = mixtures(14, 3)
    write(tmp_path / "a.csv", ["index", "train_web", "train_code", "train_news"], rows_of(weights_RC))
    losses_RM = diminishing(weights_RC) + np.random.default_rng(0).normal(0, 0.01, (14, 2))
    write(tmp_path / "b.csv", ["index", "metric/one", "metric/two"], rows_of(losses_RM))
    return tmp_path


def rows_of(values):
    return [[100 + i, *(repr(float(value)) for value in row)] for i, row in enumerate(values)]


def write(path, head, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])


def read(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def edit(path, change):
    rows = read(path)
    change(rows)
    write(path, rows[0], rows[1:])


def fit(*words, code=0):
    result = CliRunner().invoke(app, ["fit", "--ratios", "a.csv", "--metrics", "b.csv", *map(str, words)])
    assert result.exit_code == code, f"exit {result.exit_code}\n{result.stdout}\n{result.stderr}"
    return result


def fit_json(*words, code=0):
    return json.loads(fit(*words, "--json", code=code).stdout)


def test_auto_says_which_family_and_why(folder):
    said = fit().stdout
    assert said.startswith("Fit by ")
    for word in ("log_linear", "saturating", "gaussian", "metric/one", "metric/two", "objective", "5-fold", "→"):
        assert word in said
    assert max(len(line) for line in said.splitlines()) <= 80


def test_tables_in_the_wrong_places_are_told_apart(folder):
    error = fit("--ratios", "b.csv", "--metrics", "a.csv", code=1).stderr
    assert "b.csv:2: the weights of run '100' sum to" in error
    assert "the rows of a.csv sum to 1: give that table as --ratios, and this one as --metrics" in error


@pytest.mark.parametrize("surrogate", ["log_linear", "saturating"])
def test_what_no_run_sampled_counts_as_the_note_says(folder, surrogate):
    edit(folder / "a.csv", lambda rows: [row.append("0" if i else "train_never") for i, row in enumerate(rows)])
    head, third = read(folder / "a.csv")[0], 1 / 3
    write(folder / "c.csv", head, [["some", 0.2, 0.2, 0.2, 0.4], ["none", third, third, third, 0]])
    found = fit_json("--surrogate", surrogate, "--predict", "c.csv", "--out", "p.csv")
    (note,) = [text for text in found["notes"] if text.startswith("never sampled")]
    some, none = (list(map(float, row[1:4])) for row in read(folder / "p.csv")[1:])
    if surrogate == "log_linear":
        assert "counts as the mean domain" in note
        assert some == pytest.approx(none, abs=1e-6)
    else:
        assert "counts for nothing" in note
        assert all(less > more for less, more in zip(some, none, strict=True)), "0.6 of what runs sampled, not all"


def test_json_holds_the_same(folder):
    found = fit_json()
    assert found["asked"] == "auto"
    assert found["scores"][found["family"]] == found["cross_validation"]
    assert set(found["scores"]) == set(found["compared"]) == {"log_linear", "saturating", "gaussian"}
    assert found["status"]["converged"] is True
    assert found["status"]["iterations"] > 0
    ranks = [score["spearman"] for score in found["cross_validation"]["metrics"].values()]
    assert found["cross_validation"]["mean"]["spearman"] == pytest.approx(sum(ranks) / 2)
    assert found["family"] in found["compared"]
    assert set(found["cross_validation"]["metrics"]) == {"metric/one", "metric/two"}
    assert found["compared"][found["family"]] == found["cross_validation"]["objective"]
    assert (found["runs"], found["domains"]) == (14, ["train_code", "train_news", "train_web"])
    assert (found["noise"], found["out"], found["predicted"]) == (None, None, None)


def test_the_order_of_rows_and_columns_means_nothing(folder):
    before = fit_json("--surrogate", "saturating")

    def shuffle(rows):
        body = rows[1:]
        random.Random(1).shuffle(body)
        rows[1:] = body
        rows[:] = [[row[2], row[0], row[1], *row[3:]] for row in rows]

    edit(folder / "a.csv", shuffle)
    edit(folder / "b.csv", lambda rows: rows.__setitem__(slice(1, None), rows[:0:-1]))
    assert fit_json("--surrogate", "saturating") == before


def test_predictions_have_intervals_and_the_order_of_their_table(folder):
    write(folder / "c.csv", ["index", "train_news", "train_web", "train_code"], [["x", 0.2, 0.3, 0.5], ["w", 1, 0, 0]])
    said = fit("--surrogate", "saturating", "--predict", "c.csv", "--out", "p.csv").stdout
    head, *rows = read(folder / "p.csv")
    targets = ["metric/one", "metric/two", "objective"]
    assert head == ["index", *targets, *(f"{name}_{end}" for name in targets for end in ("low", "high"))]
    assert [row[0] for row in rows] == ["x", "w"]
    values = np.array([[float(cell) for cell in row[1:]] for row in rows])
    np.testing.assert_allclose(values[:, 2], values[:, :2].mean(axis=1), rtol=1e-6)
    assert (values[:, 3::2] < values[:, :3]).all()
    assert (values[:, 4::2] > values[:, :3]).all()
    assert "Lowest predicted objective: x" in said
    assert "Wrote p.csv: 2 mixtures." in said


def test_predictions_of_fitted_runs_are_near_what_was_measured(folder):
    fit("--surrogate", "gaussian", "--predict", "a.csv", "--out", "p.csv")
    predicted, measured = read(folder / "p.csv"), read(folder / "b.csv")
    assert [row[0] for row in predicted] == [row[0] for row in measured]
    error = [float(p[1]) - float(m[1]) for p, m in zip(predicted[1:], measured[1:], strict=True)]
    assert float(np.std(error)) < 0.05


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("b.csv", lambda rows: rows.pop(), "1 of 14 runs are not in b.csv: '113'"),
        ("a.csv", lambda rows: rows.pop(), "1 of 14 runs are not in a.csv: '113'"),
        ("b.csv", lambda rows: rows.append(rows[3]), "run '102' stands twice, first in line 4"),
        ("b.csv", lambda rows: rows[3].__setitem__(1, "nan"), "b.csv:4: metric/one: nan is not finite"),
        ("b.csv", lambda rows: rows[3].__setitem__(1, "inf"), "b.csv:4: metric/one: inf is not finite"),
        ("a.csv", lambda rows: rows[3].__setitem__(1, "lots"), "a.csv:4: train_web: 'lots' is no number"),
        ("a.csv", lambda rows: rows[3].__setitem__(1, "0.9"), "a.csv:4: the weights of run '102' sum to"),
        ("b.csv", lambda rows: rows.__setitem__(slice(None), [[]]), "b.csv: the file is empty"),
        ("b.csv", lambda rows: rows[0].__setitem__(0, "other"), "no id column is in all of a.csv, b.csv"),
    ],
)
def test_a_wrong_table_is_told_with_its_place(folder, file, change, message):
    edit(folder / file, change)
    result = fit(code=1)
    assert message in result.stderr
    assert "→" in result.stderr
    assert result.stdout == ""


def test_a_table_that_is_not_there(folder):
    (folder / "b.csv").unlink()
    assert "b.csv: No such file" in fit(code=1).stderr


def test_other_domains_cannot_be_predicted(folder):
    write(folder / "c.csv", ["index", "train_news", "train_web"], [["x", 0.5, 0.5]])
    assert "column 'train_code' is missing" in fit("--predict", "c.csv", "--out", "p.csv", code=1).stderr
    write(folder / "c.csv", ["index", "train_news", "train_web", "train_code", "more"], [["x", 0.5, 0.5, 0, 0]])
    assert "column 'more' is no domain" in fit("--predict", "c.csv", "--out", "p.csv", code=1).stderr
    assert not (folder / "p.csv").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--predict", "a.csv"], "--predict without --out"),
        (["--out", "p.csv"], "--out without --predict"),
        (["--predict", "a.csv", "--out", "b.csv"], "would write over a table that is read"),
        (["--predict", "a.csv", "--out", "no/p.csv"], "there is no folder no"),
        (["--predict", "a.csv", "--out", "loop"], "the link leads nowhere"),
        (["--surrogate", "linear"], "'linear' is not known"),
        (["--metrics", "a.csv"], "a.csv: --ratios and --metrics are the same table"),
        (["--metrics", "copy.csv"], "copy.csv: --ratios and --metrics are the same table"),
    ],
)
def test_a_wrong_command_line_exits_64(folder, words, message):
    (folder / "loop").symlink_to("loop")
    (folder / "copy.csv").write_text((folder / "a.csv").read_text())
    before = (folder / "b.csv").read_text()
    assert message in fit(*words, code=64).stderr
    assert (folder / "b.csv").read_text() == before


def test_an_older_answer_is_replaced_without_a_mix_around(folder):
    (folder / "p.csv").write_text("old")
    fit("--surrogate", "saturating", "--predict", "a.csv", "--out", "p.csv")
    assert (folder / "p.csv").read_text().startswith("index,")


def test_what_is_odd_is_fitted_and_said(folder):
    def repeat(rows):
        rows[2][1:] = rows[1][1:]
        rows[0].append("train_never")
        for row in rows[1:]:
            row.append("0")
        rows[5][1] = str(float(rows[5][1]) + 0.005)

    edit(folder / "a.csv", repeat)
    edit(folder / "b.csv", lambda rows: [row.__setitem__(2, "1.5") for row in rows[1:]])
    found = fit_json("--surrogate", "saturating", "--predict", "a.csv", "--out", "p.csv")
    notes = " ".join(found["notes"])
    for words in (
        "1 of 14 rows did not sum to 1 (furthest 1.005) and were renormalised",
        "1 mixture has several runs (2 in all)",
        "the same in every run, so no mixture changes them: metric/two",
        "never sampled, so nothing is known of it, and its weight counts for nothing: train_never",
    ):
        assert words in notes
    assert found["never_sampled"] == ["train_never"]
    assert found["noise"]["metric/one"] > 0
    assert found["cross_validation"]["metrics"]["metric/two"]["spearman"] is None


def test_losses_that_a_family_cannot_describe_are_the_tables_fault(folder):
    edit(folder / "b.csv", lambda rows: [row.__setitem__(2, "0") for row in rows[1:]])
    said = " ".join(fit("--surrogate", "log_linear", code=1).stderr.split())
    assert "error: b.csv: metric 'metric/two'" in said
    assert "leave the column out of b.csv, or fit another family (--surrogate gaussian)" in said


def test_a_metric_that_is_not_positive_leaves_the_others_as_they_were(folder):
    """Only the log-linear law needs losses above zero: what is below is counted from further down."""
    before = fit_json("--surrogate", "gaussian")["cross_validation"]["metrics"]["metric/one"]
    edit(folder / "b.csv", lambda rows: [row.__setitem__(2, repr(float(row[2]) - 9)) for row in rows[1:]])
    found = fit_json("--surrogate", "gaussian")["cross_validation"]["metrics"]
    assert found["metric/one"] == pytest.approx(before, rel=1e-6)
    assert found["metric/two"]["spearman"] > 0.8
    compared = fit_json()
    assert set(compared["compared"]) == {"saturating", "gaussian"}
    assert any(note.startswith("log_linear is not compared") for note in compared["notes"])


def test_a_run_far_above_all_others_is_left_out_and_named(folder):
    edit(folder / "b.csv", lambda rows: rows[5].__setitem__(slice(1, None), ["9", "9"]))
    found = fit_json()
    assert found["runs"] == 13
    (run,) = found["left_out"]
    assert run == read(folder / "a.csv")[5][0]
    (note,) = (note for note in found["notes"] if "left out" in note)
    assert note == (
        f"1 run is left out, far above what all others say, as after a loss spike (standard deviations: {run} by "
        f"{found['left_out'][run]:.0f}); did training diverge?"
    )


@pytest.mark.parametrize("unit", [1e-7, 1e6])
def test_the_unit_of_the_losses_does_not_choose_the_family(folder, unit):
    plain = fit_json()
    edit(
        folder / "b.csv",
        lambda rows: [row.__setitem__(c, repr(float(row[c]) * unit)) for row in rows[1:] for c in (1, 2)],
    )
    found = fit_json()
    assert (found["family"], found["reason"]) == (plain["family"], plain["reason"])


def test_a_run_that_stands_twice_is_warned_of(folder):
    """As a repeat it would say that runs of one mixture differ by nothing."""
    for name in ("a.csv", "b.csv"):
        edit(folder / name, lambda rows: rows.extend([["77", *rows[3][1:]], ["78", *rows[4][1:]]]))
    words = "2 runs have the mixture and every metric of another one ('77' those of '102', '78' those of '103')"
    found = fit_json("--surrogate", "saturating")
    assert words in " ".join(found["notes"])
    assert found["runs"] == 16
    edit(folder / "b.csv", lambda rows: [row.__setitem__(1, f"{float(row[1]) + 1e-9}") for row in rows[-2:]])
    assert "of another one" not in " ".join(fit_json("--surrogate", "saturating")["notes"])


def test_mixtures_beyond_what_runs_sampled_are_said(folder):
    """A law that bends upwards may be off by anything there, and intervals come from runs that lay inside."""
    write(folder / "a.csv", read(folder / "a.csv")[0], rows_of(mixtures(14, 3, strength=9.0)))
    head, *rows = read(folder / "a.csv")
    least = min(range(1, 4), key=lambda c: max(float(row[c]) for row in rows))
    most = max(float(row[least]) for row in rows)
    beyond = [1.0 if c == least else 0.0 for c in range(1, 4)]
    write(folder / "c.csv", head, [["in", *rows[0][1:]], ["out", *beyond]])
    (note,) = (note for note in fit_json("--predict", "c.csv", "--out", "p.csv")["notes"] if "any run did" in note)
    assert note == (
        f"1 mixture gives a domain more than any run did ('out' gives {head[least]} 1, no run more than {most:.3g}): "
        "predictions and intervals hold for what runs sampled"
    )
    write(folder / "c.csv", head, [["in", *rows[0][1:]]])
    assert "any run did" not in " ".join(fit_json("--predict", "c.csv", "--out", "p.csv")["notes"])


@pytest.mark.parametrize("family", ["log_linear", "saturating", "gaussian"])
def test_weight_on_what_no_run_sampled_has_a_prediction_and_no_interval(folder, family):
    edit(folder / "a.csv", lambda rows: [row.append("0" if i else "train_never") for i, row in enumerate(rows)])
    write(folder / "c.csv", read(folder / "a.csv")[0], [["x", 0.5, 0.2, 0.2, 0.1], ["y", 0.5, 0.3, 0.2, 0]])
    words = ("--surrogate", family, "--predict", "c.csv", "--out", "p.csv")
    found = fit_json(*words)
    x, y = (row[1:] for row in read(folder / "p.csv")[1:])
    assert all(x[:3])
    assert x[3:] == [""] * 6
    assert all(y)
    assert found["without_interval"] == 1
    assert (found["best_interval"] is None) == (found["best"] == "x")
    said = " ".join(fit(*words).stdout.split())
    assert "1 mixture gives weight to domains that no run sampled: nothing is known of them there, so" in said


@pytest.mark.parametrize(("seed", "words"), [(None, "no rank"), (1, "rank −0.")])
def test_predictions_that_rank_no_better_than_chance_are_warned_of(folder, seed, words):
    rng = np.random.default_rng(seed or 0)

    def shuffle(rows):
        for row in rows[1:]:
            row[1:] = ["1.5" if seed is None else f"{1.5 + rng.normal():.4f}"] * len(row[1:])

    edit(folder / "b.csv", shuffle)
    found = fit_json("--surrogate", "log_linear")
    assert found["cross_validation"]["objective"]["spearman"] is None or seed is not None
    said = [note for note in found["notes"] if "no better than chance" in note]
    assert len(said) == 1
    assert words in said[0]


def test_the_lowest_by_what_no_run_sampled_is_not_said_to_be_sure(folder):
    edit(folder / "a.csv", lambda rows: [row.append("0" if i else "train_never") for i, row in enumerate(rows)])
    write(folder / "c.csv", read(folder / "a.csv")[0], [["x", 0.2, 0.1, 0.1, 0.6]])
    said = " ".join(fit("--surrogate", "log_linear", "--predict", "c.csv", "--out", "p.csv").stdout.split())
    assert "90 % between" not in said
    assert "by weight on domains that no run sampled: how far it may be off is not known." in said


def test_no_mixture_is_the_lowest_where_all_are_level(folder):
    for name in ("a.csv", "b.csv"):
        edit(folder / name, lambda rows: rows.__delitem__(slice(2, None)))
    write(folder / "c.csv", read(folder / "a.csv")[0], [["x", 0.5, 0.3, 0.2], ["y", 0.2, 0.3, 0.5]])
    said = fit("--predict", "c.csv", "--out", "p.csv").stdout
    assert "Lowest predicted objective" not in said
    assert "All mixtures have one predicted objective, " in said
    assert fit_json("--predict", "c.csv", "--out", "p.csv")["best"] is None


@pytest.mark.parametrize(
    ("runs", "words"), [(1, "fewer than three"), (2, "fewer than three"), (5, "5 runs are too few for")]
)
def test_few_runs_are_fitted_and_said(folder, runs, words):
    for name in ("a.csv", "b.csv"):
        edit(folder / name, lambda rows: rows.__delitem__(slice(runs + 1, None)))
    said = " ".join(fit("--predict", "a.csv", "--out", "p.csv").stdout.split())
    assert words in said
    values = read(folder / "p.csv")[1]
    assert all(values[:4])
    assert any(values[4:]) == (runs > 2)


@pytest.mark.parametrize("family", ["log_linear", "saturating", "gaussian"])
def test_fewer_runs_than_domains_are_fitted_and_said(folder, family):
    weights_RC = mixtures(5, 8)
    write(folder / "a.csv", ["index", *"abcdefgh"], rows_of(weights_RC))
    write(folder / "b.csv", ["index", "one", "two"], rows_of(diminishing(weights_RC)))
    found = fit_json("--surrogate", family, "--predict", "a.csv", "--out", "p.csv")
    assert "what the runs do not" in " ".join(found["notes"])
    assert all(row[1] for row in read(folder / "p.csv")[1:])


@pytest.mark.parametrize(("file", "column"), [("a.csv", "train_web"), ("a.csv", "train_news"), ("b.csv", "metric/one")])
@pytest.mark.parametrize("cell", ["nan", "inf", "-Infinity", "1e400", ""])
def test_what_is_not_finite_is_refused_wherever_it_stands(folder, file, column, cell):
    edit(folder / file, lambda rows: rows[-1].__setitem__(rows[0].index(column), cell))
    said = fit(code=1).stderr
    assert f"{file}:15: {column}: " in said
    assert "take the run out of every table" in " ".join(said.split())


def test_olmix_tables_are_read_as_they_are(folder):
    for name in ("a.csv", "b.csv"):
        edit(
            folder / name,
            lambda rows: [
                row.__setitem__(slice(0, 1), [f"id{row[0]}", f"name {i}", str(i)] if i else ["run", "name", "index"])
                for i, row in enumerate(rows)
            ],
        )
    found = fit_json("--surrogate", "saturating")
    assert found["runs"] == 14
    assert "read as labels, beside the id 'run': index, name" in found["notes"]
