"""Adopting a swarm that others trained: two tables in, a run file each, written only when all of them are right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import filter as filter_names
from pathlib import Path

from olmixctl.columns import Naming, match_columns
from olmixctl.errors import CorpusError, Place, UsageError
from olmixctl.fingerprint import sha256_hex
from olmixctl.ledger.model import is_adopted
from olmixctl.plan.adopt import Adoption, TableRun, adopt
from olmixctl.plan.model import Observed
from olmixctl.plan.twins import refuse_twins
from olmixctl.present import observe
from olmixctl.report.numbers import plural
from olmixctl.tables import Joined, joined
from olmixctl.workspace import Workspace

__all__ = ["Imported", "Swarm", "import_runs"]

_NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Swarm:
    """The tables of a swarm, and what a person says of their columns.

    Attributes:
        ratios: a row a run, its id and its mixture.
        metrics: a row a run, its id and what it measured.
        domains: column of the ratios → domain of the mix.
        evals: column of the metrics → eval of the mix.
        absent: domains without a column, of which no run had any.
        ignored: columns of either table that are left out, or globs of those that are nothing in the mix.
        more: runs of a swarm that was adopted before, though the tables share none with it.
        repeats: rows that equal another run are runs of their own.
    """

    ratios: Path
    metrics: Path
    domains: Mapping[str, str] = field(default_factory=dict)
    evals: Mapping[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    more: bool = False
    repeats: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """What was read, and what was done with it.

    Attributes:
        mix: its name.
        adoption: the records.
        domains: column → domain.
        evals: column → eval.
        ignored: columns that were left out.
        written: files that were created; 0 where nothing was to be written.
        notes: what people should know, a sentence each.
    """

    mix: str
    adoption: Adoption
    domains: Mapping[str, str]
    evals: Mapping[str, str]
    ignored: tuple[str, ...]
    written: int
    notes: tuple[str, ...]


def import_runs(
    workspace: Workspace,
    swarm: Swarm,
    *,
    write: bool = True,
    on_progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Adopt the runs of two tables as evidence for a mix, over its domains and evals as they are now.

    Args:
        workspace: of the mix.
        swarm: the tables.
        write: record the runs; else only say what would be recorded.
        on_progress: takes the bytes of the mix's data that are read, where they were not before.

    Raises:
        CorpusError: a table is not as it should be, or its columns are not the mix's domains and evals.
        UsageError: the mix rests on runs trained here, or on another swarm; a run was adopted before with other
            numbers, or is adopted under another id; a column or a name that is not there was named.
    """
    _refuse_own(workspace)
    tables = joined(swarm.ratios, swarm.metrics)
    domains, evals = _matched(workspace, tables, swarm)
    rows = _rows(tables, domains, evals)
    _check_losses(tables, evals)
    observed = _observed(workspace, on_progress)
    ignored = tuple(c for c in (*_columns(tables.weights), *_columns(tables.losses)) if c not in {**domains, **evals})
    origin, recorded = _origin(swarm, ignored), list(workspace.ledger.results().values())
    if not swarm.repeats:
        refuse_twins(observed, rows, recorded)
    adoption = adopt(observed, rows, recorded, origin, more=swarm.more)
    return Imported(
        mix=workspace.spec.name,
        adoption=adoption,
        domains=domains,
        evals=evals,
        ignored=ignored,
        written=workspace.ledger.add_all(adoption.fresh) if write else 0,
        notes=(*tables.notes, *_notes(observed, rows, adoption)),
    )


def _refuse_own(workspace: Workspace) -> None:
    """Adopted runs beside a lock on runs trained here would answer for nothing, and nobody would notice.

    Raises:
        UsageError: there is such a lock.
    """
    lock = workspace.lock()
    trainer = "" if lock is None else str(lock.inputs.get("trainer", ""))
    if trainer and not is_adopted(trainer):
        raise UsageError(
            f"the lock rests on runs trained here ({trainer}), and adopted runs are not comparable with them",
            place=Place(str(workspace.lock_path)),
            remedy="adopt them in a mix of their own: copy the mix file under another name",
        )


def _matched(workspace: Workspace, tables: Joined, swarm: Swarm) -> tuple[dict[str, str], dict[str, str]]:
    """Column → domain, and column → eval."""
    ratio_columns, metric_columns = _columns(tables.weights), _columns(tables.losses)
    there = (*ratio_columns, *metric_columns)
    stray = next((word for word in swarm.ignored if word not in there and not filter_names(there, word)), None)
    if stray is not None:
        raise UsageError(f"--ignore {stray}: neither table has such a column", remedy="write it as the table does")
    spec = workspace.spec
    naming = Naming(kind="domain", given=swarm.domains, ignored=swarm.ignored, absent=swarm.absent)
    domains = match_columns(tables.ratios, ratio_columns, spec.domain_ids, naming)
    for column in (name for name in ratio_columns if name not in domains):
        run = next((run for run, row in tables.weights.items() if row[column] > 0), None)
        if run is not None:
            raise CorpusError(
                f"column {column!r} cannot be left out: run {run!r} has {tables.weights[run][column]:g} of it",
                place=tables.ratios.place(),
                remedy="make it a domain of the mix, or take the runs that have some of it out of both tables",
            )
    naming = Naming(kind="metric", given=swarm.evals, ignored=swarm.ignored)
    return domains, match_columns(tables.metrics, metric_columns, [item.name for item in spec.evals], naming)


def _rows(tables: Joined, domains: Mapping[str, str], evals: Mapping[str, str]) -> list[TableRun]:
    """The runs by the names of the mix, sorted by id."""
    return [
        TableRun(
            run,
            {domains[column]: share for column, share in tables.weights[run].items() if column in domains},
            {evals[column]: value for column, value in tables.losses[run].items() if column in evals},
            tables.ratios.place(r),
        )
        for run, r in sorted((run, r) for r, run in enumerate(tables.weights))
    ]


def _columns(rows: Mapping[str, Mapping[str, float]]) -> tuple[str, ...]:
    return tuple(next(iter(rows.values())))


def _check_losses(tables: Joined, evals: Mapping[str, str]) -> None:
    """The laws are of losses: above zero, less is better."""
    for r, (run, row) in enumerate(tables.losses.items()):
        for column in evals:
            if row[column] <= 0:
                raise CorpusError(
                    f"run {run!r} has {row[column]:g}, and a loss is above zero",
                    place=tables.metrics.place(r, column),
                    remedy="adopt losses, of which less is better; scores have to be turned into losses first",
                )


def _observed(workspace: Workspace, on_progress: Callable[[int, int], None] | None) -> Observed:
    from olmixctl.corpus.context import CorpusContext

    context = CorpusContext.open(workspace.root, tokenizer=workspace.spec.tokenizer, on_progress=on_progress)
    return observe(workspace.loaded, context, "")


def _origin(swarm: Swarm, ignored: Sequence[str]) -> dict[str, str | list[str]]:
    """Provenance of every run: which files they are from; never part of their identity."""
    origin: dict[str, str | list[str]] = {}
    for name, path in (("ratios", swarm.ratios), ("metrics", swarm.metrics)):
        origin |= {f"{name}_file": path.name, f"{name}_sha256": sha256_hex(path.read_bytes())}
    return origin | ({"ignored_columns": sorted(ignored)} if ignored else {})


def _notes(observed: Observed, rows: Sequence[TableRun], adoption: Adoption) -> list[str]:
    notes = []
    if adoption.replicates:
        count = sum(adoption.replicates)
        what = "one mixture has" if len(adoption.replicates) == 1 else f"{len(adoption.replicates)} mixtures have"
        notes.append(f"{what} several runs ({count} in all): all are evidence, and what they differ by is noise")
    never = [d for d in observed.states if not any(row.shares.get(d) for row in rows)]
    if never:
        notes.append(f"no run has any of {_some(never)}: nothing is known of it, and it is held at its reference share")
    level = [name for name in observed.evals if len({row.metrics[name] for row in rows}) == 1 < len(rows)]
    if level:
        notes.append(f"the same in every run, so no mixture changes it: {_some(level)}")
    mixtures = len({tuple(sorted((d, s) for d, s in row.shares.items() if s)) for row in rows})
    if mixtures == 1:
        notes.append("all runs have one mixture: nothing can be decided on them alone")
    elif mixtures <= len(observed.states):
        notes.append(
            f"{plural(mixtures, 'mixture')} of {plural(len(observed.states), 'domain')}: fewer than a law has "
            "parameters, so what is decided leans on the reference mix"
        )
    if adoption.moved > 0.001:
        notes.append("shares were put on the grid of millionths; none moved by a millionth or more")
    return notes


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
