"""Hugging Face datasets: a Python module with the probabilities for `interleave_datasets`.

`interleave_datasets` draws whole examples (documents), so token weights must be converted: with m_i tokens per document
on average, p_i ∝ w_i / m_i gives domain i the share w_i of the tokens. Without document counts there is no honest
conversion, and the export is refused.

Source: datasets `src/datasets/combine.py`, `arrow_dataset.py: _interleave_map_style_datasets`; the sum is checked by
`numpy.random.Generator.choice` to within √eps ≈ 1.5e-8.
"""

from __future__ import annotations

import ast
import math
from fractions import Fraction

from olmixctl.errors import CorpusError
from olmixctl.export.model import ExportDomain, ExportMix
from olmixctl.export.repetition import check_repetition
from olmixctl.export.text import compare, fixed, notes, unreadable
from olmixctl.mixture import SHARE_UNITS, round_to_grid

__all__ = ["check", "remarks", "render"]

_NAME = "hf"
_SUM_TOLERANCE = 1.5e-8
_RATE_UNITS = 10**30
_USE = '''
"""Probabilities for `datasets.interleave_datasets`, in the order of DOMAINS.

    interleave_datasets(
        [my_datasets[name] for name in DOMAINS],
        probabilities=PROBABILITIES_EXAMPLES,  # it draws documents, not tokens
        seed=42,
        stopping_strategy="all_exhausted",
    )

Stop by tokens, not by epochs: a domain that runs out is started again.
"""
'''


def render(mix: ExportMix) -> str:
    """The module's text.

    Raises:
        CorpusError: documents or tokens of a domain are not known.
    """
    check_repetition(mix)
    examples = _examples(mix)
    lines = [f"# {note}" for note in notes(mix, _NAME)]
    lines.append(_USE.rstrip("\n"))
    lines += ["", *_assigned("DOMAINS", [repr(domain.id) for domain in mix.used])]
    lines += ["", "# Share of the training tokens: what the lock says."]
    lines += _assigned("PROBABILITIES_TOKENS", [fixed(domain.weight) for domain in mix.used])
    lines += ["", "# Share of the documents drawn: PROBABILITIES_TOKENS over mean tokens per document, normalised."]
    lines += _assigned("PROBABILITIES_EXAMPLES", [fixed(examples[d.id], units=SHARE_UNITS) for d in mix.used])
    return "\n".join(lines) + "\n"


def check(text: str, mix: ExportMix) -> None:
    """The module's lists fit together, sum to 1 as NumPy wants, and convert the lock's weights.

    Raises:
        IntegrityError: one of these does not hold.
    """
    names = [str(name) for name in _parse(text, mix, "DOMAINS")]
    tokens = _probabilities(text, mix, "PROBABILITIES_TOKENS")
    examples = _probabilities(text, mix, "PROBABILITIES_EXAMPLES")
    if not len(names) == len(set(names)) == len(tokens) == len(examples):
        raise unreadable(mix, _NAME, "the lists differ in length or name a domain twice")
    found = {name: Fraction(f"{value:.6f}") for name, value in zip(names, tokens, strict=True)}
    compare(found, mix, trainer=_NAME)
    wanted = _converted(mix)
    # Each of n probabilities was moved by rounding, by at most as many grid points as there are others.
    slack = Fraction(len(names) + 1, SHARE_UNITS)
    for name, value in zip(names, examples, strict=True):
        if abs(Fraction(value) - wanted[name]) > slack:
            raise unreadable(mix, _NAME, f"domain {name!r} is drawn with {value}, not {float(wanted[name]):.12f}")


def remarks(_mix: ExportMix) -> tuple[str, ...]:
    """Nothing that is not in the module."""
    return ()


def _converted(mix: ExportMix) -> dict[str, Fraction]:
    """Domain id → p_i = (w_i / m_i) / Σ (w_j / m_j), to thirty digits: exact sums of many fractions grow unbounded."""
    rates = {domain.id: round(domain.weight * _RATE_UNITS / _mean_tokens(domain)) for domain in mix.used}
    total = sum(rates.values())
    return {name: Fraction(rate, total) for name, rate in rates.items()}


def _mean_tokens(domain: ExportDomain) -> Fraction:
    if not domain.documents or not domain.tokens:
        raise CorpusError(
            f"interleave_datasets draws documents, and the lock has no document count for domain {domain.id!r}",
            remedy="declare `documents` in the mix file, or export where the data can be read",
        )
    return Fraction(domain.tokens, domain.documents)


def _examples(mix: ExportMix) -> dict[str, int]:
    """The converted probabilities in 1/`SHARE_UNITS`, summing exactly, none zero."""
    wanted = {name: share * SHARE_UNITS for name, share in _converted(mix).items()}
    return round_to_grid(wanted, total=SHARE_UNITS, lower=dict.fromkeys(wanted, 1))


def _assigned(name: str, values: list[str]) -> list[str]:
    return [f"{name} = [", *(f"    {value}," for value in values), "]"]


def _parse(text: str, mix: ExportMix, name: str) -> list[object]:
    """The list assigned to `name` at the top of the module; read, never run."""
    try:
        for node in ast.parse(text).body:
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
                return list(ast.literal_eval(node.value))
    except (SyntaxError, ValueError, TypeError) as error:
        raise unreadable(mix, _NAME, str(error)) from error
    raise unreadable(mix, _NAME, f"no {name}")


def _probabilities(text: str, mix: ExportMix, name: str) -> list[float]:
    """The list `name` as `interleave_datasets` takes it: above zero, summing to 1 within NumPy's tolerance."""
    values = _parse(text, mix, name)
    numbers = [value for value in values if isinstance(value, float) and value > 0]
    if len(numbers) != len(values) or abs(math.fsum(numbers) - 1.0) > _SUM_TOLERANCE:
        raise unreadable(mix, _NAME, f"{name} must be above zero and sum to 1 within {_SUM_TOLERANCE}")
    return numbers
