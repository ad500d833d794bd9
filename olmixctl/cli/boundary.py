"""The one place where errors become messages and exit codes.

A mistake of the user's and a defect of ours look different: the first is a message with its place and remedy, the
second a log file and a request to report it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, ParamSpec

import typer

from olmixctl.errors import OlmixctlError, Place, SpecError

__all__ = ["DEFECT", "STOPPED", "USAGE", "Finished", "bounded", "error_as_json", "run_app"]

USAGE = 64
DEFECT = 70
STOPPED = 130
"""128 + SIGINT, as shells report it."""

_BROKEN_PIPE = 141
"""128 + SIGPIPE."""

_PARSER_ERROR: Any = typer.BadParameter.__base__
"""The argument parser's error of usage; where it is defined differs between releases."""


P = ParamSpec("P")


class Finished(SystemExit):
    """A command's own exit code, to be told from the argument parser's."""


def run_app() -> NoReturn:
    """Parse `sys.argv` and run its command."""
    # A terminal or pipe that cannot show a character gets a replacement for it, not a traceback.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # replaced streams may lack it
    try:
        from olmixctl.cli.app import app

        code = app(prog_name="olmixctl", standalone_mode=False)
    except _PARSER_ERROR as error:
        code = _say_usage(error.format_message(), sys.argv[1:])
    except Finished:
        raise
    _close_quietly()
    # The parser gives a code where it ends by itself (`--help`), and what the command returned elsewhere.
    raise SystemExit(code if isinstance(code, int) else 0)


def bounded(command: Callable[P, int]) -> Callable[P, None]:
    """`command` (returns its exit code) with every error turned into a message and an exit code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        as_json = bool(kwargs.get("as_json"))
        try:
            code = command(*args, **kwargs)
            sys.stdout.flush()
        except OlmixctlError as error:
            code = _say(error, as_json=as_json)
        except (KeyboardInterrupt, typer.Abort):
            typer.echo("\nstopped", err=True)
            code = STOPPED
        except BrokenPipeError:
            _close_quietly()
            code = _BROKEN_PIPE
        except OSError as error:
            # A disk that is full or a file that may not be read is the machine's state, not a defect.
            place = Place(os.fspath(error.filename)) if isinstance(error.filename, str) else None
            code = _say(OlmixctlError(error.strerror or str(error), place=place), as_json=as_json)
        except Exception as error:  # noqa: BLE001  (the boundary: what arrives here is a defect of ours)
            code = _report_defect(error, as_json=as_json)
        raise Finished(code)

    # The parser reads the signature; its return type is the wrapper's.
    return run


def error_as_json(error: OlmixctlError) -> dict[str, Any]:
    """An error for programs; `problems` holds every finding where there are several."""
    value: dict[str, Any] = {
        "kind": type(error).__name__,
        "exit": error.exit_code,
        "message": error.message,
        "place": _place(error.place),
        "remedy": error.remedy,
    }
    if isinstance(error, SpecError) and error.problems != (error,):
        value["problems"] = [error_as_json(problem) for problem in error.problems]
    conflict = getattr(error, "conflict", ())
    return value | ({"conflict": list(conflict)} if conflict else {})


def _place(place: Place | None) -> dict[str, Any] | None:
    if place is None:
        return None
    return {"file": place.file, "line": place.line, "column": place.column, "field": place.field}


def _say(error: OlmixctlError, *, as_json: bool) -> int:
    if as_json:
        typer.echo(json.dumps({"error": error_as_json(error)}, indent=2, ensure_ascii=False))
    problems = error.problems if isinstance(error, SpecError) else (error,)
    for problem in problems:
        typer.echo(f"error: {problem}", err=True)
    return error.exit_code


def _say_usage(message: str, typed: list[str]) -> int:
    """What the parser found, like every other error; it shows the help where no command was given."""
    if message.startswith("Usage:"):
        typer.echo(message, err=True)
        return USAGE
    from olmixctl.cli.usage import usage_error

    words = typed[: typed.index("--") if "--" in typed else None]
    return _say(usage_error(message, words), as_json="--json" in words)


def _report_defect(error: Exception, *, as_json: bool) -> int:
    text = "".join(traceback.format_exception(error))
    log = _write_log(f"olmixctl {' '.join(sys.argv[1:])}\npython {sys.version}\n\n{text}")
    if as_json:
        found = {"kind": "Defect", "exit": DEFECT, "message": f"{type(error).__name__}: {error}", "log": str(log)}
        typer.echo(json.dumps({"error": found}, indent=2))
    typer.echo(f"error: a defect of olmixctl, not of your files: {type(error).__name__}: {error}", err=True)
    typer.echo(f"  → please report it with the log {log}", err=True)
    return DEFECT


def _write_log(text: str) -> Path:
    """The log, in the repository's `.olmixctl/logs` where there is a repository that can be written, else in temp."""
    name = f"defect-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    here = Path.cwd()
    roots = [folder for folder in (here, *here.parents) if (folder / "mixes").is_dir() or (folder / ".git").exists()]
    for folder in [root / ".olmixctl" / "logs" for root in roots[:1]] + [Path(tempfile.gettempdir())]:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
            return folder / name
    return Path(os.devnull)


def _close_quietly() -> None:
    """Flush what can be; a reader that went away (`| head`) is no error and leaves no message at exit."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
