"""Plans and diffs as Markdown, for pull requests: the outcome first, long lists folded away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from olmixctl.lock.diff import LockDiff
from olmixctl.lock.regrouped import Regrouped
from olmixctl.mixture import GRID
from olmixctl.report.numbers import NONE, bits, count, factor, flops, loss_unit, percent, plural, points, seconds
from olmixctl.report.text_changes import ACTIONS, detail_in_words, is_size, values_in_words
from olmixctl.report.text_diff import (
    alone,
    kept_in_words,
    kind_in_words,
    members_of,
    regrouped_in_words,
    size_in_words,
    surely,
    tokens_in_words,
)
from olmixctl.report.text_plan import price, step_in_words
from olmixctl.report.text_rounds import at_most, rounds_in_words
from olmixctl.report.text_strategies import laws_in_words, loss_in_words
from olmixctl.report.text_tradeoff import (
    basis_in_words,
    change_in_digits,
    left_out_in_words,
    shown_families,
    what_counts,
)

__all__ = ["diff_markdown", "in_section", "plan_markdown", "trade_off_markdown"]

_FOLD = 15
"""Rows beyond which a table is folded away."""


def plan_markdown(plan: Mapping[str, Any]) -> str:
    """A plan for a pull request.

    Args:
        plan: as `plan_as_json` makes it.
    """
    parts = [
        f"### olmixctl plan: {_code(plan['name'])}",
        _plan_headline(plan),
        _plan_checks(plan),
        _plan_changes(plan),
        _plan_proposals(plan),
        _plan_cost(plan),
        _plan_strategies(plan),
        trade_off_markdown(plan["trade_off"]) if "trade_off" in plan else "",
        "\n".join(f"{i}. {step_in_words(step, plan)}" for i, step in enumerate(plan["steps"], 1)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def trade_off_markdown(found: Mapping[str, Any]) -> str:
    """The front that a mix lies on, what the mix file asks for in bold.

    Args:
        found: as a plan has it where it was asked for.
    """
    if found["reason"]:
        return f"**Trade-off**: none can be told: {_escaped(found['reason'])}"
    pull = [
        _bold([f"{p['kl']:g}", f"{p['distance']:.3f}", change_in_digits(p["change"])], p["chosen"])
        for p in found["pull"]
    ]
    parts = [f"**Trade-off**: {basis_in_words(found)}", _table(["pull (kl)", "distance", what_counts(found)], pull)]
    if found["families"]:
        names = shown_families(found)
        rows = [
            _bold([_escaped(p["best_for"]), *(change_in_digits(p["changes"][name]) for name in names)], p["chosen"])
            for p in found["families"]
        ]
        parts += [_table(["as near, best for", *map(_code, names)], rows), left_out_in_words(found)]
    return "\n\n".join(filter(None, parts))


def diff_markdown(diff: LockDiff) -> str:
    """A diff for a pull request."""
    before, after = diff.serials
    parts = [f"### Mix {_code(diff.name)}: serial {before} → {after}"]
    if diff.empty:
        parts.append("No difference in weights, data or what is asked for.")
    weights, lone = alone(diff)
    rows = [row for group in diff.regrouped for row in _group_rows(group)]
    rows += [[_name(w.domain, w.was), _share(w.before), _share(w.after), points(w.delta / GRID)] for w in weights]
    parts.append(_table(["domain", "before", "after", "change"], rows))
    parts.append(f"{kept_in_words(diff.kept)}." if diff.kept and not diff.empty else "")
    data = [
        [_code(regrouped_in_words(g.before, g.after)), kind_in_words(g.kind), size_in_words(g)] for g in diff.regrouped
    ]
    data += [[_code(d.domain), d.kind, _escaped(tokens_in_words(d))] for d in lone]
    parts.append(_table(["data", "", "size"], data, right=False))
    inputs = [[_code(i.field), *map(_escaped, values_in_words(i.before, i.after))] for i in diff.inputs]
    parts.append(_table(["asked for", "before", "after"], inputs))
    metrics = [[_code(m.metric), _bits(m.before), _bits(m.after)] for m in diff.predicted]
    parts.append(_table([f"predicted {loss_unit(diff.trainer)}", "before", "after"], metrics) if not diff.empty else "")
    parts += [f"{_escaped(text[0].upper() + text[1:])}." for text in surely(diff)] if not diff.empty else []
    return "\n\n".join(part for part in parts if part) + "\n"


def _group_rows(group: Regrouped) -> list[list[str]]:
    """A row of the sum, and below it those that it is made of."""
    before, after = group.shares
    name = _code(regrouped_in_words(group.before, group.after))
    members = [[f"… {_code(name)}", _share(was), _share(now), ""] for name, was, now in members_of(group)]
    return [[name, _share(before), _share(after), points((after - before) / GRID)], *members]


def in_section(text: str, name: str, body: str) -> str:
    """`text` with `body` between the marks of section `name`, which are appended where there are none.

    Raises:
        ValueError: one of the marks stands without the other, or twice.
    """
    begin, end = f"<!-- olmixctl: {name} -->", f"<!-- /olmixctl: {name} -->"
    section = f"{begin}\n{body.rstrip()}\n{end}"
    found = (text.count(begin), text.count(end))
    if found == (0, 0):
        gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
        return f"{text}{gap}{section}\n"
    if found != (1, 1) or text.index(begin) > text.index(end):
        raise ValueError(f"the marks `{begin}` and `{end}` do not stand once each, in this order")
    return text[: text.index(begin)] + section + text[text.index(end) + len(end) :]


def _plan_headline(plan: Mapping[str, Any]) -> str:
    if not plan["has_changes"]:
        return "**Nothing to do**: the lock is of this mix file and this data."
    cost, whole = plan["cost"], plan["counterfactual"]
    if not cost["runs"]:
        return f"**No runs**, a new lock: {_escaped(plan['reason'])}."
    saved = whole["runs"] - cost["runs"]
    less = f", {factor(whole['flops'] / cost['flops'])} less compute" if cost["flops"] else ""
    against = f" {plural(saved, 'run')} fewer than recomputing{less}." if saved > 0 else ""
    most = at_most(plan).capitalize()
    rounds = "".join(f"\n\n{_escaped(line).capitalize()}." for line in rounds_in_words(plan))
    return f"**{most}{plural(cost['runs'], 'proxy run')} to train**: {_escaped(plan['reason'])}.{against}{rounds}"


def _plan_checks(plan: Mapping[str, Any]) -> str:
    words = {"block": "**Blocked**", "warn": "**Warning**", "note": "Note"}
    lines = []
    for check in plan["checks"]:
        remedy = f" → {_escaped(check['remedy'])}" if check["remedy"] else ""
        lines.append(f"- {words[check['level']]} ({check['name']}): {_escaped(check['message'])}{remedy}")
    return "\n".join(lines)


def _plan_changes(plan: Mapping[str, Any]) -> str:
    rows = [[_code(c["subject"]), c["category"], ACTIONS[c["action"]], _value(c), _reason(c)] for c in plan["changes"]]
    return _table(["change", "kind", "effect", "value", "reason"], rows, right=False)


def _reason(change: Mapping[str, Any]) -> str:
    return _escaped("; ".join(filter(None, [change["reason"], detail_in_words(change)])))


def _plan_proposals(plan: Mapping[str, Any]) -> str:
    if not plan["proposals"]:
        return ""
    lines = "\n".join(["changes:", *(f"  {line}" for line in plan["proposals"])])
    return f"Recognised from content; to record the intent, declare it in the mix file:\n\n```yaml\n{lines}\n```"


def _value(change: Mapping[str, Any]) -> str:
    before, after = change["before"], change["after"]
    if before is None and after is None:
        return ""
    if change["category"] == "moved":
        return f"from {_code(before)}"
    if not is_size(change):
        return _escaped(" → ".join(filter(None, values_in_words(before, after))))
    if before is None or after is None:
        return f"{count(before or after or 0)} tokens"
    return f"{count(before)} → {count(after)} tokens"


def _plan_cost(plan: Mapping[str, Any]) -> str:
    if not plan["has_changes"]:
        return ""
    rows = []
    for title, cost in (("to train", plan["cost"]), ("recomputing all", plan["counterfactual"])):
        p50 = cost["device_seconds"]["p50"]
        time = NONE if p50 is None else seconds(p50)
        rows.append([title, f"{cost['runs']:,}", flops(cost["flops"]), time, price(cost) or NONE])
    return _table(["", "runs", "compute", "device time", "price"], rows)


def _plan_strategies(plan: Mapping[str, Any]) -> str:
    """The ways there are, the chosen one in bold, and what their gaps rest on."""
    if len(plan["strategies"]) < 2:
        return ""
    rows = []
    for row in plan["strategies"]:
        time = row["cost"]["device_seconds"]["p50"]
        cells = [
            row["name"],
            f"{row['needed'] - row['recorded']:,}",
            f"{row['recorded'] + row['evidence']:,}",
            NONE if time is None else seconds(time),
            price(row["cost"]) or NONE,
            _escaped(loss_in_words(row["gap"])),
        ]
        rows.append(_bold(cells, row["chosen"]))
    table = _table(["strategy", "to train", "recorded evidence", "device time", "price", "predicted gap"], rows)
    notes = "\n".join(f"- {_escaped(line)}" for line in laws_in_words(plan))
    return "\n\n".join(filter(None, [table, notes]))


def _bold(cells: Sequence[str], chosen: bool) -> list[str]:
    return [f"**{cell}**" for cell in cells] if chosen else list(cells)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, right: bool = True) -> str:
    """A table; numbers to the right, all columns but the first. Long ones are folded."""
    if not rows:
        return ""
    marks = ["---", *("--:" if right else "---" for _ in titles[1:])]
    lines = [f"| {' | '.join(cells)} |" for cells in (titles, marks, *rows)]
    body = "\n".join(lines)
    if len(rows) <= _FOLD:
        return body
    return f"<details><summary>{len(rows)} rows: {titles[0]}</summary>\n\n{body}\n\n</details>"


def _name(domain: str, was: str | None) -> str:
    return _code(domain) if was is None else f"{_code(domain)} (was {_code(was)})"


def _share(millionths: int | None) -> str:
    return NONE if millionths is None else percent(millionths / GRID)


def _bits(value: Any) -> str:  # noqa: ANN401  (a Decimal or None)
    return NONE if value is None else bits(float(value))


def _code(text: str) -> str:
    return f"`{_escaped(text)}`"


def _escaped(text: str) -> str:
    """Text that cannot end a table cell or start a tag."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
