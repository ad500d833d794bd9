"""`olmixctl init`: a mix file to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from olmixctl.cli.options import Json, NoColor

__all__ = ["init"]

_ATTRIBUTES = ("*.lock.yaml text eol=lf -merge", "*.runs/** text eol=lf linguist-generated")
_IGNORED = (".olmixctl/",)


def init(
    name: Annotated[str, typer.Argument(help="Name of the mix.")] = "base",
    *,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="DIR|FILE",
            help="One domain for each sub-folder of DIR that holds documents; or each column of a swarm's ratios, or "
            "each domain of an Olmix config.",
        ),
    ] = None,
    metrics: Annotated[
        Path | None,
        typer.Option("--metrics", metavar="B.csv", help="With a swarm's ratios: one eval for each of its metrics."),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="TOKENS", help="Tokens of the run it is for.")
    ] = None,
    as_json: Json = False,
    no_color: NoColor = False,
) -> int:
    """Write mixes/NAME.yaml to start from.

    Also tells Git how to treat locks, runs and caches, and editors what a mix file holds (schemas/).
    Nothing that is there is overwritten.

    Example: olmixctl init base --from corpora
    """
    from olmixctl.cli.console import open_console
    from olmixctl.cli.files import in_git
    from olmixctl.cli.scaffold import add_lines, new_mix, write_schema

    console = open_console(as_json=as_json, no_color=no_color)
    root = Path.cwd()
    made = new_mix(root, name, source, target, metrics)
    path, spec = made.path, made.spec
    changed = [
        write_schema(root),
        add_lines(root / ".gitattributes", _ATTRIBUTES),
        add_lines(root / ".gitignore", _IGNORED),
    ]
    also = [str(p.relative_to(root)) for p in changed if p]
    console.answer(
        f"wrote {path.relative_to(root)}: {len(spec.domains)} domains, {len(spec.evals)} evals"
        + "".join(f"\nwrote {name}" for name in also),
        {"path": str(path.relative_to(root)), "domains": list(spec.domain_ids), "also": also},
    )
    for note in made.notes:
        console.hint(f"note: {note}")
    if not in_git(root):
        console.hint("not in a Git repository yet: `git init`, so that the mix, its lock and its runs have a history")
    console.hint(f"next: edit its target and domains, then `{made.next}`")
    return 0
