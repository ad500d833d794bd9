"""What is said beside the changes: how to declare what was recognised, and what could not be told. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from olmixctl.plan.model import Check
from olmixctl.plan.story import Story

__all__ = ["propose", "unknown_pasts"]

_NAMED = 5
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})
"""What some YAML reads as something else than a string."""


def propose(story: Story) -> Iterator[str]:
    """What was recognised, as lines of YAML for `changes:`; those alone that a mix file may hold."""
    declared, present = story.declared, story.observed.states
    moves = {n: o for n, o in (dict(story.kept) | dict(story.moves)).items() if n != o and n not in declared.moves}
    # Two domains that changed names cannot be declared: both names are still there.
    for new, old in sorted(moves.items()):
        if old not in present:
            yield f"- move: {{from: {_yaml(old)}, to: {_yaml(new)}}}"
    for old, parts in sorted(story.partitions.items()):
        if old not in declared.partitions and (old in parts or old not in present):
            yield f"- partition: {{from: {_yaml(old)}, into: [{', '.join(map(_yaml, parts))}]}}"
    for new, sources in sorted(story.merges.items()):
        if new not in declared.merges and not any(old in present for old in sources if old != new):
            yield f"- merge: {{from: [{', '.join(map(_yaml, sources))}], into: {_yaml(new)}}}"


def unknown_pasts(story: Story) -> Iterator[Check]:
    """Domains of the lock whose documents are not known any more, where that would tell what became of them."""
    reasons: dict[str, list[str]] = {}
    for old in story.unknown:
        why = story.observed.compared.damaged.get(old, "the ledger has no inventory of it")
        reasons.setdefault(why, []).append(old)
    for why, names in sorted(reasons.items()):
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield Check(
            level="note",
            name="no-inventory",
            message=f"what became of the documents of {', '.join(names[:_NAMED])}{more} cannot be told: {why}",
            remedy="declare it in `changes` if it was renamed, split or merged; apply keeps inventories from now on",
        )


def _yaml(domain_id: str) -> str:
    """A domain id as a YAML scalar that stays a string."""
    return domain_id if domain_id[0].isalpha() and domain_id.lower() not in _WORDS else f'"{domain_id}"'
