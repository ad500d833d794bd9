"""What changed between the committed lock and the present: pure, from content digests and canonical inputs.

A domain is judged by its documents. The same documents under another name are a move, in other files no change at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from olmixctl.ledger.model import is_adopted
from olmixctl.lock.model import Lock
from olmixctl.plan.domain_changes import detect_domain_changes
from olmixctl.plan.model import Action, Category, Change, Check, Observed
from olmixctl.plan.rounds import is_enough

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

# Of sections that say how runs are trained here: adopted runs were not trained by them.
_UNTOUCHED: tuple[Category, Action, str] = ("proxy", "none", "adopted runs were not trained by it")
_OF_TRAINING = ("proxy", "swarm")


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
        proposals: lines of YAML for `changes:` that declare what was recognised.
        notes: what could not be told, and declarations that the documents speak against.
        evals_added: metrics that no recorded run of the lock has measured.
        evals_changed: any difference in what is measured.
        protection_changed: a domain became protected or is so no longer; the lock has to know.
        sections: names of the changed sections of the inputs.
        adopted: the runs behind the lock were adopted, and go on to be its evidence.
    """

    changes: tuple[Change, ...]
    affected: tuple[str, ...]
    kept: Mapping[str, str]
    removed: tuple[str, ...]
    evals_added: tuple[str, ...]
    evals_changed: bool
    protection_changed: bool
    sections: tuple[str, ...]
    adopted: bool = False
    origins: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    proposals: tuple[str, ...] = ()
    notes: tuple[Check, ...] = ()


def detect_changes(observed: Observed, lock: Lock) -> ChangeSet:
    """Compare the present with the lock."""
    domains = detect_domain_changes(observed, lock)
    kept = domains.kept
    evals_added = tuple(sorted(name for name, ev in observed.evals.items() if ev not in set(lock.evals.values())))
    before, after = _comparable_inputs(observed, lock, kept)
    sections = tuple(name for name in sorted(_SECTIONS) if before.get(name) != after.get(name))
    adopted = is_adopted(observed.trainer) and lock.inputs.get("trainer") == observed.trainer
    changes = [
        *domains.changes,
        *_section_changes(before, after, sections, adopted=adopted),
        *_eval_changes(observed, lock, before.get("evals", {})),
        *_protection_changes(observed, lock, kept),
    ]
    if not changes and observed.full != lock.spec_full:
        changes.append(
            Change(category="metadata", subject="mix", action="none", reason="descriptions, owners, executor or budget")
        )
    return ChangeSet(
        changes=tuple(changes),
        affected=tuple(sorted(set(observed.states) - set(kept))),
        kept=kept,
        removed=domains.removed,
        evals_added=evals_added,
        evals_changed=sorted(observed.evals.values()) != sorted(lock.evals.values()),
        protection_changed=any(_protection_changes(observed, lock, kept)),
        sections=sections,
        adopted=adopted,
        origins=domains.origins,
        proposals=domains.proposals,
        notes=domains.notes,
    )


def _comparable_inputs(
    observed: Observed, lock: Lock, kept: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The declared inputs of lock and present, with domains cut to those that stand in both, under their new names.

    Constraints and held-out evals name domains, too. A declared identity is left out: it is what the data is, and was
    compared as such.
    """
    before, after = dict(lock.inputs), dict(observed.inputs)
    was, now = before.get("domains", {}), after.get("domains", {})
    both = {domain_id: domain_id for domain_id in now if domain_id in was} | dict(kept)
    before["domains"] = {new: was[old] | {"declared": None} for new, old in both.items() if old in was}
    after["domains"] = {new: now[new] | {"declared": None} for new in both if new in now}
    names = {old: new for new, old in kept.items()}
    before |= {section: _renamed(before[section], names) for section in ("constraints", "evals") if section in before}
    return before, after


def _renamed(section: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """A section of the inputs with its domains under their new names."""
    lists = ("domains", "of", "to", "heldout")
    return {
        name: {
            key: sorted(names.get(each, each) for each in value) if key in lists and value else value
            for key, value in item.items()
        }
        for name, item in section.items()
    }


def _section_changes(
    inputs_before: Mapping[str, Any], inputs_after: Mapping[str, Any], sections: tuple[str, ...], *, adopted: bool
) -> Iterator[Change]:
    for section in sections:
        category, action, reason = _UNTOUCHED if adopted and section in _OF_TRAINING else _SECTIONS[section]
        before, after = inputs_before.get(section), inputs_after.get(section)
        if section == "swarm" and before and after and is_enough(before, after):
            action, reason = "none", "the recorded runs are enough for it"
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


def _eval_changes(observed: Observed, lock: Lock, weights_before: Mapping[str, Any]) -> Iterator[Change]:
    """Evals that came, went or changed; `weights_before` is what the lock was made for, under present names."""
    old_digests, new_digests = set(lock.evals.values()), set(observed.evals.values())
    for name in sorted(set(observed.evals) | set(lock.evals)):
        before, after = lock.evals.get(name), observed.evals.get(name)
        if after is not None and after not in old_digests:
            reason = "not measured by the recorded runs" if before is None else "what it scores changed"
            yield Change(category="objective", subject=f"evals.{name}", action="re-estimate", reason=reason)
        elif before is not None and before not in new_digests:
            yield Change(category="objective", subject=f"evals.{name}", action="none", reason="no longer measured")
    weights_after = observed.inputs.get("evals", {})
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
