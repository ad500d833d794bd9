"""Locks without a run: what each share becomes, that bounds hold, and what later plans make of them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from workspaces import write_domain, write_mix

from olmixctl.mixture import GRID
from olmixctl.plan import PlanOptions
from olmixctl.workspace import Workspace

BASE = {"code": "", "docs": "", "web": ""}
EVALS = ("code", "docs")


def plan(root, **options):
    return Workspace.open(cwd=root).plan(PlanOptions(**options))


def apply(root, **options):
    workspace = Workspace.open(cwd=root)
    return workspace.apply(workspace.plan(PlanOptions(**options)))


def solve_only(root):
    """A zero-run lock; it verifies, and nothing is left to do."""
    result = apply(root, solve_only=True)
    assert result.trained == 0
    verification = Workspace.open(cwd=root).verify()
    assert verification.ok, [check for check in verification.checks if check.ok is False]
    assert not plan(root).has_changes
    return result.lock


def shares(lock):
    return {domain: Fraction(points, GRID) for domain, points in lock.weights.items()}


def near(a, b):
    """Equal within the rounding of a few domains."""
    return abs(a - b) <= Fraction(4, GRID)


def test_an_added_domain_gets_its_reference_share_and_the_others_keep_their_ratios(root):
    first = shares(apply(root).lock)
    write_domain(root, "papers", 50)
    write_mix(root, BASE | {"papers": ""}, evals=EVALS)
    observed = plan(root).observed
    lock = solve_only(root)
    second = shares(lock)
    assert lock.solution.status == "carried"
    assert near(second["papers"], Fraction(observed.reference["papers"]))
    assert all(near(second[d], first[d] * (1 - second["papers"])) for d in BASE)
    assert lock.coordinates.free == ("papers",)
    assert {d: lock.domains[d].share for d in BASE} == {d: int(first[d] * 10**12) for d in BASE}
    assert lock.evidence == ()


def test_a_revised_domain_keeps_its_share(root):
    first = apply(root).lock
    write_domain(root, "web", 30, seed=7, start=80)
    lock = solve_only(root)
    assert lock.weights == first.weights
    assert lock.coordinates.free == ("web",)


def test_parts_share_by_tokens_and_a_merge_is_the_sum(root):
    first = shares(apply(root).lock)
    (root / "corpora/news").mkdir()
    for path in sorted((root / "corpora/web").glob("00[0-3]*.txt")):
        path.rename(root / "corpora/news" / path.name)
    parts = "changes: [{partition: {from: web, into: [news, web]}}]"
    write_mix(root, BASE | {"news": ""}, evals=EVALS, extra=parts)
    states = plan(root).observed.states
    second = shares(solve_only(root))
    both = states["news"].tokens + states["web"].tokens
    assert near(second["news"], first["web"] * states["news"].tokens / both)
    assert near(second["web"], first["web"] * states["web"].tokens / both)
    assert all(near(second[d], first[d]) for d in ("code", "docs"))
    for path in sorted((root / "corpora/news").glob("*.txt")):
        path.rename(root / "corpora/web" / f"again-{path.name}")
    write_mix(root, BASE, evals=EVALS, extra="changes: [{merge: {from: [web, news], into: web}}]")
    third = shares(solve_only(root))
    assert all(near(third[d], first[d]) for d in BASE)


def test_a_bound_moves_the_whole_block_first(root):
    """Unaffected domains keep their ratios also where the added one may not have its reference share."""
    first = shares(apply(root).lock)
    write_domain(root, "papers", 50)
    write_mix(root, BASE | {"papers": "max: 0.05"}, evals=EVALS)
    lock = solve_only(root)
    second = shares(lock)
    assert near(second["papers"], Fraction(5, 100))
    assert all(near(second[d], first[d] * Fraction(95, 100)) for d in BASE)


def test_a_bound_that_only_other_ratios_meet_moves_domain_by_domain(root):
    first = shares(apply(root).lock)
    smallest, largest = (f(BASE, key=lambda d: first[d]) for f in (min, max))
    write_domain(root, "papers", 50)
    write_mix(root, BASE | {"papers": "", smallest: "min: 0.3"}, evals=EVALS)
    found = plan(root, reuse="none")
    assert next(row for row in found.strategies if row.name == "full").gap is None
    lock = solve_only(root)
    assert near(shares(lock)[smallest], Fraction(3, 10))
    assert lock.weights[largest] < first[largest] * GRID
    # The block goes on with the moved ratios; what is not measured stays known.
    assert lock.coordinates.free == ("papers",)
    assert lock.domains[smallest].share == lock.weights[smallest] * 10**6


def test_what_was_carried_is_measured_with_the_next_change_or_when_asked(root):
    apply(root)
    write_domain(root, "papers", 50)
    write_mix(root, BASE | {"papers": ""}, evals=EVALS)
    solve_only(root)
    (note,) = [check for check in plan(root).checks if check.name == "unmeasured"]
    assert "not measured: papers" in note.message
    asked = plan(root, reuse="full")
    assert (asked.coordinates.free, len(asked.missing)) == (("papers",), 9)
    write_domain(root, "books", 30)
    write_mix(root, BASE | {"papers": "", "books": ""}, evals=EVALS)
    grown = plan(root, reuse="full")
    assert grown.coordinates.free == ("books", "papers")
    assert grown.laws.affected == pytest.approx(float(shares(Workspace.open(cwd=root).lock())["papers"]))
    twice = solve_only(root)
    assert twice.coordinates.free == ("books", "papers")
    lock = apply(root, reuse="full").lock
    assert lock.solution.status == "optimal"
    assert not [check for check in plan(root).checks if check.name == "unmeasured"]


def test_recorded_runs_that_suffice_are_solved_instead(root):
    """An apply that was stopped late: its runs answer, nothing need be carried."""
    apply(root)
    before = (root / "mixes/base.lock.yaml").read_bytes()
    write_domain(root, "papers", 50)
    write_mix(root, BASE | {"papers": ""}, evals=EVALS)
    full = plan(root, reuse="full")
    apply(root, reuse="full")
    (root / "mixes/base.lock.yaml").write_bytes(before)
    spare = sorted(run.key for run in full.runs)[:4]
    for key in spare:
        (root / "mixes/base.runs" / f"{key.replace(':', '-')}.json").unlink()
    again = plan(root, solve_only=True)
    assert (again.kind, len(again.extra_evidence)) == ("resolve", 5)
    lock = solve_only(root)
    assert lock.solution.status == "optimal"
    assert len(lock.evidence) == 5


def test_too_few_recorded_runs_are_not_solved(root):
    apply(root)
    write_domain(root, "papers", 50)
    write_mix(root, BASE | {"papers": ""}, evals=EVALS)
    assert plan(root, solve_only=True).kind == "carry"


def test_nothing_is_carried_where_nothing_need_be_trained(root):
    apply(root)
    assert plan(root, solve_only=True).kind == "none"
    write_mix(root, BASE | {"web": "max: 0.9"}, evals=EVALS)
    assert plan(root, solve_only=True).kind == "resolve"
    write_mix(root, {"code": "", "web": ""}, evals=("code",))
    removal = plan(root, solve_only=True)
    assert removal.kind == "rescale"


def test_another_proxy_can_be_written_down_without_measuring(root):
    first = apply(root).lock
    path = root / "mixes/base.yaml"
    path.write_text(path.read_text().replace("tokens: 4096", "tokens: 8192"))
    lock = solve_only(root)
    assert lock.weights == first.weights
    assert lock.coordinates.free == ()


def test_a_bound_that_will_move_carried_shares_is_announced(root):
    apply(root)
    write_domain(root, "papers", 50)
    write_mix(root, BASE | {"papers": "max: 0.05"}, evals=EVALS)
    (check,) = [check for check in plan(root, solve_only=True).checks if check.name == "bounds-move-ratios"]
    assert "the carried shares break max:papers" in check.message
    assert "→ 5.00%" in check.message
