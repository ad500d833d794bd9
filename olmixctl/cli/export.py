"""`olmixctl export`: the lock in a trainer's own syntax."""

from __future__ import annotations

from typing import Annotated

import typer

from olmixctl.cli.options import Json, Mix, NoColor, Out

__all__ = ["export"]


def export(
    mix: Mix = None,
    *,
    form: Annotated[str, typer.Option("--format", metavar="X", help="json, csv, olmo-core, megatron or hf.")] = "json",
    tokens: Annotated[
        str | None, typer.Option("--tokens", metavar="N", help="Tokens of the training run (300B), not the target's.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Read the result back as the trainer would, and compare.")
    ] = False,
    out: Out = None,
    as_json: Json = False,
    no_color: NoColor = False,
) -> int:
    """Write the decided mix in a trainer's own syntax.

    Example: olmixctl export base --format olmo-core --out mix.py
    """
    from olmixctl.atomic import write_atomically
    from olmixctl.cli.console import open_console
    from olmixctl.cli.outputs import output_path
    from olmixctl.cli.sizes import size_of
    from olmixctl.workspace import Workspace

    console = open_console(as_json=as_json, no_color=no_color)
    target = output_path("--out", out, mix)
    text, remarks = Workspace.open(mix).export(form, tokens=size_of("--tokens", tokens), check=check)
    if target is not None:
        write_atomically(target, text)
    said = text if out is None else f"wrote {out}"
    console.answer(said, {"format": form, "out": out and str(out), "text": text, "remarks": list(remarks)})
    for remark in remarks:
        console.hint(f"note: {remark}")
    return 0
