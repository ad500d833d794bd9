"""Tables of runs: what other tools write is read as it is, and what is wrong is told by file, line and column."""

from __future__ import annotations

import pytest

from olmixctl.errors import CorpusError
from olmixctl.tables import id_column, numbers, paired, read_table, shares


def table(tmp_path, text, name="a.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path)


def test_a_table_is_read_with_its_lines(tmp_path):
    found = table(tmp_path, '\ufeffindex, "a", b\r\n7, 0.5 ,"0.5"\r\n\r\n9,1e-1,.9\r\n')
    assert (found.columns, found.rows, found.lines) == (
        ("index", "a", "b"),
        (("7", "0.5", "0.5"), ("9", "1e-1", ".9")),
        (2, 4),
    )
    assert numbers(found, "index") == ({"7": {"a": 0.5, "b": 0.5}, "9": {"a": 0.1, "b": 0.9}}, ())


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("", "the file is empty", None),
        ("\n \n", "the file is empty", None),
        ("index,a,b\n", "no runs below", 1),
        (b"\xff\xfe\x00a", "no UTF-8 text", None),
        ("just some words\nand more\n", "there is one column", 1),
        ("index;a;b\n1;0.5;0.5\n", "one column, which holds ';'", 1),
        ("index\ta\n1\t1\n", r"one column, which holds '\\t'", 1),
        ('index,a\n1,"0.5\n', "no CSV", None),
        ("index,a,a\n1,0.5,0.5\n", "two columns are named 'a'", 1),
        ("index,a,\n1,0.5,0.5\n", "a column has no name", 1),
        ("index,a,b\n1,0.5,0.5\n2,0.5\n", "this row has 2 cells, and there are 3 columns", 3),
        ("index,a,b\n1,0.5,0.5,0\n", "this row has 4 cells", 2),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text, message, line):
    with pytest.raises(CorpusError, match=message) as caught:
        table(tmp_path, text)
    assert caught.value.place.file.endswith("a.csv")
    assert caught.value.place.line == line
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("many", "'many' is no number"),
        ("", "there is no value"),
        ("nan", "nan is not finite"),
        ("-inf", "-inf is not finite"),
        ("1e999", "1e999 is not finite"),
        ("1e160", r"1e160 is beyond 1e\+100, and no loss is that large"),
        ("1_0", "'1_0' is no number"),
    ],
)
def test_a_cell_that_is_no_number_has_its_place(tmp_path, cell, message):
    with pytest.raises(CorpusError, match=message) as caught:
        numbers(table(tmp_path, f"run,a,b\nx,1,2\ny,3,{cell}\n"), "run")
    assert (caught.value.place.line, caught.value.place.field) == (3, "b")


def test_an_id_stands_once_and_is_never_empty(tmp_path):
    with pytest.raises(CorpusError, match="run 'x' stands twice, first in line 2") as caught:
        numbers(table(tmp_path, "run,a\nx,1\ny,2\nx,1\n"), "run")
    assert caught.value.place.line == 4
    with pytest.raises(CorpusError, match="the id is empty"):
        numbers(table(tmp_path, "run,a\n,1\n"), "run")
    with pytest.raises(CorpusError, match="no columns beside the ids"):
        numbers(table(tmp_path, "run,name\nx,1\n"), "run")


@pytest.mark.parametrize(
    ("left", "right", "key"),
    [
        ("index,a", "index,m", "index"),
        ("a,run_id", "run_id,m", "run_id"),
        ("run,name,index,a", "run,name,index,m", "run"),
        ("run,index,a", "index,m", "index"),
        ("job,a", "job,m", "job"),
    ],
)
def test_the_id_is_the_column_that_both_know(tmp_path, left, right, key):
    rows = [f"{head}\n{','.join('1' for _ in head.split(','))}\n" for head in (left, right)]
    assert id_column(table(tmp_path, rows[0]), table(tmp_path, rows[1], "b.csv")) == key


@pytest.mark.parametrize(("left", "right"), [("a,b\n1,0\n", "m,n\n1,2\n"), ("a,b\n1,0\n1,0\n", "a,n\n1,2\n3,4\n")])
def test_without_a_common_id_nothing_is_joined_by_position(tmp_path, left, right):
    with pytest.raises(CorpusError, match="no id column") as caught:
        id_column(table(tmp_path, left), table(tmp_path, right, "b.csv"))
    assert "run_id, run, index, id or name" in caught.value.remedy


def test_labels_are_told_apart_from_numbers(tmp_path):
    found = table(tmp_path, "run,name,index,a\nx,first,1,1\n")
    assert numbers(found, "run") == ({"x": {"a": 1.0}}, ("name", "index"))


def test_runs_on_one_side_only_are_counted_and_named(tmp_path):
    left, right = table(tmp_path, "run,a\nx,1\ny,1\n"), table(tmp_path, "run,m\nx,1\n", "b.csv")
    paired(left, right, {"x", "y"}, {"y", "x"})
    with pytest.raises(CorpusError, match=r"1 of 2 runs are not in .*b.csv: 'y'") as caught:
        paired(left, right, {"x", "y"}, {"x"})
    assert caught.value.place.file.endswith("a.csv")
    with pytest.raises(CorpusError, match=r"not in .*a.csv: 'x'"):
        paired(left, right, set(), {"x"})


def test_rows_near_one_are_renormalised_and_said(tmp_path):
    found = table(tmp_path, "run,a,b\nx,0.6,0.39\ny,0.5,0.5\n")
    rows, said = shares(found, numbers(found, "run")[0])
    assert rows["x"] == pytest.approx({"a": 0.6 / 0.99, "b": 0.39 / 0.99})
    assert said == "1 of 2 rows did not sum to 1 (furthest 0.99) and were renormalised"
    exact = table(tmp_path, "run,a,b\nx,0.25,0.75\n")
    assert shares(exact, numbers(exact, "run")[0])[1] == ""


@pytest.mark.parametrize(
    ("row", "message", "remedy"),
    [
        ("0.6,0.3", "weights of run 'x' sum to 0.9;", "every domain"),
        ("60,40", "sum to 100;", "not percent"),
        ("0,0", "sum to 0;", "every domain"),
        ("-0.1,1.1", "weight of run 'x' is -0.1", "shares of one"),
    ],
)
def test_rows_off_one_are_refused(tmp_path, row, message, remedy):
    found = table(tmp_path, f"run,a,b\ny,0.5,0.5\nx,{row}\n")
    with pytest.raises(CorpusError, match=message) as caught:
        shares(found, numbers(found, "run")[0])
    assert caught.value.place.line == 3
    assert remedy in caught.value.remedy
