"""Why a domain weighs what it does: what holds it, what pulls it, which runs say so, and how sure that is.

Pure: a lock, its mix file and its runs in, a frozen `Explanation` out. Everything is computed anew from the evidence:
nothing is taken from what the lock says of itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from olmixctl.errors import IntegrityError, StaleError
from olmixctl.ledger.model import RunRecord
from olmixctl.ledger.store import evidence_root
from olmixctl.lock.model import Lock
from olmixctl.methods.certainty import Certainty, certainty_of
from olmixctl.methods.laws import Fitted, best_near, convex_at
from olmixctl.methods.olmix import fit_evidence, fitted_problem, gather
from olmixctl.methods.pulls import BoundWorth, Pulls, Solve, bounds_on, pulls_on, repetition_for_all
from olmixctl.methods.resample import Bootstrap, resample_mix
from olmixctl.methods.steady import masses
from olmixctl.methods.uncertainty import THIS, with_replicates
from olmixctl.mixture import GRID, Coordinates, Mixture
from olmixctl.plan.model import Observed

__all__ = ["Because", "Explanation", "Witness", "explain_domain", "measured_in"]

_METRICS_SHOWN = 3
"""The strongest metrics, whose runs are shown."""
_RUNS_A_SIDE = 2
_FAMILY = "family:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Witness:
    """A recorded run with much or little of the domain.

    Attributes:
        run: its key.
        share: the domain's share in it.
        measured: metric → bits per byte, for the metrics that pull the most.
        residual: metric → measured less the law.
    """

    run: str
    share: float
    measured: Mapping[str, float]
    residual: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Because:
    """What the evidence says of a coordinate.

    Attributes:
        optimum: its share at the optimum, before rounding and hysteresis.
        objective: of the optimum, bits per byte.
        bounds: active bounds that touch it, the costliest first.
        families: where the worst family counts, those that are worst at once → their weights, which sum to one.
        elsewhere: names of the other active bounds; through the rest of the mix they hold it too.
        repetition_for_all: what one more pass over every domain is worth; None where no cap holds the mix.
        pulls: slopes of the objective's parts; None where the share cannot move.
        witnesses: runs with the most and the least of it, the most first.
        certainty: None where none was asked for.
    """

    optimum: float
    objective: float
    bounds: tuple[BoundWorth, ...]
    families: Mapping[str, float]
    elsewhere: tuple[str, ...]
    repetition_for_all: float | None
    pulls: Pulls | None
    witnesses: tuple[Witness, ...]
    certainty: Certainty | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """Everything there is to say of a domain's weight.

    Attributes:
        mix: its name.
        serial: of the lock.
        status: of the lock's solution.
        domain: id.
        weight: share of the mix.
        natural: share of all tokens.
        reference: share of the reference mix.
        tokens: N_j.
        repetition: passes over it in the target run.
        changed_in: serial that last changed its weight or its data.
        protected: as recorded.
        coordinate: the direction it moves in: itself, or the block it is kept in.
        ratio: its share of that coordinate.
        mass: weight of that coordinate.
        kept_from: serial whose ratios the block keeps; None for a free domain.
        measured_in: serial of the lock that last estimated its share from runs; None where that is not known.
        runs: of evidence behind the lock.
        trainer: of these runs; it says whether they were trained here, and what losses are counted in.
        because: None where no runs stand behind the lock.
    """

    mix: str
    serial: int
    status: str
    domain: str
    weight: float
    natural: float
    reference: float
    tokens: int
    repetition: float
    changed_in: int
    protected: bool
    coordinate: str
    ratio: float
    mass: float
    kept_from: int | None
    measured_in: int | None
    runs: int
    trainer: str
    because: Because | None

    def as_json(self) -> dict[str, Any]:
        """For programs and for the renderer."""
        value = asdict(self)
        if self.because is not None and self.because.pulls is not None:
            value["because"]["pulls"]["held"] = self.because.pulls.held
        return value


def explain_domain(
    lock: Lock,
    observed: Observed,
    records: Mapping[str, RunRecord],
    domain: str,
    *,
    bootstrap: Bootstrap = Bootstrap(),
    history: Iterable[Lock] = (),
    replicates: Sequence[RunRecord] = (),
) -> Explanation:
    """Why `domain`, which is in the lock, weighs what it does.

    Args:
        lock: a verified lock.
        observed: the mix file, with the data as the lock states it.
        records: the ledger.
        domain: id.
        bootstrap: for the interval.
        history: earlier locks, for where its share was last measured.
        replicates: further results of runs of the ledger, for the noise.

    Raises:
        StaleError: the mix file asks for something else than the lock was made for.
        IntegrityError: the runs behind the lock are not in the ledger, or not what they were.
    """
    if lock.spec_semantic != observed.semantic:
        raise StaleError(
            "the mix file asks for something else than the lock was made for",
            remedy="`olmixctl plan` says what changed; explain follows apply, or the mix file of the lock's commit",
        )
    record, members = lock.domains[domain], lock.coordinates.members()
    coordinate = record.block or domain
    block = lock.blocks.get(coordinate) if record.block else None
    return Explanation(
        mix=lock.name,
        serial=lock.serial,
        status=lock.solution.status,
        domain=domain,
        weight=lock.weights[domain] / GRID,
        natural=observed.natural[domain],
        reference=observed.reference[domain],
        tokens=record.tokens,
        repetition=float(record.repetition),
        changed_in=record.changed_in,
        protected=record.protected,
        coordinate=coordinate,
        ratio=float(members[coordinate][domain]),
        mass=sum(lock.weights[leaf] for leaf in members[coordinate]) / GRID,
        kept_from=None if block is None else block.from_serial,
        measured_in=measured_in(lock, domain, history),
        runs=len(lock.evidence),
        trainer=str(lock.inputs.get("trainer", "")),
        because=_because(lock, observed, records, domain, bootstrap, replicates=replicates) if lock.evidence else None,
    )


def measured_in(lock: Lock, domain: str, history: Iterable[Lock]) -> int | None:
    """The serial of the newest lock that estimated this domain's share as a coordinate of its own, from runs."""
    content = lock.domains[domain].content
    newest = {old.serial: old for old in [*history, lock] if old.lineage == lock.lineage and old.serial <= lock.serial}
    for serial, old in sorted(newest.items(), reverse=True):
        free = (record.block is None and record.content == content for record in old.domains.values())
        if old.evidence and any(free):
            return serial
    return None


def _because(
    lock: Lock,
    observed: Observed,
    records: Mapping[str, RunRecord],
    domain: str,
    bootstrap: Bootstrap,
    *,
    replicates: Sequence[RunRecord],
) -> Because:
    coordinate = lock.domains[domain].block or domain
    ratio = float(lock.coordinates.members()[coordinate][domain])
    if evidence_root(records, lock.evidence) != lock.evidence_root:
        raise IntegrityError(
            "the runs behind the lock are not what it was made of", remedy="`olmixctl verify` says which file differs"
        )
    evidence = gather(observed, lock.coordinates, lock.evidence, records)
    # A lock with runs has laws; their family is not chosen again.
    family = None if lock.surrogate is None else lock.surrogate.family
    fitted = fit_evidence(observed, lock.coordinates, evidence, family=family)
    point = masses(lock.coordinates, lock.weights).as_mixture()
    solve = _solve(observed, lock.coordinates, fitted, point)
    best = solve.best
    pulls = pulls_on(coordinate, solve, fitted, point)
    bounds = bounds_on(coordinate, solve)
    drawn = resample_mix(observed, lock.coordinates, fitted, bootstrap, {THIS: point}) if bootstrap.resamples else None
    return Because(
        optimum=best.point[coordinate] * ratio,
        objective=best.objective,
        bounds=bounds,
        families={name.removeprefix(_FAMILY): share for name, share in best.duals.items() if name.startswith(_FAMILY)},
        elsewhere=tuple(
            sorted({n for n in best.duals if not n.startswith(_FAMILY)} - {bound.constraint for bound in bounds})
        ),
        repetition_for_all=repetition_for_all(solve),
        pulls=pulls,
        witnesses=_witnesses(fitted, coordinate, ratio, _strongest(pulls)),
        certainty=None
        if drawn is None
        else certainty_of(
            coordinate,
            solve,
            fitted,
            drawn,
            point,
            ratio=ratio,
            measured=with_replicates(observed, lock.coordinates, evidence, replicates),
        ),
    )


def _solve(observed: Observed, coordinates: Coordinates, fitted: Fitted, point: Mixture) -> Solve:
    """The solve behind a lock, found again from its weights."""
    problem = fitted_problem(observed, coordinates, fitted)
    best = best_near(problem, fitted, [point])
    return Solve(
        problem=problem,
        metrics=convex_at(problem, fitted, best.point),
        best=best,
        again=lambda looser: best_near(looser, fitted, [best.point]),
        repetition=observed.spec.target.max_repetition,
    )


def _strongest(pulls: Pulls | None) -> list[str]:
    sizes = {} if pulls is None else {name: abs(value) for name, value in pulls.metrics.items()}
    return sorted(sizes, key=lambda name: (-sizes[name], name))[:_METRICS_SHOWN]


def _witnesses(fitted: Fitted, coordinate: str, ratio: float, metrics: list[str]) -> tuple[Witness, ...]:
    """The runs with the most and the least of the coordinate, and how the law of each metric stands there."""
    evidence = fitted.evidence
    share_R = evidence.weights_RC[:, evidence.coordinates.index(coordinate)]
    order = sorted(range(len(evidence.runs)), key=lambda row: (-share_R[row], evidence.runs[row]))
    chosen = dict.fromkeys([*order[:_RUNS_A_SIDE], *order[-_RUNS_A_SIDE:]])
    predicted_RM = fitted.fit.predict(evidence.weights_RC)
    columns = {metric: evidence.metrics.index(metric) for metric in metrics}
    return tuple(
        Witness(
            run=evidence.runs[row],
            share=float(share_R[row]) * ratio,
            measured={metric: float(evidence.losses_RM[row, m]) for metric, m in columns.items()},
            residual={
                metric: float(evidence.losses_RM[row, m] - predicted_RM[row, m]) for metric, m in columns.items()
            },
        )
        for row in chosen
    )
