"""`olmixctl init` from a swarm's tables, and from Olmix configs: what it writes loads, and adopts the swarm."""

from __future__ import annotations

import json

import pytest
from adopting import edit_table, write_tables
from typer.testing import CliRunner

from olmixctl.cli.app import app
from olmixctl.spec.fmt import format_mix
from olmixctl.spec.load import load_mix

GENERATE = """\
name: example
data:
  sources:
    - name: dclm
      topics:
        - {name: science, paths: ["s3://bucket/science/*.npy"]}
        - name: adult
          quality:
            - {name: high, paths: ["s3://bucket/adult/high/*.npy"]}
    - {name: wikipedia, paths: [wiki/*.npy, more/*.npy]}
priors:
  token_counts: {"dclm:science": 84526121193, wikipedia: 3692487830}
swarm: {seed: 42, variants: 4}
max_tokens: 140000000
"""

FIT = """\
swarm: {ratios: a.csv, metrics: b.csv}
priors:
  token_counts: {code: 45_000_000_000, "dclm:web": 105_000_000_000}
proposer: {type: exact, kl_reg: 0.1}
constraints: {enabled: true, repetition_factor: 5.0}
"""

LAUNCH = """\
data:
  sources:
    - {name: arxiv, paths: [arxiv/*.npy]}
    - {name: wiki, paths: [wiki/*.npy]}
eval:
  tasks:
    math: {gsm8k: eval/gsm8k (BPB), minerva: eval/minerva}
    code: [mbpp]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    write_tables(tmp_path)
    return tmp_path


def olmixctl(*words, code=0):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, f"exit {result.exit_code}\n{result.stdout}\n{result.stderr}"
    return result


def made(folder, *words):
    result = olmixctl("init", "base", *words)
    path = folder / "mixes/base.yaml"
    assert format_mix(path.read_text()) == path.read_text()
    return load_mix(path).spec, result


def test_a_swarm_becomes_a_mix_that_adopts_it_as_it_is(folder):
    spec, result = made(folder, "--from", "a.csv", "--metrics", "b.csv", "--target", "300B")
    assert spec.domain_ids == ("code", "docs", "web")
    assert [(item.name, item.declared) for item in spec.evals] == [("one", "a"), ("two", "a")]
    assert sum(domain.declared.tokens for domain in spec.domains) == pytest.approx(300e9, rel=0.01)
    text = (folder / "mixes/base.yaml").read_text()
    assert "a guess, in proportion to mean shares" in text
    assert "a guess: edit it" not in text
    assert "olmixctl import runs base --ratios a.csv --metrics b.csv" in result.stderr
    found = json.loads(olmixctl("import", "runs", "--ratios", "a.csv", "--metrics", "b.csv", "--json").stdout)
    assert found["written"] == 14


def test_domains_that_are_guessed_to_be_equally_large_are_two_all_the_same(folder):
    ratios = ("1,0.25,0.25,0.5", "2,0.375,0.375,0.25", "3,0.5,0.25,0.25", "4,0.25,0.5,0.25")
    (folder / "r.csv").write_text("\n".join(["id,code,web,docs", *ratios]))
    (folder / "m.csv").write_text("id,loss\n1,3.0\n2,2.5\n3,2.75\n4,2.25\n")
    spec, _ = made(folder, "--from", "r.csv", "--metrics", "m.csv", "--target", "10B")
    sizes = {domain.id: domain.declared.tokens for domain in spec.domains}
    assert sizes["code"] == sizes["web"]
    found = json.loads(olmixctl("import", "runs", "--ratios", "r.csv", "--metrics", "m.csv", "--json").stdout)
    assert found["written"] == 4
    said = json.loads(olmixctl("plan", "--solve-only", "--json").stdout)
    assert "caps-decide" not in {check["name"] for check in said["checks"]}


def test_without_its_metrics_a_swarm_has_one_to_edit(folder):
    spec, result = made(folder, "--from", "a.csv")
    assert [item.name for item in spec.evals] == ["loss"]
    assert "note: --metrics FILE makes an eval of each of the swarm's metrics" in result.stderr


def test_odd_columns_become_names(folder):
    heads = ["id", "src:a b", "src:c", "reused", "a.b"]
    (folder / "r.csv").write_text("\n".join([",".join(heads), "1,0.5,0.5,0,0", "2,0,0.2,0.4,0.4"]))
    spec, _ = made(folder, "--from", "r.csv")
    assert spec.domain_ids == ("a.b", "reused-2", "src/a-b", "src/c")
    assert all(domain.declared.tokens > 0 for domain in spec.domains)


def test_a_domain_is_never_put_below_a_domain(folder):
    (folder / "r.csv").write_text("id,src,src:c\n1,0.5,0.5\n2,1,0\n")
    spec, _ = made(folder, "--from", "r.csv")
    assert spec.domain_ids == ("src", "src-c")


def test_a_config_that_makes_a_swarm(folder):
    (folder / "config.yaml").write_text(GENERATE)
    spec, result = made(folder, "--from", "config.yaml")
    assert {d.id: (d.paths, d.declared) for d in spec.domains} == {
        "dclm/adult/high": (("s3://bucket/adult/high/*.npy",), None),
        "dclm/science": (("s3://bucket/science/*.npy",), None),
        "wikipedia": (("wiki/*.npy", "more/*.npy"), None),
    }
    assert spec.swarm.seed == 42
    assert [item.heldout for item in spec.evals] == [("dclm/adult/high",), ("dclm/science",), ("wikipedia",)]
    assert "not taken over from the config: swarm.variants, max_tokens" in result.stderr


def test_a_config_that_fits_one(folder):
    (folder / "config.yaml").write_text(FIT)
    spec, _ = made(folder, "--from", "config.yaml")
    assert {d.id: d.declared.tokens for d in spec.domains} == {"code": 45 * 10**9, "dclm/web": 105 * 10**9}
    assert (spec.objective.kl, spec.target.max_repetition) == (0.1, 5.0)
    assert [item.name for item in spec.evals] == ["one", "two"]  # of the table it names


def test_a_config_that_launches_one(folder):
    (folder / "config.yaml").write_text(LAUNCH)
    spec, _ = made(folder, "--from", "config.yaml")
    assert [(e.name, e.family) for e in spec.evals] == [("gsm8k", "math"), ("mbpp", "code"), ("minerva", "math")]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("version: 1\nname: x\n", 64, "neither a table of mixtures nor an Olmix config with domains"),
        ("priors: {token_counts: {code: many}}\n", 1, "priors.code: 'many' is not a size"),
        ("id,web,code\n1,70,30\n", 1, "the weights of run '1' sum to 100"),
        ("just words\n", 1, "there is one column"),
        ("", 1, "the file is empty"),
        ("id,web,code\n1,nan,1\n", 1, "nan is not finite"),
    ],
)
def test_what_is_neither_is_refused(folder, text, code, message):
    (folder / "x").write_text(text)
    result = olmixctl("init", "base", "--from", "x", code=code)
    assert message in result.stderr
    assert not (folder / "mixes/base.yaml").exists()


def test_metrics_need_the_table_of_mixtures(folder):
    assert "--metrics goes with --from RATIOS.csv" in olmixctl("init", "base", "--metrics", "b.csv", code=64).stderr
    edit_table(folder / "b.csv", lambda rows: rows[0].__setitem__(0, "other"))
    result = olmixctl("init", "base", "--from", "a.csv", "--metrics", "b.csv", code=1)
    assert "no id column is in all of" in result.stderr
