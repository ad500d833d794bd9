from __future__ import annotations

import re

import pytest

from olmixctl.corpus.model import DomainState
from olmixctl.fingerprint import sha256_hex
from olmixctl.ledger.model import RunInputs
from olmixctl.mixture import GRID, SHARE_UNITS, Block, Coordinates, GridMixture
from olmixctl.plan.codec import plan_as_json
from olmixctl.plan.model import Change, Check, Cost, Observed, Plan, PlanBase, PlannedRun
from olmixctl.report.look import Look
from olmixctl.spec.model import DomainSpec, EvalSpec, MixSpec, ProxySpec, TargetSpec

TOKENS = {"code": 12_345_678, "news": 5_000_000, "web/health": 57_900_000_000, "web/science": 61_000}


@pytest.fixture
def look():
    return Look(width=80)


@pytest.fixture
def plain():
    """Take the colours out of a text."""
    return lambda text: re.sub(r"\x1b\[\d+m", "", text)


@pytest.fixture
def make_plan():
    return _make_plan


def _observed(tokens):
    spec = MixSpec(
        name="base",
        target=TargetSpec(tokens=10**12),
        domains=tuple(DomainSpec(id=d, paths=(d,)) for d in tokens),
        evals=(EvalSpec(name="python", paths=("e",)),),
        proxy=ProxySpec(model="1m", tokens=25_000_000),
    )
    return Observed(
        spec=spec,
        inputs={},
        semantic=f"sha256:{sha256_hex('semantic')}",
        full=f"sha256:{sha256_hex('full')}",
        states={
            d: DomainState(id=d, fingerprint=f"olx1:{d}", content=f"olc1:{d}", tokens=n, documents=n // 100)
            for d, n in tokens.items()
        },
        evals={"python": "ev1:p"},
        tokenizer="bytes",
        trainer="t1",
        vocabulary=257,
    )


def _run(seed, coordinates, recorded):
    names = coordinates.names
    point = GridMixture({name: GRID - (len(names) - 1) * 1000 if name == names[0] else 1000 for name in names})
    inputs = RunInputs(
        parts=(),
        model="1m",
        tokens=25_000_000,
        sequence_length=64,
        batch_size=8,
        tokenizer="bytes",
        evals=("ev1:p",),
        seed=seed,
        trainer="t1",
    )
    return PlannedRun(inputs=inputs, point=point, weights=coordinates.expand(point.as_mixture()), recorded=recorded)


def _cost(runs, *, calibrated):
    seconds = (runs * 30.0, runs * 40.0, runs * 61.0) if calibrated else None
    return Cost(
        runs=runs,
        flops=runs * 1.1e15,
        device_seconds=seconds,
        calibration=12 if calibrated else 0,
        money=tuple(s / 3600 * 2.5 for s in seconds) if seconds else None,
        currency="USD",
    )


def _make_plan(kind="train", *, serial=41, kept=("code", "web/science"), runs=9, recorded=3, changes=(), checks=()):
    """The JSON of a plan for four domains, of which `kept` are one block."""
    free = tuple(d for d in TOKENS if d not in kept)
    blocks = (Block("reused", {d: SHARE_UNITS // len(kept) for d in kept}),) if kept else ()
    coordinates = Coordinates(free, blocks)
    planned = tuple(
        _run(seed, coordinates, seed < recorded) for seed in range(runs + recorded if kind == "train" else 0)
    )
    missing = runs if kind == "train" else 0
    base = PlanBase(digest=f"sha256:{sha256_hex('lock')}", lineage="lin1:a", serial=serial) if serial else PlanBase()
    return plan_as_json(
        Plan(
            observed=_observed(TOKENS),
            base=base,
            changes=tuple(Change(**change) for change in changes),
            kind=kind,
            reason="2 unaffected domains keep their ratios as one virtual domain; 2 estimated",
            coordinates=coordinates,
            kept_from=serial if kept else None,
            runs=planned,
            extra_evidence=(),
            counterfactual=_cost(123, calibrated=bool(serial)),
            cost=_cost(missing, calibrated=bool(serial)),
            checks=tuple(Check(**check) for check in checks),
        )
    )
