"""Recorded runs, as text."""

from __future__ import annotations

import json
import statistics
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from olmixctl.ledger.model import RunRecord
from olmixctl.report.look import Cell, Column, Look, Row, heading, page, table
from olmixctl.report.numbers import NONE, bits, count, percent, plural, seconds

__all__ = ["run_text", "runs_text"]

_KEY = 11
"""Characters of a key that are shown: enough to tell runs apart and to name one."""


def runs_text(name: str, records: Sequence[RunRecord], used: Collection[str], look: Look) -> str:
    """All runs of a mix, a line each.

    Args:
        name: of the mix.
        records: its ledger.
        used: keys of the runs that the lock rests on.
        look: page and colour.
    """
    if not records:
        return f"{name} has no recorded runs yet.\n"
    rows = [_row(record, record.key in used) for record in records]
    columns = [
        Column("run"),
        Column("model"),
        Column("tokens", right=True),
        Column("seed", right=True),
        Column("bits/byte", right=True),
        Column("time", right=True),
        Column(""),
        Column("largest", optional=True),
    ]
    evidence = sum(record.key in used for record in records)
    remark = f"{plural(len(records), 'run')} recorded, {evidence} behind the lock"
    return page([[heading(name, look, remark)], table(columns, rows, look, indent=0)])


def _row(record: RunRecord, used: bool) -> Row:
    diverged = record.status == "diverged"
    state = Cell("diverged", "bad") if diverged else Cell("in use" if used else "", "good")
    spent = record.provenance.get("device_seconds")
    name, weight = min(record.mixture.items(), key=lambda item: (-item[1], item[0]))
    return [
        record.key[:_KEY],
        record.inputs.model,
        count(record.inputs.tokens),
        str(record.inputs.seed),
        bits(statistics.fmean(record.metrics.values())) if record.metrics else NONE,
        seconds(spent) if isinstance(spent, int | float) else NONE,
        state,
        Cell(f"{name} {percent(weight)}", "faint"),
    ]


def run_text(record: RunRecord, look: Look) -> str:
    """One run, whole."""
    inputs = record.inputs
    setting = {
        "model": inputs.model,
        "tokens": f"{inputs.tokens:,}",
        "sequence length": str(inputs.sequence_length),
        "batch size": str(inputs.batch_size),
        "seed": str(inputs.seed),
        "trainer": inputs.trainer,
    }
    mixture = sorted(record.mixture.items(), key=lambda item: (-item[1], item[0]))
    numbers = [Column("", right=False), Column("", right=True)]
    return page(
        [
            [heading(record.key, look, record.status)],
            [heading("Mixture", look), *table(numbers, [[n, percent(w)] for n, w in mixture], look)],
            _section("Metrics, bits per byte", [[n, bits(v)] for n, v in sorted(record.metrics.items())], look),
            _section("Trained", [[n, v] for n, v in setting.items()], look),
            _section("Provenance", _flat(record.provenance), look),
        ]
    )


def _section(title: str, rows: Sequence[Row], look: Look) -> list[str]:
    return [heading(title, look), *table([Column(""), Column("")], rows, look)] if rows else []


def _flat(provenance: Mapping[str, Any]) -> list[Row]:
    rows: list[Row] = []
    for key, value in sorted(provenance.items()):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
        rows.append([key.replace("_", " "), text])
    return rows
