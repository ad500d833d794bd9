"""Is a committed lock right? Re-derived from committed evidence alone: no GPU, no data, no trust in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from olmixctl.errors import OlmixctlError
from olmixctl.ledger.model import RunRecord
from olmixctl.ledger.store import evidence_root
from olmixctl.lock.model import Lock
from olmixctl.methods.olmix import certify_mix, fit_evidence, gather, keep_ratios
from olmixctl.methods.problem import bounds
from olmixctl.mixture import GRID
from olmixctl.plan.model import Observed, is_rehearsal
from olmixctl.surrogate.model import Evidence, parameters_digest

__all__ = ["Verification", "VerifyCheck", "verify_lock"]


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyCheck:
    """One thing that was checked; `detail` says what was found."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """All checks of a lock."""

    lock: Lock
    checks: tuple[VerifyCheck, ...]

    @property
    def ok(self) -> bool:
        """Every check passed."""
        return all(check.ok for check in self.checks)


def verify_lock(lock: Lock, observed: Observed, records: Mapping[str, RunRecord]) -> Verification:
    """Check a lock that is already known to be whole (`lock.parse` checks its integrity line).

    Args:
        lock: the lock.
        observed: the mix file, with the data as the lock states it.
        records: the ledger.
    """
    checks = [VerifyCheck(name="integrity", ok=True, detail="the bytes are those that were written")]
    same = lock.spec_semantic == observed.semantic
    detail = "made for this mix file" if same else "the mix file asks for something else since; run `olmixctl plan`"
    checks.append(VerifyCheck(name="spec", ok=same, detail=detail))
    checks.append(_trainer(lock, observed))
    if same:
        checks += [*_bounds(lock, observed), *_repetition(lock, observed), *_evidence(lock, observed, records)]
    return Verification(lock=lock, checks=tuple(checks))


def _trainer(lock: Lock, observed: Observed) -> VerifyCheck:
    """A rehearsal must not pass for a measured mix."""
    trainer = str(lock.inputs.get("trainer", ""))
    ok = is_rehearsal(trainer) == is_rehearsal(observed.trainer)
    kind = "a rehearsal: weights from a response surface" if is_rehearsal(trainer) else f"runs of trainer {trainer}"
    return VerifyCheck(name="trainer", ok=ok, detail=kind if ok else f"{kind}; the mix file asks for another")


def _bounds(lock: Lock, observed: Observed) -> Iterator[VerifyCheck]:
    broken = []
    rows = bounds(observed)
    for row in rows:
        value = sum(Decimal(repr(c)) * lock.weights[leaf] for leaf, c in row.coefficients.items()) / GRID
        above = row.upper is not None and value > Decimal(repr(row.upper))
        below = row.lower is not None and value < Decimal(repr(row.lower))
        if above or below:
            broken.append(f"{row.name} ({value})")
    detail = f"broken: {', '.join(broken)}" if broken else f"all {len(rows)} hold exactly"
    yield VerifyCheck(name="bounds", ok=not broken, detail=detail)


def _repetition(lock: Lock, observed: Observed) -> Iterator[VerifyCheck]:
    wrong = [
        domain_id
        for domain_id, record in lock.domains.items()
        if abs(
            Decimal(lock.weights[domain_id]) * observed.spec.target.tokens / GRID / record.tokens - record.repetition
        )
        > Decimal("0.000001")
    ]
    most = max((record.repetition for record in lock.domains.values()), default=Decimal(0))
    detail = f"misstated for {', '.join(wrong)}" if wrong else f"at most {most:.2f}× a domain"
    yield VerifyCheck(name="repetition", ok=not wrong, detail=detail)


def _evidence(lock: Lock, observed: Observed, records: Mapping[str, RunRecord]) -> Iterator[VerifyCheck]:
    if not lock.evidence:
        yield _kept(lock, observed)
        return
    try:
        root = evidence_root(dict(records), lock.evidence)
    except OlmixctlError as error:
        yield VerifyCheck(name="evidence", ok=False, detail=error.message)
        return
    if root != lock.evidence_root:
        yield VerifyCheck(name="evidence", ok=False, detail="a run behind the lock was altered")
        return
    evidence = gather(observed, lock.coordinates, lock.evidence, records)
    foreign = sorted(set(lock.evidence) - set(evidence.runs))
    detail = f"run {foreign[0]} is no evidence for this mix" if foreign else f"{len(lock.evidence)} runs, as they were"
    yield VerifyCheck(name="evidence", ok=not foreign, detail=detail)
    if not foreign:
        yield from _refit(lock, observed, evidence)


def _refit(lock: Lock, observed: Observed, evidence: Evidence) -> Iterator[VerifyCheck]:
    fitted = fit_evidence(observed, evidence)
    stated = lock.surrogate
    same = stated is not None and stated.digest == parameters_digest(fitted.fit) and stated.family == fitted.family
    detail = f"{fitted.family} refitted, same parameters" if same else "a refit gives other parameters"
    yield VerifyCheck(name="surrogate", ok=same, detail=detail)
    certificate = certify_mix(observed, lock.coordinates, fitted, lock.weights)
    detail = f"within {max(certificate.gap, 0.0):.1e} of the optimum, bounds off by {certificate.primal:.1e}"
    yield VerifyCheck(name="optimality", ok=certificate.ok, detail=detail)


def _kept(lock: Lock, observed: Observed) -> VerifyCheck:
    """A lock without runs of its own keeps ratios: its weights follow from its shares."""
    if lock.solution.status == "projected":
        return VerifyCheck(name="kept ratios", ok=True, detail="moved on the bounds when written; bounds checked above")
    weights, _ = keep_ratios(observed, lock.coordinates)
    ok = dict(weights) == dict(lock.weights)
    detail = "the weights are the recorded shares" if ok else "the weights are not those of the recorded shares"
    return VerifyCheck(name="kept ratios", ok=ok, detail=detail)
