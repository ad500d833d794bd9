"""The lock: what was decided last, and everything needed to check it, as frozen values. No I/O here.

Numbers that people review are fixed-point decimals; weights are whole millionths and sum to exactly one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from olmixctl.mixture import Block, Coordinates, GridMixture

__all__ = [
    "LOCK_VERSION",
    "SPIKED",
    "ActiveBound",
    "Choice",
    "CrossValidation",
    "Ends",
    "Excluded",
    "Lock",
    "LockedBlock",
    "LockedConfidence",
    "LockedDomain",
    "LockedMetric",
    "LockedNoise",
    "LockedSolution",
    "LockedSurrogate",
    "Stopped",
]

LOCK_VERSION = 1

SPIKED = "loss spike: far above what all other runs say"
"""Why a run that measured something is no evidence."""

Ends = tuple[Decimal, Decimal]
"""The low and the high end of an interval."""
SolutionStatus = Literal["optimal", "local", "kept", "projected", "carried"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedDomain:
    """A domain as it was when the mix was decided.

    Attributes:
        fingerprint: `olx1:` digest of its files.
        content: `olc1:` digest of its documents, whatever files they lie in.
        tokens: N_j.
        documents: number of documents; None when declared without.
        repetition: epochs over it in the target run, weight · R / N_j.
        changed_in: serial of the lock that last changed its weight or its data.
        protected: removing it needs `--allow-remove`.
        block: name of the block it is kept in, or None.
        share: its share of the block, in units of 1e-12; None outside a block.
    """

    fingerprint: str
    content: str
    tokens: int
    documents: int | None
    repetition: Decimal
    changed_in: int
    protected: bool = False
    block: str | None = None
    share: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedBlock:
    """Domains whose ratios are kept: `mass` in millionths, and the serial their ratios come from."""

    mass: int
    members: int
    from_serial: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Excluded:
    """A run that was trained but is not evidence, and why."""

    run: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Stopped:
    """Training ended before all planned runs were trained: enough was known.

    Attributes:
        planned: runs of the whole swarm.
        trained: those of them that were trained, and are evidence.
        regret: how far above the best mix's objective the decided mix may be.
        probability: of that, by draws from what the evidence left open about the laws.
    """

    planned: int
    trained: int
    regret: Decimal
    probability: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class CrossValidation:
    """How well the surrogate predicts runs it has not seen.

    Attributes:
        spearman: rank correlation of the objective.
        rmse: error of the objective, bits per byte.
        mean_rmse: mean of the metrics' errors, weighted as in the objective; None in locks from before it was stated.
    """

    spearman: Decimal
    rmse: Decimal
    mean_rmse: Decimal | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Why `surrogate: auto` took its family: a sentence, and the scores of all that were compared."""

    reason: str
    scores: Mapping[str, CrossValidation] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedSurrogate:
    """The laws behind the mix.

    Attributes:
        family: their registry name.
        digest: of their parameters.
        runs: how many they were fitted on.
        cv: how they predict the objective of unseen runs; None where that cannot be told.
        choice: why this family; None where it was declared.
    """

    family: str
    digest: str
    runs: int
    cv: CrossValidation | None = None
    choice: Choice | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ActiveBound:
    """A bound that holds the mix, with its multiplier: objective gained per unit of slack (≥ 0)."""

    constraint: str
    multiplier: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedSolution:
    """How the weights were found.

    Attributes:
        status: `optimal` (solved), `local` (the lowest minimum found of laws that are not convex), `kept` (kept
            ratios), `projected` (kept ratios, moved on the bounds) or `carried` (shares carried over without a run:
            those outside the block are not measured).
        solver: name, or None when nothing was solved.
        objective: at the solver's point.
        objective_at_rounded: at the recorded weights.
        objective_at_convex: under laws that are not convex, at the optimum of the convex laws beside them; None where
            the laws are convex, or where it breaks a guardrail.
        residuals: primal, dual and gap of the optimality conditions.
        active: bounds with non-zero multipliers, sorted by name.
        weights_from: serial of the lock that decided these weights, where they were left as they were because they
            are still optimal within tolerance; None where this lock decided them.
    """

    status: SolutionStatus
    solver: str | None = None
    objective: Decimal | None = None
    objective_at_rounded: Decimal | None = None
    residuals: Mapping[str, Decimal] = field(default_factory=dict)
    active: tuple[ActiveBound, ...] = ()
    weights_from: int | None = None
    objective_at_convex: Decimal | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedMetric:
    """Predicted bits per byte under the natural, the previous and this mix; None where the laws do not reach.

    `interval` holds what a run of this mix will measure in nine of ten cases.
    """

    natural: Decimal | None
    previous: Decimal | None
    this: Decimal | None
    interval: Ends | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedNoise:
    """Run-to-run noise of the objective at this mix.

    Attributes:
        basis: `replicates`: measured; `errors`: bounded from above by errors on runs that the laws had not seen.
        degrees: degrees of freedom, or number of errors.
        run: standard deviation of one run.
        two_runs: what two runs of one mixture differ by in one of ten cases.
    """

    basis: Literal["replicates", "errors"]
    degrees: int
    run: Decimal
    two_runs: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedConfidence:
    """How sure the mix is, by resamples of its evidence.

    Attributes:
        drawn: resamples.
        solved: those of them that have an optimum.
        better_than_natural: P(the objective's losses are below those of the natural mix); None out of reach.
        better_than_previous: the same of the mix before.
        noise: run-to-run.
        change: predicted losses of this mix less those of the previous one; None out of reach.
        pull: where they rose: the pull to the reference at this mix less that at the previous one; else None, as in
            locks written before it was said.
        breaks: where they rose: present bounds that the previous mix breaks, sorted.
    """

    drawn: int
    solved: int
    better_than_natural: Decimal | None
    better_than_previous: Decimal | None
    noise: LockedNoise
    change: Decimal | None
    pull: Decimal | None = None
    breaks: tuple[str, ...] = ()

    @property
    def below_noise(self) -> bool:
        """Two runs, one of each mix, would not tell them apart."""
        return self.change is not None and abs(self.change) < self.noise.two_runs


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """A whole lockfile.

    Attributes:
        name: of the mix.
        lineage: made with the first lock; locks of different lineage never mix.
        serial: +1 a written change.
        parents: digests of the locks this one was computed from: none, one, or both sides of a resolved merge, sorted.
        tool_version: olmixctl that wrote it.
        spec_semantic: digest of what decides the mix.
        spec_full: digest that also covers descriptions, owners and the like.
        inputs: the canonical declared inputs behind `spec_semantic`, so that a diff can say what changed.
        evals: metric → eval digest.
        weights: the mix.
        domains: id → record; the same ids as `weights`.
        blocks: name → record.
        evidence: keys of the runs the mix rests on, sorted.
        evidence_root: digest over them.
        excluded: runs trained but not used.
        surrogate: the fitted laws, None when no runs stand behind the mix itself.
        solution: how the weights were found.
        predicted: metric → predictions.
        stopped: where training ended early; None where all planned runs were trained, or none.
        uncertainty: domain → ends of the interval that its weight lies in, in nine of ten cases. Empty where no runs
            stand behind the mix, or too few, and in locks written before there were any.
        confidence: how sure the mix is; None where `uncertainty` is empty.
    """

    name: str
    lineage: str
    serial: int
    parents: tuple[str, ...]
    tool_version: str
    spec_semantic: str
    spec_full: str
    inputs: Mapping[str, Any]
    evals: Mapping[str, str]
    weights: GridMixture
    domains: Mapping[str, LockedDomain]
    blocks: Mapping[str, LockedBlock]
    evidence: tuple[str, ...]
    evidence_root: str
    solution: LockedSolution
    surrogate: LockedSurrogate | None = None
    excluded: tuple[Excluded, ...] = ()
    predicted: Mapping[str, LockedMetric] = field(default_factory=dict)
    stopped: Stopped | None = None
    uncertainty: Mapping[str, Ends] = field(default_factory=dict)
    confidence: LockedConfidence | None = None

    @property
    def considered(self) -> frozenset[str]:
        """Runs that it rests on or left out."""
        return frozenset([*self.evidence, *(item.run for item in self.excluded)])

    @property
    def spiked(self) -> tuple[str, ...]:
        """Runs that were left out as loss spikes."""
        return tuple(item.run for item in self.excluded if item.reason == SPIKED)

    @property
    def coordinates(self) -> Coordinates:
        """The coordinates this mix was solved in: its free domains and its blocks."""
        members: dict[str, dict[str, int]] = {name: {} for name in self.blocks}
        for domain_id, domain in self.domains.items():
            if domain.block is not None:
                members[domain.block][domain_id] = domain.share or 0
        free = tuple(domain_id for domain_id, domain in self.domains.items() if domain.block is None)
        return Coordinates(free, tuple(Block(name, shares) for name, shares in members.items()))
