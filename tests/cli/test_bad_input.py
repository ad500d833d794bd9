"""Mistakes with a real workspace: one message with place and remedy, its exit code, nothing lost."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys

import pytest
from workspaces import make_workspace, write_domain, write_mix

BASE = {"code": "", "docs": "", "web": ""}


def olmixctl(root, *words, code):
    done = subprocess.run(
        [sys.executable, "-m", "olmixctl", *words],
        cwd=root,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"},
    )
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stdout + done.stderr
    if code not in (0, 2):
        assert done.stderr.count("error:") == 1, done.stderr
    return done


@pytest.fixture
def root(tmp_path):
    make_workspace(tmp_path)
    return tmp_path


def edit(root, old, new):
    path = root / "mixes/base.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# Each row: what is replaced in the mix file, by what, what the message must hold.
MIX_FILE = {
    "unknown field": ("name: base", "name: base\ntemprature: 1", ["mixes/base.yaml:3:1", "temprature"]),
    "wrong type": ("max_repetition: 4", "max_repetition: [4]", ["mixes/base.yaml:3", "max_repetition", "number"]),
    "duplicate key": ("  docs:", "  code: {paths: [x]}\n  docs:", ["mixes/base.yaml:6:3", "code", "line 5"]),
    "no as a domain": ("  docs:", "  no:", ["mixes/base.yaml:6:3", '"no"']),
    "tokens as 1e-05": ("tokens: 50K", "tokens: 1e-05", ["mixes/base.yaml:3", "1e-05"]),
    "a time as a number": ("tokens: 50K", "tokens: 12:30", ["mixes/base.yaml:3", "12:30"]),
    "an eval of no domain": ("heldout: code", "heldout: cod", ["mixes/base.yaml", "cod", "code"]),
    "not YAML": ("domains:", "domains: [", ["mixes/base.yaml:"]),
}


@pytest.mark.parametrize("case", MIX_FILE)
@pytest.mark.parametrize("command", ["validate", "plan"])
def test_a_wrong_mix_file_is_one_message_with_its_place(root, case, command):
    old, new, expected = MIX_FILE[case]
    edit(root, old, new)
    errors = olmixctl(root, command, code=1).stderr
    for part in expected:
        assert part in errors
    assert "→" in errors


def test_bounds_that_exclude_each_other(root):
    write_mix(root, {"code": "max: 0.2", "docs": "max: 0.3", "web": "max: 0.4"})
    errors = olmixctl(root, "validate", code=7).stderr
    assert "mixes/base.yaml:" in errors
    for domain in BASE:
        assert domain in errors


def test_caps_that_the_data_cannot_meet(root):
    edit(root, "tokens: 50K", "tokens: 900M")
    errors = olmixctl(root, "plan", code=7).stderr
    for part in ("mixes/base.yaml:3:", "target.tokens", "all 3 domains", "900,000,000", "→"):
        assert part in errors


def test_a_group_that_the_caps_starve_names_the_conflict(root):
    write_mix(root, BASE, extra="constraints: [{name: most, domains: [docs], min: 0.95}]")
    edit(root, "tokens: 50K", "tokens: 200K")
    errors = olmixctl(root, "plan", code=7).stderr
    assert "constraint:most" in errors
    assert "max_repetition:docs" in errors
    assert "max_repetition:web" not in errors


def test_a_glob_that_matches_nothing_has_its_place_in_the_mix_file(root):
    edit(root, "corpora/docs/*.txt", "corpora/dosc/*.txt")
    errors = olmixctl(root, "plan", code=1).stderr
    assert "corpora/dosc/*.txt" in errors
    assert "→" in errors


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("empty.txt", b"", ["empty.txt", "empty"]),
        ("binary.txt", bytes(range(256)) * 8, ["binary.txt"]),
        ("latin.txt", "wörter".encode("latin-1") * 20, ["latin.txt", "UTF-8"]),
    ],
)
def test_a_file_that_is_no_text_is_named(root, name, content, expected):
    (root / "corpora/docs" / name).write_bytes(content)
    errors = olmixctl(root, "plan", code=1).stderr
    for part in expected:
        assert part in errors


def test_a_truncated_archive_is_named_and_never_a_smaller_count(root):
    whole = gzip.compress(b'{"text": "a document of some words"}\n' * 4000)
    (root / "corpora/docs/part.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    edit(root, "paths: [corpora/docs/*.txt]", 'paths: [corpora/docs/*.txt, "corpora/docs/*.gz"]')
    errors = olmixctl(root, "plan", code=1).stderr
    assert "part.jsonl.gz" in errors


def test_one_file_in_two_domains(root):
    edit(root, "paths: [corpora/docs/*.txt]", 'paths: [corpora/docs/*.txt, "corpora/web/0001.txt"]')
    errors = olmixctl(root, "plan", code=1).stderr
    for part in ("corpora/web/0001.txt", "docs", "web", "→"):
        assert part in errors


def test_a_domain_too_small_for_one_held_out_document(root):
    write_domain(root, "tiny", 2)
    write_mix(root, BASE | {"tiny": ""}, evals=("tiny",))
    errors = olmixctl(root, "plan", code=1).stderr
    for part in ("tiny", "holds out 0.1", "2 documents", "→"):
        assert part in errors


def test_a_lock_of_another_mix(root):
    olmixctl(root, "apply", "--auto-approve", code=0)
    edit(root, "name: base", "name: other")
    errors = olmixctl(root, "plan", code=4).stderr
    assert "base.lock.yaml" in errors


def test_a_truncated_run_file(root):
    olmixctl(root, "apply", "--auto-approve", code=0)
    damaged = min((root / "mixes/base.runs").glob("r1-*.json"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    # With nothing to do a plan asks for the runs by name alone; what would use them reads them.
    olmixctl(root, "plan", code=0)
    assert damaged.name in olmixctl(root, "verify", code=8).stderr
    edit(root, "max_repetition: 4", "max_repetition: 3")
    errors = olmixctl(root, "plan", code=8).stderr
    assert damaged.name in errors
    assert "→" in errors


def test_a_hand_edited_weight(root):
    olmixctl(root, "apply", "--auto-approve", code=0)
    lock = root / "mixes/base.lock.yaml"
    text = lock.read_text()
    line = next(row for row in text.split("weights:")[1].splitlines() if row.strip().startswith("code:"))
    lock.write_text(text.replace(line, "  code: 0.123456", 1))
    for command in ("plan", "verify", "show", "apply"):
        errors = olmixctl(root, command, *(["--auto-approve"] if command == "apply" else []), code=8).stderr
        assert "edited by hand" in errors
        assert "→" in errors


def test_without_a_git_repository_everything_works_but_revisions(root):
    olmixctl(root, "apply", "--auto-approve", code=0)
    olmixctl(root, "verify", code=0)
    errors = olmixctl(root, "diff", "HEAD", "mixes/base.lock.yaml", code=64).stderr
    assert "Git" in errors


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere; the folder in the way below is tested instead")
def test_a_read_only_folder(root):
    (root / "mixes").chmod(0o555)
    try:
        errors = olmixctl(root, "apply", "--auto-approve", code=1).stderr
    finally:
        (root / "mixes").chmod(0o755)
    assert "cannot write" in errors


def test_a_folder_that_cannot_be_written_loses_nothing(root):
    # What stands where the runs' folder should be cannot be written into, for root too.
    (root / "mixes/base.runs").write_text("in the way")
    errors = olmixctl(root, "apply", "--auto-approve", code=1).stderr
    assert "base.runs" in errors
    assert not (root / "mixes/base.lock.yaml").exists()
    (root / "mixes/base.runs").unlink()
    olmixctl(root, "apply", "--auto-approve", code=0)


def test_apply_without_a_terminal_needs_approval(root):
    assert "--auto-approve" in olmixctl(root, "apply", code=64).stderr
    assert not (root / "mixes/base.lock.yaml").exists()


def test_wrong_words_on_the_command_line(root):
    done = subprocess.run(
        [sys.executable, "-m", "olmixctl", "plan", "--nonsense"], check=False, cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 64
    olmixctl(root, "export", "--format", "nope", code=64)
    olmixctl(root, "plan", "nope", code=64)
