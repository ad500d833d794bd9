"""`olmixctl fit`: laws for a swarm in two CSV tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from olmixctl.cli.options import Json, NoColor, Out

__all__ = ["fit"]


def fit(
    *,
    ratios: Annotated[Path, typer.Option("--ratios", metavar="A.csv", help="A row a run: its id and its mixture.")],
    metrics: Annotated[Path, typer.Option("--metrics", metavar="B.csv", help="A row a run: its id and its losses.")],
    surrogate: Annotated[
        str, typer.Option("--surrogate", metavar="S", help="auto, log_linear, saturating, gaussian or lightgbm.")
    ] = "auto",
    predict: Annotated[
        Path | None, typer.Option("--predict", metavar="C.csv", help="Mixtures to predict, into --out.")
    ] = None,
    out: Out = None,
    as_json: Json = False,
    no_color: NoColor = False,
) -> int:
    """Fit a swarm that stands in CSV tables, and predict.

    Needs no mix file. Rows are joined by run id; how well runs that the fit has not seen are predicted is printed.

    Example: olmixctl fit --ratios ratios.csv --metrics metrics.csv --predict candidates.csv --out predicted.csv
    """
    from olmixctl.atomic import write_atomically
    from olmixctl.cli.console import open_console
    from olmixctl.cli.fitted import fit_as_json, fit_shown, prediction_path
    from olmixctl.cli.progress import Line, fit_progress
    from olmixctl.fitting import fit_tables
    from olmixctl.report.text_fit import fit_text

    console = open_console(as_json=as_json, no_color=no_color)
    target = prediction_path(predict, out, (ratios, metrics))
    with Line() as line:
        fitted = fit_tables(ratios, metrics, surrogate, predict, fit_progress(line))
    if fitted.predicted is not None and target is not None:
        write_atomically(target, fitted.predicted.as_csv())
    console.answer(fit_text(fit_shown(fitted, out), console.look), fit_as_json(fitted, out, surrogate))
    return 0
