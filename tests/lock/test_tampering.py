"""Whatever is changed in a lock, a run or a taint, by hand or by a forger who repairs the digests: `verify` says so."""

from __future__ import annotations

import re
import shutil
from functools import cache

import pytest
from git import Repo
from typer.testing import CliRunner
from workspaces import make_workspace, write_domain, write_mix

from olmixctl.cli.app import app
from olmixctl.corpus.context import CorpusContext
from olmixctl.corpus.inventories import take_inventory
from olmixctl.errors import IntegrityError, StaleError
from olmixctl.fingerprint import sha256_hex
from olmixctl.ledger.inventories import put_inventory
from olmixctl.surrogate.log_linear import LogLinear
from olmixctl.workspace import Workspace

SCALAR = re.compile(r'[^\s,{}\[\]"\\]+')


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A mix whose lock has everything a lock can have: a block, an active bound, protection, two generations."""
    root = tmp_path_factory.mktemp("tampering")
    make_workspace(root)
    fields = {"code": "protected: true", "docs": "", "web": "min: 0.3"}
    write_mix(root, fields, evals=("code", "docs"))
    apply(root)
    shutil.copy(root / "mixes/base.lock.yaml", root / "first.lock.yaml")
    write_domain(root, "papers", 30)
    write_mix(root, fields | {"papers": "max: 0.05"}, evals=("code", "docs"))
    apply(root)
    workspace = Workspace.open(cwd=root)
    workspace.ledger.taint(spare(workspace), "the disk was full")
    context = CorpusContext.open(root, tokenizer="bytes")
    for state in workspace.plan().observed.states.values():
        put_inventory(workspace.ledger.home, take_inventory(state, context))
    return root


@pytest.fixture
def workspace(written, tmp_path):
    shutil.copytree(written / "mixes", tmp_path / "mixes")
    return Workspace.open(cwd=tmp_path)


@pytest.fixture
def fitted_once(monkeypatch):
    """The same evidence is fitted once: hundreds of forgeries are of one lock."""
    fit = LogLinear.fit
    known = cache(lambda key: fit(*evidence[key]))
    evidence = {}

    def remembered(self, found):
        key = (found.weights_RC.tobytes(), found.losses_RM.tobytes(), found.metrics)
        evidence[key] = (self, found)
        return known(key)

    monkeypatch.setattr(LogLinear, "fit", remembered)


def apply(root):
    workspace = Workspace.open(cwd=root)
    return workspace.apply(workspace.plan())


def spare(workspace):
    """A recorded run that the lock does not rest on."""
    return min(set(workspace.ledger.keys()) - set(workspace.lock().evidence))


def changed(text, start, end):
    """`text` with one character of a scalar changed: the last digit or letter of it, to its neighbour."""
    place = max((i for i in range(start, end) if text[i].isalnum() and text[i].isascii()), default=None)
    if place is None:
        return None
    old = text[place]
    new = {"9": "8", "z": "y", "Z": "Y"}.get(old) or chr(ord(old) + 1)
    return text[:place] + new + text[place + 1 :]


def refused(workspace):
    """The error with which `verify` ends, or the words of the checks that failed."""
    try:
        found = Workspace.open(str(workspace.path)).verify()
    except (IntegrityError, StaleError) as error:
        return error
    failed = "; ".join(f"{check.name}: {check.detail}" for check in found.checks if check.ok is False)
    return failed or None


def evidence_file(workspace):
    return workspace.ledger.folder / f"{workspace.lock().evidence[0].replace(':', '-')}.json"


def files(workspace):
    """A file of each kind that is committed."""
    taint, inventory = (next(workspace.ledger.folder.glob(f"{kind}1-*.json")) for kind in "td")
    return [workspace.lock_path, evidence_file(workspace), taint, inventory]


def test_one_character_of_any_field_is_seen_and_the_file_is_named(workspace):
    for path in files(workspace):
        text = path.read_text(encoding="utf-8")
        count = 0
        for scalar in SCALAR.finditer(text):
            forged = changed(text, *scalar.span())
            if forged is None:
                continue
            path.write_text(forged, encoding="utf-8")
            error = refused(workspace)
            assert isinstance(error, IntegrityError), f"{path.name}: {scalar.group()} was changed and nothing said"
            assert path.name in str(error)
            assert error.exit_code == 8
            count += 1
        path.write_text(text, encoding="utf-8")
        assert count >= 8
    assert refused(workspace) is None


DAMAGE = {
    "cut off at a half": lambda text: text[: len(text) // 2],
    "without its last line": lambda text: text[: text.rstrip("\n").rindex("\n") + 1],
    "empty": lambda _text: "",
    "with a line more": lambda text: text + "x: 1\n",
    "without its last line end": lambda text: text.rstrip("\n"),
    "indented": lambda text: " " + text,
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_file_is_named(workspace, case):
    for path in files(workspace):
        text = path.read_text(encoding="utf-8")
        path.write_text(DAMAGE[case](text), encoding="utf-8")
        error = refused(workspace)
        assert isinstance(error, IntegrityError), path.name
        assert path.name in str(error)
        path.write_text(text, encoding="utf-8")


def test_converted_line_ends_and_byte_order_marks_are_explained(workspace):
    for path in files(workspace):
        raw = path.read_bytes()
        path.write_bytes(raw.replace(b"\n", b"\r\n"))
        error = refused(workspace)
        assert "CRLF" in error.message
        assert ".gitattributes" in error.remedy
        assert path.name in str(error)
        path.write_bytes(b"\xef\xbb\xbf" + raw)
        error = refused(workspace)
        assert isinstance(error, IntegrityError)
        assert "byte-order mark" in error.message or "BOM" in error.message
        path.write_bytes(raw)


def test_a_file_that_is_not_text_is_refused(workspace):
    for path in files(workspace):
        raw = path.read_bytes()
        path.write_bytes(raw[:40] + b"\xff" + raw[41:])
        assert isinstance(refused(workspace), IntegrityError)
        path.write_bytes(raw)


def test_a_deleted_run_is_named(workspace):
    path = evidence_file(workspace)
    path.unlink()
    assert path.name in refused(workspace)


def test_swapped_and_renamed_runs_are_seen(workspace):
    first, second = sorted(workspace.ledger.folder.glob("r1-*.json"))[:2]
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b)
    second.write_bytes(a)
    assert "named for another run" in refused(workspace).message
    first.write_bytes(a)
    second.write_bytes(b)
    victim = evidence_file(workspace)
    victim.rename(victim.with_name("kept.json"))
    assert victim.name in refused(workspace)
    shutil.move(victim.with_name("kept.json"), victim.with_name(f"{victim.stem[:-1]}0.json"))
    assert "named for another run" in str(refused(workspace))


def test_json_that_says_a_thing_twice_is_seen(workspace):
    """The second value counts and the first is what people read."""
    path = evidence_file(workspace)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(' "status"', ' "status": "diverged",\n "status"', 1), encoding="utf-8")
    assert path.name in str(refused(workspace))


def test_evidence_that_is_tainted_later_is_said(workspace):
    key = workspace.lock().evidence[0]
    workspace.ledger.taint(key, "a bad node")
    words = refused(workspace)
    assert "tainted" in words
    assert "a bad node" in words


def test_the_command_exits_8_and_names_the_file(workspace, monkeypatch):
    monkeypatch.chdir(workspace.root)
    assert CliRunner().invoke(app, ["verify"]).exit_code == 0
    text = workspace.lock_path.read_text()
    workspace.lock_path.write_text(text.replace("serial: 2", "serial: 3"))
    result = CliRunner().invoke(app, ["verify"])
    assert result.exit_code == 8
    assert "base.lock.yaml" in result.stderr
    workspace.lock_path.write_text(text)
    evidence_file(workspace).unlink()
    assert CliRunner().invoke(app, ["verify"]).exit_code == 8


def sealed(text):
    body = text[: text.rindex("integrity: ")]
    return f"{body}integrity: sha256:{sha256_hex(body)}\n"


def test_a_newer_lock_that_is_whole_is_refused_as_newer_and_a_hand_written_version_is_an_edit(workspace):
    text = workspace.lock_path.read_text().replace("lock_version: 1", "lock_version: 2")
    workspace.lock_path.write_text(text)
    error = refused(workspace)
    assert isinstance(error, IntegrityError)
    assert error.exit_code == 8
    workspace.lock_path.write_text(sealed(text))
    error = refused(workspace)
    assert isinstance(error, StaleError)
    assert error.exit_code == 4


WITHOUT_GIT = {
    # What follows from nothing else that lies beside the lock; docs/commands.md names these fields.
    "lineage",
    "serial",
    "parent",
    "tool.version",
    "spec.full",
    "domains.fingerprint",
    "domains.changed_in",
    "blocks.from_serial",
    "predicted.previous",
}
WITH_GIT = {"parent", "tool.version", "spec.full", "domains.fingerprint"}


def fields(text):
    """The first scalar of every field: (name, start, end); numbers without their last digits, which may differ."""
    found, section = {}, ""
    for line in re.finditer(r"(?m)^.*$", text[: text.rindex("integrity: ")]):
        if not line.group().startswith(" "):
            section = line.group().partition(":")[0]
        for scalar in SCALAR.finditer(text, line.start(), line.end()):
            if scalar.group().endswith(":") or scalar.group() == "-":
                continue
            keys = re.findall(r"([\w/-]+): ", text[line.start() : scalar.start()])
            name = section if not line.group().startswith(" ") or not keys else f"{section}.{keys[-1]}"
            end = scalar.end()
            if re.fullmatch(r"\d+\.\d{6,}", scalar.group()):
                end = scalar.start() + scalar.group().index(".") + 5
            found.setdefault(name, (scalar.start(), end))
    return found


def unseen(workspace):
    """The fields whose forgery nothing tells."""
    text = workspace.lock_path.read_text()
    survived = set()
    for name, span in fields(text).items():
        forged = changed(text, *span)
        workspace.lock_path.write_text(sealed(forged))
        if refused(workspace) is None:
            survived.add(name)
    workspace.lock_path.write_text(text)
    return survived


def test_a_forger_who_repairs_the_integrity_line_is_caught_by_what_follows_from_the_rest(workspace, fitted_once):
    assert len(fields(workspace.lock_path.read_text())) >= 45
    assert unseen(workspace) <= WITHOUT_GIT


def test_git_knows_what_came_before(written, tmp_path, fitted_once):
    git = Repo.init(tmp_path)
    shutil.copytree(written / "mixes", tmp_path / "mixes")
    (tmp_path / "mixes/base.lock.yaml").write_text((written / "first.lock.yaml").read_text())
    commit(git, "the first")
    shutil.copy(written / "mixes/base.lock.yaml", tmp_path / "mixes/base.lock.yaml")
    commit(git, "the second")
    workspace = Workspace.open(cwd=tmp_path)
    history = next(check for check in workspace.verify().checks if check.name == "history")
    assert history.ok
    assert unseen(workspace) <= WITH_GIT
    git.close()


def commit(git, message):
    git.git.add("-A")
    git.git.execute(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "-m", message])


def test_without_git_history_is_said_to_be_unchecked(workspace):
    found = workspace.verify()
    history = next(check for check in found.checks if check.name == "history")
    assert history.ok is None
    assert "Git" in history.detail
    assert found.ok
