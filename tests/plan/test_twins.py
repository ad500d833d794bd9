"""Rows that are runs which are known already, under other ids."""

from __future__ import annotations

import dataclasses

import pytest
from adopting import observed_in

from olmixctl.errors import CorpusError, Place, UsageError
from olmixctl.plan.adopt import TableRun, adopt
from olmixctl.plan.twins import refuse_twins


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    return observed_in(tmp_path_factory.mktemp("mix"))


def row(run, code=0.5, docs=0.3, web=0.2, one=1.5):
    return TableRun(run, {"code": code, "docs": docs, "web": web}, {"one": one, "two": 2.5}, Place("a.csv", 5))


ROWS = [row("1"), row("2", 1.0, 0, 0, 1.4), row("3", 0, 1.0, 0, 1.3), row("4", 0.5, 0.3, 0.2, 1.6)]


def recorded(observed, rows=ROWS):
    return adopt(observed, rows, [], {}).fresh


def told(observed, rows, known):
    """What is said against these rows; nothing where they may be adopted."""
    try:
        refuse_twins(observed, rows, known)
    except (CorpusError, UsageError) as error:
        return error.message
    return None


def test_replicates_that_measured_something_else_are_no_twins(observed):
    assert told(observed, ROWS, ()) is None
    assert told(observed, ROWS, recorded(observed)) is None  # the same ids
    assert told(observed, [row("9", one=1.7), row("8", 0.6, 0.3, 0.1)], recorded(observed)) is None


@pytest.mark.parametrize("order", [1, -1])
def test_two_rows_are_told_whatever_their_order(observed, order):
    rows = sorted([*ROWS, row("2b", 1.0, 0, 0, 1.4)], key=lambda item: item.id)
    with pytest.raises(CorpusError) as caught:
        refuse_twins(observed, rows[::order], ())
    assert "1 of 5 runs has the mixture and every loss of another row" in caught.value.message
    assert caught.value.message.endswith("'2b' those of '2'")
    assert str(caught.value.place) == "a.csv:5"


def test_more_digits_of_a_mixture_do_not_hide_it(observed):
    again = row("9", 0.5 + 3e-8, 0.3 - 3e-8, 0.2)
    with pytest.raises(UsageError, match="'9' those of '1'"):
        refuse_twins(observed, [again], recorded(observed))


def test_both_kinds_are_counted_together(observed):
    rows = [row("5"), row("6", 0.1, 0.1, 0.8), row("7", 0.1, 0.1, 0.8)]
    with pytest.raises(UsageError) as caught:
        refuse_twins(observed, rows, recorded(observed))
    assert caught.value.message.endswith(
        "2 of 3 runs have the mixture and every loss of another row or a run adopted before, under another id: "
        "'5' those of '1', '7' those of '6'"
    )


def test_a_run_adopted_with_fewer_metrics_is_known_again(observed):
    fewer = dataclasses.replace(observed, evals={"one": observed.evals["one"]})
    rows = [dataclasses.replace(item, metrics={"one": item.metrics["one"]}) for item in ROWS]
    with pytest.raises(UsageError, match="'9' those of '1'"):
        refuse_twins(observed, [row("9")], recorded(fewer, rows))
    # Without a loss in common nothing tells.
    other = dataclasses.replace(observed, evals={"two": observed.evals["two"]})
    there = dataclasses.replace(row("9"), metrics={"two": 2.5})
    assert told(other, [there], recorded(fewer, rows)) is None


def test_a_run_of_a_domain_that_changed_since_is_known_again(observed):
    states = observed.states | {"web": dataclasses.replace(observed.states["web"], content="olc1:other")}
    later = dataclasses.replace(observed, states=states)
    with pytest.raises(UsageError, match="'9' those of '1'"):
        refuse_twins(later, [row("9")], recorded(observed))


def test_runs_that_were_trained_here_are_no_twins(observed):
    own = [dataclasses.replace(r, inputs=dataclasses.replace(r.inputs, trainer="t1")) for r in recorded(observed)]
    assert told(observed, [row("9")], own) is None
    assert told(observed, [row("9")], recorded(observed)) is not None
