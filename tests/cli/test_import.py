"""`olmixctl import runs`: tables in, run files out; a wrong table is told with its place, and nothing is written."""

from __future__ import annotations

import json
import random

import pytest
from adopting import DOMAINS, edit_table, write_declared_mix, write_tables
from typer.testing import CliRunner

from olmixctl.cli.app import app


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_declared_mix(tmp_path)
    write_tables(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("CI", raising=False)
    return tmp_path


def olmixctl(*words, code=0):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, f"exit {result.exit_code}\n{result.stdout}\n{result.stderr}"
    return result


def adopt(*words, code=0):
    return olmixctl("import", "runs", "--ratios", "a.csv", "--metrics", "b.csv", *words, code=code)


def adopt_json(*words):
    return json.loads(adopt(*words, "--json").stdout)


def files(folder):
    return sorted(path.name for path in (folder / "mixes").glob("base.runs/*"))


def shuffled(rows):
    body = rows[1:]
    random.Random(3).shuffle(body)
    rows[1:] = body


def test_each_run_becomes_a_file_and_columns_are_said(folder):
    result = adopt()
    assert "base  14 runs adopted" in result.stdout
    assert "train_code  →  code" in result.stdout
    assert "metric/one_val_loss  →  one" in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    assert "olmixctl apply base --solve-only" in result.stderr
    assert len(files(folder)) == 14
    record = json.loads((folder / "mixes/base.runs" / files(folder)[0]).read_text())
    assert record["inputs"]["model"] == "adopted"
    assert record["inputs"]["trainer"].startswith("adopted1:")
    assert record["provenance"]["ratios_file"] == "a.csv"
    assert record["provenance"]["run_id"] in {str(i) for i in range(1, 15)}


def test_a_dry_run_says_the_same_and_writes_nothing(folder):
    dry = adopt_json("--dry-run")
    assert files(folder) == []
    assert (dry["runs"], dry["new"], dry["written"], dry["dry_run"]) == (14, 14, 0, True)
    assert "14 runs would be adopted" in adopt("--dry-run").stdout
    assert adopt_json() == dry | {"written": 14, "dry_run": False}


def test_adopting_again_in_another_order_changes_no_byte(folder):
    adopt()
    before = {name: (folder / "mixes/base.runs" / name).read_bytes() for name in files(folder)}
    for name in ("a.csv", "b.csv"):
        edit_table(folder / name, shuffled)
    again = adopt_json()
    assert (again["new"], again["recorded_before"], again["written"]) == (0, 14, 0)
    assert "all 14 runs of these tables are recorded already" in adopt().stdout
    assert {name: (folder / "mixes/base.runs" / name).read_bytes() for name in files(folder)} == before


def test_the_order_of_rows_and_columns_names_no_other_swarm(folder):
    before = adopt_json("--dry-run")["trainer"]
    for name in ("a.csv", "b.csv"):
        edit_table(folder / name, shuffled)
        edit_table(folder / name, lambda rows: rows.__setitem__(slice(None), [[*row[:0:-1], row[0]] for row in rows]))
    assert adopt_json("--dry-run")["trainer"] == before


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("b.csv", lambda rows: rows.pop(), "1 of 14 runs are not in b.csv: '14'"),
        ("a.csv", lambda rows: rows.pop(), "1 of 14 runs are not in a.csv: '14'"),
        ("b.csv", lambda rows: rows.append(rows[3]), "run '3' stands twice, first in line 4"),
        ("a.csv", lambda rows: rows.append(rows[3]), "run '3' stands twice, first in line 4"),
        ("b.csv", lambda rows: rows[3].__setitem__(1, "nan"), "b.csv:4: metric/one_val_loss: nan is not finite"),
        ("b.csv", lambda rows: rows[3].__setitem__(1, "-inf"), "b.csv:4: metric/one_val_loss: -inf is not finite"),
        ("b.csv", lambda rows: rows[3].__setitem__(1, ""), "b.csv:4: metric/one_val_loss: there is no value"),
        ("b.csv", lambda rows: rows[3].__setitem__(2, "-1.5"), "metric/two_val_loss: run '3' has -1.5, and a loss is"),
        ("a.csv", lambda rows: rows[3].__setitem__(1, "0.9"), "a.csv:4: the weights of run '3' sum to"),
        ("a.csv", lambda rows: rows[3].__setitem__(1, "-0.1"), "a.csv:4: train_code: the weight of run '3' is -0.1"),
        ("a.csv", lambda rows: rows[0].__setitem__(1, "train_news"), "column 'train_news' is no domain of the mix"),
        ("b.csv", lambda rows: rows[0].__setitem__(1, "three"), "column 'three' is no metric of the mix; one has no"),
        ("a.csv", lambda rows: rows[0].__setitem__(2, "code"), "'train_code' and 'code' would both be domain 'code'"),
        ("b.csv", lambda rows: [row.pop() for row in rows], "the mix: two has no column"),
        ("b.csv", lambda rows: rows[0].__setitem__(0, "other"), "no id column is in all of a.csv, b.csv"),
        ("b.csv", lambda rows: rows.__setitem__(slice(None), [[]]), "b.csv: the file is empty"),
    ],
)
def test_a_wrong_table_is_told_with_its_place_and_nothing_is_written(folder, file, change, message):
    edit_table(folder / file, change)
    result = adopt(code=1)
    assert message in " ".join(result.stderr.split())
    assert "→" in result.stderr
    assert files(folder) == []


def test_a_domain_without_a_column_has_to_be_said_to_be_absent(folder):
    write_declared_mix(folder, (*DOMAINS, "news"))
    assert "the mix: news has no column" in adopt(code=1).stderr
    notes = " ".join(adopt_json("--absent", "news")["notes"])
    assert "no run has any of news: nothing is known of it, and it is held at its reference share" in notes


def test_a_column_is_left_out_only_where_that_is_said_and_harmless(folder):
    edit_table(folder / "a.csv", lambda rows: [row.append("0" if i else "train_news") for i, row in enumerate(rows)])
    edit_table(folder / "b.csv", lambda rows: [row.append("-1" if i else "accuracy") for i, row in enumerate(rows)])
    assert "column 'train_news' is no domain" in adopt(code=1).stderr
    assert "column 'accuracy' is no metric" in adopt("--ignore", "train_news", code=1).stderr
    found = adopt_json("--ignore", "train_news", "--ignore", "accuracy")
    assert found["ignored"] == ["train_news", "accuracy"]
    assert set(found["domains"].values()) == set(DOMAINS)
    record = json.loads((folder / "mixes/base.runs" / files(folder)[0]).read_text())
    assert record["provenance"]["ignored_columns"] == ["accuracy", "train_news"]


def test_a_glob_leaves_out_what_is_nothing_in_the_mix(folder):
    third = "metric/three_val_loss"
    edit_table(folder / "b.csv", lambda rows: [row.append("2" if i else third) for i, row in enumerate(rows)])
    found = adopt_json("--ignore", "metric/*")
    assert (sorted(found["evals"].values()), found["ignored"]) == (["one", "two"], [third])


def test_weight_cannot_be_left_out(folder):
    write_declared_mix(folder, ("code", "docs"))
    assert "column 'train_web' cannot be left out: run '1' has" in adopt("--ignore", "train_web", code=1).stderr


def test_columns_with_other_names_are_named(folder):
    edit_table(folder / "a.csv", lambda rows: rows[0].__setitem__(slice(1, None), ["x", "y=z", "docs"]))
    found = adopt_json("--domain", "x=code", "--domain", "y=z=web", "--metric", "metric/two_val_loss=two")
    assert found["domains"] == {"x": "code", "y=z": "web", "docs": "docs"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--domain", "code"], "--domain code: there is no name for the column"),
        (["--domain", "train_code=code", "--domain", "train_code=web"], "train_code is code already"),
        (["--domain", "train_cod=code"], "a.csv has no such column"),
        (["--domain", "train_code=cod"], "the mix has no domain 'cod'"),
        (["--metric", "metric/one_val_loss=three"], "the mix has no metric 'three'"),
        (["--absent", "news"], "--absent news: the mix has no domain 'news'"),
        (["--absent", "web"], "--absent web: the table has a column for it"),
        (["--ignore", "accuracy"], "--ignore accuracy: neither table has such a column"),
    ],
)
def test_a_wrong_command_line_exits_64(folder, words, message):
    result = adopt(*words, code=64)
    assert message in " ".join(result.stderr.split())
    assert "→" in result.stderr
    assert files(folder) == []


def test_a_run_that_has_other_numbers_now_is_named(folder):
    adopt()
    edit_table(folder / "b.csv", lambda rows: rows[5].__setitem__(1, "9.5"))
    said = adopt(code=64).stderr
    assert "run '5' was adopted before with other numbers: one was" in said
    assert "and is 9.5" in said
    write_tables(folder)
    edit_table(folder / "a.csv", lambda rows: rows[2].__setitem__(slice(1, 4), ["0.5", "0.25", "0.25"]))
    assert "run '2' was adopted before with other numbers: its mixture is another" in adopt(code=64).stderr
    assert len(files(folder)) == 14


def test_more_runs_of_a_swarm_are_added_where_they_belong_to_it(folder):
    first = adopt_json()["trainer"]
    write_tables(folder, 6, seed=8, first=101)
    assert "14 runs were adopted before, and none of these is among them" in adopt(code=64).stderr
    added = adopt_json("--add")
    assert (added["trainer"], added["new"], added["written"]) == (first, 6, 6)
    write_tables(folder, 20, seed=9)  # other mixtures under ids that are taken
    assert "was adopted before with other numbers" in adopt(code=64).stderr


def renamed(rows):
    for number, row in enumerate(rows[1:], start=1):
        row[0] = f"run-{number:02}"


def test_the_same_runs_under_other_ids_are_refused(folder):
    """As runs of their own they would be replicates without noise, and the mix far too sure of itself."""
    adopt()
    for name in ("a.csv", "b.csv"):
        edit_table(folder / name, renamed)
    said = adopt("--add", code=64).stderr
    assert said.startswith("error: a.csv:2: 14 of 14 runs have the mixture and every loss of a run adopted before, ")
    assert "under another id: 'run-01' those of '1', 'run-02' those of '2', 'run-03' those of '3', …" in said
    assert "take these rows out of both tables, or give them the ids of those runs" in " ".join(said.split())
    assert adopt(code=64).stderr == said  # --add would not have helped
    assert adopt("--dry-run", code=64).stderr == said
    assert len(files(folder)) == 14
    assert adopt_json("--add", "--repeats")["written"] == 14


def test_ids_that_moved_by_a_row_are_told_as_that(folder):
    adopt()
    for name in ("a.csv", "b.csv"):
        edit_table(folder / name, lambda rows: [row.__setitem__(0, str(i - 1)) for i, row in enumerate(rows) if i])
    assert "14 of 14 runs have the mixture and every loss of a run adopted before, under another id" in (
        adopt(code=64).stderr
    )


def test_a_row_that_stands_again_under_another_id_is_refused(folder):
    for name in ("a.csv", "b.csv"):
        edit_table(folder / name, lambda rows: rows.append(["77", *rows[3][1:]]))
    said = adopt(code=1).stderr
    assert "a.csv:16: 1 of 15 runs has the mixture and every loss of another row, under another id: '77'" in said
    assert "--repeats says that they are runs of their own" in " ".join(said.split())
    assert files(folder) == []
    assert "one mixture has several runs (2 in all)" in " ".join(adopt_json("--repeats")["notes"])


def test_a_longer_table_of_the_same_runs_needs_no_word(folder):
    edit_table(folder / "a.csv", lambda rows: rows.__delitem__(slice(8, None)))
    edit_table(folder / "b.csv", lambda rows: rows.__delitem__(slice(8, None)))
    first = adopt_json()
    write_tables(folder)
    more = adopt_json()
    assert (more["trainer"], more["new"], more["recorded_before"]) == (first["trainer"], 7, 7)


def test_what_is_odd_is_adopted_and_said(folder):
    def odd(rows):
        rows[2][1:] = rows[1][1:]
        rows[5][1] = str(float(rows[5][1]) + 0.005)

    edit_table(folder / "a.csv", odd)
    edit_table(folder / "b.csv", lambda rows: [row.__setitem__(2, "1.5") for row in rows[1:]])
    notes = " ".join(adopt_json()["notes"])
    for words in (
        "rows did not sum to 1 (furthest 1.005) and were renormalised",
        "one mixture has several runs (2 in all): all are evidence",
        "the same in every run, so no mixture changes it: two",
        "grid of millionths; none moved by a millionth or more",
    ):
        assert words in notes
    assert len(files(folder)) == 14


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        (1, "all runs have one mixture: nothing can be decided on them alone"),
        (3, "3 mixtures of 3 domains: fewer than"),
    ],
)
def test_few_runs_are_adopted_and_said(folder, runs, words):
    for name in ("a.csv", "b.csv"):
        edit_table(folder / name, lambda rows: rows.__delitem__(slice(runs + 1, None)))
    assert words in " ".join(adopt_json()["notes"])


def test_a_mix_with_a_lock_of_its_own_takes_none(olmixctl, applied):
    write_tables(applied)
    result = olmixctl("import", "runs", "--ratios", "a.csv", "--metrics", "b.csv", code=64)
    assert "the lock rests on runs trained here (fake1)" in result.stderr
    assert "a mix of their own" in result.stderr


def test_a_table_that_is_not_there(folder):
    (folder / "b.csv").unlink()
    assert "b.csv: No such file" in adopt(code=1).stderr


def test_from_tables_to_a_lock_and_what_each_command_says_of_it(folder):
    adopt()
    blocked = olmixctl("plan", code=3).stdout
    assert "nobody can measure one, two here" in " ".join(blocked.split())
    said = olmixctl("apply", "--solve-only", "--auto-approve").stdout
    assert "0 runs trained" in said
    assert "log_linear laws on 14 adopted runs" in said
    assert "units of the adopted losses" in said
    assert "none: the runs were adopted from tables of others" in " ".join(olmixctl("verify").stdout.split())
    assert "14 runs recorded, all adopted, 14 behind the lock" in olmixctl("runs", "list").stdout
    assert "14 adopted runs of evidence" in " ".join(olmixctl("explain", "web", "--resamples", "0").stdout.split())
    assert "Nothing to do" in olmixctl("plan", "--detailed-exitcode").stdout
    assert olmixctl("show").stdout.startswith("base  lock serial 1, 3 domains")
    key = files(folder)[0].removeprefix("r1-")[:12]
    assert "The next apply decides without it." in olmixctl("runs", "taint", key, "--reason", "wrong row").stdout
    assert "`olmixctl apply` decides without it" in " ".join(olmixctl("verify", code=8).stdout.split())
    assert "solved on the 13 adopted runs there are" in " ".join(olmixctl("plan").stdout.split())


def test_a_saved_plan_on_adopted_runs_is_applied_as_it_was_reviewed(folder):
    adopt()
    olmixctl("plan", "--solve-only", "--out", "plan.json")
    assert "lock serial 1 written" in olmixctl("apply", "plan.json").stdout
