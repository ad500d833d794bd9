"""Recorded runs, as text."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from olmixctl.ledger.model import RunRecord, is_adopted
from olmixctl.plan.adopt import RUN_ID
from olmixctl.report.look import Cell, Column, Look, Row, Tone, heading, page, table, wrapped
from olmixctl.report.numbers import NONE, bits, count, loss_unit, percent, plural, run_name, seconds

__all__ = ["Entry", "run_text", "runs_text"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A recorded result.

    Attributes:
        record: the result.
        number: 1 for the first result of its run.
        stands: it is the one in use under its key; otherwise it is a replicate, or tainted.
        used: the lock rests on its run.
        tainted: why it must not be used, or None.
    """

    record: RunRecord
    number: int = 1
    stands: bool = True
    used: bool = False
    tainted: str | None = None

    @property
    def state(self) -> str:
        """One word, or none."""
        if self.tainted is not None:
            return "tainted"
        if not self.stands:
            return "replicate"
        if self.record.status == "diverged":
            return "diverged"
        return "in use" if self.used else ""

    def as_json(self) -> dict[str, Any]:
        """The record with how it stands."""
        standing = {"attempt": self.number, "stands": self.stands, "tainted": self.tainted}
        return self.record.body() | standing | {"evidence": self.used and self.stands}


def runs_text(name: str, entries: Sequence[Entry], look: Look) -> str:
    """All results of a mix, a line each; a taint's reason below its line.

    Args:
        name: of the mix.
        entries: its ledger.
        look: page and colour.
    """
    if not entries:
        return f"{name} has no recorded runs yet.\n"
    rows = [_row(entry) for entry in entries]
    adopted = all(is_adopted(entry.record.inputs.trainer) for entry in entries)
    columns = [
        Column("run"),
        Column("model"),
        Column("tokens", right=True),
        Column("id" if adopted else "seed", right=True),
        Column("loss" if adopted else "bits/byte", right=True),
        Column("time", right=True),
        Column(""),
        Column("largest", optional=True),
    ]
    lines = table(columns, rows, look, indent=0)
    title, body = lines[: len(lines) - len(rows)], lines[len(lines) - len(rows) :]
    for line, entry in zip(body, entries, strict=True):
        title += [line, *(wrapped(entry.tainted, look, indent=4, tone="care") if entry.tainted else ())]
    return page([[heading(name, look, _remark(entries))], title])


def _remark(entries: Sequence[Entry]) -> str:
    runs = len({entry.record.key for entry in entries})
    evidence = sum(entry.used and entry.stands for entry in entries)
    replicates = sum(entry.state == "replicate" for entry in entries)
    tainted = sum(entry.tainted is not None for entry in entries)
    adopted = len({entry.record.key for entry in entries if is_adopted(entry.record.inputs.trainer)})
    taken = "" if not adopted else ", all adopted" if adopted == runs else f", {adopted} of them adopted"
    more = f", {plural(replicates, 'replicate')}" if replicates else ""
    more += f", {tainted} tainted" if tainted else ""
    return f"{plural(runs, 'run')} recorded{taken}, {evidence} behind the lock{more}"


_TONES: dict[str, Tone] = {"diverged": "bad", "in use": "good", "tainted": "care", "replicate": "faint"}


def _row(entry: Entry) -> Row:
    record = entry.record
    adopted = is_adopted(record.inputs.trainer)
    state = Cell(entry.state, _TONES.get(entry.state, "plain"))
    spent = record.provenance.get("device_seconds")
    name, weight = min(record.mixture.items(), key=lambda item: (-item[1], item[0]))
    return [
        run_name(record.key),
        record.inputs.model,
        NONE if adopted else count(record.inputs.tokens),
        str(record.provenance.get(RUN_ID, NONE) if adopted else record.inputs.seed),
        bits(statistics.fmean(record.metrics.values())) if record.metrics else NONE,
        seconds(spent) if isinstance(spent, int | float) else NONE,
        state,
        Cell(f"{name} {percent(weight)}", "faint"),
    ]


def run_text(entries: Sequence[Entry], look: Look) -> str:
    """One run, whole, with all its results; the one in use first."""
    return "\n".join(_result(entry, look) for entry in sorted(entries, key=lambda e: (not e.stands, e.number)))


def _result(entry: Entry, look: Look) -> str:
    record = entry.record
    number = "" if entry.number == 1 else f", result {entry.number}"
    remark = record.status + number + (f", {entry.state}" if entry.state not in ("", "in use", record.status) else "")
    why = [] if entry.tainted is None else wrapped(f"tainted: {entry.tainted}", look, tone="care")
    unit = loss_unit(record.inputs.trainer)
    mixture = sorted(record.mixture.items(), key=lambda item: (-item[1], item[0]))
    numbers = [Column("", right=False), Column("", right=True)]
    return page(
        [
            [heading(record.key, look, remark), *why],
            [heading("Mixture", look), *table(numbers, [[n, percent(w)] for n, w in mixture], look)],
            _section(f"Metrics, {unit}", [[n, bits(v)] for n, v in sorted(record.metrics.items())], look),
            _section("Trained", _setting(record), look),
            _section("Provenance", _flat(record.provenance), look),
        ]
    )


def _setting(record: RunRecord) -> list[Row]:
    inputs = record.inputs
    if is_adopted(inputs.trainer):
        return [["by", "others; adopted from their tables, how is not known here"], ["trainer", inputs.trainer]]
    return [
        ["model", inputs.model],
        ["tokens", f"{inputs.tokens:,}"],
        ["sequence length", str(inputs.sequence_length)],
        ["batch size", str(inputs.batch_size)],
        ["seed", str(inputs.seed)],
        ["trainer", inputs.trainer],
    ]


def _section(title: str, rows: Sequence[Row], look: Look) -> list[str]:
    return [heading(title, look), *table([Column(""), Column("")], rows, look)] if rows else []


def _flat(provenance: Mapping[str, Any]) -> list[Row]:
    rows: list[Row] = []
    for key, value in sorted(provenance.items()):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
        rows.append([key.replace("_", " "), text])
    return rows
