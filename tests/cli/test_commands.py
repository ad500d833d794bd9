"""The commands on a real workspace: what they answer, in text and JSON, and how they end."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml
from workspaces import write_domain, write_mix

from olmixctl.lock import read_lock

SCHEMAS = Path(__file__).parents[2] / "schemas"
LOCK = Path("mixes/base.lock.yaml")


def schema(name):
    return jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{name}.schema.json").read_text()))


def add_news(root, extra=""):
    write_domain(root, "news", 30)
    write_mix(root, {"code": "", "docs": "", "news": extra, "web": ""}, evals=("code", "docs"))


# validate, fmt


def test_validate_takes_several_and_answers_in_json(olmixctl):
    olmixctl("init", "second")
    found = olmixctl.json("validate", "base", "mixes/second.yaml")["valid"]
    assert [mix["name"] for mix in found] == ["base", "second"]


def test_validate_says_what_follows_from_two_names(olmixctl, root):
    (root / "mixes/base.yaml").rename(root / "mixes/other.yaml")
    result = olmixctl("validate")
    assert "note: other.yaml: its `name` is 'base'" in result.stderr
    assert "other.lock.yaml" in result.stderr
    olmixctl("init", "second")
    assert "note" not in olmixctl("validate", "second").stderr


def test_fmt_check_writes_nothing_and_exits_2(olmixctl, root):
    path = root / "mixes/base.yaml"
    canonical = path.read_text()
    path.write_text(canonical + "\n\n\n")
    assert "would change" in olmixctl("fmt", "--check", code=2).stdout
    assert path.read_text() != canonical
    olmixctl("fmt")
    assert "as it should be" in olmixctl("fmt", "--check").stdout


# plan


def test_the_first_plan_lists_what_will_be_done(olmixctl, root):
    text = olmixctl("plan").stdout
    for part in (
        "Plan for base  no lock yet",
        "+  code",
        "train 12 proxy runs",
        "write the lock, serial 1",
        "olmixctl apply",
    ):
        assert part in text
    assert not LOCK.exists()
    assert not (root / "mixes/base.runs").exists()


def test_detailed_exitcode_tells_changes_from_none(olmixctl):
    olmixctl("plan", "--detailed-exitcode", code=2)
    olmixctl("apply", "--auto-approve")
    assert "Nothing to do" in olmixctl("plan", "--detailed-exitcode").stdout


def test_the_json_of_a_plan_fits_its_schema(olmixctl, root):
    document = olmixctl.json("plan")
    schema("plan").validate(document)
    olmixctl("apply", "--auto-approve")
    schema("plan").validate(olmixctl.json("plan"))
    add_news(root)
    later = olmixctl.json("plan", "--reuse", "full", "--max-runs", "50")
    schema("plan").validate(later)
    assert later["options"] == {
        "reuse": "full",
        "recompute": [],
        "solve_only": False,
        "refresh": False,
        "max_runs": 50,
        "allow_remove": [],
    }
    assert later["coordinates"]["kept_from"] == 1


def test_a_blocked_plan_is_shown_whole_and_exits_3(olmixctl):
    text = olmixctl("plan", "--max-runs", "5", code=3).stdout
    assert "block  12 runs are needed, 5 are allowed" in text
    assert "Blocked by 1 check" in text
    assert "train 12 proxy runs" in text


def test_a_protected_domain_goes_only_with_a_word(olmixctl, root):
    add_news(root, "protected: true")
    olmixctl("apply", "--auto-approve")
    write_mix(root, {"code": "", "docs": "", "web": ""}, evals=("code", "docs"))
    assert "--allow-remove news" in olmixctl("plan", code=3).stdout
    text = olmixctl("plan", "--allow-remove", "news").stdout
    assert "olmixctl apply --allow-remove news" in text
    olmixctl("apply", "--auto-approve", code=3)
    olmixctl("apply", "--auto-approve", "--allow-remove", "news")
    assert "news" not in read_lock(LOCK).weights


def test_an_allowance_that_nothing_needs_is_said_and_not_repeated(olmixctl, applied, root):
    add_news(root)
    result = olmixctl("plan", "--allow-remove", "web", "--out", "plan.json")
    assert "note: --allow-remove web: it is not about to go" in result.stderr
    assert "--allow-remove" not in result.stdout
    assert json.loads((root / "plan.json").read_text())["options"]["allow_remove"] == []


def test_a_plan_goes_into_files(olmixctl, root):
    (root / "body.md").write_text("# A pull request\n\nwords\n")
    for _ in range(2):
        olmixctl("plan", "--md-into", "body.md", "--json-into", "plan.json")
    body = (root / "body.md").read_text()
    assert body.startswith("# A pull request\n\nwords\n")
    assert body.count("### olmixctl plan: `base`") == 1
    assert "**12 proxy runs to train**" in body
    schema("plan").validate(json.loads((root / "plan.json").read_text()))


def test_a_baseline_is_a_revision_or_a_file(olmixctl, root):
    git(root, "init", "-q")
    olmixctl("apply", "--auto-approve")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    first = LOCK.read_text()
    add_news(root)
    olmixctl("apply", "--auto-approve")
    (root / "old.lock.yaml").write_text(first)
    for baseline in ("HEAD", "HEAD:mixes/base.lock.yaml", "old.lock.yaml"):
        assert "on lock serial 1" in olmixctl("plan", "--baseline", baseline).stdout
    assert "no revision 'nowhere'" in olmixctl("plan", "--baseline", "nowhere", code=64).stderr


def git(root, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)


# apply


def test_apply_writes_a_lock_that_fits_its_schema_and_says_what_to_commit(olmixctl):
    result = olmixctl("apply", "--auto-approve")
    assert "12 runs trained" in result.stdout
    assert "lock serial 1 written" in result.stdout
    assert "next: git init, then git add mixes/base.lock.yaml mixes/base.runs" in result.stderr
    schema("lock").validate(yaml.safe_load(LOCK.read_text()))


def test_in_a_repository_apply_says_what_to_add(olmixctl, root):
    git(root, "init", "-q")
    assert "next: git add mixes/base.lock.yaml" in olmixctl("apply", "--auto-approve").stderr


def test_apply_in_json_is_one_document(olmixctl):
    answer = olmixctl.json("apply", "--auto-approve")
    assert answer["written"]
    assert answer["trained"] == 12
    assert sum(round(w * 1e6) for w in answer["lock"]["weights"].values()) == 1_000_000
    assert not olmixctl.json("apply")["written"]


def test_apply_with_nothing_to_do_asks_nothing(olmixctl, applied):
    before = LOCK.read_bytes()
    assert "Nothing to do" in olmixctl("apply").stdout
    assert LOCK.read_bytes() == before


def test_apply_without_a_terminal_wants_approval(olmixctl):
    assert "--auto-approve" in olmixctl("apply", code=64).stderr
    assert not LOCK.exists()


@pytest.mark.parametrize(("said", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_on_a_terminal_a_person_decides(olmixctl, monkeypatch, said, code):
    from typer.testing import CliRunner

    from olmixctl.cli import applying
    from olmixctl.cli.app import app

    class Terminal:
        def __init__(self, stream):
            self.stream = stream

        def __getattr__(self, name):
            return getattr(self.stream, name)

        def isatty(self):
            return True

    class Sys:
        def __getattr__(self, name):
            import sys

            return Terminal(getattr(sys, name))

    monkeypatch.setattr(applying, "sys", Sys())
    result = CliRunner().invoke(app, ["apply"], input=said)
    assert result.exit_code == code
    assert "Apply this plan?" in result.stderr
    assert LOCK.exists() == (code == 0)


def test_a_saved_plan_needs_no_approval_and_binds(olmixctl, root):
    olmixctl("plan", "--out", "plan.json")
    olmixctl("apply", "plan.json")
    assert read_lock(LOCK).serial == 1
    stale = olmixctl("apply", "plan.json", code=4).stderr
    assert "the lock has another lineage" in stale or "serial 0 to 1" in stale


def test_a_stale_plan_names_what_changed(olmixctl, root):
    olmixctl("plan", "--out", "plan.json")
    write_domain(root, "docs", 3, start=900)
    assert "domain docs: its documents changed" in olmixctl("apply", "plan.json", code=4).stderr
    assert not LOCK.exists()


def test_a_saved_plan_keeps_its_options(olmixctl, applied, root):
    add_news(root)
    olmixctl("plan", "--reuse", "none", "--out", "plan.json")
    olmixctl("apply", "plan.json")
    assert not read_lock(LOCK).blocks


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not JSON"), ("[1]", "not a plan"), ('{"plan_version": 1}', "altered"), ('{"a": 1}', "not a plan")],
)
@pytest.mark.parametrize("command", ["apply", "show"])
def test_a_file_that_is_no_plan_is_refused(olmixctl, root, command, text, message):
    (root / "plan.json").write_text(text)
    assert message in olmixctl(command, "plan.json", code=64).stderr


def test_a_second_domain_keeps_the_rest_and_trains_less(olmixctl, applied, root):
    add_news(root)
    text = olmixctl("plan").stdout
    assert "3 domains keep their ratios from serial 1, 100.00 % of the lock's mix" in text
    assert "saved against recomputing" in text
    result = olmixctl("apply", "--auto-approve").stdout
    assert "= 3 domains with the same ratios to each other" in result
    assert "+  news" in result


# show, diff, verify


def test_show_has_the_mix_beside_the_natural_one(olmixctl):
    assert "olmixctl apply" in olmixctl("show", code=64).stderr
    olmixctl("apply", "--auto-approve")
    text = olmixctl("show").stdout
    for part in ("domain", "natural", "web", "Predicted", "code-bpb", "12 runs", "lineage"):
        assert part in text
    assert olmixctl.json("show")["serial"] == 1
    assert olmixctl("show", "mixes/base.lock.yaml").stdout == text


def test_a_lockfile_is_shown_where_its_mix_file_is_not(olmixctl, applied, root, tmp_path_factory):
    alone = tmp_path_factory.mktemp("job") / "base.lock.yaml"
    alone.write_bytes(LOCK.read_bytes())
    assert "base  lock serial 1" in olmixctl("show", alone).stdout
    assert "no lock yet" in olmixctl("show", "gone.lock.yaml", code=64).stderr


def test_a_saved_plan_reads_as_it_did(olmixctl):
    made = olmixctl("plan", "--out", "plan.json").stdout
    assert olmixctl("show", "plan.json").stdout == made
    assert "largest first" in olmixctl("show", "plan.json", "--full").stdout


def test_diff_between_revision_file_and_working_tree(olmixctl, root):
    git(root, "init", "-q")
    olmixctl("apply", "--auto-approve")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    assert "No difference" in olmixctl("diff", "HEAD").stdout
    olmixctl("diff", "HEAD", "--exit-code")
    add_news(root)
    olmixctl("apply", "--auto-approve")
    text = olmixctl("diff", "HEAD", "--exit-code", code=2).stdout
    assert "serial 1 → 2" in text
    assert olmixctl("diff", "HEAD", "mixes/base.lock.yaml").stdout == text
    assert "| `news` | – |" in olmixctl("diff", "HEAD", "--md").stdout
    assert olmixctl.json("diff", "HEAD")["changed"]


def test_verify_passes_then_fails_with_8(olmixctl, applied, root):
    assert "checks passed" in olmixctl("verify").stdout
    assert "checks passed" in olmixctl("verify", "--deep").stdout
    assert olmixctl.json("verify")["ok"]
    write_mix(root, {"code": "min: 0.3", "docs": "", "web": ""})
    text = olmixctl("verify", code=8).stdout
    assert "FAIL  spec" in text
    assert not olmixctl.json("verify", code=8)["ok"]


# export, runs


@pytest.mark.parametrize("form", ["json", "csv", "olmo-core", "megatron", "hf"])
def test_export_into_a_file_is_what_it_prints(olmixctl, applied, root, form):
    words = ["export", "--format", form, "--check", "--tokens", "20K"]
    printed = olmixctl(*words).stdout
    assert f"wrote {root / 'mix'}" in olmixctl(*words, "--out", root / "mix").stdout
    assert (root / "mix").read_text().rstrip("\n") == printed.rstrip("\n")


def test_export_refuses_unknown_formats_and_sizes(olmixctl, applied):
    assert "no export format 'x'" in olmixctl("export", "--format", "x", code=64).stderr
    assert "--tokens" in olmixctl("export", "--tokens", "1e9", code=64).stderr


def test_runs_are_listed_and_shown_by_the_start_of_their_key(olmixctl):
    assert "no recorded runs yet" in olmixctl("runs", "list").stdout
    olmixctl("apply", "--auto-approve")
    text = olmixctl("runs", "list").stdout
    assert "12 runs recorded, 12 behind the lock" in text
    key = olmixctl.json("runs", "list")["runs"][0]["key"]
    shown = olmixctl("runs", "show", key[:12]).stdout
    assert shown == olmixctl("runs", "show", key[3:12]).stdout
    assert key in shown
    assert olmixctl.json("runs", "show", key)["key"] == key
    assert "12 runs" in olmixctl("runs", "show", "r1:", code=64).stderr
    assert "no recorded run" in olmixctl("runs", "show", "zz", code=64).stderr


def test_no_color_is_the_only_difference(olmixctl):
    assert "\x1b" not in olmixctl("plan").stdout
    assert "\x1b" not in olmixctl("plan", "--no-color").stdout
