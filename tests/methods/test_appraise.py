"""What the laws say about strategies, against a surface that is known."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from workspaces import make_workspace, write_domain, write_mix

from olmixctl.execute.fake import coefficient, surface
from olmixctl.methods.appraise import _neighbours, appraise
from olmixctl.mixture import GRID, Block, Coordinates
from olmixctl.plan.appraisal import Question
from olmixctl.plan.carry import carried_mix
from olmixctl.plan.changes import detect_changes
from olmixctl.workspace import Workspace

BASE = {"code": "", "docs": "", "web": ""}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A lock over three domains, then a fourth."""
    folder = tmp_path_factory.mktemp("appraise")
    make_workspace(folder)
    workspace = Workspace.open(cwd=folder)
    workspace.apply(workspace.plan())
    write_domain(folder, "papers", 50)
    write_mix(folder, BASE | {"papers": ""}, evals=("code", "docs"))
    return folder


def question(root, **fields):
    workspace = Workspace.open(cwd=root)
    observed, lock = workspace.plan().observed, workspace.lock()
    changes = detect_changes(observed, lock)
    values = {
        "observed": observed, "lock": lock, "changes": changes, "affected": changes.affected,
        "carried": carried_mix(observed, lock, changes), "records": workspace.ledger.records(),
    }  # fmt: skip
    return Question(**values | fields)


@pytest.fixture(scope="module")
def asked(root):
    return question(root)


@pytest.fixture(scope="module")
def laws(asked):
    return appraise(asked)


def kept(asked, free=()):
    lock = asked.lock
    shares = {d: lock.weights[d] * 10**6 for d in lock.weights if d not in free}
    return Coordinates(("papers", *free), (Block("reused", shares),))


def objective(asked, laws, mix):
    """The objective by its definition, with the laws' coefficients."""
    reference, weights = asked.observed.reference, {e.name: e.weight for e in asked.observed.spec.evals}
    loss = sum(
        weights[metric] * (laws.offsets_M[m] + math.exp(sum(laws.table[d][m] * w for d, w in mix.items())))
        for m, metric in enumerate(laws.evidence.metrics)
    )
    divergence = sum(w * math.log(w / reference[d]) for d, w in mix.items() if w > 0)
    return loss / sum(weights.values()) + asked.observed.spec.objective.kl * divergence


def test_laws_over_domains_find_the_surface_again(asked, laws):
    assert laws.runs == 12
    contents = asked.observed.contents
    for m, metric in enumerate(laws.evidence.metrics):
        for domain in BASE:
            assert laws.table[domain][m] == pytest.approx(
                coefficient(contents[domain], asked.observed.evals[metric]), abs=0.02
            )
    point = {d: asked.lock.weights[d] / GRID for d in BASE}
    measured = surface({contents[d]: w for d, w in point.items()}, asked.observed.evals["code-bpb"])
    m = laws.evidence.metrics.index("code-bpb")
    assert laws.offsets_M[m] + math.exp(sum(laws.table[d][m] * w for d, w in point.items())) == pytest.approx(
        measured, abs=1e-3
    )


def test_the_gap_is_what_a_search_by_hand_finds(asked, laws):
    """On a fine grid of the two coordinates, and against any mix that random search finds over all domains."""
    coordinates = kept(asked)
    line = [objective(asked, laws, coordinates.expand({"papers": a, "reused": 1 - a})) for a in np.linspace(0, 1, 4001)]
    rng = np.random.default_rng(0)
    cloud = [
        objective(asked, laws, dict(zip(sorted(asked.observed.states), map(float, p), strict=True)))
        for p in rng.dirichlet(np.full(4, 0.7), size=4000)
    ]
    best = laws.lowest(Coordinates(tuple(asked.observed.states)))[0]
    gap = laws.gap(coordinates)
    assert gap.loss == pytest.approx(min(line) - best, abs=1e-6)
    assert gap.loss > 0
    assert best <= min(cloud)
    assert laws.lowest(coordinates)[0] == pytest.approx(min(line), abs=1e-6)


def test_ingredients_follow_their_definitions(asked, laws):
    gap = laws.gap(kept(asked))
    frozen, free = (np.stack([laws.table[d] for d in names]) for names in (BASE, ("papers",)))
    alpha_U, alpha_A = (np.sqrt((table**2).sum(axis=0)) for table in (frozen, free))
    assert gap.kappa == pytest.approx(np.linalg.norm((1 + alpha_U + alpha_A) * alpha_U))
    everything = laws.gap(Coordinates(tuple(asked.observed.states)))
    assert (everything.loss, everything.kappa, everything.freed) == (0.0, 0.0, 1.0)
    assert 0 < gap.freed < 1


def test_scores_follow_their_definition(asked, laws):
    slopes = [
        math.exp(sum(laws.table[d][m] * w for d, w in asked.carried.items())) for m in range(len(laws.evidence.metrics))
    ]
    for domain in BASE:
        mean = np.mean([s * laws.table[domain][m] * laws.table["papers"][m] for m, s in enumerate(slopes)])
        assert laws.scores[domain] == pytest.approx(abs(mean))
    assert set(laws.scores) == set(BASE)


def test_a_mix_is_appraised_where_it_stands(asked, laws):
    best = laws.lowest(Coordinates(tuple(asked.observed.states)))[0]
    at = objective(asked, laws, asked.carried)
    assert laws.gap(kept(asked), asked.carried).loss == pytest.approx(at - best, abs=1e-9)


def test_more_freedom_never_gives_away_more(asked, laws):
    losses = [laws.gap(kept(asked, free)).loss for free in ((), ("web",))]
    assert losses[1] <= losses[0] + 1e-9
    for before, after in zip(laws.lowest(kept(asked)), laws.lowest(kept(asked, ("web",))), strict=True):
        assert after <= before + 1e-9


def test_a_guess_is_as_far_off_as_domains_differ(laws):
    assert laws.guesses == {"papers": "the mean of 3 domains"}
    assert len(laws.lowest(Coordinates(("code", "docs", "papers", "web")))) == 3
    mean = np.mean([laws.table[d] for d in BASE], axis=0)
    assert laws.table["papers"] == pytest.approx(mean)


@pytest.mark.parametrize(
    ("origins", "words"),
    [
        ({"web": 1.0}, "web (100%)"),
        ({"web": 0.25, "docs": 0.5}, "docs (50%), web (25%), the rest the mean of 3 domains"),
        ({"gone": 1.0}, "the mean of 3 domains"),
    ],
)
def test_a_domain_with_origins_takes_after_them(root, asked, origins, words):
    changes = dataclasses.replace(asked.changes, origins={"papers": origins})
    laws = appraise(question(root, changes=changes))
    assert laws.guesses == {"papers": words}
    mean = np.mean([laws.table[d] for d in BASE], axis=0)
    known = {d: f for d, f in origins.items() if d in BASE}
    expected = sum(f * laws.table[d] for d, f in known.items()) + (1 - sum(known.values())) * mean
    assert laws.table["papers"] == pytest.approx(expected)


def test_a_topic_takes_after_its_own_source():
    table = {"web/a": np.array([1.0]), "web/b": np.array([3.0]), "code": np.array([9.0])}
    near = _neighbours("web/c", table)
    assert (near.coefficients_M, near.spread_M, near.source) == (2.0, 1.0, "the mean of 2 domains of web")
    assert _neighbours("books", table).source == "the mean of 3 domains"
    assert _neighbours("code/x", table).source == "code, the only one near"


def test_too_little_evidence_is_no_evidence(asked, root):
    few = dict(list(asked.records.items())[:2])
    assert appraise(question(root, records=few)).startswith("too few recorded runs")
    assert appraise(question(root, records={})).startswith("too few recorded runs")


def test_bounds_that_leave_no_mix_give_no_gap(asked, root):
    smallest = min(BASE, key=lambda d: asked.lock.weights[d])
    spec = asked.observed.spec
    domains = tuple(dataclasses.replace(d, min=0.5) if d.id == smallest else d for d in spec.domains)
    observed = dataclasses.replace(asked.observed, spec=dataclasses.replace(spec, domains=domains))
    laws = appraise(question(root, observed=observed))
    assert laws.gap(kept(asked)) is None
    assert laws.lowest(kept(asked)) == ()
    # A mix that breaks a bound is appraised where the bound would move it.
    moved = laws.gap(kept(asked), asked.carried)
    assert moved.loss > 0
