"""What `init` writes, and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SCHEMAS = Path(__file__).parents[2] / "schemas"


def test_init_writes_a_mix_that_validates_and_overwrites_nothing(olmixctl, root):
    answer = olmixctl("init", "second", "--from", "corpora", "--target", "2M").stdout
    assert answer.splitlines() == [
        "wrote mixes/second.yaml: 3 domains, 3 evals",
        "wrote schemas/mix.schema.json",
        "wrote .gitattributes",
        "wrote .gitignore",
    ]
    assert "second.yaml: valid" in olmixctl("validate", "second").stdout
    assert "{tokens: 2M," in (root / "mixes/second.yaml").read_text()
    before = (root / "mixes/second.yaml").read_bytes()
    assert "is there already" in olmixctl("init", "second", code=64).stderr
    assert (root / "mixes/second.yaml").read_bytes() == before


def test_init_puts_the_schema_where_the_mix_file_says_it_is(olmixctl, root):
    olmixctl("init", "second")
    head = (root / "mixes/second.yaml").read_text().splitlines()[0]
    path = root / "mixes" / head.partition("$schema=")[2]
    assert json.loads(path.read_text()) == json.loads((SCHEMAS / "mix.schema.json").read_text())
    path.write_text("{}")
    assert "schemas" not in " ".join(olmixctl.json("init", "third")["also"])
    assert path.read_text() == "{}"


def test_init_takes_source_code_says_what_it_skipped_and_the_mix_plans(olmixctl, root):
    code, scans = root / "texts/quelltext größe/pkg", root / "texts/scans"
    code.mkdir(parents=True)
    scans.mkdir()
    (scans / "a.pdf").write_bytes(b"%PDF")
    (code / "__init__.py").touch()
    (root / "texts/web").mkdir()
    for n in range(200):
        (root / f"texts/web/{n}.txt").write_text(f"page {n} " * 40)
        (code / f"m{n}.py").write_text(f"def f{n}(x):\n    return x + {n}\n" * 9)
    result = olmixctl("init", "second", "--from", "texts")
    assert "wrote mixes/second.yaml: 2 domains, 2 evals\n" in result.stdout
    assert "note: texts/scans: skipped" in result.stderr
    assert "quelltext-grosse" in olmixctl("plan", "second").stdout


def test_init_tells_git_what_to_do_once_and_keeps_what_is_there(olmixctl, root):
    (root / ".gitignore").write_text("*.pyc")
    olmixctl("init", "a")
    olmixctl("init", "b")
    assert (root / ".gitignore").read_text() == "*.pyc\n.olmixctl/\n"
    assert (root / ".gitattributes").read_text() == (
        "*.lock.yaml text eol=lf -merge\n*.runs/** text eol=lf linguist-generated\n"
    )


@pytest.mark.parametrize("words", [["../up"], ["a b"], ["x.yaml"], ["ok", "--target", "1e9"], ["ok", "--from", "none"]])
def test_init_refuses_what_cannot_be(olmixctl, root, words):
    assert "error:" in olmixctl("init", *words, code=64).stderr
    assert not (root / "mixes/ok.yaml").exists()
