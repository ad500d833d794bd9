"""A mix file, loaded and checked: everything that is wrong with it at once, each with its place and a remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from olmixctl.errors import InfeasibleError, Place, SpecError
from olmixctl.spec.build import Finding, build_spec
from olmixctl.spec.checks import check_spec, conflict_in_words, conflicting_bounds
from olmixctl.spec.model import MixSpec
from olmixctl.spec.schema import load_schema, violations
from olmixctl.spec.source import Source, address, parse_source, read_text

__all__ = ["LoadedMix", "load_mix", "parse_mix", "workspace_root"]


_ITEM = re.compile(r"(evals|constraints)\[[0-9]+\]")


@dataclass(frozen=True, slots=True)
class LoadedMix:
    """A mix and where it came from.

    Attributes:
        spec: what it declares.
        path: its file.
        root: the workspace root, where relative paths start.
        text: its text, without a byte order mark.
        places: address → (line, column) of the value there, or of its key where the value spans lines.
    """

    spec: MixSpec
    path: Path
    root: Path
    text: str
    places: Mapping[str, tuple[int, int]]

    def place(self, where: str) -> Place:
        """The place of an address, for errors that later stages find.

        An address is the path of keys, with a domain or group named by its id, and list items by number:
        `domains.web/health.paths[0]`, `evals[2].heldout`, `proxy.tokens`. Evals and constraints also go by name:
        `evals.NAME.paths`. What the file leaves to a default has the place of what encloses it.
        """
        source = Source(str(self.path), self.text, values=dict(self.places))
        return source.place(where)


def load_mix(path: Path) -> LoadedMix:
    """The mix in the file `path`.

    Raises:
        SpecError: the file cannot be read, or says something wrong; `problems` holds all that was found.
        InfeasibleError: its bounds exclude each other; `conflict` names an irreducible set.
    """
    return parse_mix(read_text(path), path)


def parse_mix(text: str, path: Path) -> LoadedMix:
    """The mix that `text` declares, as if it stood in the file `path`; raises as `load_mix` does."""
    source = parse_source(text, str(path))
    problems = [*source.problems, *_schema_problems(source)]
    if problems:
        raise SpecError.collect(sorted(problems, key=_in_file_order))
    _name_items(source)
    spec, findings = build_spec(source.data)
    findings = findings or check_spec(spec)
    if findings:
        raise SpecError.collect(sorted((_located(source, f) for f in findings), key=_in_file_order))
    _refuse_conflict(source, spec)
    return LoadedMix(spec, path, workspace_root(path), source.text, source.values)


def workspace_root(path: Path) -> Path:
    """Where relative paths of the mix file `path` start: beside the folder `mixes` it lies in, else its own folder."""
    folder = path.absolute().parent
    return folder.parent if folder.name == "mixes" else folder


def _schema_problems(source: Source) -> list[SpecError]:
    return [
        source.problem(address(v.path), v.message, v.remedy, key=v.at_key)
        for v in violations(source.data, load_schema("mix"))
        if address(v.path) not in source.misread
    ]


def _located(source: Source, finding: Finding) -> SpecError:
    return source.problem(finding.field, finding.message, finding.remedy)


def _in_file_order(problem: SpecError) -> tuple[int, int]:
    place = problem.place
    return (place.line or 0, place.column or 0) if place else (0, 0)


def _name_items(source: Source) -> None:
    """Let evals and constraints be addressed by name as well as by number; the first of a name wins."""
    names: dict[str, str] = {}
    for section in ("evals", "constraints"):
        for index, item in enumerate(source.data.get(section, ())):
            names.setdefault(f"{section}[{index}]", f"{section}.{item['name']}")
    for where, at in list(source.values.items()):
        item = _ITEM.match(where) if where.startswith(("evals[", "constraints[")) else None
        if item is not None:
            source.values.setdefault(names[item[0]] + where[item.end() :], at)


def _refuse_conflict(source: Source, spec: MixSpec) -> None:
    conflict = conflicting_bounds(spec)
    if conflict is None:
        return
    places = [source.place(bound.field) for bound in conflict.bounds]
    lines = [str(line) for line in sorted({place.line or 0 for place in places})]
    listing = ", ".join(lines if len(lines) <= 8 else [*lines[:7], "…"])
    raise InfeasibleError(
        conflict_in_words(conflict),
        place=min(places, key=lambda p: (p.line or 0, p.column or 0)),
        remedy=f"loosen one of them (line{'s' if len(lines) > 1 else ''} {listing})",
        conflict=tuple(bound.label for bound in conflict.bounds),
    )
