"""A run: what was trained, on what, what it measured; and its key.

The key is a digest over a typed allow-list (`RunInputs`). Domains enter by the digest of their documents, never by
name or path, so renaming a domain, moving a corpus or re-sharding its files leaves every recorded run valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from olmixctl.errors import IntegrityError
from olmixctl.fingerprint import canonical_json, digest, sha256_hex
from olmixctl.mixture import GRID, Coordinates, GridMixture, Mixture

__all__ = ["KEY_VERSION", "RUN_VERSION", "MixturePart", "RunInputs", "RunRecord", "is_adopted", "parts_of"]

RUN_VERSION = 1
KEY_VERSION = "r1"

_ADOPTED = "adopted"

RunStatus = Literal["done", "diverged"]


@dataclass(frozen=True, slots=True)
class MixturePart:
    """One coordinate of a run's mixture.

    Attributes:
        weight: grid points (millionths).
        members: (content digest, share) of its domains, sorted; a free domain is one member with share 1.
    """

    weight: int
    members: tuple[tuple[str, int], ...]


def is_adopted(trainer: str) -> bool:
    """Whether runs were trained by others and adopted from their tables (`plan.adopt`), rather than trained here."""
    return trainer.startswith(_ADOPTED)


def parts_of(coordinates: Coordinates, point: GridMixture, contents: Mapping[str, str]) -> tuple[MixturePart, ...]:
    """The parts of a run at `point`: coordinates of weight zero and members of share zero are left out.

    Args:
        coordinates: where `point` stands.
        point: coordinate → grid points.
        contents: domain id → content digest.
    """
    shares = {block.name: block.shares for block in coordinates.blocks}
    parts = []
    for name, weight in point.items():
        if weight:
            members = shares.get(name, {name: 1})
            parts.append(MixturePart(weight, tuple(sorted((contents[d], s) for d, s in members.items() if s))))
    return tuple(sorted(parts, key=lambda part: (part.members, part.weight)))


@dataclass(frozen=True, kw_only=True)
class RunInputs:
    """Everything that decides what a run measures. What is not here is provenance.

    Attributes:
        parts: the mixture, by content.
        model: proxy preset.
        tokens: training tokens.
        sequence_length: tokens a sequence.
        batch_size: sequences a step.
        tokenizer: tokeniser digest.
        evals: eval digests, sorted.
        seed: initialisation and data order.
        trainer: semantic version of the trainer (model, optimiser, schedule, data order).
    """

    parts: tuple[MixturePart, ...]
    model: str
    tokens: int
    sequence_length: int
    batch_size: int
    tokenizer: str
    evals: tuple[str, ...]
    seed: int
    trainer: str

    def as_json(self) -> dict[str, Any]:
        """The canonical JSON value that is hashed."""
        return {
            "parts": [{"weight": part.weight, "members": [list(m) for m in part.members]} for part in self.parts],
            "model": self.model,
            "tokens": self.tokens,
            "sequence_length": self.sequence_length,
            "batch_size": self.batch_size,
            "tokenizer": self.tokenizer,
            "evals": list(self.evals),
            "seed": self.seed,
            "trainer": self.trainer,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RunInputs:
        """The inverse of `as_json`."""
        parts = tuple(
            MixturePart(int(p["weight"]), tuple((str(content), int(share)) for content, share in p["members"]))
            for p in value["parts"]
        )
        return cls(
            parts=parts,
            model=str(value["model"]),
            tokens=int(value["tokens"]),
            sequence_length=int(value["sequence_length"]),
            batch_size=int(value["batch_size"]),
            tokenizer=str(value["tokenizer"]),
            evals=tuple(value["evals"]),
            seed=int(value["seed"]),
            trainer=str(value["trainer"]),
        )

    # Digests are asked for again and again while a plan is made; both classes are without slots to keep them.
    @cached_property
    def key(self) -> str:
        """`r1:` + digest."""
        return digest(self.as_json(), prefix=KEY_VERSION)

    @property
    def setting(self) -> str:
        """Digest of everything but mixture and seed: runs of one setting are comparable."""
        rest = {k: v for k, v in self.as_json().items() if k not in ("parts", "seed")}
        return digest(rest, prefix="s1")

    def content_weights(self) -> dict[str, float]:
        """Content digest → weight (float), over the domains the run trained on."""
        weights: dict[str, float] = {}
        for part in self.parts:
            total = sum(share for _, share in part.members)
            for content, share in part.members:
                weights[content] = weights.get(content, 0.0) + part.weight / GRID * (share / total)
        return weights


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A finished run.

    Attributes:
        inputs: what was trained.
        mixture: the same mixture by domain name, for people; the names are those at the time.
        evals: metric name → eval digest.
        status: `done` or `diverged` (a recorded outcome; carries no metrics).
        metrics: metric name → bits per byte.
        provenance: hardware, versions, seconds, realised tokens, repetition …; never identity.
    """

    inputs: RunInputs
    mixture: Mixture
    evals: Mapping[str, str]
    status: RunStatus
    metrics: Mapping[str, float]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The run key."""
        return self.inputs.key

    def metrics_by_eval(self) -> dict[str, float]:
        """Eval digest → bits per byte: metrics keep their identity when they are renamed."""
        return {self.evals[name]: value for name, value in self.metrics.items()}

    def body(self) -> dict[str, Any]:
        """The record as JSON, without its own digest."""
        return {
            "run_version": RUN_VERSION,
            "key": self.key,
            "status": self.status,
            "mixture": dict(self.mixture),
            "metrics": dict(self.metrics),
            "evals": dict(self.evals),
            "inputs": self.inputs.as_json(),
            "provenance": dict(self.provenance),
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the whole record, provenance included: what the run file carries."""
        return "sha256:" + sha256_hex(canonical_json(self.body()))

    @cached_property
    def finding(self) -> str:
        """SHA-256 over what was trained and measured, without provenance: the lock's evidence root is made of these.

        The same runs on another day, in other seconds, are the same evidence and give the same lock.
        """
        measured = {"key": self.key, "status": self.status, "metrics": self.metrics_by_eval()}
        return "sha256:" + sha256_hex(canonical_json(measured))

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> RunRecord:
        """The inverse of `body`.

        Raises:
            IntegrityError: another major version, a malformed field, or a key that is not that of its inputs.
        """
        if body.get("run_version") != RUN_VERSION:
            raise IntegrityError(
                f"run_version {body.get('run_version')!r} is not {RUN_VERSION}",
                remedy="use the olmixctl that wrote it, or newer",
            )
        try:
            record = cls(
                inputs=RunInputs.from_json(body["inputs"]),
                mixture=Mixture(body["mixture"]),
                evals=dict(body["evals"]),
                status=body["status"],
                metrics={str(k): float(v) for k, v in body["metrics"].items()},
                provenance=dict(body["provenance"]),
            )
            consistent = record.key == body["key"]
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(f"the run record is malformed ({type(error).__name__}: {error})") from error
        if not consistent:
            raise IntegrityError(f"the run's key {body['key']} is not that of its inputs ({record.key})")
        return record
