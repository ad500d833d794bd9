"""Is a committed lock right? Re-derived from committed evidence alone: no GPU, no data, no trust in the file.

Whoever changes a field can also make a new integrity line. So every field that follows from others is computed again:
the mix from the runs, and from the mix all that is said of it. What follows from nothing that is committed beside the
lock (`docs/commands.md` lists it) is left to Git and to `verify --deep`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from olmixctl.errors import InfeasibleError, OlmixctlError
from olmixctl.fingerprint import canonical_json, digest
from olmixctl.inventory import Inventory
from olmixctl.ledger.model import RunRecord, is_adopted
from olmixctl.ledger.store import evidence_root
from olmixctl.lock.model import Lock
from olmixctl.methods.ancestry import History, ancestry_checks, kept_domains, mix_before
from olmixctl.methods.check_uncertainty import uncertainty_check
from olmixctl.methods.checks import Verification, VerifyCheck
from olmixctl.methods.olmix import fit_evidence, gather, keep_ratios
from olmixctl.methods.problem import bounds, broken_rows
from olmixctl.methods.restated import POINTS, restated
from olmixctl.methods.shape import shape_check
from olmixctl.methods.stopped import stopped_check
from olmixctl.mixture import GRID, Block, Coordinates
from olmixctl.plan.evidence import evidence_weights
from olmixctl.plan.model import Observed, is_rehearsal
from olmixctl.plan.reuse import BLOCK_NAME, kept_shares
from olmixctl.report.numbers import plural
from olmixctl.surrogate.spikes import without_spikes

__all__ = ["Surroundings", "Verification", "verify_lock"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What is known around a lock.

    Attributes:
        records: the ledger.
        taints: key → why, of runs with a tainted result.
        replicates: further results of runs.
        inventories: fingerprint → what a domain's data was.
        history: digest → committed lock; None without Git.
        unmerged: the merge that left the lock in conflict, in words; empty when there is none.
    """

    records: Mapping[str, RunRecord]
    taints: Mapping[str, str] = field(default_factory=dict)
    replicates: tuple[RunRecord, ...] = ()
    inventories: Mapping[str, Inventory] = field(default_factory=dict)
    history: History | None = None
    unmerged: str = ""


def verify_lock(lock: Lock, observed: Observed, around: Surroundings) -> Verification:
    """Check a lock that is already known to be whole (`lock.parse` checks its integrity line).

    Args:
        lock: the lock, of a sound shape (`shape_check`).
        observed: the mix file, with the data as the lock states it.
        around: ledger and history.
    """
    checks = [VerifyCheck(name="integrity", ok=True, detail="the bytes are those that were written")]
    if around.unmerged:
        detail = f"the lock is in conflict: {around.unmerged}; it holds one side alone, `olmixctl resolve` joins both"
        checks.append(VerifyCheck(name="unmerged", ok=None, detail=detail))
    checks.append(shape_check(lock))
    if not checks[-1].ok:
        return Verification(lock=lock, checks=tuple(checks))
    same = lock.spec_semantic == observed.semantic
    checks += [_spec(lock, observed, same=same), _trainer(lock, observed), *_blocks(lock)]
    if same and set(lock.domains) != set(observed.spec.domain_ids):
        checks.append(VerifyCheck(name="domains", ok=False, detail="the lock has other domains than the mix file"))
    elif same and set(lock.evals) != {item.name for item in observed.spec.evals}:
        checks.append(VerifyCheck(name="evals", ok=False, detail="the lock measures others than the mix file"))
    elif same:
        checks += [_protection(lock, observed), _bounds(lock, observed), _repetition(lock, observed)]
        checks += [_inventories(lock, around), *_excluded(lock, around), *_evidence(lock, observed, around)]
        checks += ancestry_checks(lock, observed, around.history)
    return Verification(lock=lock, checks=tuple(checks))


def _spec(lock: Lock, observed: Observed, *, same: bool) -> VerifyCheck:
    """The recorded inputs are those of the recorded digest, and those of the mix file."""
    stated = {name: value for name, value in lock.inputs.items() if name != "trainer"}
    if digest(stated, prefix="sha256") != lock.spec_semantic:
        # A tokeniser's file stands by its own digest in the inputs, and as `file` in the digest of the mix file.
        plain = stated | ({} if stated.get("tokenizer") == "bytes" else {"tokenizer": "file"})
        if digest(plain, prefix="sha256") != lock.spec_semantic:
            return VerifyCheck(name="spec", ok=False, detail="the recorded inputs are not those of the recorded digest")
    if same and canonical_json(dict(lock.inputs) | {"trainer": ""}) != canonical_json(
        dict(observed.inputs) | {"trainer": ""}
    ):
        return VerifyCheck(name="spec", ok=False, detail="the recorded inputs are not those of the mix file")
    detail = "made for this mix file" if same else "the mix file asks for something else since; run `olmixctl plan`"
    return VerifyCheck(name="spec", ok=same, detail=detail)


def _trainer(lock: Lock, observed: Observed) -> VerifyCheck:
    """A rehearsal must not pass for a measured mix."""
    trainer = str(lock.inputs.get("trainer", ""))
    ok = is_rehearsal(trainer) == is_rehearsal(observed.trainer)
    kind = "a rehearsal: weights from a response surface" if is_rehearsal(trainer) else f"runs of trainer {trainer}"
    if is_adopted(trainer):
        kind = f"none: the runs were adopted from tables of others ({trainer})"
    return VerifyCheck(name="trainer", ok=ok, detail=kind if ok else f"{kind}; the mix file asks for another")


def _protection(lock: Lock, observed: Observed) -> VerifyCheck:
    wrong = [d.id for d in observed.spec.domains if lock.domains[d.id].protected != d.protected]
    count = sum(record.protected for record in lock.domains.values())
    detail = f"the mix file says otherwise of {', '.join(wrong)}" if wrong else f"{count} protected, as in the mix file"
    return VerifyCheck(name="protection", ok=not wrong, detail=detail)


def _blocks(lock: Lock) -> Iterator[VerifyCheck]:
    """Mass and members of the kept blocks follow from the domains."""
    wrong = []
    for name, block in lock.blocks.items():
        inside = [domain for domain, record in lock.domains.items() if record.block == name]
        mass = sum(lock.weights[domain] for domain in inside)
        wrong += [f"mass of {name} {block.mass / GRID:.6f}, found {mass / GRID:.6f}"] if block.mass != mass else []
        wrong += [f"members of {name} {block.members}, found {len(inside)}"] if block.members != len(inside) else []
        wrong += [f"{name} keeps ratios of a later lock"] if not 0 <= block.from_serial < lock.serial else []
    if lock.blocks:
        detail = f"misstated: {'; '.join(wrong)}" if wrong else "mass and members follow from the domains"
        yield VerifyCheck(name="blocks", ok=not wrong, detail=detail)


def _bounds(lock: Lock, observed: Observed) -> VerifyCheck:
    rows = bounds(observed)
    broken = [f"{name} ({value})" for name, value in broken_rows(rows, lock.weights).items()]
    detail = f"broken: {', '.join(broken)}" if broken else f"{plural(len(rows), 'bound')} kept exactly"
    return VerifyCheck(name="bounds", ok=not broken, detail=detail)


def _repetition(lock: Lock, observed: Observed) -> VerifyCheck:
    unit, wrong = Decimal("0.000001"), []
    for domain_id, record in lock.domains.items():
        found = Decimal(lock.weights[domain_id]) * observed.spec.target.tokens / GRID / record.tokens
        wrong += [domain_id] if found.quantize(unit) != record.repetition else []
    most = max((record.repetition for record in lock.domains.values()), default=Decimal(0))
    detail = f"misstated for {', '.join(wrong)}" if wrong else f"at most {most:.2f}× a domain"
    return VerifyCheck(name="repetition", ok=not wrong, detail=detail)


def _inventories(lock: Lock, around: Surroundings) -> VerifyCheck:
    """What a domain's data was said to be, where that is kept: its counts and documents by its fingerprint."""
    known = {d: around.inventories.get(record.fingerprint) for d, record in lock.domains.items()}
    wrong = [
        domain
        for domain, found in known.items()
        if found is not None
        for record in [lock.domains[domain]]
        if (record.content, record.tokens, record.documents) != (found.content, found.tokens, found.documents)
    ]
    kept = sum(found is not None for found in known.values())
    if wrong:
        return VerifyCheck(name="inventories", ok=False, detail=f"counts or documents misstated for {', '.join(wrong)}")
    if not kept:
        return VerifyCheck(name="inventories", ok=None, detail="none is kept: counts of domains stand as stated")
    rest = f"; {plural(len(known) - kept, 'domain')} without one" if kept < len(known) else ""
    return VerifyCheck(name="inventories", ok=True, detail=f"{kept} agree with the lock{rest}")


def _excluded(lock: Lock, around: Surroundings) -> Iterator[VerifyCheck]:
    """Runs said to be left out are in the ledger, for the reason that is given."""
    wrong = []
    for item in lock.excluded:
        record = around.records.get(item.run)
        if item.run in lock.evidence:
            wrong.append(f"{item.run} is evidence and left out")
        elif record is None and item.run not in around.taints:
            wrong.append(f"{_file(item.run)} is not in the ledger")
        elif record is not None and (record.status == "diverged") != (item.reason == "the run diverged"):
            wrong.append(f"{_file(item.run)} says otherwise")
    if lock.excluded:
        right = f"{plural(len(lock.excluded), 'run')} left out, and nothing in the ledger speaks against it"
        detail = "; ".join(wrong) or right
        yield VerifyCheck(name="excluded", ok=not wrong, detail=detail)


def _evidence(lock: Lock, observed: Observed, around: Surroundings) -> Iterator[VerifyCheck]:
    if not lock.evidence:
        yield _no_evidence(lock)
        yield _kept(lock, observed, around.history)
        return
    problem = _evidence_problem(lock, observed, around)
    detail = problem or f"{plural(len(lock.evidence), 'run')}, as they were"
    yield VerifyCheck(name="evidence", ok=not problem, detail=detail)
    if problem:
        return
    evidence = gather(observed, lock.coordinates, lock.evidence, around.records)
    yield from _spikes(lock, observed, around)
    # The family is the recorded one: what `auto` would choose on another day is not asked.
    family = None if lock.surrogate is None else lock.surrogate.family
    fitted = fit_evidence(observed, lock.coordinates, evidence, family=family)
    before = mix_before(lock, around.history)
    yield from restated(lock, observed, fitted, before)
    yield from uncertainty_check(lock, observed, fitted, before, around.replicates)
    yield from stopped_check(lock, observed, fitted)


def _spikes(lock: Lock, observed: Observed, around: Surroundings) -> Iterator[VerifyCheck]:
    """Runs said to be loss spikes are, of all runs that the lock considered."""
    spiked = [key for key in lock.spiked if key in around.records]
    if spiked:
        screened = without_spikes(gather(observed, lock.coordinates, (*lock.evidence, *spiked), around.records))
        ok = {spike.run for spike in screened.spikes} == set(spiked)
        right = f"{plural(len(spiked), 'run')} left out, far above what all others say"
        yield VerifyCheck(name="spikes", ok=ok, detail=right if ok else "other runs than these are far above the rest")


def _evidence_problem(lock: Lock, observed: Observed, around: Surroundings) -> str:
    """What is wrong with the runs behind the lock; empty when nothing is."""
    missing = sorted(set(lock.evidence) - set(around.records))
    tainted = [key for key in missing if key in around.taints]
    if tainted:
        key = tainted[0]
        then = "decides without it" if is_adopted(str(lock.inputs.get("trainer", ""))) else "trains it again"
        return f"{_file(key)} was tainted since: {around.taints[key]}; `olmixctl apply` {then}"
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return f"run {missing[0]} ({_file(missing[0])}{more}) is not in the ledger; restore it from Git"
    try:
        root = evidence_root(dict(around.records), lock.evidence)
    except OlmixctlError as error:
        return error.message
    if root != lock.evidence_root:
        renewed = sorted(set(lock.evidence) & set(around.taints))
        if renewed:
            return f"{_file(renewed[0])} was tainted and has another result now; `olmixctl apply` decides on it"
        return "a run behind the lock was altered, or the lock names others than it was made of"
    for key in lock.evidence:
        inputs = around.records[key].inputs
        if (inputs.trainer, inputs.tokenizer) != (lock.inputs.get("trainer"), observed.tokenizer):
            return f"{_file(key)} is of another trainer or tokeniser than the lock states"
        if evidence_weights(observed, lock.coordinates, around.records[key]) is None:
            return f"{_file(key)} is no evidence for this mix: other metrics, other documents, or not the kept ratios"
    return _block_problem(lock, around.records)


def _block_problem(lock: Lock, records: Mapping[str, RunRecord]) -> str:
    """Runs trained on the kept block carry its shares: they are those of the lock."""
    stated = {
        frozenset(lock.domains[d].content for d, s in block.shares.items() if s): sorted(
            (lock.domains[d].content, s) for d, s in block.shares.items() if s
        )
        for block in lock.coordinates.blocks
    }
    for key in lock.evidence:
        for part in records[key].inputs.parts:
            shares = stated.get(frozenset(content for content, _ in part.members))
            if shares is not None and len(shares) > 1 and shares != sorted(part.members):
                return f"the shares of the kept block are not those of {_file(key)}"
    return ""


def _no_evidence(lock: Lock) -> VerifyCheck:
    """A lock that rests on no runs states nothing that only runs could say."""
    solution = lock.solution
    said = [
        name
        for name, value in {
            "evidence.root": lock.evidence_root != evidence_root({}, ()),
            "surrogate": lock.surrogate is not None,
            "predicted": bool(lock.predicted),
            "uncertainty": bool(lock.uncertainty) or lock.confidence is not None,
            "solution": solution.status in ("optimal", "local")
            or any((solution.solver, solution.objective, solution.objective_at_rounded, solution.weights_from))
            or bool(solution.residuals)
            or bool(solution.active),
        }.items()
        if value
    ]
    detail = f"no runs stand behind it, and it states {', '.join(said)}" if said else "no runs of its own"
    return VerifyCheck(name="evidence", ok=not said, detail=detail)


def _kept(lock: Lock, observed: Observed, history: History | None) -> VerifyCheck:
    """A lock without runs of its own keeps ratios: its weights follow from its shares, or from the lock before."""
    if lock.solution.status == "carried":
        return _carried(lock)
    coordinates = lock.coordinates if lock.solution.status == "kept" else _projected_from(lock, history)
    if coordinates is None:
        detail = f"{lock.solution.status} from a lock that is not at hand: the bounds hold, the weights stand as stated"
        return VerifyCheck(name="kept ratios", ok=None, detail=detail)
    try:
        weights, moved = keep_ratios(observed, coordinates)
    except InfeasibleError as error:
        return VerifyCheck(name="kept ratios", ok=False, detail=error.message)
    if lock.solution.status == "kept":
        ok = not moved and dict(weights) == dict(lock.weights)
        detail = "the weights are the recorded shares" if ok else "the weights are not those of the recorded shares"
    else:
        ok = moved and all(abs(weights[d] - points) <= POINTS for d, points in lock.weights.items())
        detail = "the nearest mix to that of the lock before" + ("" if ok else " is another")
    return VerifyCheck(name="kept ratios", ok=ok, detail=detail)


def _carried(lock: Lock) -> VerifyCheck:
    """Where carried shares come from is known to the plan that carried them; the ratios inside a block are recorded."""
    if lock.coordinates.collapse(lock.weights.as_mixture(), tolerance=2 / GRID) is None:
        return VerifyCheck(name="kept ratios", ok=False, detail="the weights are not those of the recorded shares")
    detail = "carried over without a run: bounds and ratios hold, what was carried stands as stated"
    return VerifyCheck(name="kept ratios", ok=None, detail=detail)


def _projected_from(lock: Lock, history: History | None) -> Coordinates | None:
    """The kept ratios that were moved on the bounds: those of the lock before, in one block."""
    if lock.solution.status != "projected" or len(lock.parents) != 1 or lock.parents[0] not in (history or {}):
        return None
    parent = (history or {})[lock.parents[0]]
    kept = kept_domains(lock, parent)
    shares = kept_shares(parent, kept)
    return (
        Coordinates((), (Block(BLOCK_NAME, shares),))
        if len(kept) == len(lock.domains) and any(shares.values())
        else None
    )


def _file(key: str) -> str:
    return f"{key.replace(':', '-')}.json"
