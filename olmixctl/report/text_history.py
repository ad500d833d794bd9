"""A lock, or a domain of it, over commits, as text: newest first."""

from __future__ import annotations

from collections.abc import Sequence

from olmixctl.lock.history import DomainEntry, Entry, Fact
from olmixctl.lock.line import SHOWN, Committed
from olmixctl.mixture import GRID
from olmixctl.report.look import Cell, Column, Look, Row, Tone, heading, page, table, wrapped
from olmixctl.report.numbers import NONE, count, percent, plural
from olmixctl.report.text_changes import values_in_words
from olmixctl.report.text_diff import KINDS, kind_in_words, regrouped_in_words

__all__ = ["domain_text", "history_text"]

_MARKS: dict[str, tuple[str, Tone]] = {**KINDS, "kept": ("=", "faint"), "decided": (" ", "plain")}
_ASKED: tuple[str, Tone] = ("~", "care")

_FOLD = 8
"""Facts of one kind beyond these are counted, not listed."""


def history_text(name: str, entries: Sequence[Entry], look: Look, *, shallow: bool) -> str:
    """A lock over commits."""
    locks = plural(sum(entry.at.lock is not None for entry in entries), "lock")
    sections = [[heading(name, look, f"{locks}, newest first")]]
    for entry in entries:
        lines = [_where(entry.at, look)]
        if entry.at.problem:
            lines += wrapped(entry.at.problem, look, indent=4, tone="bad")
        for kind in dict.fromkeys(fact.kind for fact in entry.facts):
            facts = [fact for fact in entry.facts if fact.kind == kind]
            shown = facts if len(facts) <= _FOLD else facts[: _FOLD - 1]
            lines += [line for fact in shown for line in _fact(fact, look)]
            lines += [f"    … and {len(facts) - len(shown)} more {kind}"] if len(shown) < len(facts) else []
        sections.append(lines)
    return page([*sections, _edge(look, shallow=shallow)])


def domain_text(domain: str, entries: Sequence[DomainEntry], look: Look, *, shallow: bool) -> str:
    """A domain over commits: the locks in which it changed."""
    shown = [entry for entry in entries if entry.changed]
    still = len(entries) - len(shown)
    rest = f", {still} without a change left out" if still else ""
    lines = [heading(domain, look, f"{plural(len(shown), 'change')}, newest first{rest}")]
    columns = [
        Column("commit"),
        Column("date", optional=True),
        Column("serial", right=True),
        Column("weight", right=True),
        Column("passes", right=True),
        Column("name" if len({entry.name for entry in shown} - {None}) > 1 else ""),
    ]
    names = len({entry.name for entry in shown} - {None}) > 1
    body = table(columns, [_row(entry, names=names) for entry in shown], look)
    for row, entry in zip(body[1:], shown, strict=True):
        lines += [row, *wrapped(entry.reason, look, indent=6, hanging=8, tone="bad" if entry.at.problem else "faint")]
    return page([[lines[0], body[0], *lines[1:]], _edge(look, shallow=shallow)])


def _where(at: Committed, look: Look) -> str:
    serial = "" if at.lock is None else f"serial {at.lock.serial}"
    commit = "working tree" if at.commit is None else at.commit[:SHOWN]
    words = [look.paint(commit, "key"), at.date[:10], look.paint(serial, "strong"), at.subject]
    return "  ".join(word for word in words if word)


def _fact(fact: Fact, look: Look) -> list[str]:
    symbol, tone = _MARKS.get(fact.kind, _ASKED)
    text = f"{symbol} {_words(fact)}"
    first, *rest = wrapped(text, look, indent=4, hanging=6)
    return [first.replace(symbol, look.paint(symbol, tone), 1) if symbol.strip() else first, *rest]


def _words(fact: Fact) -> str:
    match fact.kind:
        case "added" | "removed":
            return f"{fact.subject}  {fact.kind}, {count(fact.after or fact.before or 0)} tokens"
        case "revised":
            old, new = count(fact.before), count(fact.after)
            return f"{fact.subject}  revised, {old if old != new else f'{fact.before:,}'} → " + (
                f"{new} tokens" if old != new else f"{fact.after:,} tokens"
            )
        case "moved":
            return f"{fact.subject}  renamed, was {fact.before}"
        case "renamed" | "partitioned" | "merged" | "regrouped":
            return _regrouped(fact)
        case "kept":
            return f"{fact.subject}  {percent(fact.before)} → {percent(fact.after)}, {fact.reason}"
        case "decided":
            return fact.reason
        case _:
            return f"{fact.subject}  {' → '.join(filter(None, values_in_words(fact.before, fact.after)))}"


def _regrouped(fact: Fact) -> str:
    before, after = (percent(sum(side.values())) for side in (fact.before, fact.after))
    sums = f"{before} → {after}{'' if fact.kind == 'renamed' else ' together'}"
    told = f", {fact.reason}" if fact.reason else ""
    return f"{regrouped_in_words(fact.before, fact.after)}  {kind_in_words(fact.kind)}, {sums}{told}"


def _row(entry: DomainEntry, *, names: bool) -> Row:
    at, lock = entry.at, entry.at.lock
    record = None if lock is None or entry.name is None else lock.domains[entry.name]
    return [
        Cell("working tree" if at.commit is None else at.commit[:SHOWN], "key"),
        at.date[:10],
        NONE if lock is None else str(lock.serial),
        Cell(NONE if entry.weight is None else percent(entry.weight / GRID), "strong"),
        NONE if record is None else f"{record.repetition:.2f}",
        (entry.name or NONE) if names else "",
    ]


def _edge(look: Look, *, shallow: bool) -> list[str]:
    if not shallow:
        return []
    text = "The clone is shallow: older locks were not fetched. `git fetch --unshallow` brings them."
    return wrapped(text, look, indent=0, tone="care")
