"""A JSON Schema as one quick question: has this value the shape? Yes or no, without where or why.

Every command asks it of every mix file, and nearly every answer is yes. `jsonschema` takes 300 µs a domain and a tenth
of a second to load; the closures made here take 10 µs. They are made from the schema itself, which stays the single
source of truth, and cover the keywords that `schemas/mix.schema.json` uses. A schema with another keyword has no quick
form, and `schema.violations` then asks `jsonschema`, as it does after every no.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

__all__ = ["Shape", "compile_shape"]

Shape = Callable[[Any], bool]
"""Whether a JSON value (dict, list, str, int, float, bool, None) is valid."""

_SAYS_NOTHING = frozenset({"$schema", "$id", "$defs", "title", "description", "default", "errorMessage"})
_OBJECT = frozenset({
    "properties", "additionalProperties", "propertyNames", "required", "minProperties", "maxProperties",
})  # fmt: skip
_REFERENCE = "#/$defs/"


class _UnknownKeywordError(Exception):
    """The schema says something that has no quick form here."""


def compile_shape(schema: Mapping[str, Any]) -> Shape | None:
    """The question that `schema` asks (JSON Schema 2020-12), or None where it uses a keyword that has no quick form."""
    try:
        return _Compiler(schema).whole()
    except _UnknownKeywordError:
        return None


class _Compiler:
    """Compiles each definition once; references look theirs up when they are asked, since definitions may recur."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self.definitions: dict[str, Shape] = {}

    def whole(self) -> Shape:
        for name, definition in self.schema.get("$defs", {}).items():
            self.definitions[_REFERENCE + name] = self.shape(definition)
        return self.shape(self.schema)

    def shape(self, schema: Mapping[str, Any] | bool) -> Shape:
        if isinstance(schema, bool):
            return (lambda _: True) if schema else (lambda _: False)
        rules: list[Shape] = []
        if _OBJECT & set(schema):
            rules.append(self.members(schema))
        if "if" in schema:
            rules.append(self.choice(schema))
        for keyword, value in schema.items():
            if keyword not in _SAYS_NOTHING | _OBJECT | {"if", "then", "else"}:
                rules.append(self.rule(keyword, value))
        return rules[0] if len(rules) == 1 else _all_of(rules)

    def rule(self, keyword: str, value: Any) -> Shape:  # noqa: ANN401  (what a keyword is given)
        if keyword == "$ref":
            return self.reference(value)
        if keyword == "items":
            item = self.shape(value)
            return lambda found: type(found) is not list or all(item(part) for part in found)
        if keyword in _RULES:
            return _RULES[keyword](value)
        raise _UnknownKeywordError(keyword)

    def reference(self, target: str) -> Shape:
        if target.removeprefix(_REFERENCE) not in self.schema.get("$defs", {}):
            raise _UnknownKeywordError(target)
        definitions = self.definitions

        def check(value: Any) -> bool:  # noqa: ANN401
            return definitions[target](value)

        return check

    def choice(self, schema: Mapping[str, Any]) -> Shape:
        condition = self.shape(schema["if"])
        then, other = self.shape(schema.get("then", True)), self.shape(schema.get("else", True))
        return lambda value: then(value) if condition(value) else other(value)

    def members(self, schema: Mapping[str, Any]) -> Shape:
        """All that a schema says about the members of an object, in one pass over them."""
        properties = {name: self.shape(sub) for name, sub in schema.get("properties", {}).items()}
        others, names = self.shape(schema.get("additionalProperties", True)), schema.get("propertyNames")
        named = None if names is None else self.shape(names)
        required = tuple(schema.get("required", ()))
        least, most = schema.get("minProperties", 0), schema.get("maxProperties", float("inf"))

        def check(value: Any) -> bool:  # noqa: ANN401
            if type(value) is not dict:
                return True
            if not least <= len(value) <= most or any(name not in value for name in required):
                return False
            if named is not None and not all(named(name) for name in value):
                return False
            for name, item in value.items():  # noqa: SIM110  (half the time of a generator)
                if not properties.get(name, others)(item):
                    return False
            return True

        return check


# Values are exactly what a parser of YAML or JSON makes, so types compare by identity: `True` is no
# number, 2.0 is whole.
_NUMBERS: frozenset[type] = frozenset({int, float})
_IS: Mapping[str, Shape] = {
    "object": lambda value: type(value) is dict,
    "array": lambda value: type(value) is list,
    "string": lambda value: type(value) is str,
    "boolean": lambda value: type(value) is bool,
    "null": lambda value: value is None,
    "number": lambda value: type(value) in _NUMBERS,
    "integer": lambda value: type(value) is int or (type(value) is float and value.is_integer()),
}


def _all_of(rules: Sequence[Shape]) -> Shape:
    def check(value: Any) -> bool:  # noqa: ANN401
        for rule in rules:  # noqa: SIM110  (half the time of a generator)
            if not rule(value):
                return False
        return True

    return check


def _typed(names: str | list[str]) -> Shape:
    if isinstance(names, str):
        return _IS[names]
    kinds = [_IS[name] for name in names]
    return lambda value: any(kind(value) for kind in kinds)


def _one_of(choices: Iterable[Any]) -> Shape:
    kept = tuple(choices)
    if any(isinstance(choice, dict | list) for choice in kept):
        raise _UnknownKeywordError("enum")
    # 1 and 1.0 are the same number, 1 and true are not the same value.
    marked = tuple((choice, type(choice) is bool) for choice in kept)
    return lambda value: any(value == choice and (type(value) is bool) == is_bool for choice, is_bool in marked)


def _matches(pattern: str) -> Shape:
    search = re.compile(pattern).search
    return lambda value: type(value) is not str or search(value) is not None


def _number(test: Callable[[Any, Any], bool]) -> Callable[[Any], Shape]:
    return lambda bound: lambda value: type(value) not in _NUMBERS or test(value, bound)


def _least(kind: type[str | list[Any]]) -> Callable[[int], Shape]:
    return lambda least: lambda value: type(value) is not kind or len(value) >= least


_RULES: Mapping[str, Callable[[Any], Shape]] = {
    "type": _typed,
    "enum": _one_of,
    "const": lambda value: _one_of([value]),
    "pattern": _matches,
    "minLength": _least(str),
    "minItems": _least(list),
    "minimum": _number(lambda value, bound: value >= bound),
    "maximum": _number(lambda value, bound: value <= bound),
    "exclusiveMinimum": _number(lambda value, bound: value > bound),
    "exclusiveMaximum": _number(lambda value, bound: value < bound),
}
