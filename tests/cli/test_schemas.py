"""The plan's schema takes what `plan` writes and refuses what it never would; both schemas are documented whole."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import jsonschema
import pytest

SCHEMAS = Path(__file__).parents[2] / "schemas"


@pytest.fixture
def plan(olmixctl):
    return olmixctl.json("plan")


def schema(name):
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))


BROKEN = {
    "another version": lambda p: p.update(plan_version=2),
    "an unknown key": lambda p: p.update(surprise=1),
    "no steps": lambda p: p.pop("steps"),
    "a step of another kind": lambda p: p["steps"].append({"do": "dance"}),
    "a half step": lambda p: p["steps"].append({"do": "train"}),
    "a share above one": lambda p: p["runs"][0]["point"].update(code=1.5),
    "a key of another kind": lambda p: p["runs"][0].update(key="abc"),
    "negative tokens": lambda p: p["domains"]["code"].update(tokens=-1),
    "no domains": lambda p: p.update(domains={}),
    "an unknown kind": lambda p: p.update(kind="guess"),
    "an unknown level": lambda p: p["checks"].append({"level": "x", "name": "a", "message": "b", "remedy": ""}),
    "a base without serial": lambda p: p["base"].pop("serial"),
    "a digest cut short": lambda p: p["spec"].update(semantic="sha256:00"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plan_is_refused_by_schema_and_command(plan, olmixctl, root, case):
    broken = copy.deepcopy(plan)
    BROKEN[case](broken)
    assert not jsonschema.Draft202012Validator(schema("plan")).is_valid(broken)
    (root / "plan.json").write_text(json.dumps(broken))
    assert "altered" in olmixctl("apply", "plan.json", code=64).stderr


@pytest.mark.parametrize("name", ["lock", "plan"])
def test_schemas_are_valid_and_every_field_is_described(name):
    document = schema(name)
    jsonschema.Draft202012Validator.check_schema(document)
    definitions = document["$defs"]

    def walk(node, path):
        for key, value in node.get("properties", {}).items():
            target = definitions[value["$ref"].rsplit("/", 1)[1]] if "$ref" in value else {}
            known = value.get("description") or target.get("description") or "const" in value
            assert known or value.get("type") == ["number", "null"], f"{name}: {'.'.join([*path, key])}"
            walk(value, [*path, key])
            walk(value.get("items", {}), [*path, key])

    walk(document, [])
    for key, definition in definitions.items():
        walk(definition, [key])
