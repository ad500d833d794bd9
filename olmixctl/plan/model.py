"""The plan as a value: what was observed, what changed, what will be trained, what it costs, what stands in the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from olmixctl.corpus.model import DomainState
from olmixctl.ledger.model import RunInputs
from olmixctl.mixture import Coordinates, GridMixture, Mixture
from olmixctl.spec.model import MixSpec

__all__ = [
    "Action",
    "Category",
    "Change",
    "Check",
    "Cost",
    "Observed",
    "Plan",
    "PlanBase",
    "PlannedRun",
    "RouteKind",
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
RouteKind = Literal["none", "rescale", "resolve", "train"]


def is_rehearsal(trainer: str) -> bool:
    """Whether a trainer answers from a response surface instead of training."""
    return trainer.startswith("fake")


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
    """

    category: Category
    subject: str
    action: Action
    reason: str
    before: Any = None
    after: Any = None


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
        flops: 6·N·D over them.
        device_seconds: p10, p50 and p90, or None when nothing is known of the device.
        calibration: number of recorded runs behind the estimate; 0 is uncalibrated.
        money: p50 in `currency`, or None without a price.
        currency: as declared.
    """

    runs: int
    flops: float
    device_seconds: tuple[float, float, float] | None
    calibration: int
    money: float | None
    currency: str


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
    """The lock a plan starts from; all None when there is none."""

    digest: str | None = None
    lineage: str | None = None
    serial: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What apply will do, completely.

    Attributes:
        observed: the present it was made for.
        base: the lock it starts from.
        changes: differences to that lock, in display order.
        kind: `none`, `rescale` (kept ratios, no runs), `resolve` (recorded evidence, no runs) or `train`.
        reason: why that kind.
        coordinates: the directions the new mix is searched in.
        kept_from: serial of the lock the block's ratios come from, or None without a block.
        runs: the designed runs, recorded ones included, in design order.
        extra_evidence: keys of further recorded runs that are valid evidence for these coordinates.
        counterfactual: cost of recomputing everything.
        cost: cost of the missing runs.
        checks: gates and remarks.
        renames: new id → old id, for moved domains.
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

    @property
    def missing(self) -> tuple[PlannedRun, ...]:
        """The runs to train."""
        return tuple(run for run in self.runs if not run.recorded)

    @property
    def has_changes(self) -> bool:
        """Apply would write a lock."""
        return self.kind != "none"

    @property
    def complete(self) -> bool:
        """Nothing need be trained."""
        return not self.missing

    @property
    def blocked(self) -> tuple[Check, ...]:
        """The checks that stop apply."""
        return tuple(check for check in self.checks if check.level == "block")
