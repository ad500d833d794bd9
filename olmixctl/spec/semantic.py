"""What of a mix decides its result, apart from what merely describes it.

`semantic_inputs` is an allow-list: a field is in it because it moves the optimum or the evidence, never by default.
Left out, and why:

* paths of domains and evals, the path of the tokenizer: the identity of data is its content (`olx1:` fingerprints);
* tags and group names: they select domains, and the selections are in, resolved;
* `protected`, `executor`, `budget`, `ledger`, `owner`, `description`: they guard, place, pay for or describe;
* `changes`, `reuse` and `recompute`: they say how to get from the last lock to the next, not what a mix is.

The full digest covers those too, so that an edit of metadata is seen and named without causing a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from olmixctl.fingerprint import digest
from olmixctl.spec.model import (
    ConstraintSpec,
    DomainSpec,
    EvalSpec,
    MixSpec,
    ObjectiveSpec,
    ProxySpec,
    RatioSpec,
    SwarmSpec,
)

__all__ = ["full_digest", "metadata_inputs", "semantic_digest", "semantic_inputs"]


def semantic_inputs(spec: MixSpec) -> dict[str, Any]:
    """Section → JSON value, canonical: neither the order in the file nor metadata changes it.

    Kept section by section, not only as a digest, so that a plan can say which section changed.
    """
    return {
        "target": {"tokens": spec.target.tokens, "max_repetition": spec.target.max_repetition},
        "domains": {domain.id: _domain(domain) for domain in spec.domains},
        "evals": {item.name: _eval(item) for item in spec.evals},
        "objective": _objective(spec.objective),
        "constraints": {c.name: _constraint(c) for c in spec.constraints} | {r.name: _ratio(r) for r in spec.ratios},
        "proxy": _proxy(spec.proxy),
        "swarm": _swarm(spec.swarm),
        "surrogate": spec.surrogate,
        "method": spec.method,
        "tokenizer": "bytes" if spec.tokenizer == "bytes" else "file",
    }


def metadata_inputs(spec: MixSpec) -> dict[str, Any]:
    """Everything else that a mix declares, section by section."""
    return {
        "name": spec.name,
        "description": spec.description,
        "owner": spec.owner,
        "reuse": spec.reuse,
        "recompute": list(spec.recompute),
        "ledger": spec.ledger,
        "tokenizer": spec.tokenizer,
        "changes": [asdict(change) for change in spec.changes],
        "executor": asdict(spec.executor),
        "budget": asdict(spec.budget),
        "domains": {domain.id: _about_domain(domain) for domain in spec.domains},
        "evals": {item.name: {"description": item.description, "paths": sorted(item.paths)} for item in spec.evals},
    }


def semantic_digest(spec: MixSpec) -> str:
    """`sha256:` + hex over the canonical JSON of `semantic_inputs`."""
    return digest(semantic_inputs(spec), prefix="sha256")


def full_digest(spec: MixSpec) -> str:
    """`sha256:` + hex over semantic inputs and metadata together; comments and order are in neither."""
    return digest({"semantic": semantic_inputs(spec), "metadata": metadata_inputs(spec)}, prefix="sha256")


def _domain(domain: DomainSpec) -> dict[str, Any]:
    declared = domain.declared
    return {
        "min": domain.min,
        "max": domain.max,
        "dtype": domain.dtype,
        "declared": None
        if declared is None
        else {"tokens": declared.tokens, "documents": declared.documents, "revision": declared.revision},
    }


def _about_domain(domain: DomainSpec) -> dict[str, Any]:
    return {
        "paths": sorted(domain.paths),
        "tags": list(domain.tags),
        "protected": domain.protected,
        "description": domain.description,
        "owner": domain.owner,
    }


def _eval(item: EvalSpec) -> dict[str, Any]:
    # A key of its own, so that the digests of all other mixes stay what they were.
    declared = {} if item.declared is None else {"declared": item.declared}
    return declared | {
        "kind": "declared" if declared else "heldout" if item.heldout else "files",
        "heldout": list(item.heldout),
        "fraction": item.fraction,
        "max_tokens": item.max_tokens,
        "family": item.family,
        "weight": item.weight,
    }


def _objective(objective: ObjectiveSpec) -> dict[str, Any]:
    reference = objective.reference
    return {
        "kl": objective.kl,
        "reference": dict(reference) if isinstance(reference, Mapping) else reference,
        "guardrails": {g.metric: g.max_regression for g in objective.guardrails},
        **({"worst_case": True} if objective.worst_case else {}),
    }


def _constraint(constraint: ConstraintSpec) -> dict[str, Any]:
    return {"domains": sorted(constraint.domains), "min": constraint.min, "max": constraint.max}


def _ratio(ratio: RatioSpec) -> dict[str, Any]:
    return {"of": list(ratio.of), "to": list(ratio.to), "min": ratio.min, "max": ratio.max}


def _proxy(proxy: ProxySpec) -> dict[str, Any]:
    return {
        "model": proxy.model,
        "tokens": proxy.tokens,
        "sequence_length": proxy.sequence_length,
        "batch_size": proxy.batch_size,
        "seed": proxy.seed,
        "repeats": proxy.repeats,
    }


def _swarm(swarm: SwarmSpec) -> dict[str, Any]:
    found: dict[str, Any] = {"runs_per_coordinate": _exact(swarm.runs_per_coordinate), "seed": swarm.seed}
    # Keys of their own, so that the digests of mixes without them stay what they were.
    found |= {} if swarm.design == "dirichlet" else {"design": swarm.design}
    found |= {} if swarm.rounds == 1 else {"rounds": swarm.rounds}
    stop = swarm.stop
    return found | ({} if stop is None else {"stop": {"regret": stop.regret, "confidence": stop.confidence}})


def _exact(value: Fraction) -> str:
    return str(value)
