"""Rows of tables as run records: what they are, what they never pretend, and when they are refused."""

from __future__ import annotations

import dataclasses

import pytest
from adopting import observed_in
from hypothesis import given
from hypothesis import strategies as st

from olmixctl.errors import UsageError
from olmixctl.ledger.model import is_adopted
from olmixctl.mixture import GRID
from olmixctl.plan.adopt import RUN_ID, TableRun, adopt, adopted_swarms, with_trainer
from olmixctl.plan.evidence import Recorded, covers, example_inputs


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    return observed_in(tmp_path_factory.mktemp("mix"))


def row(run, code=0.5, docs=0.3, web=0.2, one=1.5):
    return TableRun(run, {"code": code, "docs": docs, "web": web}, {"one": one, "two": 2.5})


ROWS = [row("1"), row("2", 1.0, 0, 0, 1.4), row("x", 0.1, 0.1, 0.8, 1.3), row("07", 0.5, 0.3, 0.2, 1.6)]


def test_a_record_pretends_nothing(observed):
    for record in adopt(observed, ROWS, [], {"ratios_file": "a.csv"}).fresh:
        inputs = record.inputs
        assert is_adopted(inputs.trainer)
        assert (inputs.model, inputs.tokens, inputs.sequence_length, inputs.batch_size) == ("adopted", 0, 0, 0)
        assert set(record.provenance) == {"ratios_file", RUN_ID}
        assert inputs.evals == tuple(sorted(observed.evals.values()))
        assert record.evals == observed.evals


def test_runs_of_one_mixture_are_runs_of_their_own(observed):
    found = adopt(observed, ROWS, [], {})
    assert len({record.key for record in found.fresh}) == 4
    assert found.replicates == (2,)
    same = [record for record in found.fresh if record.provenance[RUN_ID] in ("1", "07")]
    assert same[0].inputs.parts == same[1].inputs.parts
    assert {record.inputs.seed for record in same} >= {1}  # 07 is no number that is written so


def test_ids_that_are_numbers_are_seeds_and_no_other_id_meets_them(observed):
    ids = ["0", "7", "07", "1e3", "-1", " 5", "9" * 15, "9" * 16, "run_7"]
    found = adopt(observed, [row(run, one=1 + i / 10) for i, run in enumerate(ids)], [], {}).fresh
    seeds = {record.provenance[RUN_ID]: record.inputs.seed for record in found}
    assert len(set(seeds.values())) == len(ids)
    assert (seeds["0"], seeds["7"], seeds["9" * 15]) == (0, 7, 10**15 - 1)
    assert all(2**50 <= seeds[run] < 2**51 for run in ids if run not in ("0", "7", "9" * 15))


def test_adopted_runs_compare_with_each_other_alone(observed):
    found = adopt(observed, ROWS, [], {})
    records = {record.key: record for record in found.fresh}
    assert not Recorded.of(observed, records).points
    assert len(Recorded.of(with_trainer(observed, found.trainer), records).points) == 4
    assert not Recorded.of(with_trainer(observed, "adopted1:other"), records).points
    assert adopted_swarms(found.fresh) == {found.trainer: 4}


def test_adopting_again_finds_them_recorded(observed):
    first = adopt(observed, ROWS, [], {"ratios_file": "a.csv"})
    again = adopt(observed, ROWS[::-1], first.fresh, {"ratios_file": "moved.csv"})
    assert (again.trainer, again.fresh, again.recorded) == (first.trainer, (), 4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (row("2", 1.0, 0, 0, 1.45), "run '2' was adopted before with other numbers: one was 1.4 and is 1.45"),
        (row("2", 0.9, 0.1, 0, 1.4), r"run '2' .* its mixture is another \(code was 1.000000 and is 0.900000\)"),
        (row("2", 0, 1.0, 0, 1.4), r"run '2' .* its mixture is another \(code was 1.000000 and is 0.000000\)"),
    ],
)
def test_an_id_with_other_numbers_is_refused(observed, changed, message):
    first = adopt(observed, ROWS, [], {})
    with pytest.raises(UsageError, match=message) as caught:
        adopt(observed, [ROWS[0], changed], first.fresh, {})
    assert "taint" in caught.value.remedy


def test_other_runs_need_a_word(observed):
    first = adopt(observed, ROWS, [], {})
    others = [row("101", 0.2, 0.2, 0.6), row("102", 0.6, 0.2, 0.2)]
    with pytest.raises(UsageError, match="4 runs were adopted before, and none of these is among them"):
        adopt(observed, others, first.fresh, {})
    assert adopt(observed, others, first.fresh, {}, more=True).trainer == first.trainer
    assert adopt(observed, others, [], {}, more=True).trainer != first.trainer
    # One run in common says it, too.
    assert adopt(observed, [*others, ROWS[0]], first.fresh, {}).trainer == first.trainer


def test_a_domain_that_changed_makes_new_records_of_the_same_runs(observed):
    """Adopted anew, the runs are said to be of what the domain is now."""
    first = adopt(observed, ROWS, [], {})
    states = observed.states | {"web": dataclasses.replace(observed.states["web"], content="olc1:other")}
    later = dataclasses.replace(observed, states=states)
    again = adopt(later, ROWS, first.fresh, {})
    assert again.trainer == first.trainer
    assert {record.provenance[RUN_ID] for record in again.fresh} == {"1", "x", "07"}  # run 2 had none of it
    points = Recorded.of(
        with_trainer(later, first.trainer), {record.key: record for record in (*first.fresh, *again.fresh)}
    ).points
    assert len(points) == 4
    with pytest.raises(UsageError, match="its mixture is another"):
        adopt(later, [row("1", 0.4, 0.3, 0.3)], first.fresh, {})


def test_a_run_with_more_metrics_is_the_same_run(observed):
    """Both records are kept, one is evidence: the one that measured more."""
    evals = dict(observed.evals)
    fewer = dataclasses.replace(observed, evals={"one": evals["one"]})
    first = adopt(fewer, [TableRun(r.id, r.shares, {"one": r.metrics["one"]}) for r in ROWS], [], {})
    both = adopt(observed, ROWS, first.fresh, {})
    assert (both.trainer, len(both.fresh)) == (first.trainer, 4)
    records = {record.key: record for record in (*first.fresh, *both.fresh)}
    points = Recorded.of(with_trainer(fewer, first.trainer), records).points
    assert set(points) == {record.key for record in both.fresh}


def test_two_mixtures_suffice_of_adopted_runs_alone(observed):
    coordinates = type("C", (), {"names": ("code", "docs", "web")})()
    points = {"a": {"code": 1.0}, "b": {"docs": 1.0}}
    assert covers(points, coordinates, adopted=True)
    assert not covers(points, coordinates)
    assert not covers({"a": {"code": 1.0}, "b": {"code": 1.0}}, coordinates, adopted=True)


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda w: sum(w) > 0.1))
def test_no_share_moves_by_a_millionth(observed, weights):
    total = sum(weights)
    found = adopt(observed, [row("1", *(w / total for w in weights))], [], {})
    (record,) = found.fresh
    assert sum(part.weight for part in record.inputs.parts) == GRID
    moved = [abs(record.mixture[d] - w / total) * GRID for d, w in zip(("code", "docs", "web"), weights, strict=True)]
    assert max(moved) < 1
    assert found.moved == pytest.approx(max(moved), abs=1e-6)


def test_only_adopted_settings_have_no_model(observed):
    assert example_inputs(observed).model == "250k"
    assert example_inputs(with_trainer(observed, "adopted1:x")).model == "adopted"
