"""The join of two locks, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from olmixctl.lock.merge import LockMerge
from olmixctl.report.look import Look, heading, wrapped
from olmixctl.report.text_plan import kept_mass, plan_text

__all__ = ["join_text", "standing_in_words"]

_GAP = "\n\n"


def join_text(document: Mapping[str, Any], merge: LockMerge, notes: Sequence[str], look: Look) -> str:
    """The plan of a join for a person: the sides, what was done to their files, and the plan.

    Args:
        document: the plan, as `plan_as_json` makes it.
        merge: the locks.
        notes: on files of both sides.
        look: page and colour.
    """
    start = merge.start
    sides = f"serial {merge.ours.serial} (ours) and serial {merge.theirs.serial} (theirs)"
    known = "" if merge.base is None else f", which parted at serial {merge.base.serial}"
    title = heading(f"Joining {merge.ours.name}", look, sides + known)
    renames = {c["after"]: c["before"] for c in document["changes"] if c["category"] == "moved"}
    mass = kept_mass(document, start.weights.as_mixture(), renames)
    # The plan's own title names one lock; a join has two.
    _, *sections = plan_text(document, look, mass=mass).rstrip("\n").split(_GAP)
    if not document["has_changes"]:
        again = f"The merged mix file and data are those of serial {start.serial}: its mix is written again."
        sections = ["\n".join(wrapped(again, look, indent=0))]
    remarks = ["\n".join(line for note in notes for line in wrapped(note, look, hanging=4))] if notes else []
    return _GAP.join([title, *remarks, *sections]) + "\n"


def standing_in_words(merge: LockMerge) -> str:
    """Why there is nothing to decide, where one side goes on from the other."""
    ours, theirs = f"ours, serial {merge.ours.serial}", f"theirs, serial {merge.theirs.serial}"
    match merge.standing:
        case "same":
            return f"both sides have the same lock, serial {merge.ours.serial}"
        case "ours":
            return f"{ours}, goes on from {theirs}: ours is the lock of both"
        case "theirs":
            return f"{theirs}, goes on from {ours}: theirs is the lock of both"
        case "parted":
            return "both sides went on from one lock"
