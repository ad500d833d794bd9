"""Two locks compared, as text."""

from __future__ import annotations

from decimal import Decimal

from olmixctl.lock.diff import DataChange, KeptTogether, LockDiff, MetricChange, WeightChange
from olmixctl.mixture import GRID
from olmixctl.report.look import Cell, Column, Look, Row, Tone, heading, page, table, wrapped
from olmixctl.report.numbers import NONE, bits, count, loss_unit, percent, plural, points
from olmixctl.report.text_changes import values_in_words
from olmixctl.report.text_confidence import chances_in_words, change_in_words, ranked_in_words, worse_in_words

__all__ = ["diff_text", "kept_in_words", "surely", "tokens_in_words"]

_KINDS: dict[str, tuple[str, Tone]] = {
    "added": ("+", "good"),
    "removed": ("-", "bad"),
    "revised": ("~", "care"),
    "moved": (">", "key"),
}


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


def _weights(diff: LockDiff, look: Look) -> list[str]:
    lines = [heading("Weights", look, "shares in percent, change in points")]
    columns = [
        Column(""),
        Column("domain"),
        Column("before", right=True),
        Column("after", right=True),
        Column("change", right=True),
    ]
    lines += table(columns, [_weight_row(change) for change in diff.weights], look) if diff.weights else []
    return [*lines, *(wrapped(f"= {kept_in_words(diff.kept)}", look, hanging=4, tone="faint") if diff.kept else [])]


def _weight_row(change: WeightChange) -> Row:
    kind = "added" if change.before is None else "removed" if change.after is None else "revised"
    symbol, tone = _KINDS[kind]
    name = change.domain if change.was is None else f"{change.domain} (was {change.was})"
    moved: Tone = "good" if change.delta > 0 else "bad" if change.delta < 0 else "plain"
    return [
        Cell(symbol, tone),
        name,
        _share(change.before),
        _share(change.after),
        Cell(points(change.delta / GRID), moved),
    ]


def _share(millionths: int | None) -> str:
    return NONE if millionths is None else percent(millionths / GRID)


def _data(diff: LockDiff, look: Look) -> list[str]:
    if not diff.data:
        return []
    rows: list[Row] = [[Cell(*_KINDS[d.kind]), d.domain, d.kind, tokens_in_words(d)] for d in diff.data]
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
    found, unit, said = diff.confidence, loss_unit(diff.trainer), [ranked_in_words(diff.rank)]
    if found is not None:
        change = change_in_words(found, unit, worst_case=diff.worst_case)
        said = [chances_in_words(found), change, worse_in_words(found, unit), *said]
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
