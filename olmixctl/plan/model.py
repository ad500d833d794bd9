"""The plan as a value: what was observed, what changed, what will be trained, what it costs, what stands in the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from olmixctl.corpus.model import DomainState
from olmixctl.inventory import Inventory
from olmixctl.ledger.model import RunInputs
from olmixctl.lock.model import LockedConfidence, Stopped
from olmixctl.mixture import Coordinates, GridMixture, Mixture
from olmixctl.plan.rounds import IN_ONE_GO, Rounds
from olmixctl.spec.model import MixSpec

__all__ = [
    "Action",
    "Category",
    "Change",
    "Check",
    "Compared",
    "Cost",
    "Gap",
    "Laws",
    "Observed",
    "Plan",
    "PlanBase",
    "PlannedRun",
    "RouteKind",
    "Strategy",
    "StrategyName",
    "block_caps",
    "is_rehearsal",
]

Category = Literal[
    "added",
    "removed",
    "revised",
    "partitioned",
    "merged",
    "moved",
    "constraint",
    "objective",
    "proxy",
    "solver",
    "metadata",
]
Action = Literal["keep-ratio", "re-estimate", "drop", "rescale", "none"]
RouteKind = Literal["none", "rescale", "resolve", "carry", "train"]
StrategyName = Literal["solve-only", "full", "partial", "none"]


def is_rehearsal(trainer: str) -> bool:
    """Whether a trainer answers from a response surface instead of training."""
    return trainer.startswith("fake")


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """Inventories of the domains that changed, came or went; those that are not known are missing.

    Attributes:
        then: id in the lock → what its data was.
        now: id now → what its data is.
        damaged: id in the lock → what is wrong with the inventory that the ledger has of it.
    """

    then: Mapping[str, Inventory] = field(default_factory=dict)
    now: Mapping[str, Inventory] = field(default_factory=dict)
    damaged: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """The present: the spec and what the machine found for it.

    Attributes:
        spec: the checked mix file.
        inputs: its canonical semantic sections.
        semantic: digest of `inputs`.
        full: digest that also covers metadata.
        states: domain id → what its data is now.
        evals: metric → eval digest.
        tokenizer: tokeniser digest.
        trainer: semantic version of the trainer that would run.
        vocabulary: size of the tokeniser's vocabulary, for costs.
        eval_tokens: tokens that a run scores, about, for costs.
        compared: inventories of what differs from the lock.
    """

    spec: MixSpec
    inputs: Mapping[str, Any]
    semantic: str
    full: str
    states: Mapping[str, DomainState]
    evals: Mapping[str, str]
    tokenizer: str
    trainer: str
    vocabulary: int
    eval_tokens: int = 0
    compared: Compared = field(default_factory=Compared)

    @property
    def contents(self) -> dict[str, str]:
        """Domain id → content digest."""
        return {domain_id: state.content for domain_id, state in self.states.items()}

    @property
    def natural(self) -> Mixture:
        """The mix in proportion to the tokens there are."""
        return Mixture.normalised({domain_id: state.tokens for domain_id, state in self.states.items()})

    @property
    def reference(self) -> Mixture:
        """p0 of the objective: natural, uniform, or as written in the mix file."""
        stated = self.spec.objective.reference
        if stated == "natural":
            return self.natural
        if stated == "uniform":
            return Mixture.normalised(dict.fromkeys(self.states, 1.0))
        return Mixture.normalised(dict.fromkeys(self.states, 0.0) | dict(stated))


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One difference between the committed lock and the present.

    Attributes:
        category: what kind of difference.
        subject: the domain, metric, constraint or field.
        action: what it causes.
        reason: why, in words that do not change between releases.
        before: the old value, where a value changed.
        after: the new value.
        detail: what is known beyond: `files`, `tokens` and `documents` kept, added and dropped, or the fractions that
            came `from` or went `into` domains; `estimated` where samples say so.
    """

    category: Category
    subject: str
    action: Action
    reason: str
    before: Any = None
    after: Any = None
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRun:
    """One proxy run the mix rests on.

    Attributes:
        inputs: what is trained; its key names the run.
        point: coordinate → grid points.
        weights: the same mixture over domains.
        recorded: the ledger has it already.
    """

    inputs: RunInputs
    point: GridMixture
    weights: Mixture
    recorded: bool

    @property
    def key(self) -> str:
        """The run key."""
        return self.inputs.key


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What training costs.

    Attributes:
        runs: number of runs.
        flops: 6·N·D over them, and 2·N for each token scored.
        device_seconds: p10, p50 and p90, or None when nothing is known of the device.
        calibration: number of recorded runs behind the estimate; 0 is uncalibrated.
        money: p10, p50 and p90 in `currency`, or None without a price or without times.
        currency: as declared.
        device: where those runs were trained; "" when unknown.
        other_devices: device → recorded runs on it, which do not count.
    """

    runs: int
    flops: float
    device_seconds: tuple[float, float, float] | None
    calibration: int
    money: tuple[float, float, float] | None
    currency: str
    device: str = ""
    other_devices: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """What a strategy is predicted to give away, with what it is made of (arXiv 2602.12237, Theorem 1).

    Attributes:
        loss: F(best mix the strategy can reach) − F(best mix over all domains), in units of the objective, under laws
            fitted over all domains; not negative.
        kappa: κ = ‖(1 + α_U + α_A) ⊙ α_U‖, α the norms of each metric's coefficients over the frozen domains U and the
            others A.
        freed: 1 − ρ, with ρ the share of the frozen domains in the best mix over all domains.
    """

    loss: float
    kappa: float
    freed: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Strategy:
    """One way to the next lock.

    Attributes:
        name: of the reuse strategy.
        chosen: this is what apply does.
        recompute: unaffected domains that are estimated anew, too.
        needed: designed runs.
        recorded: those of them that are in the ledger.
        evidence: further recorded runs that answer for these coordinates, old runs on a face of the simplex included.
        cost: of the missing runs.
        gap: None where there are no laws to say; `Plan.laws` says why.
    """

    name: StrategyName
    chosen: bool
    recompute: tuple[str, ...]
    needed: int
    recorded: int
    evidence: int
    cost: Cost
    gap: Gap | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Laws:
    """What the predicted gaps rest on.

    Attributes:
        runs: recorded runs the laws over all domains are fitted on; 0 where there are none.
        reason: why there are no laws; "" where there are.
        error: cross-validated error of the objective; None where it was not needed.
        affected: share of the lock's mix that lies on domains that changed or left.
        guesses: domain without runs → where its coefficients are taken from.
        scores: unaffected domain → S_j, how strongly it is coupled to the affected ones.
        choice: how `auto` chose, in one sentence; "" where it did not have to.
    """

    runs: int = 0
    reason: str = ""
    error: float | None = None
    affected: float = 0.0
    guesses: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    choice: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """A gate or a remark. `block` stops apply (exit 3), `warn` and `note` are shown.

    Attributes:
        level: its weight.
        name: stable identifier.
        message: what was found.
        remedy: what to do.
    """

    level: Literal["block", "warn", "note"]
    name: str
    message: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanBase:
    """The lock a plan starts from; all None when there is none. `confidence` is what it says of how sure it is."""

    digest: str | None = None
    lineage: str | None = None
    serial: int = 0
    confidence: LockedConfidence | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What apply will do, completely.

    Attributes:
        observed: the present it was made for.
        base: the lock it starts from.
        changes: differences to that lock, in display order.
        kind: `none`, `rescale` (kept ratios, no runs), `resolve` (recorded evidence, no runs), `carry` (shares carried
            over unmeasured, no runs) or `train`.
        reason: why that kind.
        coordinates: the directions the new mix is searched in.
        kept_from: serial of the lock the block's ratios come from, or None without a block.
        runs: the designed runs, recorded ones included, in design order; of a swarm in rounds, those of the first.
        extra_evidence: keys of further recorded runs that are valid evidence for these coordinates.
        counterfactual: cost of recomputing everything.
        cost: cost of the missing runs.
        checks: gates and remarks.
        renames: new id → old id, for moved domains.
        carried: the mix of a `carry`, before bounds; None otherwise.
        strategies: the ways there are, cheapest first; empty where nothing has to be chosen.
        laws: what their predicted gaps rest on.
        proposals: lines of YAML for `changes:`, which declare what was recognised.
        rounds: how the runs are trained: how many more may follow, and when apply looks whether enough is known.
        stopped: where training ended early; apply sets it once `runs` are those that were trained.
    """

    observed: Observed
    base: PlanBase
    changes: tuple[Change, ...]
    kind: RouteKind
    reason: str
    coordinates: Coordinates
    kept_from: int | None
    runs: tuple[PlannedRun, ...]
    extra_evidence: tuple[str, ...]
    counterfactual: Cost
    cost: Cost
    checks: tuple[Check, ...]
    renames: Mapping[str, str] = field(default_factory=dict)
    carried: Mixture | None = None
    strategies: tuple[Strategy, ...] = ()
    laws: Laws = field(default_factory=Laws)
    proposals: tuple[str, ...] = ()
    rounds: Rounds = IN_ONE_GO
    stopped: Stopped | None = None

    @property
    def block_caps(self) -> tuple[tuple[str, float], ...]:
        """Block → the most it may take (`block_caps`)."""
        return block_caps(self.observed, self.coordinates)

    @property
    def missing(self) -> tuple[PlannedRun, ...]:
        """The runs to train, as far as they are known."""
        return tuple(run for run in self.runs if not run.recorded)

    @property
    def has_changes(self) -> bool:
        """Apply would write a lock."""
        return self.kind != "none"

    @property
    def complete(self) -> bool:
        """Nothing need be trained."""
        return not (self.missing or self.rounds.missing)

    @property
    def blocked(self) -> tuple[Check, ...]:
        """The checks that stop apply."""
        return tuple(check for check in self.checks if check.level == "block")


def block_caps(observed: Observed, coordinates: Coordinates) -> tuple[tuple[str, float], ...]:
    """Block → the most it may take, min_j k N_j / (R p̃_j) over its members: the first to run out decides.

    1 and above bounds nothing. The sum of the members' tokens is no cap (arXiv 2602.12237, §4).
    """
    target, repetition = observed.spec.target, Fraction(observed.spec.target.max_repetition)
    return tuple(
        (
            block.name,
            min(
                float(observed.states[leaf].tokens * repetition / (target.tokens * ratio))
                for leaf, ratio in block.ratios().items()
                if ratio
            ),
        )
        for block in coordinates.blocks
    )
