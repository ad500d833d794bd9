"""The ratios that are kept: exact, and carried verbatim."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from olmixctl.lock.model import Lock, LockedBlock, LockedDomain, LockedSolution
from olmixctl.mixture import GRID, Coordinates, GridMixture, Mixture, round_to_grid
from olmixctl.plan.reuse import BLOCK_NAME, kept_shares

NAMES = ("a", "b/x", "b/y", "c", "d", "e", "f")


@st.composite
def mixtures(draw, names=NAMES):
    raw = draw(st.lists(st.integers(0, 10**6), min_size=len(names), max_size=len(names)).filter(any))
    total = sum(raw)
    return GridMixture(round_to_grid({n: Fraction(w * GRID, total) for n, w in zip(names, raw, strict=True)}))


def lock_of(weights, shares=None):
    shares = shares or {}
    domains = {
        d: LockedDomain(
            fingerprint=f"olx1:{d}", content=f"olc1:{d}", tokens=10**6, documents=1, repetition=Decimal(0),
            changed_in=1, block=BLOCK_NAME if d in shares else None, share=shares.get(d),
        )
        for d in weights
    }  # fmt: skip
    mass = sum(weights[d] for d in shares)
    blocks = {BLOCK_NAME: LockedBlock(mass=mass, members=len(shares), from_serial=1)} if shares else {}
    return Lock(
        name="m", lineage="lin1:0", serial=2, parents=(), tool_version="0", spec_semantic="s", spec_full="f",
        inputs={}, evals={}, weights=weights, domains=domains, blocks=blocks, evidence=(), evidence_root="sha256:0",
        solution=LockedSolution(status="kept"),
    )  # fmt: skip


@given(mixtures(), st.sets(st.sampled_from(NAMES), min_size=2))
def test_weights_become_shares_digit_for_digit(weights, kept):
    shares = kept_shares(lock_of(weights), {d: d for d in kept})
    assert shares == {d: weights[d] * 10**6 for d in kept}


@given(mixtures(), st.sets(st.sampled_from(NAMES), min_size=2), st.sets(st.sampled_from(NAMES), min_size=1))
def test_members_of_a_block_keep_their_shares_verbatim(weights, members, kept):
    shares = {d: (i + 1) * 10**9 + 7 for i, d in enumerate(sorted(members))}
    lock = lock_of(weights, shares)
    found = kept_shares(lock, {f"new-{d}": d for d in kept})
    if lock.blocks[BLOCK_NAME].mass and members & kept:
        assert {d: found[f"new-{d}"] for d in members & kept} == {d: shares[d] for d in members & kept}
        # A domain that joins does so in the units of the block, to half a unit.
        unit = Fraction(sum(shares.values()), lock.blocks[BLOCK_NAME].mass)
        assert all(abs(found[f"new-{d}"] - weights[d] * unit) <= Fraction(1, 2) for d in kept - members)
    else:
        assert found == {f"new-{d}": weights[d] * 10**6 for d in kept}


@given(mixtures(), st.integers(0, GRID))
def test_expanding_keeps_ratios_and_mass_exactly(weights, mass):
    shares = kept_shares(lock_of(weights), {d: d for d in NAMES})
    from olmixctl.mixture import Block

    coordinates = Coordinates(("new",), (Block(BLOCK_NAME, shares),))
    leaves = coordinates.expand_to_grid(GridMixture({"new": GRID - mass, BLOCK_NAME: mass}))
    assert sum(leaves[d] for d in NAMES) == mass
    for domain in NAMES:
        assert abs(leaves[domain] - Fraction(weights[domain] * mass, GRID)) < 1


@given(mixtures())
def test_collapse_undoes_expand(weights):
    from olmixctl.mixture import Block

    shares = {d: points * 10**6 for d, points in weights.items()}
    coordinates = Coordinates(("new",), (Block(BLOCK_NAME, shares),))
    point = Mixture({"new": 0.25, BLOCK_NAME: 0.75})
    back = coordinates.collapse(coordinates.expand(point))
    assert back is not None
    assert all(abs(back[name] - point[name]) < 1e-12 for name in point)
    other = dict(coordinates.expand(point))
    first, second = sorted(NAMES, key=lambda d: -other[d])[:2]
    other[first], other[second] = other[first] - 0.001, other[second] + 0.001
    assert coordinates.collapse(other) is None
