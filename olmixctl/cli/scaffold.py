"""The files that `init` writes; nothing that is there is overwritten."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from olmixctl.errors import Place, UsageError
from olmixctl.spec.model import MixSpec

__all__ = ["NewMix", "add_lines", "new_mix", "write_schema"]


@dataclass(frozen=True, slots=True)
class NewMix:
    """A mix file just written, what it declares, and what was left out of it, in words."""

    path: Path
    spec: MixSpec
    notes: tuple[str, ...]


def new_mix(root: Path, name: str, folder: Path | None, target: str | None) -> NewMix:
    """Write `mixes/NAME.yaml`, with a domain for each sub-folder of `folder`; what was written.

    Raises:
        UsageError: the name or the target cannot be one, the file exists, or the folder holds no documents.
    """
    from olmixctl.atomic import write_atomically
    from olmixctl.spec.load import parse_mix
    from olmixctl.spec.scaffold import TARGET_TOKENS, scaffold_mix, suggest_target
    from olmixctl.spec.scan import scan_folder

    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name) or name.endswith((".yaml", ".yml")):
        raise UsageError(f"{name!r} cannot be the name of a mix", remedy="use letters, digits, `_`, `-` and `.`")
    path = root / "mixes" / f"{name}.yaml"
    if path.exists():
        raise UsageError("the mix file is there already", place=Place(str(path)), remedy="choose another name")
    scan = None if folder is None else scan_folder(folder, root=root)
    corpora = None if scan is None else scan.corpora
    try:
        guess = suggest_target(corpora, root=root) if corpora else TARGET_TOKENS
        text = scaffold_mix(name, corpora, target_tokens=target or guess)
    except ValueError as error:
        raise UsageError(f"--target: {error}", remedy="write 1T, 300B, 2.5M or a whole number") from error
    spec = parse_mix(text, path).spec
    write_atomically(path, text)
    return NewMix(path, spec, () if scan is None else scan.notes)


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
