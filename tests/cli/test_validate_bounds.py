"""`validate` finds ratios and overlapping groups that no mix can keep, as `plan` would, without any data."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from olmixctl.cli.app import app

HEAD = """\
version: 1
name: base
target: {tokens: 1M}
domains:
  code: {paths: [a.txt]%s}
  docs: {paths: [b.txt]}
  web: {paths: [c.txt]}
evals: [{name: h, paths: [d.txt]}]
proxy: {model: 250k, tokens: 400K, sequence_length: 128, batch_size: 16}
constraints:
"""


@pytest.fixture
def mix(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(*constraints, code=""):
        lines = [f"  - {{{item}}}\n" for item in constraints]
        (tmp_path / "base.yaml").write_text(HEAD % code + "".join(lines))

    return write


def validate(code):
    result = CliRunner().invoke(app, ["validate", "base.yaml", "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


CODE_TO_REST = "name: r, ratio: {of: [code], to: [docs, web]}, "
CONFLICTS = {
    "a ratio and a share": ((CODE_TO_REST + "min: 1", "name: s, domains: [docs], min: 0.6"), "", 11),
    "a ratio and a domain": ((CODE_TO_REST + "max: 0.1",), ", min: 0.5", 5),
    "ratios in a ring": (
        tuple(f"name: {a}-{b}, ratio: {{of: [{a}], to: [{b}]}}, min: 1.1" for a, b in ("cd", "dw", "wc")),
        "",
        11,
    ),
    "the same sets twice": ((CODE_TO_REST + "min: 2", CODE_TO_REST.replace("r,", "q,", 1) + "max: 1"), "", 11),
    "groups that overlap": (
        tuple(f"name: {a}{b}, domains: [{a}, {b}], max: 0.6" for a, b in ("cd", "dw", "wc")),
        "",
        11,
    ),
}
NAMES = {"c": "code", "d": "docs", "w": "web"}


def spelled(item):
    for short, name in NAMES.items():
        item = (
            item.replace(f"[{short}]", f"[{name}]")
            .replace(f"[{short},", f"[{name},")
            .replace(f" {short}]", f" {name}]")
        )
    return item


@pytest.mark.parametrize("case", CONFLICTS)
def test_what_excludes_each_other_is_named_with_its_line(mix, case):
    constraints, code, line = CONFLICTS[case]
    mix(*map(spelled, constraints), code=code)
    error = validate(7)["error"]
    assert error["message"].startswith("the bounds exclude each other: ")
    assert error["place"]["line"] == line
    assert len(error["conflict"]) == len(constraints) + bool(code)  # each of them is needed


def test_what_leaves_a_mix_is_valid(mix):
    mix(CODE_TO_REST + "min: 1", spelled("name: s, domains: [d], min: 0.5"))
    assert validate(0)["valid"][0]["name"] == "base"
    # A ring of ratios holds where none of them has a share; groups that overlap, where there is room.
    mix(*(spelled(f"name: {a}-{b}, ratio: {{of: [{a}], to: [{b}]}}, min: 1.1") for a, b in ("cd", "dc")))
    validate(0)
    mix(*(spelled(f"name: {a}{b}, domains: [{a}, {b}], max: 0.67") for a, b in ("cd", "dw", "wc")))
    validate(0)
