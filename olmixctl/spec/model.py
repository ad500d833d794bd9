"""What a mix file declares, as frozen data. Loading and checking live in `load`; here is only shape and meaning.

Domains arrive flat: a leaf's id is the path of names (`web/science`). Bounds on a group of domains are constraints.
Fields marked *metadata* never cause a run and never enter the semantic digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

__all__ = [
    "BudgetSpec",
    "ChangeSpec",
    "ConstraintSpec",
    "DeclaredSpec",
    "DomainSpec",
    "EvalSpec",
    "ExecutorSpec",
    "GuardrailSpec",
    "MixSpec",
    "ObjectiveSpec",
    "ProxySpec",
    "RatioSpec",
    "StopSpec",
    "SwarmSpec",
    "TargetSpec",
]

ReuseStrategy = Literal["auto", "full", "partial", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetSpec:
    """The training run the mix is for: `tokens` is R, `max_repetition` is k."""

    tokens: int
    max_repetition: float = 4.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DeclaredSpec:
    """Identity of a domain that this machine need not be able to read: a revision and its counts."""

    tokens: int
    documents: int | None
    revision: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DomainSpec:
    """A leaf: a domain with files.

    Attributes:
        id: path of names, `web/science`.
        paths: paths, globs or fsspec URLs; relative ones start at the workspace root.
        min: least share of the mix.
        max: greatest share of the mix.
        tags: labels that evals and constraints may name (`tag:code`).
        protected: removal needs `--allow-remove ID`.
        declared: identity by declared revision, or None when the data is read.
        dtype: element type of raw `.bin` token files (`uint16`, `uint32`); None for text and `.npy`.
        description: metadata.
        owner: metadata.
    """

    id: str
    paths: tuple[str, ...]
    min: float = 0.0
    max: float = 1.0
    tags: tuple[str, ...] = ()
    protected: bool = False
    declared: DeclaredSpec | None = None
    dtype: str | None = None
    description: str = ""
    owner: str = ""

    @property
    def source(self) -> str:
        """The top-level name: the source this topic belongs to."""
        return self.id.split("/", 1)[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangeSpec:
    """A declaration of intent: `move` (one domain, new id), `partition` or `merge`."""

    kind: Literal["move", "partition", "merge"]
    sources: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalSpec:
    """A metric, in bits per byte: files (`paths`), held-out documents of domains (`heldout`), or adopted (`declared`).

    Attributes:
        name: the metric's name.
        paths: files of {"context","continuation"} or {"text"} lines, or `.txt`; empty for held-out evals.
        heldout: ids of the domains whose held-out documents are scored; empty for other evals.
        declared: revision of a metric that is not measured here, only adopted with the runs of others, in their unit;
            None for a metric that is measured.
        fraction: share of documents kept out of training; None for other evals.
        max_tokens: at most this many tokens are scored, taken in the order of the documents' digests.
        family: group of metrics, for worst-case objectives.
        weight: weight in the objective.
        description: metadata.
    """

    name: str
    paths: tuple[str, ...] = ()
    heldout: tuple[str, ...] = ()
    declared: str | None = None
    fraction: float | None = None
    max_tokens: int = 1_000_000
    family: str = ""
    weight: float = 1.0
    description: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class GuardrailSpec:
    """`metric` may not get worse than the reference mix's by more than `max_regression` (bits per byte)."""

    metric: str
    max_regression: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveSpec:
    """Weighted mean of the metrics plus `kl` · KL(mix ‖ reference).

    With `worst_case`, in place of the mean: the family of evals whose weighted mean changes worst from the reference
    mix. An eval without a family is its own; weights count inside a family.
    """

    kl: float = 0.05
    reference: Literal["natural", "uniform"] | Mapping[str, float] = "natural"
    guardrails: tuple[GuardrailSpec, ...] = ()
    worst_case: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ConstraintSpec:
    """`min` ≤ Σ share over `domains` ≤ `max`; `domains` are leaf ids, globs already resolved."""

    name: str
    domains: tuple[str, ...]
    min: float = 0.0
    max: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class RatioSpec:
    """`min` ≤ Σ share over `of` / Σ share over `to` ≤ `max`; leaf ids, globs already resolved; no domain is in both.

    It is kept as Σ_of − max · Σ_to ≤ 0 and Σ_of − min · Σ_to ≥ 0, so it says something where `to` has no share, too:
    `of` then has none under a `max`, and any share under a `min`. `max` is None where there is no greatest ratio.
    Where both are the same the ratio is held as nearly as whole millionths of shares can.
    """

    name: str
    of: tuple[str, ...]
    to: tuple[str, ...]
    min: float = 0.0
    max: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ProxySpec:
    """The proxy runs.

    Attributes:
        model: preset name (`olmixctl/spec/presets.py`).
        tokens: training tokens of one run (`5x` in the file is 5 · 20 · non-embedding parameters).
        sequence_length: tokens per sequence.
        batch_size: sequences per step.
        seed: initialisation and data order; the same for the whole swarm (common random numbers).
        repeats: runs per mixture, with seeds seed, seed + 1, …
    """

    model: str
    tokens: int
    sequence_length: int = 1024
    batch_size: int = 64
    seed: int = 0
    repeats: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class StopSpec:
    """Training ends early once P(objective of the mix − that of the best one < `regret`) ≥ `confidence`."""

    regret: float
    confidence: float = 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class SwarmSpec:
    """The mixtures that are tried.

    Attributes:
        runs_per_coordinate: K = runs_per_coordinate · (d + 1) mixtures.
        seed: they are drawn with.
        design: `dirichlet` (random ones around the natural mix) or `informative` (those that say most).
        rounds: parts that they are trained in; the first is the design, later ones follow from what was measured.
        stop: when less than all of them is enough; None trains all.
    """

    runs_per_coordinate: Fraction = Fraction(3)
    seed: int = 0
    design: Literal["dirichlet", "informative"] = "dirichlet"
    rounds: int = 1
    stop: StopSpec | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecutorSpec:
    """Where runs are trained (metadata: never causes a run).

    Attributes:
        kind: `local`, or `fake` (a known response surface, for tests and dry runs).
        device: `auto`, `cpu` or `cuda`.
        precision: `auto`, `float32` or `bf16`.
        parallelism: runs at once; None chooses from the machine.
        threads: CPU threads a run; None chooses from the machine.
    """

    kind: Literal["local", "fake"] = "local"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bf16"] = "auto"
    parallelism: int | None = None
    threads: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetSpec:
    """What one apply may spend (metadata: gates, never causes a run); None is no limit."""

    max_runs: int | None = None
    max_gpu_hours: float | None = None
    gpu_hour_price: float | None = None
    currency: str = "USD"


@dataclass(frozen=True, kw_only=True, slots=True)
class MixSpec:
    """A whole mix file, checked.

    `domains` are sorted by id, `evals`, `constraints` and `ratios` by name: the order in the file carries no meaning.
    `recompute` are the domains that `reuse: partial` estimates anew besides the affected ones, globs already resolved.
    """

    name: str
    target: TargetSpec
    domains: tuple[DomainSpec, ...]
    evals: tuple[EvalSpec, ...]
    proxy: ProxySpec
    tokenizer: str = "bytes"
    changes: tuple[ChangeSpec, ...] = ()
    objective: ObjectiveSpec = field(default_factory=ObjectiveSpec)
    constraints: tuple[ConstraintSpec, ...] = ()
    ratios: tuple[RatioSpec, ...] = ()
    swarm: SwarmSpec = field(default_factory=SwarmSpec)
    surrogate: str = "auto"
    method: str = "olmix"
    reuse: ReuseStrategy = "auto"
    recompute: tuple[str, ...] = ()
    executor: ExecutorSpec = field(default_factory=ExecutorSpec)
    budget: BudgetSpec = field(default_factory=BudgetSpec)
    ledger: str | None = None
    description: str = ""
    owner: str = ""

    @property
    def domain_ids(self) -> tuple[str, ...]:
        """Leaf ids, sorted."""
        return tuple(domain.id for domain in self.domains)
