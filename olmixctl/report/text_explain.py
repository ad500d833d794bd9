"""Why a domain weighs what it does, as text: where it stands, what holds it, what pulls it, the runs that say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from olmixctl.ledger.model import is_adopted
from olmixctl.report.look import Cell, Column, Look, Row, heading, left_out, page, table, wrapped
from olmixctl.report.numbers import bits, count, factor, loss_unit, percent, plural, run_name

__all__ = ["explain_text"]

_POINT = 0.01
"""Slopes are shown per percentage point of share."""
_RATIOS = ("max_ratio:", "min_ratio:", "ratio:")
_NAMED = 4
_LEVEL = 5e-9
"""A pull below this, per point, reads as none."""


def explain_text(found: Mapping[str, Any], look: Look) -> str:
    """An explanation for a person; `found` is `Explanation.as_json()`."""
    because = found["because"]
    if because is None:
        return page([_title(found, look), _standing(found, look), _unmeasured(found, look)])
    return page([
        _title(found, look),
        _standing(found, look),
        _bounds(found, because, look),
        _pulls(found, because, look),
        _witnesses(because, look),
    ])  # fmt: skip


def _title(found: Mapping[str, Any], look: Look) -> list[str]:
    return [heading(found["domain"], look, f"in {found['mix']}, lock serial {found['serial']}")]


def _standing(found: Mapping[str, Any], look: Look) -> list[str]:
    natural, weight = found["natural"], found["weight"]
    times = f", {factor(weight / natural)} of it" if natural else ""
    rows: list[Row] = [
        ["weight", Cell(percent(weight), "strong"), f"natural {percent(natural)}{times}"],
        *_interval(found["because"]),
        ["passes", f"{found['repetition']:.2f}", f"over {count(found['tokens'])} tokens"],
    ]
    if found["reference"] != natural:
        rows.insert(1, ["reference", percent(found["reference"]), "where KL pulls it to"])
    return [
        *table([Column(""), Column("", right=True), Column("")], rows, look),
        *wrapped(f"{_position(found)}{_history(found)}", look),
    ]


def _interval(because: Mapping[str, Any] | None) -> list[Row]:
    certainty = None if because is None else because["certainty"]
    if certainty is None:
        return []
    drawn = plural(certainty["resamples"], "resample")
    failed = f", {certainty['failed']} unsolved" if certainty["failed"] else ""
    if certainty["interval"] is None:
        return [["interval", "–", f"too few of {drawn} could be solved"]]
    low, high = certainty["interval"]["low"], certainty["interval"]["high"]
    text = f"to {percent(high)}, nine tenths of {drawn}{failed}"
    return [["interval", percent(low), text]]


def _position(found: Mapping[str, Any]) -> str:
    if found["kept_from"] is None and found["because"] is not None:
        runs = plural(found["runs"], "adopted run" if is_adopted(found["trainer"]) else "run")
        return f"It moves on its own: {runs} of evidence estimate its share."
    if found["kept_from"] is None and found["status"] == "carried":
        return "Its share was carried over, from the lock before or the reference: no run of this lock measured it."
    if found["kept_from"] is None:
        return "It stands where the bounds left it: its share was not estimated in this lock."
    return (
        f"It is {percent(found['ratio'])} of the block {found['coordinate']}, which is {percent(found['mass'])} of the "
        f"mix and keeps the ratios of serial {found['kept_from']}: it moves with the block alone."
    )


def _history(found: Mapping[str, Any]) -> str:
    measured, changed = found["measured_in"], found["changed_in"]
    said = ""
    if found["kept_from"] is not None or found["because"] is None:
        said = f" Last estimated on its own in serial {measured}." if measured else ""
    return f"{said} Weight or data last changed in serial {changed}.{' Protected.' if found['protected'] else ''}"


def _unmeasured(found: Mapping[str, Any], look: Look) -> list[str]:
    last = found["measured_in"]
    known = (
        f"serial {last} last estimated it: check that lock out and explain it there"
        if last
        else "which lock last estimated it is not in this Git history"
    )
    text = f"No runs stand behind this lock ({found['status']}): nothing can be said of what pulls it; {known}."
    return [heading("Evidence", look), *wrapped(text, look)]


def _bounds(found: Mapping[str, Any], because: Mapping[str, Any], look: Look) -> list[str]:
    unit = loss_unit(found["trainer"])
    title = heading("What holds it", look, f"what loosening it would gain, in {unit} of the objective")
    rows: list[Row] = []
    for bound in because["bounds"]:
        through = [d for d in bound["domains"] if d == bound["constraint"].partition(":")[2] != found["domain"]]
        name = f"{bound['constraint']}{' (its block)' if through and found['kept_from'] is not None else ''}"
        step = f"{_limit(bound, bound['limit'])} → {_limit(bound, bound['loosened'])}"
        share = percent(bound["share_then"] * found["ratio"])
        rows.append([name, step, Cell(_worth(bound["worth"]), "care"), f"{bound['price']:.4f}", share])
    if not rows:
        return [
            heading("What holds it", look),
            *wrapped(_unbound(because["elsewhere"]), look),
        ]
    columns = [
        Column("bound"),
        Column("loosened", right=True),
        Column("worth", right=True),
        Column("price a unit", right=True),
        Column("share then", right=True),
    ]
    lines = [title, *table(columns, rows, look)]
    everywhere = because["repetition_for_all"]
    if everywhere is not None:
        lines += wrapped(f"One more pass over every domain is worth {_worth(everywhere)}.", look)
    return lines


def _unbound(elsewhere: Sequence[str]) -> str:
    if not elsewhere:
        return "No bound: its share is where the pulls below balance."
    more = f" and {len(elsewhere) - _NAMED} more" if len(elsewhere) > _NAMED else ""
    verb = "holds" if len(elsewhere) == 1 else "hold"
    return (
        f"No bound of its own; {', '.join(elsewhere[:_NAMED])}{more} {verb} other shares, and it has what they leave."
    )


def _limit(bound: Mapping[str, Any], value: float) -> str:
    if bound["constraint"].startswith("max_repetition:"):
        return f"{value:g}×"
    if bound["constraint"].startswith(_RATIOS):
        return f"{value:.4g}"
    return bits(value) if bound["constraint"].startswith("guardrail:") else percent(value)


def _worth(value: float) -> str:
    return "<0.00001" if 0 < value < 5e-6 else f"{max(value, 0.0):.5f}"


def _pulls(found: Mapping[str, Any], because: Mapping[str, Any], look: Look) -> list[str]:
    pulls = because["pulls"]
    block = found["kept_from"] is not None
    if pulls is None:
        text = "Nothing moves it: it is held, or it is the whole mix."
        return [heading("What pulls it", look), *wrapped(text, look)]
    what = f"the block {found['coordinate']}" if block else found["domain"]
    unit = loss_unit(found["trainer"])
    meaning = f"{unit} that a point more of {what}, all else less in proportion, gains (+, better) or costs (−, worse)"
    title = heading("What pulls it", look, meaning)
    ordered = sorted(pulls["metrics"].items(), key=lambda item: (-item[1], item[0]))
    sure = (because["certainty"] or {}).get("pulls", {})
    rows = [[*_pull(name, value), _pull_ends(sure.get(name))] for name, value in ordered]
    rows.append([*_pull("KL, towards the reference", pulls["kl"]), ""])
    if because["bounds"] or because["elsewhere"]:
        rows.append([*_pull("left, held by bounds", pulls["held"]), ""])
    ends = Column("in 9 of 10" if sure else "", right=True, optional=True)
    columns = [Column(""), Column(""), Column("", right=True), ends]
    lines = table(columns, rows, look)
    return [title, *lines, *left_out(columns, rows, lines, look), *wrapped(_families(because["families"]), look)]


def _families(families: Mapping[str, float]) -> str:
    """Which family holds the mix, where the worst counts; several are worst at once, and weigh against each other."""
    worst = sorted(families.items(), key=lambda item: (-item[1], item[0]))
    if not worst:
        return ""
    if len(worst) == 1:
        return f"The worst family counts, and it is {worst[0][0]}: metrics of others do not pull."
    named = " and ".join(f"{name} with {share:.2f}" for name, share in worst)
    return f"The worst family counts; {len(worst)} are equally bad, and pull against each other: {named}."


def _pull(name: str, value: float) -> Row:
    a_point = value * _POINT
    if abs(a_point) < _LEVEL:
        return [" ", name, Cell("0.00000", "faint")]
    sign, arrow = ("+", Cell("↑", "good")) if value > 0 else ("−", Cell("↓", "bad"))
    return [arrow, name, f"{sign}{abs(a_point):.5f}"]


def _pull_ends(ends: Mapping[str, float] | None) -> Cell:
    """`+0.00120 – +0.00180`, per point."""
    if ends is None:
        return Cell("")
    low, high = (f"{'−' if ends[side] < 0 else '+'}{abs(ends[side]) * _POINT:.5f}" for side in ("low", "high"))
    return Cell(f"{low} – {high}", "faint")


def _witnesses(because: Mapping[str, Any], look: Look) -> list[str]:
    if not because["witnesses"] or not because["witnesses"][0]["measured"]:
        return []
    metrics = list(because["witnesses"][0]["measured"])
    rows: list[Row] = []
    for witness in because["witnesses"]:
        row: list[Cell | str] = [run_name(witness["run"]), percent(witness["share"])]
        row += [f"{bits(witness['measured'][m])} {_residual(witness['residual'][m])}" for m in metrics]
        rows.append(row)
    # Three metrics fit most pages; where they do not, the weakest goes first.
    measured = [Column(metric, right=True, optional=number > 0) for number, metric in enumerate(metrics)]
    columns = [Column("run"), Column("share", right=True), *measured]
    remark = "with the most and the least of it: measured, and how far off the law is"
    lines = table(columns, rows, look)
    title = heading("The runs that say so", look, remark)
    return [title, *lines, *left_out(columns, rows, lines, look), *wrapped(_noise(because["certainty"], metrics), look)]


def _noise(certainty: Mapping[str, Any] | None, metrics: Sequence[str]) -> str:
    """How far runs of one mixture lie apart by chance, and how that is known."""
    if certainty is None:
        return ""
    noise = certainty["noise"]
    each = ", ".join(f"{metric} {bits(noise['metrics'][metric])}" for metric in metrics)
    whole = f"the objective {bits(noise['objective'])}"
    if noise["basis"] == "replicates":
        return f"Run-to-run noise, measured on runs of one mixture: {each}, {whole}."
    return (
        f"Run-to-run noise is at most {each}, {whole}: no mixture has two runs, so errors on "
        f"{plural(noise['degrees'], 'run')} that the laws had not seen bound it."
    )


def _residual(value: float) -> str:
    return f"{'−' if value < 0 else '+'}{abs(value):.4f}"
