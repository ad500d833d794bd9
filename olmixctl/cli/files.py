"""Writing answers into files, and whether Git keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from olmixctl.atomic import write_atomically
from olmixctl.errors import OlmixctlError, Place
from olmixctl.report.markdown import in_section

__all__ = ["in_git", "write_json", "write_section"]


def in_git(folder: Path) -> bool:
    """Whether `folder` is inside a Git working tree."""
    here = folder.absolute()
    return any((parent / ".git").exists() for parent in (here, *here.parents))


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write `value` as indented JSON."""
    write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_section(path: Path, name: str, body: str) -> None:
    """Put `body` into the section `name` of the Markdown file `path`; the file is made where there is none.

    Raises:
        OlmixctlError: the file cannot be read or written, or its marks do not fit.
    """
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        write_atomically(path, in_section(text, name, body))
    except (OSError, ValueError) as error:
        raise OlmixctlError(
            f"cannot put the plan into it: {error}", place=Place(str(path)), remedy="name a Markdown file of UTF-8 text"
        ) from error
