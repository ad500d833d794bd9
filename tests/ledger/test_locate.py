"""Where a ledger cannot be: refused when the mix file is read, before anything is trained."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner
from workspaces import make_workspace

from olmixctl.cli.app import app
from olmixctl.errors import Place, SpecError
from olmixctl.ledger.locate import locate


@pytest.mark.parametrize("url", ["memory://x", "MEMORY://x", "dir://x", "reference://x", "data://x"])
def test_file_systems_inside_the_process_are_refused(url, tmp_path):
    with pytest.raises(SpecError, match="is gone when the command ends") as caught:
        locate(url, tmp_path / "mixes/base", tmp_path, Place("base.yaml", 3))
    assert caught.value.place == Place("base.yaml", 3)
    assert "s3://" in caught.value.remedy


@pytest.mark.parametrize("url", ["ftp://host/x", "nope://x", "dir::s3://bucket/x", "simplecache::memory://x"])
def test_protocols_that_cannot_create_exclusively_are_refused(url, tmp_path):
    with pytest.raises(SpecError, match="no ledger can be on") as caught:
        locate(url, tmp_path / "mixes/base", tmp_path)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("url", ["s3://b/x", "s3a://b/x", "gs://b/x", "gcs://b/x", "abfs://c@a/x", "az://c/x"])
def test_object_stores_are_taken(url, tmp_path):
    assert locate(url, tmp_path / "mixes/base", tmp_path)[0].where == f"{url}/base.runs"


def test_the_command_says_the_line(tmp_path, monkeypatch):
    make_workspace(tmp_path, extra="ledger: memory://x")
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(app, ["plan"])
    assert found.exit_code == 1
    lines = (tmp_path / "mixes" / "base.yaml").read_text(encoding="utf-8").splitlines()
    assert f"mixes/base.yaml:{lines.index('ledger: memory://x') + 1}" in found.stderr
    assert "memory://" in found.stderr
