"""Declared changes that the documents speak against. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from olmixctl.plan.declared import Declared
from olmixctl.plan.flows import HALF
from olmixctl.plan.model import Check
from olmixctl.plan.story import Story

__all__ = ["contradictions"]


def contradictions(story: Story) -> Iterator[Check]:
    """Declared changes that the documents speak against; they are followed, and said."""
    now = {old: new for new, old in story.kept.items()}
    for change, old, new, part_of_new in _claims(story.declared):
        if old in now and now[old] != new:
            where = "under its own name" if now[old] == old else f"in {now[old]}"
            yield _warning(change, old, new, f"all documents of {old} are still there, {where}")
        elif story.both_known(old, new):
            flow = story.recognised.flows.get((old, new))
            share = (flow.of_new if part_of_new else flow.of_old) if flow else 0.0
            whose, other = (new, old) if part_of_new else (old, new)
            if share < HALF:
                yield _warning(change, old, new, f"{_percent(share)} of the tokens of {whose} are in {other}")


def _claims(declared: Declared) -> Iterator[tuple[str, str, str, bool]]:
    """Kind, id in the lock, id now, and whether most of the new one should be in the old one (else the other way)."""
    for old, parts in sorted(declared.partitions.items()):
        yield from (("partition", old, new, True) for new in parts if new != old)
    for new, sources in sorted(declared.merges.items()):
        yield from (("merge", old, new, False) for old in sources if old != new)
    for new, old in sorted(declared.moves.items()):
        yield "move", old, new, True


def _percent(share: float) -> str:
    return "none" if share == 0 else f"only {share * 100:.0f} %"


def _warning(kind: str, old: str, new: str, found: str) -> Check:
    words = {"partition": f"partition of {old} into {new}", "merge": f"merge of {old} into {new}"}
    return Check(
        level="warn",
        name="contradicted-declaration",
        message=f"declared {words.get(kind, f'move of {old} to {new}')}, but {found}",
        remedy="mend or remove it in `changes`, or check the paths; the declaration is followed",
    )
