"""What the files of other tools say of a mix, for the mix file that `init` writes: a swarm's tables, an Olmix config.

Told apart by content. A table of mixtures has rows that sum to one; an Olmix config is YAML with `data.sources`
(generating and launching swarms) or `priors` (fitting them; github.com/allenai/olmix, configs/examples).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olmixctl.columns import plain_names
from olmixctl.errors import CorpusError, Place, UsageError
from olmixctl.spec.scan import free_name
from olmixctl.spec.units import parse_size
from olmixctl.tables import id_column, numbers, read_table, shares

__all__ = ["Outline", "OutlineDomain", "OutlineEval", "read_outline"]

_LEAST_SHARE = 0.001
"""Of the guessed tokens: a domain that no run had much of has some data all the same."""

_SECTION = re.compile(r"^\w+:(\s|$)", re.MULTILINE)
_TAKEN = frozenset({"name", "data", "priors", "eval"})
"""Sections of an Olmix config that a mix file has something for, as a whole."""


@dataclass(frozen=True, slots=True)
class OutlineDomain:
    """A domain: its files, and its tokens where the files are not said or cannot be read."""

    id: str
    paths: tuple[str, ...]
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class OutlineEval:
    """A metric that comes with adopted runs."""

    name: str
    family: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outline:
    """A mix as far as another tool's files say it.

    Attributes:
        domains: as found.
        evals: as found; empty where nothing is said of them.
        revision: names the files, for what is declared; a domain's has its id besides.
        guessed: tokens are no counts but shares of the target.
        max_repetition: None where nothing is said.
        kl: None where nothing is said.
        seed: of the swarm; None where nothing is said.
        notes: what was left out, a sentence each.
    """

    domains: tuple[OutlineDomain, ...]
    evals: tuple[OutlineEval, ...]
    revision: str
    guessed: bool = False
    max_repetition: float | None = None
    kl: float | None = None
    seed: int | None = None
    notes: tuple[str, ...] = ()


def read_outline(path: Path, metrics: Path | None, target_tokens: int) -> Outline:
    """The outline in `path`: a swarm's table of mixtures, or an Olmix config.

    Args:
        path: of the file.
        metrics: the swarm's other table.
        target_tokens: of the run the mix is for, to make tokens of shares.

    Raises:
        UsageError: the file is neither, or is a config that names no domains.
        CorpusError: it is a table, and not as it should be.
    """
    config = _config(path)
    if config is not None:
        return _of_config(config, path, metrics, target_tokens)
    return _of_tables(path, metrics, target_tokens)


def _config(path: Path) -> Mapping[str, Any] | None:
    """The YAML mapping in a file; None where it is something else, such as a table."""
    import yaml

    try:
        text = path.read_text(encoding="utf-8-sig")
        # Long tables are not read as YAML first: that takes seconds a megabyte.
        found = yaml.safe_load(text) if _SECTION.search(text) else None
    except (yaml.YAMLError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _of_tables(ratios: Path, metrics: Path | None, target_tokens: int) -> Outline:
    table = read_table(ratios)
    other = None if metrics is None else read_table(metrics)
    rows, _ = numbers(table, id_column(table, *([] if other is None else [other])))
    weights, _ = shares(table, rows)
    columns = tuple(next(iter(weights.values())))
    mean = {name: sum(row[name] for row in weights.values()) / len(weights) for name in columns}
    ids = _ids(plain_names(columns))
    return Outline(
        domains=_guessed({ids[column]: share for column, share in mean.items()}, target_tokens),
        evals=() if metrics is None else _evals_of(metrics),
        revision=ratios.stem,
        guessed=True,
        notes=() if metrics is not None else ("--metrics FILE makes an eval of each of the swarm's metrics",),
    )


def _evals_of(metrics: Path) -> tuple[OutlineEval, ...]:
    table = read_table(metrics)
    columns = tuple(next(iter(numbers(table, id_column(table))[0].values())))
    taken: dict[str, str] = {}
    for column, name in plain_names(columns).items():
        taken[free_name(name, taken)] = column
    return tuple(OutlineEval(name) for name in taken)


def _ids(names: Mapping[str, str]) -> dict[str, str]:
    """Column → domain id; `:` and `/` nest, except where that would put domains below a domain."""
    nested = {column: [part for part in name.replace(":", "/").split("/") if part] for column, name in names.items()}
    groups = {tuple(parts[:n]) for parts in nested.values() for n in range(1, len(parts))}
    flat = any(tuple(parts) in groups for parts in nested.values())
    taken: dict[str, str] = {}
    for column, parts in nested.items():
        words = ["-".join(parts)] if flat or not parts else parts
        *above, last = [free_name(word, {}) for word in words]
        siblings = {id_.rpartition("/")[2]: "" for id_ in taken if id_.split("/")[:-1] == above}
        taken["/".join([*above, free_name(last, siblings)])] = column
    return {column: id_ for id_, column in taken.items()}


def _guessed(means: Mapping[str, float], target_tokens: int) -> tuple[OutlineDomain, ...]:
    return tuple(
        OutlineDomain(id_, (f"corpora/{id_}/**",), _rounded(max(share, _LEAST_SHARE) * target_tokens))
        for id_, share in means.items()
    )


def _rounded(tokens: float) -> int:
    """To three significant digits, at least one token."""
    whole = max(round(tokens), 1)
    unit = int(10 ** max(len(str(whole)) - 3, 0))
    return round(whole / unit) * unit


def _of_config(config: Mapping[str, Any], path: Path, metrics: Path | None, target_tokens: int) -> Outline:
    place = Place(str(path))
    leaves = tuple(_leaves(_part(config, "data").get("sources"), ()))
    priors = _part(config, "priors")
    counts, sizes = _part(priors, "token_counts"), _part(priors, "relative_sizes")
    if not (leaves or counts or sizes):
        raise UsageError(
            "this is neither a table of mixtures nor an Olmix config with domains",
            place=place,
            remedy="give a folder of corpora, a CSV table with a column for each domain, or a config with "
            "`data.sources` or `priors.token_counts`",
        )
    constraints, proposer = _part(config, "constraints"), _part(config, "proposer")
    if leaves:
        ids = _ids({":".join(names): ":".join(names) for names, _ in leaves})
        domains = tuple(OutlineDomain(ids[":".join(names)], paths) for names, paths in leaves)
    elif counts:
        ids = _ids({str(name): str(name) for name in counts})
        domains = tuple(
            OutlineDomain(ids[str(name)], (f"corpora/{ids[str(name)]}/**",), _count(value, f"priors.{name}", place))
            for name, value in counts.items()
        )
    else:
        ids = _ids({str(name): str(name) for name in sizes})
        domains = _guessed({ids[str(name)]: float(size) for name, size in sizes.items()}, target_tokens)
    return Outline(
        domains=domains,
        evals=_evals_in(config, path) if metrics is None else _evals_of(metrics),
        revision=path.stem,
        guessed=not (leaves or counts),
        max_repetition=_number(constraints.get("repetition_factor")),
        kl=_number(proposer.get("kl_reg")),
        seed=_whole(_part(config, "swarm").get("seed")),
        notes=tuple(_left_out(config)),
    )


def _leaves(sources: Any, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:  # noqa: ANN401
    """(names from the source down, paths) of each part of the data that has paths."""
    for entry in sources if isinstance(sources, Sequence) and not isinstance(sources, str) else ():
        if not isinstance(entry, Mapping) or "name" not in entry:
            continue
        names = (*above, str(entry["name"]))
        parts = entry.get("topics") or entry.get("quality")
        if entry.get("paths"):
            # A domain has files or parts, not both.
            yield (*names, "root") if parts else names, tuple(map(str, entry["paths"]))
        yield from _leaves(parts, names)


def _evals_in(config: Mapping[str, Any], path: Path) -> tuple[OutlineEval, ...]:
    """The tasks of a launch config, by family; or the columns of the table that a fit config names."""
    taken: dict[str, str] = {}
    for family, tasks in _part(_part(config, "eval"), "tasks").items():
        for task in tasks if isinstance(tasks, Mapping | list) else ():
            taken[free_name(str(task), taken)] = str(family)
    named = _part(config, "swarm").get("metrics")
    table = path.parent / str(named) if named else None
    if not taken and table is not None and table.is_file():
        return _evals_of(table)
    return tuple(OutlineEval(name, family) for name, family in taken.items())


def _left_out(config: Mapping[str, Any]) -> Iterator[str]:
    """What a mix file has no place for, or says in its own way."""
    used = {"constraints": {"repetition_factor"}, "proposer": {"kl_reg"}, "swarm": {"seed", "ratios", "metrics"}}
    rest = []
    for section, value in config.items():
        if section in used and isinstance(value, Mapping):
            rest += [f"{section}.{key}" for key in value if key not in used[section]]
        elif section not in _TAKEN:
            rest.append(str(section))
    if rest:
        yield f"not taken over from the config: {', '.join(rest)}"


def _part(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, Mapping) else {}


def _count(value: Any, field: str, place: Place) -> int:  # noqa: ANN401  (any YAML value)
    try:
        return parse_size(value if isinstance(value, int | float | str) else str(value))
    except ValueError as error:
        raise CorpusError(f"{field}: {error}", place=place, remedy="write the number of its tokens") from error


def _number(value: Any) -> float | None:  # noqa: ANN401  (any YAML value)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def _whole(value: Any) -> int | None:  # noqa: ANN401  (any YAML value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
