"""The published sequence of mixes (tests/cases/olmix_case_study.json): what each needs, and that caps hold."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from locks import make_lock

from olmixctl.fingerprint import sha256_hex
from olmixctl.lock.model import LockedSolution
from olmixctl.lock.store import write_lock
from olmixctl.mixture import GRID, SHARE_UNITS
from olmixctl.plan.codec import plan_as_json
from olmixctl.report.look import Look
from olmixctl.report.text_plan import plan_text
from olmixctl.workspace import Workspace

CASE = json.loads((Path(__file__).parents[1] / "cases" / "olmix_case_study.json").read_text(encoding="utf-8"))
TARGET, REPETITION = CASE["target_tokens"], CASE["max_repetition"]

REMOVED = "algebraicstack"
UPDATES = {update["update"]: update for update in CASE["updates"]}
START, STACK, SOURCES, REVISE, PARTITION = (UPDATES[name]["tokens"] for name in UPDATES)
REMOVE = {domain: tokens for domain, tokens in REVISE.items() if domain != REMOVED}
SEQUENCE = (START, STACK, SOURCES, REVISE, REMOVE, PARTITION)
"""The six mixes in force, one after the other; the removal is not in the released file, for it needs no runs."""


def nested(tokens):
    """The domains of a mix file: `dclm/health` stands below `dclm`."""
    domains = {}
    for name, count in tokens.items():
        source, _, topic = name.partition("/")
        leaf = {
            "paths": [f"s3://corpus/{name}/*.npy"],
            "declared": {"tokens": count, "revision": sha256_hex(f"{name} {count}")[:12]},
        }
        if topic:
            domains.setdefault(source, {"domains": {}})["domains"][topic] = leaf
        else:
            domains[source] = leaf
    return domains


def write(root, tokens, **more):
    """A mix of declared domains, and a file eval: what is held out of a declared domain cannot be read."""
    mix = {
        "version": 1,
        "name": "base",
        "target": {"tokens": "1T", "max_repetition": REPETITION},
        "domains": nested(tokens),
        "evals": [{"name": "questions", "paths": ["evals/*.jsonl"]}],
        "proxy": {"model": "250k", "tokens": "400K", "sequence_length": 64, "batch_size": 8},
        "executor": {"kind": "fake"},
        **more,
    }
    for folder in ("mixes", "evals"):
        (root / folder).mkdir(exist_ok=True)
    (root / "mixes/base.yaml").write_text(json.dumps(mix), encoding="utf-8")
    (root / "evals/questions.jsonl").write_text('{"context": "2 + 2 = ", "continuation": "4"}\n', encoding="utf-8")
    return Workspace.open(cwd=root)


def published_lock(root, before, update):
    """Write a lock over `before` whose kept domains carry the ratios frozen in `update`, in units of 1e-12."""
    observed = write(root, before, reuse="full").plan().observed
    frozen = {domain: round(ratio * SHARE_UNITS) for domain, ratio in update["frozen_mix"].items()}
    # What the update lets go had a weight that is not published; any will do, for ratios are renormalised.
    leaving = {domain: 0.01 for domain in before if domain not in frozen}
    mass = 1 - sum(leaving.values())
    total = sum(frozen.values())
    weights = {domain: share / total * mass for domain, share in frozen.items()} | leaving
    states = {
        domain: {
            "fingerprint": state.fingerprint, "content": state.content, "tokens": state.tokens, "documents": None,
            **({"block": "reused", "share": frozen[domain]} if domain in frozen else {}),
        }
        for domain, state in observed.states.items()
    }  # fmt: skip
    lock = make_lock(
        weights, block=tuple(frozen), domains=states, inputs=observed.inputs, evals=observed.evals,
        spec_semantic=observed.semantic, spec_full=observed.full, evidence=(), predicted={},
        surrogate=None, solution=LockedSolution(status="kept"),
    )  # fmt: skip
    write_lock(root / "mixes/base.lock.yaml", lock)


@pytest.mark.parametrize(
    ("before", "after", "published"),
    [
        (START, STACK, ("add stack-edu", 51, 120, "2.8122")),
        (STACK, SOURCES, ("add more sources", 24, 138, "1.0000")),
        (SOURCES, REVISE, ("revise PDFs", 9, 138, "0.9749")),
        (REMOVE, PARTITION, ("partition PDFs", 69, 195, "0.9548")),
    ],
    ids=["add", "add more", "revise", "partition"],
)
def test_an_update_needs_the_published_runs_under_the_published_cap(tmp_path, before, after, published):
    update, runs, whole, cap = published
    published_lock(tmp_path, before, UPDATES[update])
    plan = write(tmp_path, after, reuse="full").plan()
    assert len(plan.missing) == runs == UPDATES[update]["runs_at_3"]
    assert plan.counterfactual.runs == whole == UPDATES[update]["full_recompute_runs_at_3"]
    ((_, found),) = plan.block_caps
    assert f"{found:.4f}" == cap
    said = plan_text(plan_as_json(plan), Look(width=80))
    assert (f"{float(cap) * 100:.2f} %" in said) if found < 1 else "no bound" in said


def test_the_first_mix_and_the_removal(tmp_path):
    first = write(tmp_path, START).plan()
    assert len(first.missing) == first.counterfactual.runs == 75
    published_lock(tmp_path, REVISE, {"frozen_mix": {**UPDATES["partition PDFs"]["frozen_mix"], "s2pdfv1": 0.05}})
    removal = write(tmp_path, REMOVE).plan()
    assert len(removal.missing) == 0
    assert removal.counterfactual.runs == 135


def most_repeated(lock):
    """The most often any domain of a lock is passed over, exactly."""
    return max(Fraction(lock.weights[d] * TARGET, GRID * record.tokens) for d, record in lock.domains.items())


def test_the_whole_sequence_applies_verifies_and_never_passes_a_cap(tmp_path):
    """With training rehearsed on a known surface: what is trained, kept and repeated, update by update."""
    trained, kept = [], {}
    for tokens in SEQUENCE:
        workspace = write(tmp_path, tokens, reuse="full")
        plan = workspace.plan()
        result = workspace.apply(plan)
        trained.append(result.trained)
        lock = result.lock
        assert most_repeated(lock) <= REPETITION
        assert sum(lock.weights.values()) == GRID
        # A share that was carried once is never another number again.
        shares = {d: record.share for d, record in lock.domains.items() if record.block}
        assert {d: shares[d] for d in set(shares) & set(kept)} == {d: kept[d] for d in set(shares) & set(kept)}
        kept = shares
        verification = write(tmp_path, tokens, reuse="full").verify()
        assert verification.ok, [check for check in verification.checks if check.ok is False]
        assert not write(tmp_path, tokens, reuse="full").plan().has_changes
    assert trained == [75, 51, 24, 9, 0, 69]


def test_auto_never_trains_less_than_full_nor_more_than_all(tmp_path):
    """What `auto` adds to full reuse it adds for a reason that the plan states."""
    for tokens, update in zip(SEQUENCE[:3], CASE["updates"][:3], strict=True):
        workspace = write(tmp_path, tokens)
        plan = workspace.plan()
        assert update["runs_at_3"] <= len(plan.missing) <= update["full_recompute_runs_at_3"]
        if plan.strategies:
            (chosen,) = [row for row in plan.strategies if row.chosen]
            full = next(row for row in plan.strategies if row.name == "full")
            assert plan.laws.choice.startswith("auto ")
            assert chosen.gap.loss <= full.gap.loss
            assert (chosen.name == "full") == (len(plan.missing) == update["runs_at_3"])
        assert most_repeated(workspace.apply(plan).lock) <= REPETITION


def test_a_new_revision_of_a_declared_domain_is_one_change(tmp_path):
    tokens = {"books": 400 * 10**9, "web": 900 * 10**9}
    workspace = write(tmp_path, tokens)
    workspace.apply(workspace.plan())
    plan = write(tmp_path, tokens | {"web": 901 * 10**9}).plan()
    assert [(change.category, change.subject) for change in plan.changes] == [("revised", "web")]
