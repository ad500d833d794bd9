"""A forger who repairs every digest is still caught: the mix is derived again from the evidence."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest
from workspaces import make_workspace, write_mix

from olmixctl.ledger.files import dump_run, read_run
from olmixctl.lock import dump, parse
from olmixctl.lock.model import LockedDomain
from olmixctl.mixture import GridMixture
from olmixctl.surrogate.model import is_digest_of, parameters_digest
from olmixctl.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    make_workspace(tmp_path)
    write_mix(tmp_path, {"code": "", "docs": "max: 0.9", "web": ""})
    workspace = Workspace.open(cwd=tmp_path)
    workspace.apply(workspace.plan())
    return workspace


def forge(workspace, **changes):
    """Write a lock with other fields and a right integrity line."""
    lock = dataclasses.replace(workspace.lock(), **changes)
    workspace.lock_path.write_text(dump(lock))
    return parse(dump(lock))


def failed(workspace):
    return {check.name for check in workspace.verify().checks if check.ok is False}


def test_an_honest_lock_passes_every_check(workspace):
    verification = workspace.verify()
    assert verification.ok
    assert {c.name for c in verification.checks} >= {
        "integrity",
        "spec",
        "bounds",
        "evidence",
        "surrogate",
        "optimality",
    }


def test_moved_weights_are_not_optimal(workspace):
    weights = dict(workspace.lock().weights)
    largest, smallest = max(weights, key=weights.get), min(weights, key=weights.get)
    weights[largest] -= 20_000
    weights[smallest] += 20_000
    forge(workspace, weights=GridMixture(weights))
    assert "optimality" in failed(workspace)


def test_weights_over_a_cap_break_a_bound(workspace):
    weights = dict.fromkeys(workspace.lock().weights, 0) | {"docs": 1_000_000}
    forge(workspace, weights=GridMixture(weights))
    assert "bounds" in failed(workspace)


def test_a_misstated_repetition_is_seen(workspace):
    domains = dict(workspace.lock().domains)
    domains["code"] = dataclasses.replace(domains["code"], repetition=domains["code"].repetition + Decimal("0.5"))
    assert isinstance(domains["code"], LockedDomain)
    forge(workspace, domains=domains)
    assert failed(workspace) == {"repetition"}


def test_a_metric_changed_with_its_digest_breaks_the_evidence(workspace):
    path = min(workspace.ledger.folder.glob("r1-*.json"))
    record = read_run(path)
    metrics = {name: value - 0.2 for name, value in record.metrics.items()}
    path.write_text(dump_run(dataclasses.replace(record, metrics=metrics)))
    assert failed(workspace) == {"evidence"}


def test_evidence_left_out_gives_other_laws(workspace):
    lock = workspace.lock()
    from olmixctl.ledger.store import evidence_root

    fewer = lock.evidence[:-3]
    root = evidence_root(workspace.ledger.records(), fewer)
    forge(workspace, evidence=fewer, evidence_root=root)
    assert "surrogate" in failed(workspace)


def test_evidence_that_does_not_bear_on_the_mix_is_seen(workspace):
    from olmixctl.ledger.store import evidence_root

    path = min(workspace.ledger.folder.glob("r1-*.json"))
    foreign = dataclasses.replace(read_run(path), status="diverged", metrics={})
    path.write_text(dump_run(foreign))
    lock = workspace.lock()
    forge(workspace, evidence_root=evidence_root(workspace.ledger.records(), lock.evidence))
    assert "evidence" in failed(workspace)


def test_a_missing_run_is_named(workspace):
    victim = min(workspace.ledger.folder.glob("r1-*.json"))
    key = json.loads(victim.read_text())["key"]
    victim.unlink()
    check = next(c for c in workspace.verify().checks if c.name == "evidence")
    assert not check.ok
    assert key in check.detail


def test_the_lock_of_another_spec_is_said_and_goes_no_further(workspace):
    text = workspace.path.read_text().replace("max_repetition: 4", "max_repetition: 3")
    workspace.path.write_text(text)
    assert failed(Workspace.open(str(workspace.path))) == {"spec"}


def test_deep_names_the_files_that_drifted(workspace):
    assert workspace.verify(deep=True).ok
    file = workspace.root / "corpora/web/0003.txt"
    stat = file.stat()
    file.write_text(file.read_text().replace("web", "wab", 1))
    import os

    # Size and times as before: only reading it again can tell.
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    check = next(c for c in workspace.verify(deep=True).checks if c.name == "data web")
    assert not check.ok
    assert "0003.txt" in check.detail or "documents are not those" in check.detail


def test_another_processors_last_digits_pass_and_another_digest_does_not(workspace, monkeypatch):
    lock = workspace.lock()
    other = dataclasses.replace(lock.surrogate, digest=f"sg1:{'0' * 64}")
    forge(workspace, surrogate=other)
    assert failed(workspace) == {"surrogate"}
    # Where parameters stand at rounding borders, last digits can explain another digest; all else must agree.
    monkeypatch.setattr("olmixctl.methods.restated.is_digest_of", lambda *_: True)
    check = next(c for c in workspace.verify().checks if c.name == "surrogate")
    assert check.ok
    assert "within tolerance" in check.detail
    name, metric = next(iter(lock.predicted.items()))
    wrong = dataclasses.replace(metric, this=metric.this + Decimal("0.00001"))
    forge(workspace, predicted=dict(lock.predicted) | {name: wrong})
    assert failed(workspace) == {"surrogate", "predicted"}


@pytest.mark.parametrize("size", ["0.000001", "0.00001"])
def test_numbers_agree_within_two_millionths(workspace, size):
    lock = workspace.lock()
    solution = dataclasses.replace(lock.solution, objective=lock.solution.objective + Decimal(size))
    forge(workspace, solution=solution)
    assert failed(workspace) == (set() if size == "0.000001" else {"solution"})


def laws(*values):
    """As much of a fit as its digest reads."""
    parameters = {"a": np.array(values)}
    return SimpleNamespace(family="f", coordinates=("c",), metrics=("m",), parameters=lambda: parameters)


def test_a_digest_is_explained_by_values_at_rounding_borders_and_by_nothing_else():
    stated = parameters_digest(laws(1.0, 0.1234549999, -0.5))
    assert is_digest_of(laws(1.0, 0.1234550001, -0.5), stated, 0.03)
    assert parameters_digest(laws(1.0, 0.1234550001, -0.5)) != stated
    assert not is_digest_of(laws(1.0, 0.1234550001, -0.50001), stated, 0.03)
    assert not is_digest_of(laws(1.0, 0.123456, -0.5), stated, 0.03)
    negative = parameters_digest(laws(1.0, -0.1234549999))
    assert is_digest_of(laws(1.0, -0.1234550001), negative, 0.03)
    many = [0.123455 + 0.00001 * n for n in range(9)]
    assert is_digest_of(laws(1.0, *many), "sg1:another", 0.03)
