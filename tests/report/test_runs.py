"""Recorded runs as text."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from strategies import run_records

from olmixctl.ledger.model import MixturePart, RunInputs, RunRecord
from olmixctl.mixture import Mixture
from olmixctl.report.look import Look
from olmixctl.report.text_runs import run_text, runs_text

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
    lines = runs_text("base", [RUN, lost], {RUN.key}, look).splitlines()
    assert lines[0] == "base  2 runs recorded, 2 behind the lock"
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
    assert runs_text("base", [], frozenset(), look) == "base has no recorded runs yet.\n"


def test_one_run_whole(look):
    text = run_text(RUN, look)
    assert text.startswith(f"{RUN.key}  done\n")
    for line in ("  code  75.00 %", "  python  0.9000", "  seed             3", '  realised tokens  {"code": 300000}'):
        assert line in text.splitlines()


@given(run_records())
def test_any_run_can_be_shown(record):
    assert record.key in run_text(record, Look())
    assert record.key[:11] in runs_text("base", [record], frozenset(), Look())
