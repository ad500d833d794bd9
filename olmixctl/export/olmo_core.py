"""OLMo-core: the `sources:` YAML that `SourceMixtureList.from_yaml` reads.

OLMo-core refuses to build when a source cannot give what its ratio asks of `requested_tokens`; people then tune last
digits by hand. Here the repetition each source needs follows from `--tokens`, with headroom, and the check repeats
OLMo-core's own arithmetic. Weights count tokens.

Source: OLMo-core `src/olmo_core/data/source_mixture.py`: `SourceMixtureConfig.validate` and
`SourceMixtureDatasetConfig.build`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from olmixctl.errors import CorpusError
from olmixctl.export.model import ExportDomain, ExportMix
from olmixctl.export.repetition import check_repetition
from olmixctl.export.text import compare, files_of, fixed, has_text, notes, quoted, text_stem, unreadable

__all__ = ["check", "remarks", "render"]

_NAME = "olmo-core"
_HEADROOM = Fraction(101, 100)  # OLMo-core rounds the run up to whole batches and files down to whole sequences
_PLACES = 10**6
_ALLCLOSE = 1e-5 + 1e-8  # np.allclose(x, 1.0): rtol · 1 + atol


@dataclass(frozen=True, slots=True)
class _Source:
    """One entry as OLMo-core holds it after parsing: floats."""

    name: str
    ratio: float
    repetition: float
    fraction: float
    paths: tuple[str, ...]


def render(mix: ExportMix) -> str:
    """A header and one source a domain, in id order.

    Raises:
        CorpusError: a domain has no files or no tokens.
        UsageError: the run would repeat a domain more often than the mix allows.
    """
    check_repetition(mix)
    lines = [f"# {note}" for note in (*notes(mix, _NAME, tokens=True), *_about(mix))]
    lines.append("sources:")
    for domain in mix.used:
        lines += [
            f"  - source_name: {quoted(domain.id)}",
            f"    target_ratio: {fixed(domain.weight)}",
            "    paths:",
            *(f"      - {quoted(path)}" for path in _paths(domain)),
            f"    max_repetition_ratio: {fixed(_repetition(mix, domain), units=_PLACES)}",
            "    max_source_fraction: 1.0",
        ]
    return "\n".join(lines) + "\n"


def check(text: str, mix: ExportMix) -> None:
    """Read as OLMo-core reads it, the sources are valid, hold enough for the run, and weigh what the lock says.

    Raises:
        IntegrityError: one of these does not hold.
    """
    sources = _parse(text, mix)
    domains = {domain.id: domain for domain in mix.used}
    if abs(math.fsum(source.ratio for source in sources) - 1.0) > _ALLCLOSE:
        raise unreadable(mix, _NAME, "target_ratios must sum to 1.0")
    for source in sources:
        _validate(source, mix)
        if source.name in domains:
            _check_capacity(source, domains[source.name], mix)
    # A float of six places is its decimal again when rounded to six places.
    found = {source.name: Fraction(f"{source.ratio:.6f}") for source in sources}
    if len(found) != len(sources):
        raise unreadable(mix, _NAME, "a source stands twice")
    compare(found, mix, trainer=_NAME)


def remarks(_mix: ExportMix) -> tuple[str, ...]:
    """Nothing that is not in the header."""
    return ()


def _about(mix: ExportMix) -> tuple[str, ...]:
    lines = [f"For SourceMixtureDatasetConfig(requested_tokens={mix.target_tokens}, …)."]
    if has_text(mix):
        lines.append("OLMo-core reads token files: each text file stands under the .npy name its tokens should have.")
    return tuple(lines)


def _paths(domain: ExportDomain) -> list[str]:
    paths = []
    for file in files_of(domain, _NAME):
        stem = text_stem(file)
        paths.append(file.path if stem is None else f"{stem}.npy")
    if len(set(paths)) != len(paths):
        raise CorpusError(f"two files of domain {domain.id!r} have the same token file", remedy="rename one of them")
    return paths


def _repetition(mix: ExportMix, domain: ExportDomain) -> int:
    """`max_repetition_ratio` in millionths: what the run needs with headroom, at least 1."""
    needed = mix.repetition(domain)
    if needed is None:
        raise CorpusError(f"domain {domain.id!r} has weight {fixed(domain.weight)} but no tokens")
    return max(_PLACES, math.ceil(needed * _HEADROOM * _PLACES))


def _parse(text: str, mix: ExportMix) -> list[_Source]:
    import yaml  # only the check reads YAML

    try:
        entries = yaml.safe_load(text)["sources"]
        return [_source(entry) for entry in entries]
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise unreadable(mix, _NAME, str(error)) from error


def _source(entry: dict[str, Any]) -> _Source:
    known = {"source_name", "target_ratio", "paths", "max_repetition_ratio", "max_source_fraction"}
    if unknown := entry.keys() - known:
        raise ValueError(f"unknown fields {sorted(unknown)}")
    if not isinstance(entry["source_name"], str) or not all(isinstance(path, str) for path in entry["paths"]):
        raise TypeError("names and paths are strings")
    return _Source(
        name=entry["source_name"],
        ratio=float(entry["target_ratio"]),
        repetition=float(entry.get("max_repetition_ratio", 1.0)),
        fraction=float(entry.get("max_source_fraction", 1.0)),
        paths=tuple(entry["paths"]),
    )


def _validate(source: _Source, mix: ExportMix) -> None:
    if not 0 < source.ratio <= 1:
        raise unreadable(mix, _NAME, f"target_ratio of {source.name!r} must be > 0 and <= 1")
    if not 0 < source.fraction <= 1:
        raise unreadable(mix, _NAME, f"max_source_fraction of {source.name!r} must be in (0, 1]")
    if not source.repetition >= 1:
        raise unreadable(mix, _NAME, f"max_repetition_ratio of {source.name!r} must be >= 1")
    if not source.paths:
        raise unreadable(mix, _NAME, f"paths of {source.name!r} must not be empty")


def _check_capacity(source: _Source, domain: ExportDomain, mix: ExportMix) -> None:
    """`build` refuses a source with less than its share of the run, in floats and truncated as there."""
    needed = int(mix.target_tokens * source.ratio)
    # Two releases truncate in two places; both must pass.
    capacity = min(
        int((domain.tokens * source.fraction) * source.repetition),
        int(int(domain.tokens * source.fraction) * source.repetition),
    )
    if capacity < needed:
        raise unreadable(mix, _NAME, f"insufficient tokens for source {source.name!r}: {capacity} < {needed}")
