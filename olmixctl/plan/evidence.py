"""Which recorded runs say something about a mix, and where they stand in it. Pure.

A run is evidence when the same proxy measured every metric that is asked for, on documents that still are what they
were, at a mixture that keeps the ratios of the search's blocks. A run over fewer domains is a point on a face of the
larger simplex: its other weights are zero.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, fields

from olmixctl.errors import IncompleteError
from olmixctl.ledger.model import RunInputs, RunRecord, is_adopted, parts_of
from olmixctl.mixture import GRID, Coordinates, GridMixture
from olmixctl.plan.model import Observed, PlannedRun
from olmixctl.plan.rounds import CHAIN

__all__ = [
    "Recorded",
    "check_covers",
    "covers",
    "evidence_weights",
    "example_inputs",
    "is_comparable",
    "planned_runs",
    "run_inputs",
    "setting_of",
]

# What may differ between runs that are compared: the mixture, the seed, and metrics beyond those asked for.
_FREE_FIELDS = {"parts", "seed", "evals"}
_SETTING = tuple(field.name for field in fields(RunInputs) if field.name not in _FREE_FIELDS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """The ledger, as seen from the present.

    Attributes:
        records: key → record.
        points: key → domain → weight, of the runs that are evidence over all domains.
    """

    records: Mapping[str, RunRecord]
    points: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(cls, observed: Observed, records: Mapping[str, RunRecord]) -> Recorded:
        """Sort out the runs that answer for `observed`."""
        ids = {state.content: domain_id for domain_id, state in observed.states.items()}
        wanted = example_inputs(observed)
        points = {}
        for key, record in sorted(records.items()):
            if is_comparable(record, wanted) and (weights := _named(record, ids)) is not None:
                points[key] = weights
        if is_adopted(observed.trainer):
            points = {key: points[key] for key in _once_each(points, records)}
        return cls(records=records, points=points)

    def within(self, coordinates: Coordinates) -> dict[str, dict[str, float]]:
        """Key → coordinate → weight, of the runs that are evidence in `coordinates`."""
        collapse = coordinates.collapser()
        collapsed = {key: collapse(weights) for key, weights in self.points.items()}
        return {key: dict(point) for key, point in collapsed.items() if point is not None}

    def beside(self, runs: Iterable[PlannedRun], coordinates: Coordinates, chain: str) -> tuple[str, ...]:
        """Keys of the evidence in `coordinates` beside designed runs and the later rounds that follow from these.

        Runs of those rounds are chosen again, from the same evidence as when they were trained.
        """
        designed, found = {run.key for run in runs}, sorted(self.within(coordinates))
        others = (key for key in found if key not in designed)
        return tuple(key for key in others if not chain or self.records[key].provenance.get(CHAIN) != chain)


def covers(points: Mapping[str, Mapping[str, float]], coordinates: Coordinates, *, adopted: bool = False) -> bool:
    """Whether recorded runs suffice to solve: every coordinate was sampled, by more mixtures than coordinates.

    Of adopted runs there will be no more: two mixtures do, what none sampled is held, and few runs are said to be few.
    """
    mixtures = {tuple(sorted(point.items())) for point in points.values()}
    if adopted:
        return len(mixtures) > 1
    sampled = {name for point in points.values() for name, weight in point.items() if weight > 0}
    return set(coordinates.names) <= sampled and len(mixtures) > len(coordinates.names)


def check_covers(points: Mapping[str, Mapping[str, float]], coordinates: Coordinates, *, adopted: bool = False) -> None:
    """See `covers`; where there is no lock yet whose shares could be carried over.

    Raises:
        IncompleteError: the recorded runs do not suffice.
    """
    if covers(points, coordinates, adopted=adopted):
        return
    if not adopted:
        message = "no recorded run is evidence for this mix, and there is no lock whose shares could be carried over"
        remedy = "train the planned runs: olmixctl apply"
    elif points:
        message = "all adopted runs have one mixture, which says nothing of what another one would measure"
        remedy = "adopt runs of other mixtures, too: olmixctl import runs --add"
    else:
        message = "the adopted runs are no evidence for this mix: its domains or metrics were others when it got them"
        remedy = "adopt them again, if they are runs of these domains and metrics: olmixctl import runs"
    raise IncompleteError(message, remedy=remedy)


def run_inputs(observed: Observed, coordinates: Coordinates, point: GridMixture, seed: int) -> RunInputs:
    """What a run at `point` trains: the inputs of its key. Of an adopted run nothing is known of how it was trained."""
    proxy = observed.spec.proxy
    unknown = is_adopted(observed.trainer)
    return RunInputs(
        parts=parts_of(coordinates, point, observed.contents),
        model="adopted" if unknown else proxy.model,
        tokens=0 if unknown else proxy.tokens,
        sequence_length=0 if unknown else proxy.sequence_length,
        batch_size=0 if unknown else proxy.batch_size,
        tokenizer=observed.tokenizer,
        evals=tuple(sorted(observed.evals.values())),
        seed=seed,
        trainer=observed.trainer,
    )


def planned_runs(
    observed: Observed, coordinates: Coordinates, points: Iterable[GridMixture], recorded: Container[str]
) -> tuple[PlannedRun, ...]:
    """The runs at `points`, in their order, each as often as the mix file repeats one; `recorded` are keys."""
    proxy, found = observed.spec.proxy, []
    for point in points:
        weights = coordinates.expand(point.as_mixture())
        for repeat in range(proxy.repeats):
            inputs = run_inputs(observed, coordinates, point, proxy.seed + repeat)
            found.append(PlannedRun(inputs=inputs, point=point, weights=weights, recorded=inputs.key in recorded))
    return tuple(found)


def is_comparable(record: RunRecord, wanted: RunInputs) -> bool:
    """Same proxy, trainer and tokeniser, and every metric measured; more metrics than asked for are welcome."""
    same = all(getattr(record.inputs, name) == getattr(wanted, name) for name in _SETTING)
    return same and record.status == "done" and set(wanted.evals) <= set(record.inputs.evals)


def setting_of(observed: Observed) -> str:
    """The `RunInputs.setting` of the runs this mix asks for."""
    return example_inputs(observed).setting


def evidence_weights(observed: Observed, coordinates: Coordinates, record: RunRecord) -> dict[str, float] | None:
    """Where a recorded run stands in `coordinates` (coordinate → weight); None when it is no evidence for them."""
    if record.status != "done" or not set(observed.evals.values()) <= set(record.metrics_by_eval()):
        return None
    weights = _named(record, {state.content: domain_id for domain_id, state in observed.states.items()})
    point = None if weights is None else coordinates.collapse(weights)
    return None if point is None else dict(point)


def example_inputs(observed: Observed) -> RunInputs:
    """The inputs of some run this mix could ask for: what makes others comparable."""
    first = min(observed.states)
    return run_inputs(observed, Coordinates((first,)), GridMixture({first: GRID}), 0)


def _once_each(keys: Iterable[str], records: Mapping[str, RunRecord]) -> list[str]:
    """A run that was adopted again when more was measured is one run: the record with the most metrics stands."""
    best: dict[object, str] = {}
    for key in sorted(keys, key=lambda key: (-len(records[key].inputs.evals), key)):
        best.setdefault((records[key].inputs.parts, records[key].inputs.seed), key)
    return sorted(best.values())


def _named(record: RunRecord, ids: Mapping[str, str]) -> dict[str, float] | None:
    weights = record.inputs.content_weights()
    return {ids[content]: weight for content, weight in weights.items()} if set(weights) <= set(ids) else None
