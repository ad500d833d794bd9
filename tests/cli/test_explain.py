"""`olmixctl explain` from the command line."""

from __future__ import annotations

import pytest
from workspaces import write_mix


def test_it_says_why_in_text_and_json(applied, olmixctl):
    text = olmixctl("explain", "docs", "--resamples", "10").stdout
    assert text.startswith("docs  in base, lock serial 1\n")
    for part in ("What holds it", "What pulls it", "The runs that say so", "interval"):
        assert part in text
    assert max(map(len, text.splitlines())) <= 80
    found = olmixctl.json("explain", "docs", "--resamples", "0")
    assert found["domain"] == "docs"
    assert found["because"]["certainty"] is None
    assert found["weight"] == pytest.approx(float(olmixctl.json("show")["weights"]["docs"]))
    assert set(found["because"]["pulls"]["metrics"]) == {"code-bpb", "docs-bpb"}


def test_an_unknown_domain_exits_64_and_names_those_that_are_near(applied, olmixctl):
    error = olmixctl("explain", "dosc", code=64).stderr
    assert "dosc" in error
    assert "did you mean docs" in error
    assert "lists the domains" in olmixctl("explain", "xyzzy", code=64).stderr
    assert olmixctl.json("explain", "dosc", code=64)["error"]["kind"] == "UsageError"


def test_mix_is_an_option_as_elsewhere(applied, olmixctl):
    assert "in base" in olmixctl("explain", "web", "--mix", "base", "--resamples", "0").stdout
    olmixctl("explain", "web", "--mix", "other", code=64)


def test_without_a_lock_and_with_another_mix_file(root, applied_once, olmixctl):
    olmixctl("explain", "docs", code=64)
    (root / "mixes/base.lock.yaml").write_bytes((applied_once / "mixes/base.lock.yaml").read_bytes())
    write_mix(root, {"code": "", "docs": "max: 0.2", "web": ""})
    assert "asks for something else" in olmixctl("explain", "docs", code=4).stderr


def test_lost_runs_are_named(applied, olmixctl):
    for file in (applied / "mixes/base.runs").glob("r1-*.json"):
        file.unlink()
    error = olmixctl("explain", "docs", "--resamples", "0", code=8).stderr
    assert "is not in the ledger" in error
    assert "mixes/base.runs/r1-" in error
    assert "NAME" not in error


def test_a_tainted_run_is_named_with_its_reason_and_the_way_back(applied, olmixctl):
    key = olmixctl.json("show")["evidence"]["runs"][0]
    olmixctl("runs", "taint", key, "--reason", "loss spike")
    error = " ".join(olmixctl("explain", "docs", "--resamples", "0", code=8).stderr.split())
    assert f"run {key} behind the lock is tainted: loss spike" in error
    assert "`olmixctl apply` trains it again" in error
    assert f"`olmixctl runs taint {key} --undo`" in error
    assert "not in the ledger" not in error
    olmixctl("runs", "taint", key, "--undo")
    olmixctl("explain", "docs", "--resamples", "0")
