"""What changed between the committed lock and the present: pure, from content digests and canonical inputs.

A domain is judged by its documents. The same documents under another name are a move, in other files no change at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from olmixctl.lock.model import Lock
from olmixctl.plan.model import Action, Category, Change, Observed

__all__ = ["ChangeSet", "detect_changes"]

# Section of the semantic inputs → category and action of a change in it. Evals are judged by their digests below.
_SECTIONS: dict[str, tuple[Category, Action, str]] = {
    "target": ("constraint", "none", "caps follow the target run; re-solved from recorded evidence"),
    "domains": ("constraint", "none", "bounds are re-solved from recorded evidence"),
    "constraints": ("constraint", "none", "bounds are re-solved from recorded evidence"),
    "objective": ("objective", "none", "re-solved from recorded evidence"),
    "proxy": ("proxy", "re-estimate", "runs of another proxy are not comparable"),
    "tokenizer": ("proxy", "re-estimate", "runs over other tokens are not comparable"),
    "trainer": ("proxy", "re-estimate", "runs of another trainer are not comparable"),
    "swarm": ("proxy", "re-estimate", "the swarm has other mixtures"),
    "surrogate": ("solver", "none", "refitted on recorded evidence"),
    "method": ("solver", "none", "refitted on recorded evidence"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangeSet:
    """The differences, sorted for routing.

    Attributes:
        changes: all, in display order.
        affected: ids (new) whose share must be estimated anew.
        kept: id now → id in the lock, for the unaffected.
        removed: ids of the lock that are gone.
        origins: id now → id in the lock → fraction of the domain's tokens that came from it, where that is known; what
            came from nowhere is left out, so fractions sum to at most 1.
        evals_added: metrics that no recorded run of the lock has measured.
        evals_changed: any difference in what is measured.
        protection_changed: a domain became protected or is so no longer; the lock has to know.
        sections: names of the changed sections of the inputs.
        origins: affected id → id in the lock → fraction of the domain's tokens that came from there.
    """

    changes: tuple[Change, ...]
    affected: tuple[str, ...]
    kept: Mapping[str, str]
    removed: tuple[str, ...]
    evals_added: tuple[str, ...]
    evals_changed: bool
    protection_changed: bool
    sections: tuple[str, ...]
    origins: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def detect_changes(observed: Observed, lock: Lock) -> ChangeSet:
    """Compare the present with the lock."""
    moves = _moves(observed, lock)
    kept = {new: old for new, old in _same_ids(observed, lock) if observed.states[new].content == _content(lock, old)}
    kept |= moves
    removed = tuple(sorted(set(lock.domains) - set(observed.states) - set(moves.values())))
    affected = tuple(sorted(set(observed.states) - set(kept)))
    evals_added = tuple(sorted(name for name, ev in observed.evals.items() if ev not in set(lock.evals.values())))
    before, after = _comparable_inputs(observed, lock, kept)
    sections = tuple(name for name in sorted(_SECTIONS) if before.get(name) != after.get(name))
    changes = [
        *_domain_changes(observed, lock, moves, removed),
        *_section_changes(before, after, sections),
        *_eval_changes(observed, lock),
        *_protection_changes(observed, lock, kept),
    ]
    if not changes and observed.full != lock.spec_full:
        changes.append(
            Change(category="metadata", subject="mix", action="none", reason="descriptions, owners, executor or budget")
        )
    return ChangeSet(
        changes=tuple(changes),
        affected=affected,
        kept=dict(sorted(kept.items())),
        removed=removed,
        evals_added=evals_added,
        evals_changed=sorted(observed.evals.values()) != sorted(lock.evals.values()),
        protection_changed=any(_protection_changes(observed, lock, kept)),
        sections=sections,
        origins=_origins(observed, lock, kept),
    )


def _content(lock: Lock, domain_id: str) -> str:
    return lock.domains[domain_id].content


def _same_ids(observed: Observed, lock: Lock) -> Iterator[tuple[str, str]]:
    return ((domain_id, domain_id) for domain_id in sorted(set(observed.states) & set(lock.domains)))


def _moves(observed: Observed, lock: Lock) -> dict[str, str]:
    """New id → old id: the same documents under another name. Declared moves say which, where several fit."""
    gone = {d: _content(lock, d) for d in sorted(set(lock.domains) - set(observed.states))}
    moves: dict[str, str] = {}
    declared = {c.targets[0]: c.sources[0] for c in observed.spec.changes if c.kind == "move"}
    for new in sorted(set(observed.states) - set(lock.domains)):
        content = observed.states[new].content
        fitting = [old for old, was in gone.items() if was == content and old not in moves.values()]
        if declared.get(new) in fitting:
            moves[new] = declared[new]
        elif fitting:
            moves[new] = fitting[0]
    return moves


def _origins(observed: Observed, lock: Lock, kept: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Where each domain comes from, by declared changes, else by name; several sources in proportion to their tokens."""
    origins: dict[str, dict[str, float]] = {new: {new: 1.0} for new, _ in _same_ids(observed, lock)}
    for new in sorted(observed.states):
        stated = {old for c in observed.spec.changes if new in c.targets for old in c.sources if old in lock.domains}
        total = sum(lock.domains[old].tokens for old in stated)
        if stated:
            origins[new] = {old: lock.domains[old].tokens / total for old in sorted(stated)} if total else {}
    return origins | {new: {old: 1.0} for new, old in kept.items()}


def _domain_changes(
    observed: Observed, lock: Lock, moves: Mapping[str, str], removed: tuple[str, ...]
) -> Iterator[Change]:
    declared = _declared(observed)
    for domain_id in sorted(set(observed.states) | set(removed)):
        if domain_id in moves:
            yield Change(
                category="moved",
                subject=domain_id,
                action="keep-ratio",
                reason="the same documents under another name",
                before=moves[domain_id],
                after=domain_id,
            )
        elif domain_id in removed:
            category, reason = declared.get(domain_id, ("removed", "no longer in the mix"))
            yield Change(
                category=category,
                subject=domain_id,
                action="drop",
                reason=reason,
                before=lock.domains[domain_id].tokens,
            )
        elif domain_id not in lock.domains:
            category, reason = declared.get(domain_id, ("added", "not in the lock"))
            yield Change(
                category=category,
                subject=domain_id,
                action="re-estimate",
                reason=reason,
                after=observed.states[domain_id].tokens,
            )
        else:
            yield from _revision(observed, lock, domain_id, declared)


def _declared(observed: Observed) -> dict[str, tuple[Category, str]]:
    """Domain id → category and reason, from declared partitions and merges."""
    table: dict[str, tuple[Category, str]] = {}
    for change in observed.spec.changes:
        sources, targets = ", ".join(change.sources), ", ".join(change.targets)
        if change.kind == "partition":
            table |= dict.fromkeys(change.sources, ("partitioned", f"declared: into {targets}"))
            table |= dict.fromkeys(change.targets, ("partitioned", f"declared: part of {sources}"))
        elif change.kind == "merge":
            table |= dict.fromkeys(change.sources, ("merged", f"declared: into {targets}"))
            table |= dict.fromkeys(change.targets, ("merged", f"declared: from {sources}"))
    return table


def _revision(
    observed: Observed, lock: Lock, domain_id: str, declared: Mapping[str, tuple[Category, str]]
) -> Iterator[Change]:
    now, was = observed.states[domain_id], lock.domains[domain_id]
    if now.content != was.content:
        category, reason = declared.get(domain_id, ("revised", "its documents changed"))
        yield Change(
            category=category,
            subject=domain_id,
            action="re-estimate",
            reason=reason,
            before=was.tokens,
            after=now.tokens,
        )
    elif now.fingerprint != was.fingerprint:
        yield Change(category="metadata", subject=domain_id, action="none", reason="the same documents in other files")


def _comparable_inputs(
    observed: Observed, lock: Lock, kept: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The declared inputs of lock and present, with domains cut to those that stand in both, under their new names."""
    before, after = dict(lock.inputs), dict(observed.inputs)
    was, now = before.get("domains", {}), after.get("domains", {})
    both = {domain_id: domain_id for domain_id in now if domain_id in was} | dict(kept)
    before["domains"] = {new: was[old] for new, old in both.items() if old in was}
    after["domains"] = {new: now[new] for new in both if new in now}
    return before, after


def _section_changes(
    inputs_before: Mapping[str, Any], inputs_after: Mapping[str, Any], sections: tuple[str, ...]
) -> Iterator[Change]:
    for section in sections:
        category, action, reason = _SECTIONS[section]
        before, after = inputs_before.get(section), inputs_after.get(section)
        for subject, old, new in _leaves(section, before, after):
            yield Change(category=category, subject=subject, action=action, reason=reason, before=old, after=new)


def _protection_changes(observed: Observed, lock: Lock, kept: Mapping[str, str]) -> Iterator[Change]:
    """Protection works from the lock, where a domain that left the mix file still stands; so it is recorded there."""
    for domain in observed.spec.domains:
        was = lock.domains[kept[domain.id]].protected if domain.id in kept else domain.protected
        if was != domain.protected:
            yield Change(
                category="metadata",
                subject=f"{domain.id}.protected",
                action="none",
                reason="recorded in the lock",
                before=was,
                after=domain.protected,
            )


def _leaves(path: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401
    """The places where two JSON values differ, as deep as both are mappings."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(set(before) | set(after)):
            if before.get(key) != after.get(key):
                yield from _leaves(f"{path}.{key}", before.get(key), after.get(key))
    else:
        yield path, before, after


def _eval_changes(observed: Observed, lock: Lock) -> Iterator[Change]:
    old_digests, new_digests = set(lock.evals.values()), set(observed.evals.values())
    for name in sorted(set(observed.evals) | set(lock.evals)):
        before, after = lock.evals.get(name), observed.evals.get(name)
        if after is not None and after not in old_digests:
            reason = "not measured by the recorded runs" if before is None else "what it scores changed"
            yield Change(category="objective", subject=f"evals.{name}", action="re-estimate", reason=reason)
        elif before is not None and before not in new_digests:
            yield Change(category="objective", subject=f"evals.{name}", action="none", reason="no longer measured")
    weights_before, weights_after = lock.inputs.get("evals", {}), observed.inputs.get("evals", {})
    for name in sorted(set(observed.evals) & set(lock.evals)):
        if observed.evals[name] == lock.evals[name] and weights_before.get(name) != weights_after.get(name):
            for subject, old, new in _leaves(f"evals.{name}", weights_before.get(name), weights_after.get(name)):
                yield Change(
                    category="objective",
                    subject=subject,
                    action="none",
                    reason="re-solved from recorded evidence",
                    before=old,
                    after=new,
                )
