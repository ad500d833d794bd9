"""The ways to the next lock, what each costs and gives away, and which one is taken. Pure.

`auto` starts from full reuse and adds unaffected domains to those that are estimated anew, the largest predicted gain
a run first. It stops where the next gain is within the laws' own cross-validated error, below `LEAST_GAIN` a run, or
where the runs would pass the budget: a gain that the laws cannot tell from their error is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from olmixctl.ledger.model import is_adopted
from olmixctl.lock.model import Lock
from olmixctl.mixture import GRID, Coordinates, GridMixture, Mixture
from olmixctl.plan.appraisal import Appraisal, Appraise, Question
from olmixctl.plan.carry import carried_mix
from olmixctl.plan.changes import ChangeSet
from olmixctl.plan.cost import Rates
from olmixctl.plan.evidence import Recorded, check_covers, covers, planned_runs
from olmixctl.plan.model import Laws, Observed, PlannedRun, Strategy, StrategyName
from olmixctl.plan.reuse import Route, choose_route, is_incomparable, zero_route
from olmixctl.plan.rounds import IN_ONE_GO, Rounds, chain_of, rounds_of, sizes, with_recorded

__all__ = ["LEAST_GAIN", "Decision", "Design", "Situation", "Wish", "decide", "swarm_runs"]

LEAST_GAIN = 5e-4
"""Units of the objective (bits per byte) that a run must be predicted to gain before `auto` spends it: a domain's three
runs for 0.0015, which is less than two seeds of a small proxy differ by."""

_LOOKED_AT = 64
"""Unaffected domains whose gain is computed at each step of `auto`: the most strongly coupled ones."""

Design = Callable[[Observed, Coordinates], tuple[GridMixture, ...]]
"""Which mixtures to train over given coordinates: a method's swarm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What is asked for.

    Attributes:
        reuse: auto, full, partial or none.
        recompute: unaffected domains that `partial` estimates anew.
        solve_only: train nothing.
        max_runs: the budget in runs, or None.
    """

    reuse: str
    recompute: tuple[str, ...] = ()
    solve_only: bool = False
    max_runs: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """Where a plan starts from.

    Attributes:
        observed: the present.
        lock: the committed lock, or None.
        changes: between the two; None without a lock.
        recorded: the ledger as evidence.
        lost: what happened to the runs behind the lock; empty when they are as they were.
        design: the method's swarm.
        rates: what a run costs.
        appraise: the method's laws.
        adopted: see `choose_route`.
    """

    observed: Observed
    lock: Lock | None
    changes: ChangeSet | None
    recorded: Recorded
    lost: str
    design: Design
    rates: Rates
    appraise: Appraise
    adopted: tuple[str, ...] = ()

    def route(self, reuse: str, recompute: tuple[str, ...] = ()) -> Route:
        """The route of a strategy."""
        return choose_route(
            self.observed, self.lock, self.changes, reuse, recompute=recompute, lost=self.lost, adopted=self.adopted
        )

    def runs(self, coordinates: Coordinates) -> tuple[PlannedRun, ...]:
        """The designed runs over `coordinates`, in design order."""
        points = self.design(self.observed, coordinates)
        return planned_runs(self.observed, coordinates, points, self.recorded.records)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """The route that is taken, with its runs, beside the others.

    Attributes:
        route: as taken.
        runs: its designed runs; of a swarm in rounds, those of the first.
        rounds: how they are trained, and how many more.
        extra: keys of further recorded runs that answer for its coordinates.
        carried: the mix of a `carry`.
        strategies: all of them, cheapest first.
        laws: what their gaps rest on.
    """

    route: Route
    runs: tuple[PlannedRun, ...] = ()
    rounds: Rounds = IN_ONE_GO
    extra: tuple[str, ...] = ()
    carried: Mixture | None = None
    strategies: tuple[Strategy, ...] = ()
    laws: Laws = field(default_factory=Laws)


def swarm_runs(observed: Observed, coordinates: int) -> int:
    """Runs of a swarm over `coordinates` = d coordinates: ⌈runs_per_coordinate · (d + 1)⌉, times the repeats."""
    return sum(sizes(observed.spec.swarm, coordinates)) * observed.spec.proxy.repeats


def decide(situation: Situation, wish: Wish) -> Decision:
    """The route to take, and what the others would be.

    Raises:
        IncompleteError: nothing may be trained, and there is nothing to solve or to carry.
    """
    asked = situation.route(wish.reuse, wish.recompute)
    lock, changes = situation.lock, situation.changes
    if lock is None or changes is None:
        return _finished(situation, _first_solve(situation, asked) if wish.solve_only else asked)
    if asked.kind in ("none", "resolve"):
        return _finished(situation, asked)
    return _Choice.of(situation, wish, lock, changes).decision(asked)


def _first_solve(situation: Situation, asked: Route) -> Route:
    points = situation.recorded.within(asked.coordinates)
    adopted = is_adopted(situation.observed.trainer)
    check_covers(points, asked.coordinates, adopted=adopted)
    on = f"{len(points)} adopted runs" if adopted else "the recorded runs"
    reason = f"nothing is trained: solved on {on}"
    return replace(asked, kind="resolve", reason=reason, evidence=tuple(sorted(points)))


def _finished(situation: Situation, route: Route) -> Decision:
    """A decision for `route`, with its runs and evidence."""
    if route.kind != "train":
        return Decision(route=route, extra=route.evidence)
    observed, recorded = situation.observed, situation.recorded
    runs = situation.runs(route.coordinates)
    rounds = rounds_of(observed, len(route.coordinates.names), runs)
    chain = chain_of(observed, runs) if rounds.later else ""
    found = recorded.beside(runs, route.coordinates, chain)
    rounds = with_recorded(rounds, chain, (*(run.key for run in runs), *found), recorded.records)
    return Decision(route=route, runs=runs, rounds=rounds, extra=found)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Choice:
    """A situation in which there is something to choose: the lock stands, and not all of it answers."""

    situation: Situation
    wish: Wish
    lock: Lock
    changes: ChangeSet
    carried: Mixture
    appraisal: Appraisal | str

    @classmethod
    def of(cls, situation: Situation, wish: Wish, lock: Lock, changes: ChangeSet) -> _Choice:
        carried = carried_mix(situation.observed, lock, changes)
        question = Question(
            observed=situation.observed,
            lock=lock,
            changes=changes,
            affected=changes.affected,
            carried=carried,
            records=situation.recorded.records,
        )
        appraisal: Appraisal | str
        if is_incomparable(changes):
            appraisal = "no recorded run answers for the new proxy or metrics"
        elif not (changes.affected or changes.removed or wish.recompute):
            appraisal = "no domain came, went or changed"
        else:
            appraisal = situation.appraise(question)
        return cls(situation=situation, wish=wish, lock=lock, changes=changes, carried=carried, appraisal=appraisal)

    def decision(self, asked: Route) -> Decision:
        wish = self.wish
        found = self._automatic(asked) if wish.reuse == "auto" else _Picked()
        picked = found.domains
        taken = self.situation.route("auto", picked) if picked else asked
        named = wish.recompute or picked
        idle = self._zero((taken, asked))
        chosen: StrategyName = "solve-only" if wish.solve_only else _name(wish.reuse, taken, picked)
        routes = self._routes((chosen, idle if wish.solve_only else taken), idle, named)
        decision = _finished(self.situation, routes[chosen])
        rows = [
            replace(
                self._row(name, routes[name], decision if name == chosen else None),
                chosen=name == chosen,
                recompute=named if name == "partial" else (),
            )
            for name in _ORDER
            if name in routes
        ]
        return replace(
            decision,
            carried=self.carried if routes[chosen].kind == "carry" else None,
            strategies=tuple(rows),
            laws=self._laws(replace(found, sentence="") if wish.solve_only else found),
        )

    def _automatic(self, asked: Route) -> _Picked:
        """The unaffected domains that are worth their runs, and how they were chosen."""
        if not (self.changes.affected and asked.coordinates.blocks):
            return _Picked()
        if isinstance(self.appraisal, str):
            return _Picked(sentence=f"auto is full: {self.appraisal}")
        return _greedy(self.situation, self.wish, asked.coordinates, self.appraisal)

    def _zero(self, bases: tuple[Route, ...]) -> Route:
        # What came or changed since was in no adopted run; its share is carried, not held.
        adopted = is_adopted(self.situation.observed.trainer) and not self.changes.affected
        for base in bases:
            points = self.situation.recorded.within(base.coordinates)
            if base.kind == "train" and covers(points, base.coordinates, adopted=adopted):
                return zero_route(self.lock, self.changes, base, tuple(sorted(points)))
        return zero_route(self.lock, self.changes, bases[-1], ())

    def _routes(
        self, chosen: tuple[StrategyName, Route], idle: Route, named: tuple[str, ...]
    ) -> dict[StrategyName, Route]:
        """Every strategy that is a way of its own, the chosen one first."""
        routes: dict[StrategyName, Route] = {"solve-only": idle, "full": self.situation.route("full")}
        if named:
            routes["partial"] = self.situation.route("partial", named)
        routes["none"] = self.situation.route("none")
        name, route = chosen
        distinct: dict[StrategyName, Route] = {name: route}
        seen = [(route.kind, route.coordinates)]
        for name, route in routes.items():
            if name not in distinct and (route.kind, route.coordinates) not in seen:
                distinct[name] = route
                seen.append((route.kind, route.coordinates))
        return distinct

    def _row(self, name: StrategyName, route: Route, decision: Decision | None) -> Strategy:
        """One strategy, counted and appraised; `decision` is that of the chosen one."""
        needed, recorded, extra = _counts(self.situation, route, decision, self.changes.affected)
        gap = None
        if not isinstance(self.appraisal, str):
            gap = self.appraisal.gap(route.coordinates, self._fixed(route))
        return Strategy(
            name=name,
            chosen=False,
            recompute=(),
            needed=needed,
            recorded=recorded,
            evidence=extra,
            cost=self.situation.rates.of(needed - recorded),
            gap=gap,
        )

    def _fixed(self, route: Route) -> Mixture | None:
        """The mix of a route that solves nothing."""
        if route.kind == "carry":
            return self.carried
        names = route.coordinates.names
        return route.coordinates.expand(dict.fromkeys(names, 1.0)) if route.kind == "rescale" else None

    def _laws(self, found: _Picked) -> Laws:
        appraisal = self.appraisal
        kept = {old for new, old in self.changes.kept.items() if new not in self.changes.affected}
        affected = sum(points for domain, points in self.lock.weights.items() if domain not in kept) / GRID
        if isinstance(appraisal, str):
            return Laws(reason=appraisal, affected=affected, choice=found.sentence)
        return Laws(
            runs=appraisal.runs,
            error=found.error,
            affected=affected,
            guesses=dict(sorted(appraisal.guesses.items())),
            scores=dict(sorted(appraisal.scores.items())),
            choice=found.sentence,
        )


_ORDER: tuple[StrategyName, ...] = ("solve-only", "full", "partial", "none")


def _name(reuse: str, taken: Route, picked: tuple[str, ...]) -> StrategyName:
    if reuse == "none" or not taken.coordinates.blocks:
        return "none"
    return "partial" if reuse == "partial" or picked else "full"


def _counts(
    situation: Situation, route: Route, decision: Decision | None, affected: tuple[str, ...]
) -> tuple[int, int, int]:
    """Designed runs of a route, those recorded, and further evidence."""
    if decision is None and route.kind == "train" and not _may_be_recorded(situation, route.coordinates, affected):
        # Nothing to look up: the swarm need not be drawn to know its size.
        extra = len(situation.recorded.within(route.coordinates))
        return swarm_runs(situation.observed, len(route.coordinates.names)), 0, extra
    made = decision or _finished(situation, route)
    keys = {run.key: run.recorded for run in made.runs}
    return len(keys) + made.rounds.more, sum(keys.values()) + made.rounds.recorded, len(made.extra)


def _may_be_recorded(situation: Situation, coordinates: Coordinates, affected: tuple[str, ...]) -> bool:
    """Whether some run of a swarm over `coordinates` can be in the ledger: one that has these coordinates' parts.

    A swarm over more domains is another draw: it shares runs with the ledger only if its affected domains were sampled.
    """
    contents = situation.observed.contents
    members = {tuple(sorted((contents[d], s) for d, s in b.shares.items() if s)) for b in coordinates.blocks}
    members |= {((contents[d], 1),) for d in coordinates.free}
    new = {contents[d] for d in affected}
    for key in situation.recorded.points:
        parts = {part.members for part in situation.recorded.records[key].inputs.parts}
        if parts <= members and (not new or any(content in new for part in parts for content, _ in part)):
            return True
    return False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Picked:
    """What `auto` found: the domains to free, why in one sentence, and the laws' error where it had to ask."""

    domains: tuple[str, ...] = ()
    sentence: str = ""
    error: float | None = None


def _greedy(situation: Situation, wish: Wish, start: Coordinates, appraisal: Appraisal) -> _Picked:
    """Domains of the block to estimate anew, by predicted gain a run."""
    whole = appraisal.gap(start)
    if whole is None:
        return _Picked(sentence="auto is full: its bounds leave no mix to compare")
    each = swarm_runs(situation.observed, 2) - swarm_runs(situation.observed, 1)
    small = "auto is full: the predicted gap is below {:.2g}, the least that counts as a gain"
    # The error takes five more fits, so it is asked only of a gap that is worth them.
    if whole.loss <= LEAST_GAIN * each:
        return _Picked(sentence=small.format(LEAST_GAIN * each))
    error = appraisal.error()
    least = max(error, LEAST_GAIN * each)
    if whole.loss <= least:
        return _Picked(sentence=small.format(least), error=error)
    picked: tuple[str, ...] = ()
    at, why = start, f"nothing more gains {least:.2g}, the least that counts"
    while step := _best_step(situation, at, picked, appraisal, error):
        names, wider = step
        if wish.max_runs is not None and swarm_runs(situation.observed, len(wider.names)) > wish.max_runs:
            why = f"more would not fit {wish.max_runs} runs"
            break
        picked, at = (*picked, *names), wider
    sentence = f"auto adds {', '.join(sorted(picked))}; {why}" if picked else f"auto is full: {why}"
    return _Picked(domains=tuple(sorted(picked)), sentence=sentence, error=error)


def _best_step(
    situation: Situation, at: Coordinates, picked: tuple[str, ...], appraisal: Appraisal, error: float
) -> tuple[tuple[str, ...], Coordinates] | None:
    """The domains whose gain a run is largest among those that count, and the coordinates with them."""
    before, best, found = appraisal.lowest(at), 0.0, None
    for names in _candidates(situation.observed, at, appraisal.scores):
        wider = situation.route("auto", (*picked, *names)).coordinates
        after = appraisal.lowest(wider) if wider.blocks else ()
        if not after or not before:
            continue
        # At the least that the guesses allow; to the digits that every machine agrees on.
        gain = round(min(b - a for b, a in zip(before, after, strict=True)), 9)
        runs = swarm_runs(situation.observed, len(wider.names)) - swarm_runs(situation.observed, len(at.names))
        if gain > max(error, LEAST_GAIN * runs) and gain / runs > best:
            best, found = gain / runs, (names, wider)
    return found


def _candidates(observed: Observed, at: Coordinates, scores: Mapping[str, float]) -> Iterator[tuple[str, ...]]:
    """What may be freed next: each of the most coupled domains, and the first to run out, by twos, fours, eights.

    The block's cap is that of its tightest member; where many are about as tight, freeing one of them loosens nothing.
    """
    (block,) = at.blocks
    shares = {name: share for name, share in block.shares.items() if share}
    yield from ((name,) for name in _strongest(scores, set(block.shares)))
    tightest = sorted(shares, key=lambda name: (Fraction(observed.states[name].tokens, shares[name]), name))
    size = 2
    while size <= len(tightest) - 2:
        yield tuple(tightest[:size])
        size *= 2


def _strongest(scores: Mapping[str, float], names: set[str]) -> list[str]:
    return sorted(names, key=lambda name: (-scores.get(name, 0.0), name))[:_LOOKED_AT]
