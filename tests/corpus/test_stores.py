"""Object stores that refuse: an error with the address and what the store said, never a defect of ours."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from typer.testing import CliRunner
from workspaces import make_workspace

from olmixctl.cli.app import app
from olmixctl.corpus import streams
from olmixctl.corpus.discover import discover
from olmixctl.corpus.scan import file_digest
from olmixctl.errors import CorpusError
from olmixctl.workspace import Workspace

URL = "s3://nobucket/crawl/*.parquet"
DECLARED = ', declared: {tokens: 50000, revision: "2026-02-11"}'


def denied():
    return ClientError({"Error": {"Code": "ExpiredToken", "Message": "The token has expired"}}, "GetObject")


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path_factory):
    """No credentials anywhere."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE", "ENDPOINT_URL"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def root(tmp_path, monkeypatch):
    make_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("CI", raising=False)
    return tmp_path


def add_remote(root, more=""):
    mix = root / "mixes/base.yaml"
    mix.write_text(mix.read_text().replace("evals:", f'  crawl: {{paths: ["{URL}"]{more}}}\nevals:'))


def test_a_listing_without_credentials_names_the_address_and_the_remedy():
    with pytest.raises(CorpusError) as caught:
        discover([URL], Path("/"), address="domains.crawl")
    assert caught.value.message == f"cannot list {URL}: Unable to locate credentials"
    assert str(caught.value).startswith("domains.crawl.paths[0]: ")
    assert "credentials" in caught.value.remedy
    assert "region" in caught.value.remedy


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoCredentialsError(), "Unable to locate credentials"),
        (denied(), "The token has expired"),
        (PermissionError("Forbidden"), "Forbidden"),
        (FileNotFoundError(2, "No such file", "nobucket/a"), "No such file"),
        (PermissionError(), "PermissionError"),
        (OSError("refused at http://key:hidden@host/x"), "refused at http://host/x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_object_that_cannot_be_opened_or_read(error, said, monkeypatch):
    url = "s3://nobucket/a.jsonl"

    def refuse(_url):
        raise error

    class Broken(io.BytesIO):
        def read(self, *_):
            raise error

    for opened in (refuse, lambda _url: Broken()):
        monkeypatch.setattr("olmixctl.corpus.scan.open_binary", opened)
        with pytest.raises(CorpusError) as caught:
            file_digest(url, url)
        assert said in caught.value.message
        assert "hidden" not in str(caught.value)
        assert caught.value.place.file == url
        assert "credentials" in caught.value.remedy


def test_a_defect_of_ours_stays_one(monkeypatch):
    def broken(_url):
        raise KeyError("ours")

    monkeypatch.setattr("olmixctl.corpus.scan.open_binary", broken)
    with pytest.raises(KeyError):
        file_digest("s3://nobucket/a", "s3://nobucket/a")


def test_local_files_are_not_asked_about_credentials(tmp_path):
    with pytest.raises(CorpusError) as caught, streams.reading("a.txt"):
        (tmp_path / "a.txt").open()
    assert "credentials" not in caught.value.remedy


def test_plan_of_a_domain_that_cannot_be_listed_is_an_error_of_the_data(root):
    add_remote(root)
    found = CliRunner().invoke(app, ["plan"])
    assert found.exit_code == 1
    assert "Unable to locate credentials" in found.stderr
    assert "mixes/base.yaml:8" in found.stderr
    assert "defect" not in found.stderr


def test_declared_data_that_cannot_be_reached_is_a_note_and_no_verdict(root):
    add_remote(root, DECLARED)
    workspace = Workspace.open(cwd=root)
    workspace.apply(workspace.plan())
    found = CliRunner().invoke(app, ["plan", "--refresh"])
    assert found.exit_code == 0
    assert "crawl: declared, and not read here" in found.stdout
    assert "Unable to locate credentials" in " ".join(found.stdout.split())
    deep = CliRunner().invoke(app, ["verify", "--deep"])
    assert deep.exit_code == 0
    assert "1 not possible here" in deep.stdout
    checks = {check.name: check.ok for check in Workspace.open(cwd=root).verify(deep=True).checks}
    assert checks["data crawl"] is None
    assert checks["data web"]
