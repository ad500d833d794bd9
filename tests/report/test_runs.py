"""Recorded runs as text."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from strategies import run_records

from olmixctl.ledger.model import MixturePart, RunInputs, RunRecord
from olmixctl.mixture import Mixture
from olmixctl.report.look import Look
from olmixctl.report.text_runs import Entry, run_text, runs_text

RUN = RunRecord(
    inputs=RunInputs(
        parts=(MixturePart(1_000_000, (("olc1:a", 1),)),),
        model="250k",
        tokens=400_000,
        sequence_length=64,
        batch_size=8,
        tokenizer="bytes",
        evals=("ev1:x",),
        seed=3,
        trainer="t1",
    ),
    mixture=Mixture({"code": 0.75, "web": 0.25}),
    evals={"python": "ev1:x", "wiki": "ev1:y"},
    status="done",
    metrics={"python": 0.9, "wiki": 1.1},
    provenance={"device_seconds": 12.4, "realised_tokens": {"code": 300_000}},
)


def test_runs_a_line_each(look):
    lost = dataclasses.replace(RUN, status="diverged", metrics={}, provenance={})
    lines = runs_text("base", [Entry(record=RUN, used=True), Entry(record=lost)], look).splitlines()
    assert lines[0] == "base  1 run recorded, 1 behind the lock"
    assert lines[3].split() == [
        RUN.key[:11],
        "250k",
        "400K",
        "3",
        "1.0000",
        "12",
        "s",
        "in",
        "use",
        "code",
        "75.00",
        "%",
    ]
    assert lines[4].split() == [RUN.key[:11], "250k", "400K", "3", "–", "–", "diverged", "code", "75.00", "%"]


def test_no_runs(look):
    assert runs_text("base", [], look) == "base has no recorded runs yet.\n"


def test_one_run_whole(look):
    text = run_text([Entry(record=RUN)], look)
    assert text.startswith(f"{RUN.key}  done\n")
    for line in ("  code  75.00 %", "  python  0.9000", "  seed             3", '  realised tokens  {"code": 300000}'):
        assert line in text.splitlines()


def test_tainted_results_and_replicates_say_what_they_are(look):
    entries = [
        Entry(record=RUN, tainted="loss spike after a restart", stands=False),
        Entry(record=RUN, number=2, used=True),
        Entry(record=RUN, number=3, stands=False),
    ]
    lines = runs_text("base", entries, look).splitlines()
    assert lines[0] == "base  1 run recorded, 1 behind the lock, 1 replicate, 1 tainted"
    assert "tainted" in lines[3]
    assert lines[4] == "    loss spike after a restart"
    assert "in use" in lines[5]
    assert "replicate" in lines[6]


def test_one_run_shows_all_its_results_the_one_in_use_first(look):
    text = run_text([Entry(record=RUN, tainted="spike", stands=False), Entry(record=RUN, number=2)], look)
    assert text.count(RUN.key) == 2
    assert text.index("done, result 2") < text.index("done, tainted")
    assert "  tainted: spike" in text.splitlines()


@given(run_records())
def test_any_run_can_be_shown(record):
    assert record.key in run_text([Entry(record=record)], Look())
    assert record.key[:11] in runs_text("base", [Entry(record=record)], Look())


ADOPTED = dataclasses.replace(
    RUN,
    inputs=dataclasses.replace(
        RUN.inputs, model="adopted", tokens=0, sequence_length=0, batch_size=0, seed=17, trainer="adopted1:0123456789ab"
    ),
    provenance={"ratios_file": "a.csv", "run_id": "run 17"},
)


def test_adopted_runs_have_ids_and_losses_and_no_tokens(look):
    lines = runs_text("base", [Entry(record=ADOPTED, used=True)], look).splitlines()
    assert lines[0] == "base  1 run recorded, all adopted, 1 behind the lock"
    assert lines[2].split() == ["run", "model", "tokens", "id", "loss", "time", "largest"]
    assert lines[3].split()[1:7] == ["adopted", "–", "run", "17", "1.0000", "–"]
    mixed = runs_text("base", [Entry(record=ADOPTED), Entry(record=RUN)], look).splitlines()
    assert mixed[0] == "base  2 runs recorded, 1 of them adopted, 0 behind the lock"
    assert "bits/byte" in mixed[2]


def test_an_adopted_run_says_that_nothing_is_known_of_its_training(look):
    text = run_text([Entry(record=ADOPTED)], look)
    assert "Metrics, units of the adopted losses" in text
    assert "others; adopted from their tables, how is not known here" in text
    for word in ("sequence length", "batch size", "bits per byte"):
        assert word not in text
