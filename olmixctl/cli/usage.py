"""What the argument parser found wrong, in our words: what was typed, and what to write instead.

The parser's own words differ between its releases. What is told apart here is what they have in common; a message of
another kind is passed on as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from olmixctl.errors import UsageError

__all__ = ["usage_error"]

_UNKNOWN = re.compile(r"No such (?P<what>option|command):? '?(?P<word>[^\s']+)'?(?P<rest>.*)", re.DOTALL)
_NAMES = re.compile(r"--?[\w-]+|'([\w-]+)'")
_MISSING = re.compile(r"Missing (?P<what>option|argument) '?(?P<word>[^\s']+)'?")
_NO_VALUE = re.compile(r"Option '(?P<word>[^']+)' requires an? (argument|value)")
_EXTRA = re.compile(r"Got unexpected extra argument(?:s|\(s\))? \((?P<words>.*)\)")
_INVALID = re.compile(r"Invalid value for '?(?P<word>[^':]+)'?: (?P<why>.*)", re.DOTALL)
_LEAST = re.compile(r"(?:greater than or equal to |x>=)(?P<least>-?\d+)")
_WHOLE = ("valid integer", "whole number")


def usage_error(message: str, typed: Sequence[str]) -> UsageError:
    """The error that the parser's `message` tells of.

    Args:
        message: what the parser says.
        typed: the words behind `olmixctl`.
    """
    listing = f"`olmixctl {_command(typed)}--help` shows what there is"
    if found := _UNKNOWN.match(message):
        known = [name for name in _names(found["rest"]) if name != found["word"]]
        remedy = f"did you mean {' or '.join(known)}?" if known else listing
        return UsageError(f"there is no {found['what']} {found['word']}", remedy=remedy)
    if found := _MISSING.match(message):
        return UsageError(f"{found['word']} is missing", remedy=listing)
    if found := _NO_VALUE.match(message):
        return UsageError(f"{found['word']} stands without its value", remedy=f"write {found['word']} VALUE")
    if found := _EXTRA.match(message):
        return UsageError(f"one word too many: {found['words']}", remedy=listing)
    if found := _INVALID.match(message):
        return _invalid(found["word"].split(" / ")[-1], found["why"], typed, listing)
    return UsageError(message, remedy=listing)


def _invalid(word: str, why: str, typed: Sequence[str], listing: str) -> UsageError:
    """A value of the wrong kind; the parser need not say which."""
    value = next(_values(word, typed), None)
    least = _LEAST.search(why)
    if least is None and not any(words in why for words in _WHOLE):
        return UsageError(f"{word}: {why}", remedy=listing)
    remedy = f"write a whole number of at least {least['least']}" if least else "write a whole number"
    return UsageError(word if value is None else f"{word}: found {value!r}", remedy=remedy)


def _values(option: str, typed: Sequence[str]) -> Iterator[str]:
    """What was typed as the value of an option, the last first: that one counts."""
    for at in reversed(range(len(typed))):
        if typed[at] == option and at + 1 < len(typed):
            yield typed[at + 1]
        elif typed[at].startswith(f"{option}="):
            yield typed[at].removeprefix(f"{option}=")


def _names(rest: str) -> list[str]:
    return [found[1] or found[0] for found in _NAMES.finditer(rest)]


def _command(typed: Sequence[str]) -> str:
    """The command that was typed, with a space behind it; empty where an option comes first."""
    return f"{typed[0]} " if typed and re.fullmatch(r"[a-z]+", typed[0]) else ""
