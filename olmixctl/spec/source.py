"""The mix file as text: read, composed by a strict YAML reader, with the place of every value kept.

Strict means that a value is what every YAML reader takes it for. YAML 1.1 reads `no` as false, `12:30` as 750 and
`1e-05` as text, YAML 1.2 does not: such values are refused with what was read and what to write. So are duplicate
keys, which YAML keeps silently, tags, and aliases: a value stands where it is used, so that an error has one place.

A value's *address* is its path in words: `domains.web/health.max`, `evals[0].fraction`. Domains go by their id.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from olmixctl.errors import Place, SpecError
from olmixctl.spec.scalars import Misread, read_scalar
from olmixctl.spec.syntax import compose

__all__ = ["Keys", "Source", "address", "parse_source", "read_text"]

Keys = tuple[str | int, ...]
"""Keys and list positions from the top of the file to a value."""


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed file.

    Attributes:
        file: its name, as messages show it.
        text: its text, without a byte order mark.
        data: plain values: mappings, lists, text, numbers, booleans, None.
        values: address → (line, column) of the value; of its key where the value spans lines.
        keys: address → (line, column) of the key.
        problems: what was wrong, in the order of the file.
        misread: addresses of the values that `problems` speak of; `data` holds their raw text.
    """

    file: str
    text: str
    data: Any = None
    values: dict[str, tuple[int, int]] = field(default_factory=dict)
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    problems: list[SpecError] = field(default_factory=list)
    misread: set[str] = field(default_factory=set)

    def place(self, where: str, *, key: bool = False) -> Place:
        """The place of the value (or of its key) at an address; of what encloses it where it is not in the file."""
        found, at = where, (self.keys if key else self.values).get(where)
        while at is None and found:
            found = found[: max(0, *(found.rfind(mark) for mark in "./["))]
            at = self.values.get(found)
        line, column = at or (1, 1)
        return Place(self.file, line, column, where)

    def problem(self, where: str, message: str, remedy: str, *, key: bool = False) -> SpecError:
        """An error at the address `where`."""
        return SpecError(message, place=self.place(where, key=key), remedy=remedy)


def address(path: Keys) -> str:
    """The address of a path of keys: `("domains", "web", "domains", "health", "max")` → `domains.web/health.max`."""
    parts = list(path)
    text = ""
    if parts[:1] == ["domains"] and len(parts) > 1:
        ids = [str(parts[1])]
        parts = parts[2:]
        while len(parts) > 1 and parts[0] == "domains":
            ids.append(str(parts[1]))
            parts = parts[2:]
        text = "domains." + "/".join(ids)
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_text(path: Path) -> str:
    """The text of a mix file, without a byte order mark.

    Raises:
        SpecError: there is no such file, it cannot be read, or it is not UTF-8.
    """
    place = Place(str(path))
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise SpecError("there is no such file", place=place, remedy="check the name, or run `olmixctl init`") from None
    except IsADirectoryError:
        raise SpecError("is a folder", place=place, remedy="name the mix file in it") from None
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}", place=place, remedy="check its permissions") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before, utf16 = raw[: error.start], raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        raise SpecError(
            f"not UTF-8{', but UTF-16' if utf16 else ''}: byte 0x{raw[error.start]:02x} at offset {error.start}",
            place=Place(str(path), line, column),
            remedy="save the file as UTF-8",
        ) from None


def parse_source(text: str, file: str) -> Source:
    """The values of a mix file and where they stand; what YAML misreads is in `problems`.

    Raises:
        SpecError: it is not YAML at all, empty, or not a mapping.
    """
    node = compose(text, file)
    if node is None:
        raise SpecError("the file is empty", place=Place(file, 1, 1), remedy="run `olmixctl init` for a start")
    if not isinstance(node, yaml.MappingNode):
        raise SpecError(
            f"found {_KINDS.get(type(node), 'a value')}, not a mapping",
            place=Place(file, node.start_mark.line + 1, node.start_mark.column + 1),
            remedy="start with `version: 1`; see `olmixctl init`",
        )
    walk = _Walk(file)
    data = walk.value(node, _Spot("", opens="domains."))
    return Source(file, text, data, walk.values, walk.keys, walk.problems, walk.misread)


_KINDS: Mapping[type, str] = {yaml.ScalarNode: "a single value", yaml.SequenceNode: "a list"}


class _Spot(NamedTuple):
    """Where the walk is. Addresses grow with it: making each from its path anew is most of the walk.

    Attributes:
        where: the address.
        prefix: of the addresses of what is below, where that is domains; None elsewhere.
        opens: the prefix below the key `domains`; None where that key is none of domains.
    """

    where: str
    prefix: str | None = None
    opens: str | None = None

    def below(self, key: str | int) -> _Spot:
        """The spot of a value of this mapping or list; as `address` has it."""
        if self.prefix is not None:
            return _Spot(f"{self.prefix}{key}", opens=f"{self.prefix}{key}/")
        if isinstance(key, int):
            return _Spot(f"{self.where}[{key}]")
        where = f"{self.where}.{key}" if self.where else key
        return _Spot(where, prefix=self.opens if key == "domains" else None)


class _Walk:
    """One pass over the nodes: plain data out, places and problems noted."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.values: dict[str, tuple[int, int]] = {}
        self.keys: dict[str, tuple[int, int]] = {}
        self.problems: list[SpecError] = []
        self.misread: set[str] = set()

    def value(self, node: yaml.Node, spot: _Spot) -> Any:  # noqa: ANN401  (any JSON value)
        self.values.setdefault(spot.where, _mark(node))
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, spot)
        if isinstance(node, yaml.SequenceNode):
            self._no_tag(node, spot, "tag:yaml.org,2002:seq")
            return [self.value(child, spot.below(i)) for i, child in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)  # YAML has no fourth kind
        return self.scalar(node, spot)

    def mapping(self, node: yaml.MappingNode, spot: _Spot) -> dict[str, Any]:
        self._no_tag(node, spot, "tag:yaml.org,2002:map")
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.key(key_node, spot)
            below = spot.below(key)
            if key in result:
                first = self.keys[below.where][0]
                message = f"the key {key!r} stands twice; first on line {first}"
                self.problems.append(self._at(key_node, below, message, "keep one of them"))
                continue
            at = self.keys[below.where] = _mark(key_node)
            # A value over several lines is best found by its key.
            self.values.setdefault(below.where, _mark(value_node) if isinstance(value_node, yaml.ScalarNode) else at)
            result[key] = self.value(value_node, below)
        return result

    def key(self, node: yaml.Node, spot: _Spot) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._at(node, spot, "a key must be a single word", "write `key: value`")
        if node.tag == "tag:yaml.org,2002:merge":
            raise self._at(node, spot, "merge keys (`<<`) are not read", "write the values out where they are used")
        raw = str(node.value)
        read = read_scalar(raw, node.tag, plain=not node.style)
        if not isinstance(read, str):
            meaning = read.meaning if isinstance(read, Misread) else _JSON.get(type(read), "not text")
            below = spot.below(raw)
            remedy = f'quote it: "{raw}"' if raw else "give it a name"
            message = f"YAML reads the key `{raw}` as {meaning}"
            self.problems.append(self._at(node, below, message, remedy))
            self.misread.add(below.where)
        return raw

    def scalar(self, node: yaml.ScalarNode, spot: _Spot) -> Any:  # noqa: ANN401
        raw = str(node.value)
        read = read_scalar(raw, node.tag, plain=not node.style)
        if not isinstance(read, Misread):
            return read
        self.problems.append(self._at(node, spot, f"YAML 1.1 reads `{raw}` as {read.meaning}", read.remedy))
        self.misread.add(spot.where)
        return raw

    def _no_tag(self, node: yaml.Node, spot: _Spot, expected: str) -> None:
        if node.tag != expected:
            raise self._at(node, spot, f"the tag `{node.tag}` is not read", "leave the tag out")

    def _at(self, node: yaml.Node, spot: _Spot, message: str, remedy: str) -> SpecError:
        line, column = _mark(node)
        return SpecError(message, place=Place(self.file, line, column, spot.where), remedy=remedy)


_JSON: Mapping[type, str] = {bool: "true or false", int: "a number", float: "a number", type(None): "nothing"}


def _mark(node: yaml.Node) -> tuple[int, int]:
    mark = node.start_mark
    return mark.line + 1, mark.column + 1
