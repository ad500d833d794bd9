"""A ledger's home behind a URL, against a real S3 server."""

from __future__ import annotations

import threading
import uuid

import pytest
from servers import BUCKET, make_bucket, s3_server, set_environment

from olmixctl.errors import MissingExtraError, OlmixctlError, SpecError
from olmixctl.ledger.home import LocalHome
from olmixctl.ledger.leases import Lease, Leases
from olmixctl.ledger.locate import locate
from olmixctl.ledger.remote import RemoteHome, is_remote, without_credentials

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server():
    with s3_server() as variables:
        yield variables


@pytest.fixture
def s3(server, monkeypatch):
    set_environment(monkeypatch, server)
    make_bucket()


@pytest.fixture(params=["local", "memory", "s3"])
def home(request, tmp_path):
    """The same laws hold for every home."""
    if request.param == "local":
        return LocalHome(tmp_path / "base.runs")
    if request.param == "memory":
        return RemoteHome(f"memory://{uuid.uuid4().hex}/base.runs")
    request.getfixturevalue("s3")
    return RemoteHome(f"s3://{BUCKET}/{uuid.uuid4().hex}/base.runs")


def test_an_empty_home_has_no_names(home):
    assert home.names() == []
    assert home.read("a.json") is None
    assert home.read_many(["a.json"]) == {}
    home.delete("a.json")


def test_what_is_created_is_there_and_cannot_be_created_again(home):
    assert home.create("a.json", b"one")
    assert not home.create("a.json", b"two")
    assert home.read("a.json") == b"one"
    assert home.names() == ["a.json"]


def test_files_are_replaced_read_together_and_deleted(home):
    home.replace("b.1", b"one")
    home.replace("b.1", b"two")
    home.create("a.json", b"")
    assert home.read_many(["a.json", "b.1", "c"]) == {"a.json": b"", "b.1": b"two"}
    home.delete("b.1")
    assert home.names() == ["a.json"]


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_of_many_creators_one_succeeds(kind, request, tmp_path):
    if kind == "s3":
        request.getfixturevalue("s3")
    name = uuid.uuid4().hex
    homes = [LocalHome(tmp_path) if kind == "local" else RemoteHome(f"s3://{BUCKET}/{name}") for _ in range(8)]
    gate, results = threading.Barrier(len(homes)), {}

    def create(number):
        homes[number].names()
        gate.wait()
        results[number] = homes[number].create("r1-a.json", str(number).encode())

    threads = [threading.Thread(target=create, args=(number,)) for number in range(len(homes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [number for number, won in results.items() if won]
    assert len(winners) == 1
    assert homes[0].read("r1-a.json") == str(winners[0]).encode()


def test_leases_on_a_store(s3):
    home = RemoteHome(f"s3://{BUCKET}/{uuid.uuid4().hex}/base.leases")
    one, two = Leases(home), Leases(home)
    lease = one.claim(["a"])
    assert two.claim(["a"]) is None
    one.beat()
    assert one.holds(lease)
    one.release(lease)
    assert two.claim(["a"]) == Lease("a", 2)


def test_a_bucket_that_is_not_there_is_named(s3):
    home = RemoteHome("s3://no-such-bucket/base.runs")
    for ask in (home.names, lambda: home.create("a", b"")):
        with pytest.raises(OlmixctlError, match="no-such-bucket") as caught:
            ask()
        assert caught.value.exit_code == 1
        assert caught.value.remedy


def test_a_server_that_is_away_is_one_message_without_credentials(server, monkeypatch):
    from servers import free_port

    set_environment(monkeypatch, server | {"AWS_ENDPOINT_URL": f"http://tests:hidden@127.0.0.1:{free_port()}"})
    with pytest.raises(OlmixctlError, match="cannot be reached") as caught:
        RemoteHome(f"s3://{BUCKET}/away").read("a")
    assert not any(secret in str(caught.value) for secret in ("hidden", "secret-of-the-tests"))
    assert caught.value.exit_code == 1


def test_a_store_that_does_not_create_exclusively_is_refused(monkeypatch):
    from fsspec.implementations.memory import MemoryFileSystem

    plain = MemoryFileSystem.pipe_file
    monkeypatch.setattr(MemoryFileSystem, "pipe_file", lambda self, path, value, **_: plain(self, path, value))
    home = RemoteHome(f"memory://{uuid.uuid4().hex}/base.runs")
    with pytest.raises(OlmixctlError, match="cannot create a file exclusively"):
        home.create("a", b"")
    assert home.names() == []


@pytest.mark.parametrize("protocol", ["ftp", "http", "nope"])
def test_a_protocol_without_conditional_writes_is_refused(protocol):
    with pytest.raises(OlmixctlError, match=f"no ledger can be on {protocol}://") as caught:
        RemoteHome(f"{protocol}://host/base.runs").names()
    assert "s3://" in caught.value.remedy


def test_a_client_that_is_not_installed_is_named_with_its_install_command():
    with pytest.raises(MissingExtraError, match="gs://") as caught:
        RemoteHome("gs://bucket/base.runs").names()
    assert "olmixctl[gcs]" in caught.value.remedy


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://key:secret@bucket/team", "s3://bucket/team"),
        ("https://host/x?token=abc", "https://host/x"),
        ("s3://bucket/team", "s3://bucket/team"),
        ("abfs://container@account/team", "abfs://container@account/team"),
        ("shared/ledger", "shared/ledger"),
    ],
)
def test_what_is_shown_of_a_url_holds_no_credentials(url, shown):
    assert without_credentials(url) == shown


def test_where_runs_and_leases_are(tmp_path):
    mix = tmp_path / "mixes/base"
    runs, leases = locate(None, mix, tmp_path)
    assert (runs.folder, leases.folder) == (tmp_path / "mixes/base.runs", tmp_path / ".olmixctl/leases/base")
    for url in ("shared/ledger", f"file://{tmp_path}/shared/ledger", str(tmp_path / "shared/ledger")):
        runs, leases = locate(url, mix, tmp_path)
        assert runs.folder == tmp_path / "shared/ledger/base.runs"
        assert leases.folder == tmp_path / "shared/ledger/base.leases"
    runs, leases = locate("s3://bucket/team/", mix, tmp_path)
    assert (runs.where, leases.where) == ("s3://bucket/team/base.runs", "s3://bucket/team/base.leases")
    assert runs.folder is None
    with pytest.raises(SpecError, match="holds a password") as caught:
        locate("s3://key:secret@bucket/team", mix, tmp_path)
    assert "secret" not in str(caught.value)
    assert is_remote("s3://bucket")
    assert not is_remote("C/relative")
