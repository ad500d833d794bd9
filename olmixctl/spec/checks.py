"""What must hold between the sections of a mix. Pure: findings with addresses, no file in sight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction

from olmixctl.spec.bounds import Conflict, find_conflict, ratio_conflict, spec_bounds
from olmixctl.spec.build import Finding
from olmixctl.spec.families import declared_families
from olmixctl.spec.model import ChangeSpec, DeclaredSpec, MixSpec
from olmixctl.spec.words import closest, listed

__all__ = ["RESERVED_IDS", "check_spec", "conflict_in_words", "conflicting_bounds"]

RESERVED_IDS = frozenset({"reused"})
"""Names of virtual domains, which a domain with files may not have."""


def check_spec(spec: MixSpec) -> list[Finding]:
    """Everything that is wrong with `spec` as a whole, apart from bounds that exclude each other."""
    return [
        *_check_domains(spec),
        *_check_changes(spec),
        *_check_evals(spec),
        *_check_objective(spec),
        *_check_constraints(spec),
        *_check_proxy(spec),
        *_check_reuse(spec),
    ]


def conflicting_bounds(spec: MixSpec) -> Conflict | None:
    """An irreducible set of bounds that cannot hold together, by the arithmetic of `bounds`; None if there is none."""
    return next(filter(None, map(ratio_conflict, spec.ratios)), None) or find_conflict(
        spec_bounds(spec), spec.domain_ids
    )


def conflict_in_words(conflict: Conflict) -> str:
    """What the bounds of a conflict say together."""
    words = [f"{b.name} {b.kind} {_decimal(b.value)}" for b in conflict.bounds]
    # The error's `conflict` has them all.
    named = ", ".join(words if len(words) <= 8 else [*words[:7], f"and {len(words) - 7} more"])
    if conflict.low == 1 and all(b.kind == "max" for b in conflict.bounds):
        return f"these bounds exclude each other: {named}: all shares sum to at most {_decimal(conflict.high)}, not 1"
    reach = f"at least {_decimal(conflict.low)} where at most {_decimal(conflict.high)} is left"
    return f"these bounds exclude each other: {named}: {reach}"


def _check_domains(spec: MixSpec) -> Iterator[Finding]:
    for domain in spec.domains:
        where = f"domains.{domain.id}"
        if domain.id in RESERVED_IDS:
            yield Finding(
                where, f"{domain.id!r} is the name of the virtual domain of kept ratios", "choose another name"
            )
        raw = next((p for p in domain.paths if p.endswith(".bin")), None)
        if raw and domain.dtype is None:
            yield Finding(f"{where}.paths", f"{raw!r} are raw tokens of unknown type", "add `dtype: uint16` or uint32")
    yield from _check_declared_twins(spec)


def _check_declared_twins(spec: MixSpec) -> Iterator[Finding]:
    """What is declared is known by revision and counts, so that a rename is seen; in one mix they must tell apart."""
    first: dict[DeclaredSpec, str] = {}
    for domain in sorted(spec.domains, key=lambda domain: domain.id):
        if domain.declared is None:
            continue
        twin = first.setdefault(domain.declared, domain.id)
        if twin != domain.id:
            yield Finding(
                f"domains.{domain.id}.declared",
                f"{twin!r} declares the same tokens and revision, and would count as the same documents",
                f'give it a revision of its own, such as "{domain.declared.revision}/{domain.id}", or keep one of them',
            )


def _check_changes(spec: MixSpec) -> Iterator[Finding]:
    ids = frozenset(spec.domain_ids)
    for index, change in enumerate(spec.changes):
        yield from _check_change(change, f"changes[{index}].{change.kind}", ids)


def _check_change(change: ChangeSpec, where: str, ids: frozenset[str]) -> Iterator[Finding]:
    for target in change.targets:
        if target not in ids:
            yield Finding(
                f"{where}.{'to' if change.kind == 'move' else 'into'}",
                f"no domain has the id {target!r}",
                _likely(target, ids),
            )
    for source in change.sources:
        # A part may keep the name of the whole, and a whole that of a part; a domain that moved may not be there.
        if source in ids and source not in change.targets:
            yield Finding(f"{where}.from", f"{source!r} is still a domain", "remove the domain, or this change")
    if change.kind == "move" and change.sources == change.targets:
        yield Finding(where, "moves a domain to its own id", "remove this change")


def _check_evals(spec: MixSpec) -> Iterator[Finding]:
    declared = {d.id for d in spec.domains if d.declared is not None}
    for item in spec.evals:
        unread = sorted(declared.intersection(item.heldout))
        if unread:
            yield Finding(
                f"evals.{item.name}.heldout",
                f"{unread[0]!r} is declared, so its documents cannot be held out",
                "hold out domains whose data is read, or name a file with `paths`",
            )
    if spec.evals and all(item.weight == 0 for item in spec.evals):
        yield Finding("evals", "every eval has weight 0", "give at least one a weight above 0")


def _check_objective(spec: MixSpec) -> Iterator[Finding]:
    if spec.objective.worst_case:
        yield from _check_families(spec)
    metrics = [item.name for item in spec.evals]
    seen: set[str] = set()
    for index, guardrail in enumerate(spec.objective.guardrails):
        where = f"objective.guardrails[{index}].metric"
        if guardrail.metric not in metrics:
            yield Finding(where, f"no eval has the name {guardrail.metric!r}", _likely(guardrail.metric, metrics))
        if guardrail.metric in seen:
            yield Finding(where, f"{guardrail.metric!r} has a guardrail already", "keep one of them")
        seen.add(guardrail.metric)


def _check_families(spec: MixSpec) -> Iterator[Finding]:
    """The worst of families needs two, and a name means one."""
    families = {item.family for item in spec.evals if item.family}
    twins = [item.name for item in spec.evals if not item.family and item.name in families]
    for name in twins:
        message = f"this eval has no family, and {name!r} is the family of others"
        yield Finding(f"evals.{name}.name", message, f"add `family: {name}`, or choose another name")
    found = list(declared_families(spec.evals))
    if len(found) == 1 and not twins:
        message = f"all evals with weight are of one family, {found[0]!r}: its mean is the worst"
        yield Finding("objective.worst_case", message, "give evals that differ families of their own, or leave it out")


def _check_constraints(spec: MixSpec) -> Iterator[Finding]:
    groups = {"/".join(i.split("/")[:n]) for i in spec.domain_ids for n in range(1, i.count("/") + 1)}
    ids = set(spec.domain_ids)
    bounded = Counter([*(c.name for c in spec.constraints), *(r.name for r in spec.ratios)])
    for name in sorted(bounded.keys() & (groups | ids)):
        # A group's own bound carries the group's name and is the only one that may.
        if name in ids or bounded[name] > 1:
            yield Finding(f"constraints.{name}.name", f"{name!r} is the name of a domain", "choose another name")
    for ratio in spec.ratios:
        if ratio.name in groups and bounded[ratio.name] == 1:
            yield Finding(
                f"constraints.{ratio.name}.name", f"{ratio.name!r} is a group of domains", "choose another name"
            )


def _check_proxy(spec: MixSpec) -> Iterator[Finding]:
    proxy = spec.proxy
    step = proxy.sequence_length * proxy.batch_size
    if proxy.tokens < step:
        yield Finding(
            "proxy.tokens",
            f"{proxy.tokens} tokens are less than one step of {proxy.batch_size} × {proxy.sequence_length} = {step}",
            "raise `tokens`, or lower `batch_size` or `sequence_length`",
        )


def _check_reuse(spec: MixSpec) -> Iterator[Finding]:
    if spec.reuse == "partial" and not spec.recompute:
        yield Finding(
            "reuse",
            "partial reuse needs the domains to estimate anew",
            "add `recompute: [ids or globs]`, or write full or auto",
        )


def _likely(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    if (likely := closest(name, names)) is not None:
        return f"did you mean {likely!r}?"
    return f"there is: {listed(names)}"


def _decimal(value: Fraction) -> str:
    return f"{float(value):.9g}"
