"""The ways to the next lock, side by side: what each trains, what it costs, what it gives away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from olmixctl.report.look import Cell, Column, Look, heading, table, wrapped
from olmixctl.report.numbers import NONE, money, percent, plural, seconds

__all__ = ["cap_in_words", "laws_in_words", "loss_in_words", "strategies_section"]

Document = Mapping[str, Any]

_NAMED = 3
"""Guessed or coupled domains that are listed; all of them stand in the JSON."""


def strategies_section(plan: Document, look: Look) -> list[str]:
    """The section of a plan's text; empty where there is one way only."""
    rows = plan["strategies"]
    if len(rows) < 2:
        return []
    columns = [
        Column(""),
        Column(""),
        Column("runs", right=True),
        Column("recorded", right=True),
        Column("other evidence", right=True),
        Column("device time", right=True),
        Column("price", right=True, optional=True),
        Column("predicted gap", right=True),
    ]
    lines = [heading("Strategies", look), *table(columns, [_row(row) for row in rows], look)]
    for row in rows:
        if row["recompute"]:
            lines += wrapped(f"partial also estimates {_some(row['recompute'])}", look, hanging=4)
    return [*lines, *(line for words in laws_in_words(plan) for line in wrapped(words, look, hanging=4, tone="faint"))]


def _row(row: Document) -> list[Cell | str]:
    cost = row["cost"]
    time, paid = cost["device_seconds"]["p50"], cost["money"]["p50"]
    return [
        Cell("→" if row["chosen"] else "", "key"),
        Cell(row["name"], "strong" if row["chosen"] else "plain"),
        f"{row['needed'] - row['recorded']:,}",
        f"{row['recorded']:,}" if row["needed"] else "",
        f"{row['evidence']:,}",
        "" if not cost["runs"] else NONE if time is None else seconds(time),
        "" if paid is None else money(paid, cost["currency"]),
        loss_in_words(row["gap"]),
    ]


def loss_in_words(gap: Document | None) -> str:
    """A predicted gap; what is not zero never reads zero."""
    if gap is None:
        return NONE
    return "<0.0001" if 0 < gap["loss"] < 0.00005 else f"{gap['loss']:.4f}"


def laws_in_words(plan: Document) -> list[str]:
    """What the gaps rest on, a sentence each; empty where there is nothing to compare."""
    laws = plan["laws"]
    chosen = [laws["choice"]] if laws["choice"] else []
    if laws["reason"]:
        return chosen or [f"no gap is predicted: {laws['reason']}"]
    if not laws["runs"]:
        return []
    error = "" if laws["error"] is None else f" (cross-validated error {laws['error']:.2g})"
    fitted = f"{plural(laws['runs'], 'run')}{error}"
    lines = [f"predicted gap: objective above the best mix over all domains, by laws on {fitted}"]
    gap = next((row["gap"] for row in plan["strategies"] if row["chosen"]), None)
    lines += [] if gap is None else [_ingredients(laws, gap)]
    lines += [f"guessed until measured: {_guesses(laws['guesses'])}"] if laws["guesses"] else []
    lines += [f"most coupled to what changed: {_coupled(laws['scores'])}"] if laws["scores"] else []
    return [*lines, *chosen]


def _ingredients(laws: Document, gap: Document) -> str:
    best = f"coupling κ {gap['kappa']:.3g}; {percent(gap['freed'])} of the best mix is estimated anew (1−ρ)"
    return f"{best}; {percent(laws['affected'])} of the lock's mix is affected"


def _guesses(guesses: Mapping[str, str]) -> str:
    """Domains that share a source of coefficients stand together."""
    groups: dict[str, list[str]] = {}
    for domain, source in guesses.items():
        groups.setdefault(source, []).append(domain)
    return "; ".join(f"{_some(domains)} from {source}" for source, domains in groups.items())


def _coupled(scores: Mapping[str, float]) -> str:
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{domain} {score:.3g}" for domain, score in ranked[:_NAMED])


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def cap_in_words(cap: float) -> str:
    """The most a block may take, as a share of the target run: its first member to run out decides."""
    if cap >= 1:
        return f"no bound on the block: its data lasts for {cap:.4f} of the run"
    return f"the block may take at most {percent(cap)}"
