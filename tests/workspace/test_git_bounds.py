"""Branches whose bounds do not leave the kept ratios of the other a share: what a join frees, and what a plan says."""

from __future__ import annotations

import pytest
from branches import EVALS, check_settled, git, join, merge
from workspaces import make_workspace, write_domain, write_mix

from olmixctl.mixture import GRID
from olmixctl.plan import PlanOptions
from olmixctl.workspace import Workspace

KEPT = {"code": "", "docs": "", "web": ""}
RATIO = "constraints: [{{name: c2w, ratio: {{of: [code], to: [docs, web]}}, min: {least}, max: 0.8}}]"
LOOSE, TIGHT = 0.3, 0.4


def write(root, domains, least):
    write_mix(root, domains, evals=EVALS, extra=RATIO.format(least=least))


def ratio(lock):
    return lock.weights["code"] / (lock.weights["docs"] + lock.weights["web"])


def apply(root, subject, **options):
    workspace = Workspace.open(cwd=root)
    result = workspace.apply(workspace.plan(PlanOptions(**options)))
    git(root, "add", "-A", "mixes", ".gitattributes")
    git(root, "commit", "-qm", subject)
    return result


@pytest.fixture
def root(tmp_path):
    """A ratio near its lower bound; one branch adds a domain, the other raises the bound above the ratio."""
    root = tmp_path
    make_workspace(root)
    write_domain(root, "papers", 50)
    (root / ".gitattributes").write_text("*.lock.yaml -merge\n*.runs/** linguist-generated\n")
    git(root, "init", "-q", "-b", "main")
    write(root, KEPT, LOOSE)
    assert ratio(apply(root, "First lock").lock) < TIGHT
    git(root, "checkout", "-q", "-b", "papers")
    write(root, KEPT | {"papers": ""}, LOOSE)
    apply(root, "Add papers", reuse="full")
    git(root, "checkout", "-q", "-b", "bound", "main")
    write(root, KEPT, TIGHT)
    apply(root, "Tighten", solve_only=True)
    git(root, "checkout", "-q", "papers")
    return root


def test_a_join_under_tighter_bounds_frees_a_domain_instead_of_giving_the_rest_no_share(root):
    merge(root, "bound")
    write(root, KEPT | {"papers": ""}, TIGHT)
    plan, result = join(root)
    assert min(result.lock.weights[domain] for domain in KEPT) > 0.001 * GRID
    assert ratio(result.lock) >= TIGHT
    assert plan.coordinates.free == ("code", "papers")
    (told,) = [check for check in plan.checks if check.name == "freed"]
    assert "min_ratio:c2w" in told.message
    assert "code is estimated anew" in told.message
    assert not [check for check in plan.checks if check.name == "forced-zero"]
    check_settled(root)


def test_a_plan_that_keeps_ratios_the_bounds_exclude_says_who_gets_nothing(root):
    git(root, "checkout", "-q", "main")
    write(root, KEPT | {"papers": ""}, TIGHT)
    workspace = Workspace.open(cwd=root)
    (told,) = [c for c in workspace.plan(PlanOptions(reuse="full")).checks if c.name == "forced-zero"]
    assert told.level == "warn"
    assert "min_ratio:c2w" in told.message
    assert "code, docs, web" in told.message
    assert "estimate code anew" in told.remedy
    free = workspace.plan(PlanOptions(reuse="none"))
    assert not [check for check in free.checks if check.name == "forced-zero"]


def test_bounds_that_leave_the_kept_ratios_no_mix_at_all_are_met_by_a_join_too(root):
    merge(root, "bound")
    write(root, KEPT | {"code": "min: 0.02", "papers": ""}, TIGHT)
    plan, result = join(root)
    assert "code" in plan.coordinates.free
    assert ratio(result.lock) >= TIGHT


def test_a_group_held_to_nothing_is_named_and_a_domain_with_its_own_max_is_not(tmp_path):
    make_workspace(tmp_path)
    write_mix(tmp_path, KEPT, evals=EVALS, extra="constraints: [{name: rest, domains: [docs, web], max: 0.00001}]")
    checks = Workspace.open(cwd=tmp_path).plan().checks
    told = [check.message for check in checks if check.name == "forced-zero"]
    assert len(told) == 1
    assert "constraint:rest" in told[0]
    assert "docs, web" in told[0]
    write_mix(tmp_path, KEPT | {"docs": "max: 0"}, evals=EVALS)
    assert not [c for c in Workspace.open(cwd=tmp_path).plan().checks if c.name == "forced-zero"]


def test_bounds_that_bind_and_leave_a_share_are_no_news(root):
    write(root, KEPT | {"papers": "max: 0.001"}, LOOSE)
    plan = Workspace.open(cwd=root).plan(PlanOptions(reuse="full"))
    assert plan.has_changes
    assert not [check for check in plan.checks if check.name == "forced-zero"]
