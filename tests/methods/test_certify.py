"""A forger who repairs every digest is still caught: the mix is derived again from the evidence."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal

import pytest
from workspaces import make_workspace, write_mix

from olmixctl.ledger.files import dump_run, read_run
from olmixctl.lock import dump, parse
from olmixctl.lock.model import LockedDomain
from olmixctl.mixture import GridMixture
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
    path = min(workspace.ledger.folder.glob("*.json"))
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

    path = min(workspace.ledger.folder.glob("*.json"))
    foreign = dataclasses.replace(read_run(path), status="diverged", metrics={})
    path.write_text(dump_run(foreign))
    lock = workspace.lock()
    forge(workspace, evidence_root=evidence_root(workspace.ledger.records(), lock.evidence))
    assert "evidence" in failed(workspace)


def test_a_missing_run_is_named(workspace):
    victim = min(workspace.ledger.folder.glob("*.json"))
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
