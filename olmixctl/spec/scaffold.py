"""The mix file that `init` writes: loads as it is, and says in comments what to change.

Its domains come from a folder of corpora (`olmixctl.spec.scan`), from files of other tools (`olmixctl.spec.outline`),
or are examples to edit.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from olmixctl.errors import UsageError
from olmixctl.spec.outline import Outline, OutlineEval
from olmixctl.spec.scalars import read_scalar
from olmixctl.spec.scan import Corpora, free_name
from olmixctl.spec.units import format_size, parse_size

__all__ = ["scaffold_mix", "scaffold_outline", "suggest_target"]

TARGET_TOKENS = "1B"
"""Without data to go by: a guess that the user edits; the caps depend on it."""

HELDOUT_FRACTION = 0.05
PROXY_MODEL = "250k"
PROXY_TOKENS = 250_000
PROXY_SEQUENCE_LENGTH = 64
PROXY_BATCH_SIZE = 16

_GUESSED = "  # Their tokens are a guess, in proportion to mean shares: they decide the natural mix and the caps."
_EXAMPLE: Corpora = {"web": ["corpora/web/**/*.txt"], "code": ["corpora/code/**/*.txt"]}


def scaffold_mix(
    name: str, corpora: Corpora | None = None, *, target_tokens: int | str = TARGET_TOKENS, guess: bool = True
) -> str:
    """The text of a new mix file.

    Args:
        name: of the mix.
        corpora: its domains; None for two examples to edit.
        target_tokens: of the run that the mix is for.
        guess: nobody said so many; the comment asks to edit them.

    Raises:
        UsageError: `name` cannot be the name of a mix.
        ValueError: `target_tokens` is not a size.
    """
    domains = corpora or _EXAMPLE
    lines = [
        *_head(name, target_tokens, guess=guess),
        "domains:  # a domain has `paths`; folders of domains nest, and a domain's id is the path of names",
        *_domain_lines(domains, "  "),
        "",
        *_heldout_lines(list(_leaf_ids(domains, ""))),
        "",
        *_tail(),
    ]
    return "\n".join(lines) + "\n"


def scaffold_outline(
    name: str, outline: Outline, *, target_tokens: int | str = TARGET_TOKENS, guess: bool = True
) -> str:
    """The text of a new mix file from what another tool's files say; raises as `scaffold_mix`."""
    tree: dict[str, Any] = {}
    for domain in outline.domains:
        *above, last = domain.id.split("/")
        at = tree
        for part in above:
            at = at.setdefault(part, {})
        at[last] = domain
    lines = [
        *_head(name, target_tokens, outline.max_repetition, guess=guess),
        "domains:  # a domain has `paths`; folders of domains nest, and a domain's id is the path of names",
        *([_GUESSED] if outline.guessed else []),
        *_outlined_lines(tree, "  ", outline),
        "",
        *_outlined_evals(outline),
        "",
        *_tail(outline.kl, outline.seed),
    ]
    return "\n".join(lines) + "\n"


def suggest_target(corpora: Corpora, *, root: Path) -> str:
    """A target run that fits the data: a token a byte, to one digit. With four repetitions the caps then leave room."""
    files = (Path(name) for pattern in _patterns(corpora) for name in glob.glob(str(root / pattern), recursive=True))  # noqa: PTH207  (absolute patterns too)
    size = sum(path.stat().st_size for path in files)
    unit = 10 ** (len(str(max(size, 1))) - 1)
    return format_size(max(size // unit, 1) * unit)


def _patterns(corpora: Corpora) -> Iterator[str]:
    for entry in corpora.values():
        if isinstance(entry, Mapping):
            yield from _patterns(entry)
        else:
            yield from entry


def _leaf_ids(domains: Corpora, prefix: str) -> Iterator[str]:
    for name, entry in domains.items():
        if isinstance(entry, Mapping):
            yield from _leaf_ids(entry, f"{prefix}{name}/")
        else:
            yield prefix + name


def _head(name: str, target_tokens: int | str, max_repetition: float | None = None, *, guess: bool) -> list[str]:
    """The first lines.

    Raises:
        UsageError: `name` cannot be the name of a mix.
        ValueError: `target_tokens` is not a size.
    """
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", name) is None:
        raise UsageError(f"{name!r} cannot name a mix", remedy="use letters, digits, `_`, `-` and `.`")
    parse_size(target_tokens)
    edit = " (a guess: edit it)" if guess else ""
    return [
        "# yaml-language-server: $schema=../schemas/mix.schema.json",
        "version: 1",
        f"name: {_quoted(name)}",
        f"# The training run this mix is for: its tokens{edit}, and how often a domain may repeat in it.",
        f"target: {{tokens: {target_tokens}, max_repetition: {max_repetition or 4:g}}}",
        "tokenizer: bytes  # or the path of a Hugging Face tokenizer.json",
        "",
    ]


def _domain_lines(domains: Corpora, indent: str) -> Iterator[str]:
    for name, entry in domains.items():
        yield f"{indent}{_quoted(name)}:"
        if isinstance(entry, Mapping):
            yield f"{indent}  domains:"
            yield from _domain_lines(entry, f"{indent}    ")
        else:
            yield f"{indent}  paths: [{', '.join(_double_quoted(path) for path in entry)}]"


def _outlined_lines(tree: Mapping[str, Any], indent: str, outline: Outline) -> Iterator[str]:
    for name, entry in tree.items():
        yield f"{indent}{_quoted(name)}:"
        if isinstance(entry, Mapping):
            yield f"{indent}  domains:"
            yield from _outlined_lines(entry, f"{indent}    ", outline)
            continue
        yield f"{indent}  paths: [{', '.join(_double_quoted(path) for path in entry.paths)}]"
        if entry.tokens is not None:
            # Tokens and revision are the identity of declared documents: equal sizes must not make two domains one.
            size, revision = format_size(entry.tokens), _double_quoted(f"{outline.revision}/{entry.id}")
            yield f"{indent}  declared: {{tokens: {size}, revision: {revision}}}"


def _outlined_evals(outline: Outline) -> Iterator[str]:
    """Metrics of the swarm; without any, documents held out, or one to edit where no data is read."""
    if not outline.evals and all(domain.tokens is None for domain in outline.domains):
        yield from _heldout_lines([domain.id for domain in outline.domains])
        return
    yield "evals:  # metrics of the swarm: their values come with `olmixctl import runs`, in their own unit"
    revision = _double_quoted(outline.revision)
    for item in outline.evals or (OutlineEval("loss"),):
        family = f", family: {_quoted(item.family)}" if item.family else ""
        yield f"  - {{name: {_quoted(item.name)}, declared: {{revision: {revision}}}{family}}}"


def _heldout_lines(ids: list[str]) -> Iterator[str]:
    yield f"evals:  # bits per byte on documents kept out of training: {HELDOUT_FRACTION:.0%} of each domain"
    yield from _eval_lines(ids)


def _eval_lines(ids: list[str]) -> Iterator[str]:
    taken: dict[str, object] = {}
    for id_ in ids:
        name = free_name(id_.replace("/", "-"), taken)
        taken[name] = id_
        yield f"  - {{name: {_quoted(name)}, heldout: {_quoted(id_)}, fraction: {HELDOUT_FRACTION}}}"


def _tail(kl: float | None = None, seed: int | None = None) -> list[str]:
    swarm = "runs_per_coordinate: 3" + ("" if not seed else f", seed: {seed}")
    return [
        "# What is minimised: the mean of the evals, plus kl times the distance from the natural proportions.",
        f"objective: {{kl: {kl or 0.05:g}, reference: natural}}",
        "",
        "# The small models that are trained to learn how the mix moves the evals.",
        (
            f"proxy: {{model: {PROXY_MODEL}, tokens: {PROXY_TOKENS}, "
            f"sequence_length: {PROXY_SEQUENCE_LENGTH}, batch_size: {PROXY_BATCH_SIZE}}}"
        ),
        f"swarm: {{{swarm}}}  # 3 × (domains + 1) proxy runs",
        "",
        "executor: {kind: local}",
        "# budget: {max_runs: 200, max_gpu_hours: 50}  # `apply` stops before it would spend more",
    ]


def _quoted(text: str) -> str:
    """Plain where every reader of YAML takes the word for text, else quoted."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_./-]*", text) is not None
    words = {"null", "true", "false", "yes", "no", "on", "off"}
    if plain and text.lower() not in words and read_scalar(text, "tag:yaml.org,2002:str", plain=True) == text:
        return text
    return _double_quoted(text)


def _double_quoted(text: str) -> str:
    escaped = "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in re.sub(r'(["\\])', r"\\\1", text))
    return f'"{escaped}"'
