"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AllowRemove",
    "Json",
    "MaxRuns",
    "Mix",
    "Mixes",
    "NoColor",
    "Out",
    "Parallelism",
    "Recompute",
    "Reuse",
    "SolveOnly",
]

Mix = Annotated[
    str | None,
    typer.Argument(metavar="MIX", help="A mix file or its name; may be left out where there is one mix."),
]
Mixes = Annotated[
    list[str] | None,
    typer.Argument(metavar="MIX", help="Mix files or names; may be left out where there is one mix."),
]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, errors included.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colour; also by NO_COLOR.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write to a file.")]
Reuse = Annotated[
    str | None,
    typer.Option("--reuse", metavar="S", help="auto, full (keep the ratios of what did not change), partial or none."),
]
Recompute = Annotated[
    list[str] | None,
    typer.Option("--recompute", metavar="DOMAIN", help="Estimate an unaffected domain anew, too; may be repeated."),
]
SolveOnly = Annotated[
    bool, typer.Option("--solve-only", help="Train nothing: solve on recorded runs, or carry shares over.")
]
MaxRuns = Annotated[int | None, typer.Option("--max-runs", min=0, metavar="N", help="Refuse to train more runs.")]
AllowRemove = Annotated[
    list[str] | None,
    typer.Option("--allow-remove", metavar="ID", help="Let a protected domain go; may be repeated."),
]
Parallelism = Annotated[int | None, typer.Option("--parallelism", min=1, metavar="N", help="Runs at once.")]
