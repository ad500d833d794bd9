"""Two locks compared, as text."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from olmixctl.lock.diff import DataChange, KeptTogether, LockDiff, MetricChange, WeightChange
from olmixctl.lock.regrouped import Regrouped
from olmixctl.mixture import GRID
from olmixctl.report.look import Cell, Column, Look, Row, Tone, heading, page, table, wrapped
from olmixctl.report.numbers import NONE, bits, count, loss_unit, percent, plural, points
from olmixctl.report.text_changes import values_in_words
from olmixctl.report.text_confidence import chances_in_words, change_in_words, ranked_in_words, worse_in_words

__all__ = [
    "KINDS",
    "alone",
    "diff_text",
    "kept_in_words",
    "kind_in_words",
    "members_of",
    "regrouped_in_words",
    "size_in_words",
    "surely",
    "tokens_in_words",
]

KINDS: dict[str, tuple[str, Tone]] = {
    "added": ("+", "good"),
    "removed": ("-", "bad"),
    "revised": ("~", "care"),
    "moved": (">", "key"),
    "renamed": (">", "key"),
    "partitioned": ("/", "key"),
    "merged": ("&", "key"),
    "regrouped": ("&", "key"),
}
"""What became of a domain → its mark."""

_LONGEST_SIDE = 28
"""Letters of the domains of a side that are named where it is told what was split or merged; more are counted."""


def diff_text(diff: LockDiff, look: Look) -> str:
    """A diff for a person."""
    before, after = diff.serials
    title = heading(diff.name, look, f"serial {before} → {after}")
    if diff.empty:
        return page([[title], ["No difference in weights, data or what is asked for."], _evidence(diff, look)])
    sections = [render(diff, look) for render in (_weights, _data, _inputs, _predicted, _evidence)]
    return page([[title], *sections])


def kept_in_words(kept: KeptTogether) -> str:
    """What the folded domains did, in one sentence."""
    noun = plural(len(kept.domains), "domain")
    before, after = percent(kept.before / GRID), percent(kept.after / GRID)
    if kept.before == kept.after:
        return f"{noun} unchanged, {after} together"
    # Four decimals: a kept block often moves by less than a percent.
    return f"{noun} with the same ratios to each other, {before} → {after} together (×{kept.factor:.4f})"


def tokens_in_words(change: DataChange) -> str:
    """The size of a changed domain, before and after."""
    if change.kind == "moved":
        return f"from {change.was}"
    if change.before is None or change.after is None:
        return f"{count(change.before or change.after or 0)} tokens"
    if count(change.before) == count(change.after):
        return f"{change.before:,} → {change.after:,} tokens"
    return f"{count(change.before)} → {count(change.after)} tokens"


def regrouped_in_words(before: Collection[str], after: Collection[str]) -> str:
    """What became of what: both sides as a sum of domains, or their number where they are many."""
    return " → ".join(_side(side) for side in (before, after))


def _side(domains: Collection[str]) -> str:
    text = " + ".join(domains)
    return text if len(domains) == 1 or len(text) <= _LONGEST_SIDE else plural(len(domains), "domain")


def kind_in_words(kind: str) -> str:
    """What happened to domains that hold documents of others."""
    return "renamed and revised" if kind == "renamed" else kind


def size_in_words(group: Regrouped) -> str:
    """The tokens of domains that were split or merged, before and after."""
    before, after = (count(tokens) for tokens in group.tokens)
    size = f"{after} tokens" if before == after else f"{before} → {after} tokens"
    return f"{size}, told by samples of them" if group.estimated else size


def members_of(group: Regrouped) -> list[tuple[str, int | None, int | None]]:
    """The domains of each side that is several: name, millionths before and after."""
    names = {name for side in (group.before, group.after) if len(side) > 1 for name in side}
    return [(name, group.before.get(name), group.after.get(name)) for name in sorted(names)]


def alone(diff: LockDiff) -> tuple[list[WeightChange], list[DataChange]]:
    """The weights and the data that no split or merge tells of."""
    olds = {old for group in diff.regrouped for old in group.before}
    news = {new for group in diff.regrouped for new in group.after}
    weights = [w for w in diff.weights if w.domain not in (olds if w.after is None else news)]
    return weights, [d for d in diff.data if d.domain not in (olds if d.after is None else news)]


def _weights(diff: LockDiff, look: Look) -> list[str]:
    lines = [heading("Weights", look, "shares in percent, change in points")]
    columns = [
        Column(""),
        Column("domain"),
        Column("before", right=True),
        Column("after", right=True),
        Column("change", right=True),
    ]
    rows = [row for group in diff.regrouped for row in _group_rows(group)]
    rows += [_weight_row(change) for change in alone(diff)[0]]
    lines += table(columns, rows, look) if rows else []
    return [*lines, *(wrapped(f"= {kept_in_words(diff.kept)}", look, hanging=4, tone="faint") if diff.kept else [])]


def _group_rows(group: Regrouped) -> list[Row]:
    """A row of the sum, and below it those that it is made of."""
    name, (before, after) = regrouped_in_words(group.before, group.after), group.shares
    members: list[Row] = [["", f"  {name}", _share(was), _share(now), ""] for name, was, now in members_of(group)]
    return [[Cell(*KINDS[group.kind]), name, _share(before), _share(after), _change(after - before)], *members]


def _weight_row(change: WeightChange) -> Row:
    kind = "added" if change.before is None else "removed" if change.after is None else "revised"
    name = change.domain if change.was is None else f"{change.domain} (was {change.was})"
    return [Cell(*KINDS[kind]), name, _share(change.before), _share(change.after), _change(change.delta)]


def _change(millionths: int) -> Cell:
    return Cell(points(millionths / GRID), "good" if millionths > 0 else "bad" if millionths < 0 else "plain")


def _share(millionths: int | None) -> str:
    return NONE if millionths is None else percent(millionths / GRID)


def _data(diff: LockDiff, look: Look) -> list[str]:
    if not diff.data:
        return []
    rows: list[Row] = [
        [Cell(*KINDS[g.kind]), regrouped_in_words(g.before, g.after), kind_in_words(g.kind), size_in_words(g)]
        for g in diff.regrouped
    ]
    rows += [[Cell(*KINDS[d.kind]), d.domain, d.kind, tokens_in_words(d)] for d in alone(diff)[1]]
    return [heading("Data", look), *table([Column("")] * 4, rows, look)]


def _inputs(diff: LockDiff, look: Look) -> list[str]:
    if not diff.inputs:
        return []
    rows: list[Row] = [
        [Cell("~", "care"), i.field, " → ".join(filter(None, values_in_words(i.before, i.after)))] for i in diff.inputs
    ]
    return [heading("Asked for", look), *table([Column("")] * 3, rows, look)]


def _predicted(diff: LockDiff, look: Look) -> list[str]:
    if not diff.predicted:
        return []
    columns = [
        Column("metric"),
        Column("before", right=True),
        Column("after", right=True),
        Column("change", right=True),
    ]
    rows: list[Row] = [[m.metric, _bits(m.before), _bits(m.after), _moved(m)] for m in diff.predicted]
    laws = "both by the later laws" if diff.same_laws else "each by its own lock's laws"
    if all(m.after is None for m in diff.predicted):
        laws = "by the earlier lock's laws: no law stands behind the later one"
    remark = f"{loss_unit(diff.trainer)}, {laws}; less is better"
    return [heading("Predicted", look, remark), *table(columns, rows, look), *_confidence(diff, look)]


def _confidence(diff: LockDiff, look: Look) -> list[str]:
    """How likely the change is for the better, and whether it is more than noise."""
    return [line for text in surely(diff) for line in wrapped(f"{text[0].upper()}{text[1:]}.", look, hanging=4)]


def surely(diff: LockDiff) -> list[str]:
    """What is said of how sure a change is, a sentence each; nothing where the locks do not say."""
    found, unit, said = diff.confidence, loss_unit(diff.trainer), [ranked_in_words(diff.rank, diff.runs)]
    if found is not None:
        change = change_in_words(found, unit, worst_case=diff.worst_case)
        worse = worse_in_words(found, unit, worst_case=diff.worst_case)
        said = [chances_in_words(found, worst_case=diff.worst_case), change, worse, *said]
    return [text for text in said if text]


def _bits(value: Decimal | None) -> str:
    return NONE if value is None else bits(float(value))


def _moved(metric: MetricChange) -> Cell:
    if metric.before is None or metric.after is None:
        return Cell("")
    change = float(metric.after - metric.before)
    text = bits(abs(change))
    if float(text) == 0:
        return Cell(text)
    return Cell(f"{'−' if change < 0 else '+'}{text}", "good" if change < 0 else "bad")


def _evidence(diff: LockDiff, look: Look) -> list[str]:
    added, removed = len(diff.evidence_added), len(diff.evidence_removed)
    if not added and not removed:
        return []
    return wrapped(f"Evidence: {plural(added, 'run')} added, {removed} no longer used.", look, indent=0)
