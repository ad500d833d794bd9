"""The ledger: what is recorded stays, is found by its key, and cannot be damaged unseen."""

from __future__ import annotations

import dataclasses
import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import run_records

from olmixctl.errors import IntegrityError
from olmixctl.ledger import Ledger, LocalHome, MixturePart, RunInputs, RunRecord, evidence_root, parts_of
from olmixctl.ledger.files import Attempt, attempt_of, dump_run, read_run, run_name, taint_name, taint_of
from olmixctl.mixture import Block, Coordinates, GridMixture, Mixture

INPUTS = RunInputs(
    parts=(MixturePart(600_000, (("olc1:a", 1),)), MixturePart(400_000, (("olc1:b", 3), ("olc1:c", 1)))),
    model="250k",
    tokens=1000,
    sequence_length=64,
    batch_size=8,
    tokenizer="bytes",
    evals=("ev1:x",),
    seed=0,
    trainer="t1",
)
RUN = RunRecord(
    inputs=INPUTS,
    mixture=Mixture({"a": 0.6, "b": 0.3, "c": 0.1}),
    evals={"python": "ev1:x"},
    status="done",
    metrics={"python": 0.9},
    provenance={"device_seconds": 2.5},
)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(LocalHome(tmp_path / "base.runs"))


def file_of(ledger, key, number=1):
    return ledger.folder / run_name(Attempt(key, number))


def test_a_ledger_without_a_folder_is_empty(ledger):
    assert list(ledger) == []
    assert ledger.records() == {}
    assert RUN.key not in ledger


def test_a_recorded_run_is_found_by_its_key(ledger):
    assert ledger.add(RUN)
    assert RUN.key in ledger
    assert ledger.get(RUN.key) == RUN
    assert ledger.records() == {RUN.key: RUN}
    assert ":" not in file_of(ledger, RUN.key).name


def test_the_first_result_stands(ledger):
    ledger.add(RUN)
    again = dataclasses.replace(RUN, metrics={"python": 0.5})
    assert not ledger.add(again)
    assert ledger.get(RUN.key).metrics == {"python": 0.9}


def test_a_missing_run_says_where_evidence_lives(ledger):
    with pytest.raises(IntegrityError, match=r"not in the ledger(.|\n)*Git"):
        ledger.get(RUN.key)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:50], "truncated or not JSON"),
        (lambda _: "", "truncated or not JSON"),
        (lambda _: "[]", "truncated or not JSON"),
        (lambda _: "\x00\x01", "truncated or not JSON"),
        (lambda text: text.replace('"python": 0.9', '"python": 0.1'), "altered"),
        (lambda text: text.replace('"device_seconds": 2.5', '"device_seconds": 1.5'), "altered"),
        (lambda text: text.replace('"seed": 0', '"seed": 1'), "key"),
        (lambda text: text.replace('"run_version": 1', '"run_version": 9'), "run_version 9"),
        (lambda text: text.replace('"metrics"', '"metric"'), "malformed"),
        (lambda text: text.replace('"a": 0.6', '"a": -0.6'), "malformed"),
    ],
)
def test_damage_is_named_with_its_file_and_a_remedy(ledger, damage, message):
    ledger.add(RUN)
    path = file_of(ledger, RUN.key)
    path.write_text(damage(path.read_text()))
    with pytest.raises(IntegrityError, match=message) as caught:
        ledger.records()
    assert str(path) in str(caught.value)
    assert "→" in str(caught.value)


def test_a_run_under_another_runs_name_is_refused(ledger):
    ledger.add(RUN)
    other = dataclasses.replace(INPUTS, seed=7)
    file_of(ledger, RUN.key).rename(file_of(ledger, other.key))
    with pytest.raises(IntegrityError, match="named for another run"):
        ledger.get(other.key)


def test_other_files_beside_the_runs_are_left_alone(ledger):
    ledger.add(RUN)
    (ledger.folder / "README.md").write_text("evidence")
    (ledger.folder / ".r1-x.json.abc.tmp").write_text("{")
    assert list(ledger.records()) == [RUN.key]


@given(run_records())
def test_what_is_written_is_read_back(tmp_path_factory, record):
    path = tmp_path_factory.mktemp("runs") / f"{record.key.replace(':', '-')}.json"
    path.write_text(dump_run(record), encoding="utf-8")
    assert read_run(path) == record
    assert read_run(path).digest == record.digest


@given(run_records(), st.data())
def test_no_value_can_be_altered_unseen(tmp_path_factory, record, data):
    text = dump_run(record)
    place = data.draw(st.integers(0, len(text) - 1).filter(lambda i: not text[i].isspace()))
    other = data.draw(st.characters(exclude_categories=["Cs", "Cc"]).filter(lambda c: c != text[place]))
    path = tmp_path_factory.mktemp("runs") / f"{record.key.replace(':', '-')}.json"
    path.write_text(text[:place] + other + text[place + 1 :], encoding="utf-8")
    try:
        read = read_run(path)
    except IntegrityError:
        return
    assert read == record  # another spelling of the same value (an escape, a digit that does not count)


def test_the_evidence_root_covers_keys_and_contents():
    records = {RUN.key: RUN}
    root = evidence_root(records, (RUN.key,))
    assert root != evidence_root({RUN.key: dataclasses.replace(RUN, metrics={"python": 0.8})}, (RUN.key,))
    assert root != evidence_root(records, ())
    with pytest.raises(IntegrityError, match="r1:gone and 1 more"):
        evidence_root(records, ("r1:gone", "r1:lost"))


def test_names_and_order_do_not_enter_the_key():
    contents = {"code": "olc1:a", "web": "olc1:b", "docs": "olc1:c"}
    coordinates = Coordinates(("code",), (Block("reused", {"web": 3, "docs": 1}),))
    point = GridMixture({"code": 600_000, "reused": 400_000})
    renamed = {"programs": "olc1:a", "pages": "olc1:b", "texts": "olc1:c"}
    other = Coordinates(("programs",), (Block("kept", {"pages": 3, "texts": 1}),))
    same = parts_of(other, GridMixture({"programs": 600_000, "kept": 400_000}), renamed)
    assert parts_of(coordinates, point, contents) == same
    assert set(same) == set(INPUTS.parts)


def test_a_domain_without_weight_does_not_enter_the_key():
    contents = {"a": "olc1:a", "b": "olc1:b"}
    alone = parts_of(Coordinates(("a",)), GridMixture({"a": 1_000_000}), contents)
    assert parts_of(Coordinates(("a", "b")), GridMixture({"a": 1_000_000, "b": 0}), contents) == alone


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"tokens": 2000}, {"model": "1m"}, {"trainer": "t2"}, {"evals": ("ev1:y",)}, {"tokenizer": "tok1:z"}],
)
def test_what_decides_a_measurement_enters_the_key(change):
    assert dataclasses.replace(INPUTS, **change).key != INPUTS.key


def test_runs_of_one_setting_differ_in_mixture_and_seed_alone():
    assert dataclasses.replace(INPUTS, seed=5, parts=INPUTS.parts[:1]).setting == INPUTS.setting
    assert dataclasses.replace(INPUTS, tokens=5).setting != INPUTS.setting


def test_run_files_are_stable_json(ledger):
    ledger.add(RUN)
    text = file_of(ledger, RUN.key).read_text()
    assert json.loads(text)["key"] == RUN.key
    assert text == dump_run(RUN)


def other(value, **more):
    """Another result of the same run."""
    return dataclasses.replace(RUN, metrics={"python": value}, **more)


def test_a_later_result_that_differs_is_a_replicate_and_one_that_does_not_is_not_kept(ledger):
    assert ledger.add(RUN)
    assert not ledger.add(other(0.8))
    assert not ledger.add(other(0.8, provenance={"device_seconds": 9.0}))
    assert not ledger.add(dataclasses.replace(RUN, provenance={}))
    assert set(ledger.home.names()) == {run_name(Attempt(RUN.key, 1)), run_name(Attempt(RUN.key, 2))}
    assert ledger.records() == {RUN.key: RUN}
    assert ledger.replicates() == (other(0.8),)
    assert ledger.standing().contested == {RUN.key}


def test_a_tainted_result_leaves_its_run_missing_until_it_is_trained_again(ledger):
    ledger.add(RUN)
    taint = ledger.taint(RUN.key, "loss spike")
    assert (taint.attempt, taint.reason, taint.finding) == (Attempt(RUN.key, 1), "loss spike", RUN.finding)
    assert RUN.key not in ledger
    assert ledger.records() == {}
    assert ledger.tainted() == {RUN.key: "loss spike"}
    assert ledger.keys() == [RUN.key]
    with pytest.raises(IntegrityError, match="not in the ledger"):
        ledger.get(RUN.key)
    assert ledger.add(other(0.8))
    assert ledger.get(RUN.key) == other(0.8)
    assert ledger.tainted() == {}
    assert ledger.replicates() == ()
    assert ledger.taints()[RUN.key] == (taint,)


def test_a_result_that_found_the_same_as_a_tainted_one_is_a_result_of_its_own(ledger):
    ledger.add(RUN)
    ledger.taint(RUN.key, "loss spike")
    assert ledger.add(RUN)
    assert file_of(ledger, RUN.key, 2).exists()
    assert ledger.get(RUN.key) == RUN


def test_tainting_goes_from_result_to_result_and_back_at_once(ledger):
    ledger.add(RUN)
    ledger.add(other(0.8))
    ledger.taint(RUN.key, "one")
    assert ledger.get(RUN.key) == other(0.8)
    ledger.taint(RUN.key, "two")
    assert ledger.tainted() == {RUN.key: "two"}
    assert ledger.taint(RUN.key, "three") is None
    assert ledger.untaint(RUN.key) == 2
    assert ledger.get(RUN.key) == RUN
    assert ledger.untaint(RUN.key) == 0
    assert ledger.taint("r1:unknown", "why") is None


def test_one_that_lost_its_lease_never_gives_the_first_result(ledger):
    assert not ledger.add(RUN, fenced=True)
    assert ledger.home.names() == []
    ledger.add(RUN)
    assert not ledger.add(other(0.8), fenced=True)
    assert ledger.get(RUN.key) == RUN
    assert ledger.replicates() == (other(0.8),)


def test_of_many_that_record_the_same_run_at_once_one_is_first_and_no_finding_is_lost(ledger):
    gate, first = threading.Barrier(6), []

    def add(number):
        gate.wait()
        first.append(ledger.add(other(0.5 + number / 100)))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert first.count(True) == 1
    found = {record.metrics["python"] for record in ledger.results().values()}
    assert found == {0.5 + number / 100 for number in range(6)}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:20], "truncated or malformed"),
        (lambda text: text.replace("loss spike", "no reason"), "altered"),
        (lambda text: text.replace('"attempt": 1', '"attempt": 2'), "altered"),
        (lambda text: text.replace('"reason": "loss spike"', '"reason": 5'), "altered"),
        (lambda text: text + " ", "another form"),
    ],
)
def test_a_damaged_taint_is_named_with_its_file_and_a_remedy(ledger, damage, message):
    ledger.add(RUN)
    ledger.taint(RUN.key, "loss spike")
    path = ledger.folder / taint_name(Attempt(RUN.key, 1))
    path.write_text(damage(path.read_text()))
    with pytest.raises(IntegrityError, match=message) as caught:
        ledger.tainted()
    assert str(path) in str(caught.value)
    assert caught.value.remedy


def test_a_taint_under_another_runs_name_is_refused(ledger):
    ledger.add(RUN)
    ledger.taint(RUN.key, "loss spike")
    path = ledger.folder / taint_name(Attempt(RUN.key, 1))
    path.rename(ledger.folder / taint_name(Attempt(RUN.key, 2)))
    with pytest.raises(IntegrityError, match="named for another run"):
        ledger.taints()


@given(st.text("0123456789abcdef", min_size=8, max_size=64), st.integers(1, 30))
def test_file_names_say_which_result_they_hold(digest, number):
    attempt = Attempt(f"r1:{digest}", number)
    assert attempt_of(run_name(attempt)) == attempt
    assert taint_of(taint_name(attempt)) == attempt
    assert taint_of(run_name(attempt)) is None
    assert attempt_of(taint_name(attempt)) is None


@pytest.mark.parametrize("name", ["r1-a.1.json", "r1-a.02.json", "README.md", "d1-a.json", "r1-a.json.orig"])
def test_other_names_are_no_results(name):
    assert attempt_of(name) is None


def test_many_runs_are_recorded_at_once(ledger):
    runs = [dataclasses.replace(RUN, inputs=dataclasses.replace(INPUTS, seed=seed)) for seed in range(4)]
    assert ledger.add(runs[2])
    assert ledger.add_all(runs) == 3
    assert ledger.records() == {run.key: run for run in sorted(runs, key=lambda run: run.key)}
    assert ledger.add_all(runs) == 0
    assert ledger.replicates() == ()


def test_one_that_another_writer_recorded_otherwise_is_kept_as_a_replicate(ledger):
    assert ledger.add(RUN)
    other = dataclasses.replace(RUN, metrics={"python": 0.8})
    assert ledger.add_all([other]) == 0
    assert ledger.records()[RUN.key] == RUN
    assert ledger.replicates() == (other,)
