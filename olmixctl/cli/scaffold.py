"""The files that `init` writes; nothing that is there is overwritten."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from olmixctl.errors import Place, UsageError
from olmixctl.spec.model import MixSpec

__all__ = ["NewMix", "add_lines", "new_mix", "write_schema"]


@dataclass(frozen=True, slots=True)
class NewMix:
    """A mix file just written, what it declares, what was left out of it, in words, and the command that goes on."""

    path: Path
    spec: MixSpec
    notes: tuple[str, ...]
    next: str


def new_mix(root: Path, name: str, source: Path | None, target: str | None, metrics: Path | None = None) -> NewMix:
    """Write `mixes/NAME.yaml`; what was written.

    Args:
        root: of the repository.
        name: of the mix.
        source: a folder, with a domain for each sub-folder; or a swarm's table of mixtures, or an Olmix config.
        target: tokens of the run it is for; None guesses.
        metrics: the swarm's other table, with an eval for each column.

    Raises:
        UsageError: the name or the target cannot be one, the file exists, or the folder holds no documents.
        CorpusError: a table is not as it should be.
    """
    from olmixctl.atomic import write_atomically
    from olmixctl.spec.load import parse_mix

    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name) or name.endswith((".yaml", ".yml")):
        raise UsageError(f"{name!r} cannot be the name of a mix", remedy="use letters, digits, `_`, `-` and `.`")
    path = root / "mixes" / f"{name}.yaml"
    if path.exists():
        raise UsageError("the mix file is there already", place=Place(str(path)), remedy="choose another name")
    outline = source is not None and source.is_file()
    if metrics is not None and not outline:
        raise UsageError("--metrics goes with --from RATIOS.csv", remedy="name the swarm's table of mixtures, too")
    try:
        text, notes = _outlined(name, source, metrics, target) if outline else _scanned(root, name, source, target)
    except ValueError as error:
        raise UsageError(f"--target: {error}", remedy="write 1T, 300B, 2.5M or a whole number") from error
    spec = parse_mix(text, path).spec
    write_atomically(path, text)
    goes_on = f"olmixctl plan {name}"
    if source is not None and metrics is not None:
        goes_on = f"olmixctl import runs {name} {shlex.join(['--ratios', str(source), '--metrics', str(metrics)])}"
    return NewMix(path, spec, notes, goes_on)


def _scanned(root: Path, name: str, folder: Path | None, target: str | None) -> tuple[str, tuple[str, ...]]:
    from olmixctl.spec.scaffold import TARGET_TOKENS, scaffold_mix, suggest_target
    from olmixctl.spec.scan import scan_folder

    scan = None if folder is None else scan_folder(folder, root=root)
    corpora = None if scan is None else scan.corpora
    guess = suggest_target(corpora, root=root) if corpora else TARGET_TOKENS
    return scaffold_mix(
        name, corpora, target_tokens=target or guess, guess=target is None
    ), () if scan is None else scan.notes


def _outlined(name: str, source: Path | None, metrics: Path | None, target: str | None) -> tuple[str, tuple[str, ...]]:
    from olmixctl.spec.outline import read_outline
    from olmixctl.spec.scaffold import TARGET_TOKENS, scaffold_outline
    from olmixctl.spec.units import parse_size

    assert source is not None, "an outline is read from a file"
    tokens = target or TARGET_TOKENS
    outline = read_outline(source, metrics, parse_size(tokens))
    return scaffold_outline(name, outline, target_tokens=tokens, guess=target is None), outline.notes


def add_lines(path: Path, lines: tuple[str, ...]) -> Path | None:
    """Append those of `lines` that `path` does not have; None when it has them all."""
    from olmixctl.atomic import write_atomically

    text = path.read_text(encoding="utf-8") if path.exists() else ""
    missing = [line for line in lines if line not in text.splitlines()]
    if not missing:
        return None
    start = text if not text or text.endswith("\n") else f"{text}\n"
    write_atomically(path, start + "".join(f"{line}\n" for line in missing))
    return path


def write_schema(root: Path) -> Path | None:
    """Put the schema of mix files where a new mix file says it is, for editors; None when one is there."""
    from olmixctl.atomic import write_atomically
    from olmixctl.spec.schema import load_schema

    path = root / "schemas" / "mix.schema.json"
    if path.exists():
        return None
    write_atomically(path, json.dumps(load_schema("mix"), indent=2, ensure_ascii=False) + "\n")
    return path
