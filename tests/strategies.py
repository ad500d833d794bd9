"""Hypothesis strategies for the values of locks and ledgers, strange names and texts included."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from olmixctl.ledger.model import MixturePart, RunInputs, RunRecord
from olmixctl.lock.model import (
    ActiveBound,
    CrossValidation,
    Excluded,
    Lock,
    LockedBlock,
    LockedDomain,
    LockedMetric,
    LockedSolution,
    LockedSurrogate,
    Stopped,
)
from olmixctl.mixture import GRID, SHARE_UNITS, GridMixture, Mixture

# What YAML 1.1 or 1.2 would read as something else, or stumble over.
TRAPS = (
    "no",
    "Yes",
    "on",
    "y",
    "null",
    "~",
    "True",
    "1e-05",
    "1_000",
    "0x1F",
    "0o17",
    "010",
    "12:30:45",
    "1.0",
    ".inf",
    "-.NaN",
    "2026-11-22",
    "=",
    "<<",
    "- a",
    "? a",
    "a: b",
    "a #b",
    "#",
    "&a",
    "*a",
    "!tag",
    "%d",
    "@",
    "`",
    "'",
    '"',
    "{}",
    "[]",
    "a,b",
    "|",
    ">",
    " a ",
    "\t",
    "a\nb",
    "\\",
    "\x85",
    "\u2028",
    "\ufeff",
    "\x00",
    "\x7f",
    "é",
    "日本",
    "🜁",
    "<<<<<<< HEAD",
    "integrity: sha256:00",
)

texts = st.sampled_from(TRAPS) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
names = texts.filter(bool)
hexes = st.text("0123456789abcdef", min_size=64, max_size=64)
metrics = st.integers(0, 10**8).map(lambda n: Decimal(n).scaleb(-6))

_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def decimals(places, *, low=0, high=10**9):
    """Numbers with exactly `places` decimals."""
    return st.integers(low, high).map(lambda n: Decimal(n).scaleb(-places))


@st.composite
def points(draw, domains):
    """Millionths for `domains`, summing to one."""
    cuts = sorted(draw(st.lists(st.integers(0, GRID), min_size=len(domains) - 1, max_size=len(domains) - 1)))
    edges = [0, *cuts, GRID]
    return {domain: edges[i + 1] - edges[i] for i, domain in enumerate(domains)}


@st.composite
def locked_domains(draw, block=None):
    return LockedDomain(
        fingerprint="olx1:" + draw(hexes),
        content="olc1:" + draw(hexes),
        tokens=draw(st.integers(0, 10**14)),
        documents=draw(st.none() | st.integers(0, 10**10)),
        repetition=draw(decimals(6)),
        changed_in=draw(st.integers(1, 1000)),
        protected=draw(st.booleans()),
        block=block,
        share=None if block is None else draw(st.integers(1, SHARE_UNITS)),
    )


@st.composite
def solutions(draw):
    bounds = draw(st.lists(st.tuples(names, decimals(9)), unique_by=lambda b: b[0], max_size=3))
    return LockedSolution(
        status=draw(st.sampled_from(["optimal", "kept", "projected", "carried"])),
        solver=draw(st.none() | names),
        objective=draw(st.none() | decimals(9, low=-(10**9))),
        objective_at_rounded=draw(st.none() | decimals(9, low=-(10**9))),
        residuals=draw(st.dictionaries(st.sampled_from(["primal", "dual", "gap"]), decimals(12))),
        active=tuple(ActiveBound(constraint=n, multiplier=m) for n, m in sorted(bounds)),
    )


@st.composite
def locks(draw):
    """Whole locks: any number of domains, some in a block, any optional part missing."""
    domains = sorted(draw(st.lists(names, min_size=1, max_size=5, unique=True)))
    kept = set(draw(st.sets(st.sampled_from(domains)))) if draw(st.booleans()) else set()
    block = draw(names)
    mass = draw(st.integers(0, GRID))
    runs = sorted(draw(st.sets(hexes.map("r1:{}".format), max_size=4)))
    out = draw(st.dictionaries(hexes.map("r1:{}".format), names, max_size=2))
    cv = st.builds(
        CrossValidation,
        spearman=decimals(6, low=-(10**6), high=10**6),
        rmse=decimals(6),
        mean_rmse=st.none() | decimals(6),
    )
    return Lock(
        name=draw(names),
        lineage=draw(names),
        serial=draw(st.integers(1, 10**6)),
        parents=tuple(sorted(draw(st.sets(hexes.map("sha256:{}".format), max_size=2)))),
        tool_version=draw(names),
        spec_semantic="sha256:" + draw(hexes),
        spec_full="sha256:" + draw(hexes),
        inputs=draw(st.dictionaries(names, _json, max_size=3)),
        evals=draw(st.dictionaries(names, names, max_size=3)),
        weights=GridMixture(draw(points(domains))),
        domains={d: draw(locked_domains(block if d in kept else None)) for d in domains},
        blocks={block: LockedBlock(mass=mass, members=len(kept), from_serial=1)} if kept else {},
        evidence=tuple(runs),
        evidence_root="sha256:" + draw(hexes),
        excluded=tuple(Excluded(run=run, reason=out[run]) for run in sorted(out)),
        stopped=draw(
            st.none()
            | st.builds(
                Stopped,
                planned=st.integers(2, 999),
                trained=st.integers(1, 998),
                regret=decimals(9),
                probability=decimals(6),
            )
        ),
        surrogate=draw(
            st.none()
            | st.builds(LockedSurrogate, family=names, digest=names, runs=st.integers(0, 999), cv=st.none() | cv)
        ),
        solution=draw(solutions()),
        predicted=draw(
            st.dictionaries(
                names,
                st.builds(
                    LockedMetric, natural=st.none() | metrics, previous=st.none() | metrics, this=st.none() | metrics
                ),
                max_size=3,
            )
        ),
    )


@st.composite
def run_inputs(draw):
    members = st.lists(
        st.tuples(hexes.map("olc1:{}".format), st.integers(1, SHARE_UNITS)),
        min_size=1,
        max_size=3,
        unique_by=lambda m: m[0],
    )
    return RunInputs(
        parts=tuple(
            MixturePart(draw(st.integers(1, GRID)), tuple(sorted(draw(members))))
            for _ in range(draw(st.integers(1, 3)))
        ),
        model=draw(names),
        tokens=draw(st.integers(1, 10**12)),
        sequence_length=draw(st.integers(1, 10**5)),
        batch_size=draw(st.integers(1, 10**4)),
        tokenizer=draw(names),
        evals=tuple(sorted(draw(st.sets(names, max_size=3)))),
        seed=draw(st.integers(0, 10**6)),
        trainer=draw(names),
    )


@st.composite
def run_records(draw):
    """Finished runs, diverged ones included."""
    done = draw(st.booleans())
    evals = draw(st.dictionaries(names, names, min_size=1, max_size=3))
    bits = st.floats(0.01, 8, allow_nan=False)
    domains = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    weights = draw(points(domains))
    return RunRecord(
        inputs=draw(run_inputs()),
        mixture=Mixture({d: w / GRID for d, w in weights.items()}),
        evals=evals,
        status="done" if done else "diverged",
        metrics={name: draw(bits) for name in evals} if done else {},
        provenance=draw(st.dictionaries(names, st.floats(0, 1e6, allow_nan=False) | names, max_size=2)),
    )
