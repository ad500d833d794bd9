"""What all exporters share: fixed-point numbers, quoting, the header, and the comparison behind `--check`."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from olmixctl.errors import CorpusError, IntegrityError
from olmixctl.export.model import ExportDomain, ExportFile, ExportMix
from olmixctl.mixture import GRID, SHARE_UNITS, round_to_grid

__all__ = [
    "command",
    "compare",
    "files_of",
    "fixed",
    "has_text",
    "notes",
    "quoted",
    "split_weight",
    "text_stem",
    "unreadable",
]

_TEXT_SUFFIXES = (".jsonl.gz", ".jsonl.zst", ".jsonl", ".txt.gz", ".txt.zst", ".txt", ".parquet")
_TOKEN_KINDS = ("npy", "bin")


def fixed(points: int, *, units: int = GRID) -> str:
    """`points` of 1/`units` (a power of ten) as a decimal with all its places: 300000 → 0.300000. Never an exponent."""
    places = len(str(units)) - 1
    whole, rest = divmod(points, units)
    return f"{whole}.{rest:0{places}d}"


def quoted(text: str) -> str:
    """A double-quoted YAML string that every YAML reader takes for this text and nothing else."""
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    # What does not print has a meaning of its own in YAML (line breaks, byte-order marks) or none.
    if char.isprintable():
        return char
    return f"\\u{ord(char):04X}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08X}"


def command(mix: ExportMix, trainer: str, *, tokens: bool = False) -> str:
    """The command that writes this export again, with `--tokens` where the output depends on it."""
    tail = f" --tokens {mix.target_tokens}" if tokens else ""
    return f"olmixctl export {mix.name} --format {trainer}{tail}"


def notes(mix: ExportMix, trainer: str, *, tokens: bool = False) -> tuple[str, ...]:
    """The lines of a header: which mix, made by what, and what was left out. Free of line breaks."""
    lines = [
        f"Mix {quoted(mix.name)}, lock {mix.lock_digest}, serial {mix.serial}.",
        f"Made by: {command(mix, trainer, tokens=tokens)}",
    ]
    if mix.left_out:
        lines.append("Left out, at weight zero: " + ", ".join(quoted(name) for name in mix.left_out))
    return tuple(lines)


def text_stem(file: ExportFile) -> str | None:
    """What a text file's token file is named after; None for token files, which trainers read as they are.

    The path without a usual suffix of text; any other suffix stays, so that x.c and x.h are two token files.
    """
    suffix = next((suffix for suffix in _TEXT_SUFFIXES if file.path.endswith(suffix)), None)
    if suffix is not None:
        return file.path.removesuffix(suffix)
    is_text = bool(file.kind) and not file.kind.startswith(_TOKEN_KINDS)
    return file.path if is_text else None


def has_text(mix: ExportMix) -> bool:
    """Whether any domain with weight holds text files."""
    return any(text_stem(file) is not None for domain in mix.used for file in domain.files)


def files_of(domain: ExportDomain, trainer: str) -> tuple[ExportFile, ...]:
    """The files of a domain.

    Raises:
        CorpusError: the domain has none; trainers that read files cannot be told of it.
    """
    if not domain.files:
        raise CorpusError(
            f"domain {domain.id!r} has no files that {trainer} could be pointed to",
            remedy="export where the data can be read (`olmixctl plan --refresh`), or use --format json",
        )
    return domain.files


def split_weight(domain: ExportDomain) -> list[tuple[ExportFile, int]]:
    """The domain's weight over its files by token count, in units of 1/`SHARE_UNITS`; empty files get no entry.

    The sum is exact: the units of the files add up to the domain's millionths. No file with tokens gets zero.

    Raises:
        CorpusError: no file of the domain holds a token.
    """
    files = [file for file in domain.files if file.tokens > 0]
    if not files:
        raise CorpusError(
            f"domain {domain.id!r} has weight {fixed(domain.weight)} but no file with tokens",
            remedy="run `olmixctl plan` to see what changed in the data",
        )
    units = domain.weight * (SHARE_UNITS // GRID)
    total = sum(file.tokens for file in files)
    wanted = {file.path: Fraction(units * file.tokens, total) for file in files}
    points = round_to_grid(wanted, total=units, lower=dict.fromkeys(wanted, 1))
    return [(file, points[file.path]) for file in files]


def compare(found: Mapping[str, Fraction], mix: ExportMix, *, trainer: str) -> None:
    """The weights a trainer would read are the lock's, to the last digit.

    Raises:
        IntegrityError: a domain is missing, unknown or has another weight.
    """
    wanted = {domain.id: Fraction(domain.weight, GRID) for domain in mix.used}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            have, want = _shown(found.get(name)), _shown(wanted.get(name))
            raise IntegrityError(
                f"{trainer} would read weight {have} for domain {name!r}; the lock says {want}",
                remedy=f"write the file again: {command(mix, trainer)}",
            )


def _shown(weight: Fraction | None) -> str:
    return "none" if weight is None else f"{float(weight):.12g}"


def unreadable(mix: ExportMix, trainer: str, why: str) -> IntegrityError:
    """The error for a text that the trainer's parser would not take."""
    return IntegrityError(f"{trainer} would not read this: {why}", remedy=f"write it again: {command(mix, trainer)}")
