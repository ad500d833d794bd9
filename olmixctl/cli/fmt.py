"""`olmixctl fmt`: the canonical form of a mix file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from olmixctl.cli.options import Json, Mixes, NoColor

__all__ = ["fmt"]


def fmt(
    mixes: Mixes = None,
    *,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 2 if a file would change.")] = False,
    as_json: Json = False,
    no_color: NoColor = False,
) -> int:
    """Put mix files into canonical form. Comments stay.

    Example: olmixctl fmt --check
    """
    from olmixctl.atomic import write_atomically
    from olmixctl.cli.console import open_console
    from olmixctl.spec.find import find_mix
    from olmixctl.spec.fmt import format_mix
    from olmixctl.spec.source import read_text

    console = open_console(as_json=as_json, no_color=no_color)
    # Also a file that is no valid mix yet has a form: only its YAML is asked for.
    texts = {path: read_text(path) for path in (find_mix(target, Path.cwd()) for target in mixes or (None,))}
    formatted = {path: format_mix(text, str(path)) for path, text in texts.items()}
    changed = [path for path in texts if formatted[path] != texts[path]]
    for path in [] if check else changed:
        write_atomically(path, formatted[path])
    verb = "would change" if check else "formatted"
    lines = [f"{path.name}: {verb if path in changed else 'as it should be'}" for path in formatted]
    console.answer("\n".join(lines), {"changed": [str(path) for path in changed], "written": not check})
    return 2 if check and changed else 0
