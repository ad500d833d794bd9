"""The JSON Schemas, and what they find in a file, said in words.

`schemas/` stands at the top of the repository and inside the installed package. A subschema's `errorMessage` says what
is expected where the bare rule would not help a reader; editors show the same text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from olmixctl.spec.shape import compile_shape
from olmixctl.spec.source import Keys
from olmixctl.spec.words import closest, describe

__all__ = ["Violation", "load_schema", "violations"]


@dataclass(frozen=True, slots=True)
class Violation:
    """One finding of a schema: where (`at_key`: it is the key that is wrong), what was found, what to write."""

    path: Keys
    message: str
    remedy: str
    at_key: bool = False


@cache
def load_schema(name: str) -> Mapping[str, Any]:
    """The schema `NAME.schema.json`, from the installed package or, in a checkout, from `schemas/` beside it.

    Raises:
        FileNotFoundError: no schema has this name.
    """
    packaged = resources.files("olmixctl") / "schemas" / f"{name}.schema.json"
    if packaged.is_file():
        text = packaged.read_text(encoding="utf-8")
    else:
        checkout = Path(__file__).resolve().parents[2] / "schemas" / f"{name}.schema.json"
        text = checkout.read_text(encoding="utf-8")
    schema: Mapping[str, Any] = json.loads(text)
    return schema


def violations(data: Any, schema: Mapping[str, Any]) -> list[Violation]:  # noqa: ANN401  (any JSON value)
    """All that `schema` finds in `data`, once each, in the order of the schema's rules."""
    shape = compile_shape(schema)
    if shape is not None and shape(data):
        return []
    from jsonschema import Draft202012Validator

    errors = Draft202012Validator(schema).iter_errors(data)
    found = list(dict.fromkeys(v for error in errors for v in _explain(error)))
    return _without_consequences(found)


_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}


def _explain(error: Any) -> Iterator[Violation]:  # noqa: ANN401  (jsonschema's error, which loads late)
    path: Keys = tuple(error.absolute_path)
    rule, value, found = error.validator, error.validator_value, error.instance
    expected = error.schema.get("errorMessage") if isinstance(error.schema, Mapping) else None
    if "propertyNames" in error.absolute_schema_path:
        yield Violation((*path, found), f"{found!r} cannot be a name", f"write {expected}", at_key=True)
    elif rule == "required":
        yield from _missing(path, value, found, expected)
    elif rule == "additionalProperties":
        known = list(error.schema.get("properties", ()))
        yield from (_unknown((*path, key), key, found, known) for key in found if key not in known)
    elif rule in {"enum", "const"}:
        yield _choice(path, found, value if rule == "enum" else [value])
    else:
        yield Violation(path, f"found {describe(found)}", f"write {expected or _rule_in_words(str(rule), value)}")


def _missing(path: Keys, required: list[str], found: Mapping[str, Any], expected: str | None) -> Iterator[Violation]:
    for name in required:
        if name not in found:
            yield Violation(
                (*path, name), f"{expected or name} is missing", f"add `{_EXAMPLES.get(name, name + ': …')}`"
            )


_EXAMPLES = {
    "version": "version: 1",
    "name": "name: NAME",
    "target": "target: {tokens: 1T}",
    "paths": "paths: [corpora/NAME/**/*.txt]",
    "fraction": "fraction: 0.01",
    "tokens": "tokens: 1B",
    "of": "of: [DOMAIN]",
    "to": "to: [DOMAIN]",
    "max": "min: 0.1` or `max: 0.5",
    "regret": "regret: 0.002",
    "proxy": "proxy: {model: 15m, tokens: 5x}",
    "evals": "evals: [{name: heldout, heldout: DOMAIN, fraction: 0.01}]",
}


def _unknown(path: Keys, key: str, siblings: Mapping[str, Any], known: list[str]) -> Violation:
    free = [k for k in known if k not in siblings]
    if key == "paths" and "domains" in siblings:
        return Violation(
            path, "a group of domains has no files of its own", "move `paths` into a domain of the group", True
        )
    if key == "paths" and "heldout" in siblings:
        return Violation(path, "an eval has `paths` or `heldout`, not both", "make two evals of it", True)
    if key == "domains" and "ratio" in siblings:
        return Violation(
            path,
            "a constraint has `domains` or `ratio`, not both",
            "make two constraints of it, each with a name",
            True,
        )
    if (likely := closest(key, free)) is not None:
        return Violation(path, f"unknown field {key!r}", f"did you mean {likely!r}?", True)
    return Violation(path, f"unknown field {key!r}", f"fields here are: {', '.join(known)}", True)


def _choice(path: Keys, found: Any, choices: list[Any]) -> Violation:  # noqa: ANN401
    if path == ("version",):
        newer = isinstance(found, int) and not isinstance(found, bool) and found > 1
        remedy = "install a newer olmixctl, or write version: 1" if newer else "write version: 1"
        return Violation(path, f"found version {found!r}; this olmixctl reads version 1", remedy)
    words = [str(c) for c in choices]
    likely = closest(found, words) if isinstance(found, str) else None
    hint = f"did you mean {likely!r}? " if likely else ""
    listing = words[0] if len(words) == 1 else f"one of: {', '.join(words)}"
    return Violation(path, f"found {describe(found)}", f"{hint}this version has {listing}")


def _rule_in_words(rule: str, value: Any) -> str:  # noqa: ANN401
    if rule == "type":
        return " or ".join(_TYPES[t] for t in ([value] if isinstance(value, str) else value))
    words = {
        "minimum": f"a number of at least {value}",
        "maximum": f"a number of at most {value}",
        "exclusiveMinimum": f"a number above {value}",
        "minItems": f"at least {value} of them",
        "minLength": "some text",
        "minProperties": f"at least {value} of them",
        "maxProperties": f"at most {value} of them, each in an item of its own",
    }
    return words.get(rule, f"what the schema asks for: {rule} {value}")


def _without_consequences(found: list[Violation]) -> list[Violation]:
    """Leave out a missing field where an unknown one is likely it, misspelt; a wrong version makes the rest moot."""
    version = [v for v in found if v.path == ("version",) and "this olmixctl reads" in v.message]
    if version:
        return version
    meant = {(*v.path[:-1], likely) for v in found if (likely := _suggestion(v))}
    return [v for v in found if not (v.path in meant and v.message.endswith("is missing"))]


def _suggestion(violation: Violation) -> str | None:
    prefix = "did you mean '"
    if not (violation.at_key and violation.remedy.startswith(prefix)):
        return None
    return violation.remedy.removeprefix(prefix).removesuffix("'?")
