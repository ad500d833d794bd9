"""What bounds hold to nothing, by name, and which domain of a block has to move least so that they do not."""

from __future__ import annotations

import pytest
from workspaces import make_workspace, write_domain, write_mix

from olmixctl.methods.forced import domains_to_free, forced
from olmixctl.mixture import Block, Coordinates
from olmixctl.workspace import Workspace

DOMAINS = {"code": "", "docs": "", "web": "", "papers": ""}


@pytest.fixture
def observed(tmp_path):
    make_workspace(tmp_path)
    write_domain(tmp_path, "papers", 50)

    def of(constraints="", **fields):
        write_mix(tmp_path, DOMAINS | fields, evals=("code", "docs"), extra=f"constraints: [{constraints}]")
        return Workspace.open(cwd=tmp_path).draft().observed

    return of


def kept(**shares):
    return Coordinates(tuple(d for d in DOMAINS if d not in shares), (Block("reused", shares),))


def ratio(least, most):
    return f"{{name: r, ratio: {{of: [code], to: [docs, web]}}, min: {least}, max: {most}}}"


AT_MOST = kept(code=400, docs=100, web=400)  # 0.8


def test_a_ratio_above_its_bound_holds_the_block_to_nothing_and_the_numerator_moves_least(observed):
    seen = observed(ratio(0.3, 0.7))
    (block,) = forced(seen, AT_MOST)
    assert (block.name, block.bounds) == ("reused", ("max_ratio:r",))
    assert domains_to_free(seen, AT_MOST) == {"code": ("max_ratio:r",)}


def test_a_ratio_on_its_bound_or_inside_holds_nothing(observed):
    for most in (0.8, 0.9):
        seen = observed(ratio(0.3, most))
        assert forced(seen, AT_MOST) == ()
        assert domains_to_free(seen, AT_MOST) == {}


def test_a_numerator_without_enough_to_give_is_not_who_moves(observed):
    seen = observed("{name: r, ratio: {of: [code, docs], to: [web]}, max: 0.5}")
    # Over by 0.3 of the block; `code` has a hundredth of it.
    assert list(domains_to_free(seen, kept(code=10, docs=590, web=400))) == ["docs"]


def test_a_member_without_a_share_takes_its_block_along(observed):
    seen = observed(docs="max: 0")
    (block,) = forced(seen, AT_MOST)
    assert block.bounds == ("max:docs",)
    assert domains_to_free(seen, AT_MOST) == {"docs": ("max:docs",)}


def test_two_bounds_free_two_domains(observed):
    seen = observed("", docs="max: 0", web="max: 0.00001")
    assert list(domains_to_free(seen, AT_MOST)) in (["docs", "web"], ["web", "docs"])


def test_a_bound_that_binds_without_taking_all_frees_nobody(observed):
    assert domains_to_free(observed("", docs="min: 0.5"), kept(code=1, web=1)) == {}


def test_whatever_takes_everything_is_named(observed):
    seen = observed("", papers="min: 1")
    found = forced(seen, Coordinates(tuple(DOMAINS)))
    assert [each.name for each in found] == ["code", "docs", "web"]
    assert {each.bounds for each in found} == {("min:papers",)}
