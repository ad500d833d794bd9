"""The schema is the one source of truth for shape: for editors, and for the loader."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from olmixctl.errors import OlmixctlError
from olmixctl.spec.fmt import SECTIONS, format_mix
from olmixctl.spec.load import load_mix
from olmixctl.spec.model import BudgetSpec, EvalSpec, ExecutorSpec, ObjectiveSpec, ProxySpec, SwarmSpec, TargetSpec
from olmixctl.spec.presets import PRESETS
from olmixctl.spec.schema import load_schema, violations
from olmixctl.spec.words import closest, describe, listed

REPOSITORY = Path(__file__).parents[2]
MIXES = sorted(p for p in REPOSITORY.glob("mixes/**/*.yaml") if not p.name.endswith(".lock.yaml"))


def objects(schema):
    """Every subschema of the schema, with its path."""
    stack = [("", schema)]
    while stack:
        where, node = stack.pop()
        if isinstance(node, dict):
            yield where, node
            stack += [(f"{where}/{key}", value) for key, value in node.items()]
        elif isinstance(node, list):
            stack += [(f"{where}/{i}", value) for i, value in enumerate(node)]


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(load_schema("mix"))


def test_every_pattern_is_read_alike_by_python_and_editors():
    for where, node in objects(load_schema("mix")):
        if isinstance(node.get("pattern"), str):
            assert re.compile(node["pattern"]), where
            assert "\\Z" not in node["pattern"], "ECMA has no \\Z"


def test_every_mapping_is_closed():
    for where, node in objects(load_schema("mix")):
        if isinstance(node.get("properties"), dict) and not where.endswith("/properties"):
            assert node.get("additionalProperties") is False, where


def test_every_section_has_a_description_and_a_place_in_the_order():
    sections = load_schema("mix")["properties"]
    assert set(sections) == set(SECTIONS)
    assert all(section.get("description") for section in sections.values())


def test_presets_are_those_that_exist():
    assert load_schema("mix")["properties"]["proxy"]["properties"]["model"]["enum"] == list(PRESETS)


@pytest.mark.parametrize(
    ("where", "model"),
    [
        ("target", TargetSpec),
        ("objective", ObjectiveSpec),
        ("proxy", ProxySpec),
        ("swarm", SwarmSpec),
        ("executor", ExecutorSpec),
        ("budget", BudgetSpec),
        ("fileEval", EvalSpec),
    ],
)
def test_defaults_are_those_of_the_model(where, model):
    schema = load_schema("mix")
    section = schema["properties"].get(where) or schema["$defs"][where]
    for name, field in model.__dataclass_fields__.items():
        said = section["properties"].get(name, {})
        said = said | schema["$defs"].get(said.get("$ref", "").removeprefix("#/$defs/"), {})
        if "default" in said:
            assert said["default"] == field.default, name


def test_an_unknown_schema_is_not_found():
    with pytest.raises(FileNotFoundError):
        load_schema("nothing")


def test_the_example_of_the_documentation_is_accepted(full):
    assert violations(yaml.safe_load(full), load_schema("mix")) == []


SHAPES = [
    ("a.txt]", "a.txt], min: 0"),
    ("1M", '"1M"'),
    ("1M", "1234"),
    ("1M", "2.5B"),
    ("400K", "0.5x"),
    ("h, ", "h, max_tokens: 5K, family: f, weight: 0.5, description: d, "),
    ("1M", "0"),
    ("1M", "-5"),
    ("1M", "1Q"),
    ("1M", "0.0M"),
    ("1M", "[1]"),
    ("400K", "5y"),
    ("a.txt]", "a.txt], min: 2"),
    ("a.txt]", "a.txt], tags: code"),
    ("a.txt]", "a.txt], tags: [a b]"),
    ("a.txt]", "a.txt], dtype: int8"),
    ("a.txt]", "a.txt], declared: {tokens: 1M}"),
    ("a.txt]", "a.txt], nothing: 1"),
    ("{paths: [a.txt]}", "{}"),
    ("{paths: [a.txt]}", "{domains: {}}"),
    ("small", "''"),
    ("small", "'-x'"),
    ("small", "3"),
    ("version: 1", "version: 0"),
    ("fraction: 0.1", "fraction: 0"),
    ("heldout: a", "heldout: []"),
    ("128", "0"),
    ("16}", "1.5}"),
]


@pytest.mark.parametrize(("old", "new"), SHAPES)
def test_schema_and_loader_accept_and_reject_the_same(load, small, old, new):
    text = small.replace(old, new, 1)
    accepted = Draft202012Validator(load_schema("mix")).is_valid(yaml.safe_load(text))
    try:
        load(text)
    except OlmixctlError:
        assert not accepted
    else:
        assert accepted


@pytest.mark.parametrize(("old", "new"), SHAPES)
def test_no_message_speaks_of_the_schema(small, old, new):
    data = yaml.safe_load(small.replace(old, new, 1))
    for violation in violations(data, load_schema("mix")):
        said = f"{violation.message} {violation.remedy}"
        assert not re.search(r"schema|is not valid under|additional propert|does not match|None|\[\^", said)


@pytest.mark.parametrize("path", MIXES, ids=lambda p: p.name)
def test_every_mix_of_the_repository_loads_and_is_canonical(path):
    loaded = load_mix(path)
    assert loaded.spec.name == path.name.removesuffix(".yaml")
    assert format_mix(loaded.text) == loaded.text


def test_schemas_are_found_inside_the_package_before_the_checkout(tmp_path):
    """As the wheel has it: the schemas within the package, and nothing beside it."""
    package = tmp_path / "olmixctl"
    for source in [*(REPOSITORY / "olmixctl").glob("*.py"), *(REPOSITORY / "olmixctl").glob("spec/*.py")]:
        target = package / source.relative_to(REPOSITORY / "olmixctl")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    (package / "schemas").mkdir()
    (package / "schemas" / "mix.schema.json").write_text(json.dumps({"title": "the packaged one"}))
    code = "from olmixctl.spec.schema import load_schema; print(load_schema('mix')['title'])"
    # First on the path: what is installed must not win.
    run = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "the packaged one"


def test_loading_reaches_no_heavy_library_before_it_needs_it():
    heavy = "{'jsonschema', 'torch', 'scipy', 'numpy', 'cvxpy', 'git', 'fsspec', 'blake3'}"
    code = (
        "import sys, olmixctl.spec.load, olmixctl.spec.fmt, olmixctl.spec.semantic, olmixctl.spec.scaffold;"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        (True, "true"),
        ("", "empty text"),
        ("x" * 100, "the text '" + "x" * 57 + "…'"),
        ([], "an empty list"),
        ({}, "an empty mapping"),
        ([1], "a list"),
        ({"a": 1}, "a mapping"),
        (0.5, "the number 0.5"),
    ],
)
def test_describe(value, words):
    assert describe(value) == words


def test_closest():
    assert closest("naturl", ["natural", "uniform"]) == "natural"
    assert closest("15M", ["15m", "1m"]) == "15m"
    assert closest("x", ["natural", "uniform"]) is None


def test_listed():
    assert listed(["a", "b"]) == "a, b"
    assert listed("abcd", most=3) == "a, b, c, …"
    assert listed([]) == ""
