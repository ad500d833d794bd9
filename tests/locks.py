"""Small locks for tests, spelled out where it matters and plausible elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from olmixctl.fingerprint import sha256_hex
from olmixctl.lock.model import (
    CrossValidation,
    Lock,
    LockedBlock,
    LockedDomain,
    LockedMetric,
    LockedSolution,
    LockedSurrogate,
)
from olmixctl.mixture import GRID, SHARE_UNITS, GridMixture, round_to_grid

RUN_TOKENS = 1_000_000_000


def make_domain(name: str, weight: float = 0.1, tokens: int = 100_000_000, **fields: Any) -> LockedDomain:
    """A domain whose digests follow its name, so that the same name means the same documents."""
    values = {
        "fingerprint": f"olx1:{sha256_hex(name)}",
        "content": f"olc1:{sha256_hex(name)}",
        "tokens": tokens,
        "documents": tokens // 1000,
        "repetition": (Decimal(str(weight)) * RUN_TOKENS / max(tokens, 1)).quantize(Decimal("0.000001")),
        "changed_in": 1,
    }
    return LockedDomain(**{**values, **fields})


def make_lock(
    weights: Mapping[str, float],
    *,
    block: tuple[str, ...] = (),
    domains: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Lock:
    """A lock of `weights`.

    Args:
        weights: domain → share.
        block: domains that are kept as one.
        domains: domain → fields other than usual.
        fields: of the lock.
    """
    points = round_to_grid({d: w * GRID for d, w in weights.items()})
    mass = sum(points[d] for d in block)
    records = {}
    for name, weight in weights.items():
        kept = {"block": "reused", "share": points[name] * SHARE_UNITS // mass} if name in block else {}
        records[name] = make_domain(name, weight, **{**kept, **(domains or {}).get(name, {})})
    values = {
        "name": "base",
        "lineage": f"lin1:{sha256_hex('base')}",
        "serial": 1,
        "parents": (),
        "tool_version": "0.1.0",
        "spec_semantic": f"sha256:{sha256_hex('semantic')}",
        "spec_full": f"sha256:{sha256_hex('full')}",
        "inputs": {
            "target": {"tokens": RUN_TOKENS, "max_repetition": 4},
            "evals": {"python": {"weight": 1}, "wiki": {"weight": 3}},
            "objective": {"kl": 0.05},
        },
        "evals": {"python": "ev1:python", "wiki": "ev1:wiki"},
        "weights": GridMixture(points),
        "domains": records,
        "blocks": {"reused": LockedBlock(mass=mass, members=len(block), from_serial=1)} if block else {},
        "evidence": tuple(sorted(f"r1:{sha256_hex(str(n))}" for n in range(4))),
        "evidence_root": f"sha256:{sha256_hex('root')}",
        "surrogate": LockedSurrogate(
            family="log_linear",
            digest=f"sg1:{sha256_hex('laws')}",
            runs=4,
            cv=CrossValidation(spearman=Decimal("0.951000"), rmse=Decimal("0.006100")),
        ),
        "solution": LockedSolution(
            status="optimal",
            solver="CLARABEL",
            objective=Decimal("0.842113000"),
            objective_at_rounded=Decimal("0.842114000"),
            residuals={"primal": Decimal("1e-12"), "dual": Decimal(0), "gap": Decimal(0)},
        ),
        "predicted": {
            "python": LockedMetric(natural=Decimal("0.91"), previous=None, this=Decimal("0.88")),
            "wiki": LockedMetric(natural=Decimal("1.2"), previous=None, this=Decimal("1.21")),
        },
    }
    return Lock(**{**values, **fields})
