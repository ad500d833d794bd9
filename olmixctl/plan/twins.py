"""The same run under two ids: adopted twice, it would count as a replicate without noise. Pure.

What repeats a mixture says how much runs differ by chance. A run that stands there twice says that they do not, and
makes a mix surer than its evidence is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from olmixctl.errors import CorpusError, UsageError
from olmixctl.ledger.model import RunInputs, RunRecord, is_adopted
from olmixctl.mixture import Coordinates
from olmixctl.plan.adopt import RUN_ID, TableRun, on_grid, same_mixture
from olmixctl.plan.evidence import run_inputs
from olmixctl.plan.model import Observed

__all__ = ["refuse_twins"]

_NAMED = 3


@dataclass(frozen=True, slots=True)
class _Known:
    """A run: its id, its mixture, its losses by eval digest, and whether it was adopted before."""

    id: str
    inputs: RunInputs
    losses: Mapping[str, float]
    recorded: bool


@dataclass(frozen=True, slots=True)
class _Twin:
    """A row, and the run that it is."""

    row: TableRun
    of: _Known


def refuse_twins(observed: Observed, rows: Sequence[TableRun], recorded: Sequence[RunRecord]) -> None:
    """That no row has the mixture and every loss of a run with another id.

    Losses are compared that both have, to the last digit; mixtures in millionths.

    Args:
        observed: the present.
        rows: of the tables.
        recorded: the ledger; runs trained here are passed over.

    Raises:
        UsageError: a row is a run that was adopted before under another id.
        CorpusError: a row is another row.
    """
    twins = list(_twins(observed, rows, recorded))
    if not twins:
        return
    before = any(twin.of.recorded for twin in twins)
    some = ", ".join(f"{twin.row.id!r} those of {twin.of.id!r}" for twin in twins[:_NAMED])
    have = "has" if len(twins) == 1 else "have"
    kinds = {twin.of.recorded: "a run adopted before" if twin.of.recorded else "another row" for twin in twins}
    raise (UsageError if before else CorpusError)(
        f"{len(twins)} of {len(rows)} runs {have} the mixture and every loss of "
        f"{' or '.join(kinds[kind] for kind in sorted(kinds))}, under another id: {some}"
        + (", …" if len(twins) > _NAMED else ""),
        place=twins[0].row.place,
        remedy="a run that counts twice seems to have no noise: take these rows out of both tables"
        + (", or give them the ids of those runs" if before else "")
        + "; --repeats says that they are runs of their own, whose losses agree by chance",
    )


def _twins(observed: Observed, rows: Sequence[TableRun], recorded: Sequence[RunRecord]) -> Iterator[_Twin]:
    """Each row that is another run, once, in the order of ids."""
    present, free = frozenset(observed.contents.values()), Coordinates(tuple(observed.states))
    known: dict[tuple[int, ...], list[_Known]] = {}
    for record in sorted((r for r in recorded if is_adopted(r.inputs.trainer)), key=lambda r: r.key):
        run = _Known(str(record.provenance.get(RUN_ID, "")), record.inputs, record.metrics_by_eval(), recorded=True)
        known.setdefault(_amounts(run.inputs), []).append(run)
    for row in sorted(rows, key=lambda row: row.id):
        inputs = run_inputs(observed, free, on_grid(observed, row), 0)
        losses = {observed.evals[name]: value for name, value in row.metrics.items()}
        alike = known.setdefault(_amounts(inputs), [])
        like = (other for other in alike if other.id != row.id and _agree(other.losses, losses))
        of = next((other for other in like if same_mixture(other.inputs, inputs.parts, present)), None)
        if of is not None:
            yield _Twin(row, of)
        alike.append(_Known(row.id, inputs, losses, recorded=False))


def _amounts(inputs: RunInputs) -> tuple[int, ...]:
    """How much a mixture has, whatever of: the same for all mixtures that may be one."""
    return tuple(sorted(part.weight for part in inputs.parts))


def _agree(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Whether all losses that both have are the same, and there are any."""
    both = one.keys() & other.keys()
    return bool(both) and all(one[name] == other[name] for name in both)
