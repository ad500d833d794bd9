"""What became of each domain since the lock, as changes with their sizes and origins. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from olmixctl.lock.model import Lock
from olmixctl.plan.contradictions import contradictions
from olmixctl.plan.flows import HALF, Flow
from olmixctl.plan.model import Category, Change, Check, Observed
from olmixctl.plan.proposals import propose, unknown_pasts
from olmixctl.plan.story import Story, tell_story

__all__ = ["DomainChanges", "detect_domain_changes"]

_NOTHING = Flow(of_old=0, of_new=0, documents_of_old=0, documents_of_new=0, files=0, exact=True)

_Cause = tuple[Category, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class DomainChanges:
    """What became of the domains.

    Attributes:
        changes: by id.
        kept: id now → id in the lock, with the same documents.
        removed: ids of the lock whose documents stand under no id any more.
        origins: see `ChangeSet.origins`.
        proposals: see `ChangeSet.proposals`.
        notes: what could not be told, and declarations that the documents speak against.
    """

    changes: tuple[Change, ...]
    kept: Mapping[str, str]
    removed: tuple[str, ...]
    origins: Mapping[str, Mapping[str, float]]
    proposals: tuple[str, ...]
    notes: tuple[Check, ...]


def detect_domain_changes(observed: Observed, lock: Lock) -> DomainChanges:
    """Compare the domains of the present with those of the lock."""
    story = tell_story(observed, lock)
    ids = sorted(set(observed.states) | set(lock.domains))
    return DomainChanges(
        changes=tuple(change for domain_id in ids for change in _changes_of(domain_id, story)),
        kept=story.kept,
        removed=tuple(sorted(story.gone)),
        origins={new: origin for new in sorted(observed.states) if (origin := _origin(new, story))},
        proposals=tuple(propose(story)),
        notes=(*unknown_pasts(story), *contradictions(story)),
    )


def _changes_of(domain_id: str, story: Story) -> Iterator[Change]:
    if domain_id in story.kept:
        yield from _same_documents(domain_id, story)
    elif domain_id in story.moves:
        yield from _moved_and_revised(domain_id, story)
    elif domain_id in story.observed.states:
        yield from _other_documents(domain_id, story)
    if domain_id in story.gone:
        yield from _gone(domain_id, story)


def _same_documents(new: str, story: Story) -> Iterator[Change]:
    old = story.kept[new]
    if new != old:
        yield Change(
            category="moved",
            subject=new,
            action="keep-ratio",
            reason="the same documents under another name",
            before=old,
            after=new,
        )
    elif story.observed.states[new].fingerprint != story.lock.domains[old].fingerprint:
        yield Change(category="metadata", subject=new, action="none", reason="the same documents in other files")


def _moved_and_revised(new: str, story: Story) -> Iterator[Change]:
    old = story.moves[new]
    reason = f"{_how(new in story.declared.moves)}: renamed and revised"
    yield Change(category="moved", subject=new, action="re-estimate", reason=reason, before=old, after=new)
    yield _revision(new, old, story)


def _other_documents(new: str, story: Story) -> Iterator[Change]:
    causes = list(_causes_now(new, story))
    before = story.lock.domains[new].tokens if new in story.lock.domains else None
    if not causes and before is not None:
        yield _revision(new, new, story)
        return
    for category, reason in causes or [("added", "not in the lock")]:
        yield Change(
            category=category,
            subject=new,
            action="re-estimate",
            reason=reason,
            before=before,
            after=story.observed.states[new].tokens,
            detail=_shares("from", story.flows_into(new)),
        )


def _causes_now(new: str, story: Story) -> Iterator[_Cause]:
    """Partitions and merges that a domain comes from."""
    for old, parts in sorted(story.partitions.items()):
        if new in parts:
            yield "partitioned", f"{_how(old in story.declared.partitions)}: part of {old}"
    if new in story.merges:
        yield "merged", f"{_how(new in story.declared.merges)}: from {', '.join(story.merges[new])}"


def _gone(old: str, story: Story) -> Iterator[Change]:
    causes: list[_Cause] = []
    if old in story.partitions:
        how = _how(old in story.declared.partitions)
        causes.append(("partitioned", f"{how}: into {', '.join(story.partitions[old])}"))
    for new, sources in sorted(story.merges.items()):
        if old in sources:
            causes.append(("merged", f"{_how(new in story.declared.merges)}: into {new}"))
    for category, reason in causes or [("removed", "no longer in the mix")]:
        yield Change(
            category=category,
            subject=old,
            action="drop",
            reason=reason,
            before=story.lock.domains[old].tokens,
            detail=_shares("into", story.flows_from(old)),
        )


def _how(declared: bool) -> str:
    return "declared" if declared else "recognised from content"


def _revision(new: str, old: str, story: Story) -> Change:
    """A domain whose documents changed, with what stayed where that is known."""
    flow = story.recognised.flows.get((old, new), _NOTHING) if story.both_known(old, new) else None
    elsewhere = flow is not None and flow.of_old >= HALF and flow.files < HALF * len(story.then[old].files)
    return Change(
        category="revised",
        subject=new,
        action="re-estimate",
        reason="its documents changed, and lie in other files" if elsewhere else "its documents changed",
        before=story.lock.domains[old].tokens,
        after=story.observed.states[new].tokens,
        detail=None if flow is None else _sizes(flow, old, new, story),
    )


def _sizes(flow: Flow, old: str, new: str, story: Story) -> dict[str, Any]:
    then, now = story.then[old], story.now[new]
    documents = flow.documents_of_old * then.documents, flow.documents_of_new * now.documents
    return {
        "files": _counts(len(then.files), len(now.files), flow.files, flow.files),
        "tokens": _counts(then.tokens, now.tokens, flow.of_old * then.tokens, flow.of_new * now.tokens),
        "documents": _counts(then.documents, now.documents, *documents),
        "estimated": not flow.exact,
    }


def _counts(before: int, after: int, of_old: float, of_new: float) -> dict[str, int]:
    kept = min(round(of_old), before)
    return {"kept": kept, "added": max(after - round(of_new), 0), "dropped": before - kept}


def _shares(word: Literal["from", "into"], flows: Mapping[str, Flow]) -> dict[str, Any] | None:
    """Fractions of a domain's tokens by where they were, or are."""
    fractions = {other: flow.of_new if word == "from" else flow.of_old for other, flow in sorted(flows.items())}
    shown = {other: min(round(share, 4), 1.0) for other, share in fractions.items()}
    return {word: shown, "estimated": not all(flow.exact for flow in flows.values())} if shown else None


def _origin(new: str, story: Story) -> dict[str, float]:
    """Where a domain's tokens come from; empty where nothing says."""
    if new in story.kept:
        return {story.kept[new]: 1.0}
    flows = {old: flow.of_new for old, flow in story.flows_into(new).items() if flow.of_new > 0}
    stated = _stated(new, story)
    if stated and not stated & set(flows):
        tokens = {old: story.lock.domains[old].tokens for old in stated}
        return _capped({old: count / max(sum(tokens.values()), 1) for old, count in tokens.items()})
    if stated:
        return _capped({old: flows[old] for old in stated if old in flows})
    if flows or story.both_known(new, new) or new not in story.lock.domains:
        return _capped(flows)
    return {new: 1.0}


def _stated(new: str, story: Story) -> set[str]:
    """Ids of the lock that a domain is declared to come from."""
    declared = story.declared
    stated = {old for old, parts in declared.partitions.items() if new in parts} | set(declared.merges.get(new, ()))
    return stated | ({declared.moves[new]} if new in declared.moves else set())


def _capped(fractions: Mapping[str, float]) -> dict[str, float]:
    """Fractions that sum to at most one: estimates, and documents that stood in two domains, may sum to more."""
    total = max(sum(fractions.values()), 1.0)
    return {old: share / total for old, share in sorted(fractions.items())}
