"""How a swarm is trained, where that is not in one go: how many runs follow, when it may stop, where it did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from olmixctl.lock.model import Stopped

__all__ = ["at_most", "planned_runs", "rounds_in_words", "stopped_in_words"]

Document = Mapping[str, Any]


def planned_runs(plan: Document) -> int:
    """Runs of the whole swarm of a plan, the later rounds included."""
    later: list[int] = plan.get("rounds", {}).get("later", [])
    return len({run["key"] for run in plan["runs"]}) + sum(later)


def at_most(plan: Document) -> str:
    """`up to `, where the runs of a plan may turn out to be fewer."""
    return "up to " if "rounds" in plan else ""


def rounds_in_words(plan: Document) -> list[str]:
    """A sentence each on later rounds and on stopping; none where all runs are trained in one go."""
    rounds = plan.get("rounds")
    if rounds is None:
        return []
    later, looks, stop = rounds["later"], rounds["looks"], rounds["stop"]
    lines = []
    if later:
        known = planned_runs(plan) - sum(later)
        parts = f", in {len(later)} rounds," if len(later) > 1 else ""
        first = f"{known} are known now; up to {sum(later)} more" if known else f"up to {sum(later)}"
        by = "what those before measured" if known else "what is recorded and what those before measured"
        lines.append(f"{first}{parts} are chosen by {by}")
    if stop is not None and looks:
        enough = f"the mix is within {stop['regret']:g} of the best one with probability {stop['confidence']:g}"
        lines.append(f"may stop early: apply looks {_when(looks, later)} whether {enough}")
    return lines


def stopped_in_words(stopped: Stopped) -> str:
    """Where training ended, and why there."""
    known = f"the mix is within {stopped.regret.normalize():f} of the best one with probability"
    return f"stopped early, after {stopped.trained} of {stopped.planned} runs: {known} {stopped.probability:.2f}"


def _when(looks: list[int], later: list[int]) -> str:
    """When apply looks; 0 among the looks is before any run."""
    after = [number for number in looks if number]
    words = "after each round" if later else f"after {_listed(after)} runs" if after else ""
    return " and ".join(filter(None, ("before the first" if 0 in looks else "", words)))


def _listed(numbers: list[int]) -> str:
    words = [str(number) for number in numbers]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
