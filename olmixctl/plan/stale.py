"""What differs between a saved plan and the plan of the present, in words: every difference, not the first. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["differences"]

Document = Mapping[str, Any]

_DOMAINS = {"added", "removed", "revised", "partitioned", "merged", "moved"}
_NAMED = 6


def differences(saved: Document, fresh: Document) -> Iterator[str]:
    """A sentence for each difference that makes `saved` stale; `fresh` was made under the same options.

    Runs that were recorded meanwhile are none: a saved plan may train less than it lists.
    """
    if saved["name"] != fresh["name"]:
        yield f"it is a plan of mix {saved['name']}, this is {fresh['name']}"
    yield from _base(saved["base"], fresh["base"])
    if saved["spec"]["semantic"] != fresh["spec"]["semantic"]:
        yield f"the mix file changed in what it asks for{_fields(saved['changes'], fresh['changes'])}"
    yield from _domains(saved["domains"], fresh["domains"])
    yield from _evals(saved["evals"], fresh["evals"])
    if saved["trainer"] != fresh["trainer"]:
        yield f"the trainer changed from {saved['trainer']} to {fresh['trainer']}"
    if saved["proxy"] != fresh["proxy"]:
        yield f"the proxy changed from {_proxy(saved['proxy'])} to {_proxy(fresh['proxy'])}"
    yield from _search(saved, fresh)
    allowed = {run["key"] for run in saved["runs"] if not run["recorded"]}
    wanted = {run["key"] for run in fresh["runs"] if not run["recorded"]}
    if _later(fresh) > _later(saved):
        yield f"{_later(fresh)} runs may follow the planned ones, {_later(saved)} were said to"
    if wanted - allowed:
        noun = "run is" if len(wanted - allowed) == 1 else "runs are"
        yield f"{len(wanted - allowed)} {noun} needed that the plan did not list"


def _later(plan: Document) -> int:
    """Runs of later rounds that are still to be trained."""
    known = len({run["key"] for run in plan["runs"] if not run["recorded"]})
    return plan["cost"]["runs"] - known if "rounds" in plan else 0


def _base(before: Document, after: Document) -> Iterator[str]:
    if before["lineage"] != after["lineage"]:
        yield "the lock has another lineage"
    elif before["serial"] != after["serial"]:
        yield f"the lock moved from serial {before['serial']} to {after['serial']}"
    elif before != after:
        yield f"the lock of serial {before['serial']} is another one"


def _fields(before: list[Document], after: list[Document]) -> str:
    """The declared fields that changed since, named where the plans' own lists of changes show them."""
    was, now = (
        {c["subject"]: (c["before"], c["after"]) for c in changes if c["category"] not in _DOMAINS}
        for changes in (before, after)
    )
    subjects = sorted(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))
    return f": {_listed(subjects)}" if subjects else ""


def _domains(before: Document, after: Document) -> Iterator[str]:
    for domain_id in sorted(set(before) | set(after)):
        was, now = before.get(domain_id), after.get(domain_id)
        if was is None or now is None:
            yield f"domain {domain_id} {'appeared' if was is None else 'is gone'}"
        elif was["content"] != now["content"]:
            yield f"domain {domain_id}: its documents changed ({was['tokens']:,} → {now['tokens']:,} tokens)"


def _evals(before: Document, after: Document) -> Iterator[str]:
    for name in sorted(set(before) | set(after)):
        if name not in before or name not in after:
            yield f"eval {name} {'appeared' if name not in before else 'is gone'}"
        elif before[name] != after[name]:
            yield f"eval {name} changed in what it scores"


def _search(saved: Document, fresh: Document) -> Iterator[str]:
    """The strategy and the coordinates, where the domains are the same and something else moved them."""
    if set(saved["domains"]) != set(fresh["domains"]) or saved["base"] != fresh["base"]:
        return
    before, after = (_strategy(plan) for plan in (saved, fresh))
    if before != after:
        yield f"reuse was {before}, and is {after}"
    free = set(saved["coordinates"]["free"]) ^ set(fresh["coordinates"]["free"])
    if free:
        yield f"other domains are estimated anew: {_listed(sorted(free))}"
    elif saved["coordinates"]["blocks"] != fresh["coordinates"]["blocks"]:
        yield "the kept ratios are others"


def _strategy(plan: Document) -> str:
    return next((row["name"] for row in plan["strategies"] if row["chosen"]), "not needed")


def _proxy(proxy: Document) -> str:
    return f"{proxy['model']} with {proxy['tokens']:,} tokens"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
