"""A plan as text, from its JSON: a saved plan reads exactly as it did when it was made."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from olmixctl.report.look import Cell, Column, Look, Tone, heading, page, table, wrapped
from olmixctl.report.numbers import NONE, count, factor, flops, loss_unit, money, percent, plural, seconds
from olmixctl.report.text_changes import changes_section
from olmixctl.report.text_confidence import base_in_words
from olmixctl.report.text_rounds import at_most, planned_runs, rounds_in_words
from olmixctl.report.text_strategies import cap_in_words, strategies_section
from olmixctl.report.text_tradeoff import trade_off_section

__all__ = ["kept_mass", "plan_text", "price", "step_in_words"]

Document = Mapping[str, Any]

_LAWS = {
    "auto": "the laws that predict best to ",
    "saturating": "saturating laws to ",
    "gaussian": "a Gaussian process to ",
}
"""What is fitted, where it is not the published law."""
_LEVELS: dict[str, Tone] = {"block": "bad", "warn": "care", "note": "faint"}


def plan_text(
    plan: Document, look: Look, *, mass: float | None = None, full: bool = False, target: str | None = None
) -> str:
    """A plan for a person.

    Args:
        plan: as `plan_as_json` makes it.
        look: page and colour.
        mass: share of the lock's mix that is kept, when the lock is at hand.
        full: list every change, kept domain and run.
        target: what to give to `apply`, for the closing line; None when apply is under way.
    """
    return page(
        [
            [_title(plan, look)],
            changes_section(plan, look, full=full),
            _kept(plan, look, mass, full),
            _cost(plan, look),
            strategies_section(plan, look),
            _sure(plan, look),
            trade_off_section(plan, look),
            _checks(plan, look),
            _steps(plan, look),
            _runs(plan, look) if full else [],
            _closing(plan, look, target),
        ]
    )


def kept_mass(plan: Document, weights: Mapping[str, float], renames: Mapping[str, str]) -> float | None:
    """Share of the lock's mix that lies on kept domains; None where nothing is kept.

    Args:
        plan: as `plan_as_json` makes it.
        weights: of the lock.
        renames: new id → id in the lock.
    """
    members = [name for block in plan["coordinates"]["blocks"].values() for name in block]
    return sum(weights.get(renames.get(name, name), 0.0) for name in members) if members else None


def step_in_words(step: Document, plan: Document) -> str:
    """One step of the plan as an instruction."""
    match step["do"]:
        case "train":
            model, tokens = plan["proxy"]["model"], count(plan["proxy"]["tokens"])
            return f"train {at_most(plan)}{plural(step['runs'], 'proxy run')} ({model}, {tokens} tokens each)"
        case "solve":
            families = f", for the worst of {step['worst_of']} families" if "worst_of" in step else ""
            runs = f"{at_most(plan)}{plural(step['runs'], 'run')}"
            laws = _LAWS.get(step.get("laws", ""), "")
            return f"fit {laws}{runs} and solve for {plural(step['coordinates'], 'coordinate')}{families}"
        case "carry":
            return f"carry the shares of {plural(step['domains'], 'domain')} over, unmeasured"
        case "keep-ratios":
            return f"keep the ratios of {plural(step['domains'], 'domain')} and renormalise"
        case _:
            return f"write the lock, serial {step['serial']}"


def _title(plan: Document, look: Look) -> str:
    serial = plan["base"]["serial"]
    base = f"on lock serial {serial}" if plan["base"]["digest"] else "no lock yet"
    return heading(f"Plan for {plan['name']}", look, base)


def _kept(plan: Document, look: Look, mass: float | None, full: bool) -> list[str]:
    blocks = plan["coordinates"]["blocks"]
    if not blocks or plan["kind"] == "none":
        return []
    members = [name for block in blocks.values() for name in block]
    share = "" if mass is None else f", {percent(mass)} of the lock's mix"
    since = plan["coordinates"]["kept_from"]
    text = f"{plural(len(members), 'domain')} keep their ratios from serial {since}{share}"
    lines = [heading("Kept", look), *wrapped(text, look)]
    if len(plan["coordinates"]["free"]):
        for cap in plan["coordinates"]["caps"].values():
            lines += wrapped(cap_in_words(cap), look)
    if full:
        rows = [
            [name, percent(units / sum(block.values()))] for block in blocks.values() for name, units in block.items()
        ]
        lines += table([Column("domain"), Column("of the block", right=True)], rows, look, indent=4)
    return lines


def _cost(plan: Document, look: Look) -> list[str]:
    if not plan["has_changes"]:
        return []
    cost, whole = plan["cost"], plan["counterfactual"]
    needed = planned_runs(plan)
    recorded = needed - cost["runs"]
    columns = [
        Column(""),
        Column("runs", right=True),
        Column("compute", right=True),
        Column("device time", right=True),
        Column("price", right=True),
    ]
    rows = [_cost_row("to train, at most" if at_most(plan) else "to train", cost)]
    # Without a lock there is nothing to reuse: both are the same.
    rows += [_cost_row("recomputing all", whole)] if plan["base"]["digest"] else []
    lines = [heading("Runs and cost", look), *table(columns, rows, look)]
    if needed:
        extra = len(plan["extra_evidence"])
        also = f", and {extra} more answer for this mix" if extra else ""
        lines += wrapped(f"{at_most(plan)}{plural(needed, 'run')} needed, {recorded} recorded already{also}", look)
    lines += [line for words in rounds_in_words(plan) for line in wrapped(words, look, hanging=4)]
    lines += wrapped(_saving(plan), look)
    return [*lines, *wrapped(_spread(cost), look, tone="faint")]


def _cost_row(title: str, cost: Document) -> list[Cell | str]:
    spread = cost["device_seconds"]
    known = spread["p50"] is not None
    runs = f"{cost['runs']:,}"
    return [
        title,
        Cell(runs, "strong") if title.startswith("to train") else runs,
        flops(cost["flops"]),
        seconds(spread["p50"]) if known else NONE,
        price(cost),
    ]


def price(cost: Document) -> str:
    """The middle estimate in money; empty without a price or without times."""
    middle = cost["money"]["p50"]
    return "" if middle is None else money(middle, cost["currency"])


def _spread(cost: Document) -> str:
    """What is known of the time and money it takes."""
    spread, paid, runs = cost["device_seconds"], cost["money"], cost["calibrated_on_runs"]
    if not cost["runs"]:
        return ""
    elsewhere = "; ".join(
        f"{plural(n, 'run')} on {name or 'an unknown device'}" for name, n in cost["other_devices"].items()
    )
    if spread["p50"] is None:
        here = f" on this device; {elsewhere} do not tell" if elsewhere else ""
        return f"device time is uncalibrated: no run of this model is recorded yet{here}"
    between = f"{seconds(spread['p10'])} – {seconds(spread['p90'])}"
    if paid["p50"] is not None:
        between += f", price {money(paid['p10'], cost['currency'])} – {money(paid['p90'], cost['currency'])}"
    where = f" on {cost['device']}" if cost["device"] else ""
    left = f" ({elsewhere} left out)" if elsewhere else ""
    return f"p10 – p90: {between}, from {plural(runs, 'recorded run')}{where}{left}"


def _saving(plan: Document) -> str:
    cost, whole = plan["cost"], plan["counterfactual"]
    saved = whole["runs"] - cost["runs"]
    if saved <= 0:
        return ""
    times = f", {factor(whole['flops'] / cost['flops'])} less compute" if cost["flops"] else ""
    least = "at least " if at_most(plan) else ""
    return f"{least}{plural(saved, 'run')} saved against recomputing{times}"


def _sure(plan: Document, look: Look) -> list[str]:
    """How sure the present mix is, and which changes of it would be noise; nothing where its lock does not say."""
    found = plan["base"].get("confidence")
    if found is None or not plan["has_changes"]:
        return []
    said = base_in_words(found, plan["base"]["serial"], loss_unit(plan["trainer"]))
    return [heading("How sure the mix is now", look), *wrapped(said, look, hanging=4)]


def _checks(plan: Document, look: Look) -> list[str]:
    if not plan["checks"]:
        return []
    lines = [heading("Checks", look)]
    for check in plan["checks"]:
        first, *rest = wrapped(f"{check['level']:<5}  {check['message']}", look, hanging=9)
        level = check["level"]
        lines += [first.replace(level, look.paint(level, _LEVELS[level]), 1), *rest]
        lines += wrapped(f"→ {check['remedy']}", look, indent=9, hanging=11) if check["remedy"] else []
    return lines


def _steps(plan: Document, look: Look) -> list[str]:
    if not plan["steps"]:
        return []
    lines = [heading("Steps", look, plan["reason"] if plan["base"]["digest"] else "")]
    return [*lines, *(f"  {i}. {step_in_words(step, plan)}" for i, step in enumerate(plan["steps"], 1))]


def _runs(plan: Document, look: Look) -> list[str]:
    if not plan["runs"]:
        return []
    rows = [
        [run["key"][:11], "recorded" if run["recorded"] else "to train", str(run["seed"]), _point(run["point"])]
        for run in plan["runs"]
    ]
    columns = [Column("run"), Column(""), Column("seed", right=True), Column("mixture, largest first")]
    return [heading("Runs", look), *table(columns, rows, look)]


def _point(point: Mapping[str, float]) -> str:
    largest = sorted(point.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{name} {weight * 100:.1f}" for name, weight in largest[:3])
    return shown + (" …" if len(largest) > 3 else "")


def _closing(plan: Document, look: Look, target: str | None) -> list[str]:
    blocks = sum(check["level"] == "block" for check in plan["checks"])
    if blocks:
        return [look.paint(f"Blocked by {plural(blocks, 'check')}; apply would refuse (exit 3).", "bad")]
    if not plan["has_changes"]:
        return ["Nothing to do: the lock is of this mix file and this data."]
    if target is None:
        return []
    command = look.paint(" ".join(["olmixctl apply", *([target] if target else []), *_flags(plan, target)]), "strong")
    runs = plan["cost"]["runs"]
    what = f"train {at_most(plan)}{plural(runs, 'run')} and write" if runs else "write"
    return [f"To {what} lock serial {plan['base']['serial'] + 1}: {command}"]


def _flags(plan: Document, target: str) -> list[str]:
    """The options to repeat; a saved plan holds its own."""
    if target.endswith(".json"):
        return []
    options = plan["options"]
    words = [] if options["reuse"] is None else [f"--reuse {options['reuse']}"]
    words += [f"--recompute {shlex.quote(pattern)}" for pattern in options["recompute"]]
    words += ["--solve-only"] if options["solve_only"] else []
    words += [] if options["max_runs"] is None else [f"--max-runs {options['max_runs']}"]
    return words + [f"--allow-remove {name}" for name in options["allow_remove"]]
