"""The library API: a mix file in its repository, and what can be done with it.

workspace = Workspace.open("base")
plan = workspace.plan()
result = workspace.apply(plan)
print(result.lock.weights)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from olmixctl.adopting import plan_on, standing_trainer
from olmixctl.committed import Baseline, lock_at, unmerged_checks
from olmixctl.errors import (
    BlockedError,
    Place,
    StaleError,
    UsageError,
)
from olmixctl.execute.events import DataPreparing, OnEvent, silent
from olmixctl.execute.protocol import Executor
from olmixctl.execute.work import Sharing, alone
from olmixctl.landing import ApplyResult, Bases, land, resumable, tidy
from olmixctl.ledger.freeing import Freed, free_leases
from olmixctl.ledger.home import LocalHome
from olmixctl.ledger.lazy import LazyRecords
from olmixctl.ledger.leases import Leases
from olmixctl.ledger.locate import locate
from olmixctl.ledger.model import RunRecord
from olmixctl.ledger.store import Ledger
from olmixctl.lock.codec import digest_of
from olmixctl.lock.merge import LockMerge, joined_lock
from olmixctl.lock.model import Lock
from olmixctl.lock.store import read_lock, write_lock
from olmixctl.mixture import Coordinates, GridMixture
from olmixctl.plan.adopt import with_trainer
from olmixctl.plan.appraisal import Appraisal, Question
from olmixctl.plan.build import PlanOptions, build_plan
from olmixctl.plan.cost import actual_seconds, part_of
from olmixctl.plan.evidence import run_inputs
from olmixctl.plan.model import Observed, Plan, PlannedRun, is_rehearsal
from olmixctl.present import export_mix, locked_states, observe, observed_as_locked, training_data
from olmixctl.recall import keep_inventories, with_inventories
from olmixctl.reread import cache_checks, data_checks, refresh_checks
from olmixctl.scrutiny import explanation, surroundings
from olmixctl.spec.find import LOCK_SUFFIX, find_mix
from olmixctl.spec.load import LoadedMix, load_mix
from olmixctl.spec.model import MixSpec
from olmixctl.staging import Training, carry_out

if TYPE_CHECKING:
    from olmixctl.corpus.context import CorpusContext
    from olmixctl.methods.certify import Verification
    from olmixctl.methods.explain import Explanation
    from olmixctl.methods.resample import Bootstrap
    from olmixctl.methods.tradeoff import TradeOff

__all__ = ["ApplyResult", "Workspace"]

_NONE: Mapping[str, Any] = MappingProxyType({})


class Workspace:
    """A mix file with its lock, its ledger and its data. Make one with `Workspace.open`."""

    def __init__(self, loaded: LoadedMix) -> None:
        self.loaded = loaded
        self.spec: MixSpec = loaded.spec
        self.path: Path = loaded.path
        self.root: Path = loaded.root
        stem = loaded.path.name.removesuffix(".yaml").removesuffix(".yml")
        self.lock_path = loaded.path.with_name(stem + LOCK_SUFFIX)
        runs, self._leases_home = locate(
            self.spec.ledger, loaded.path.with_name(stem), self.root, loaded.place("ledger")
        )
        self.ledger = Ledger(runs)
        self._bases = Bases()

    @classmethod
    def open(cls, target: str | None = None, *, cwd: Path | None = None) -> Workspace:
        """The mix at `target`: a path, a name, or None where the repository has one mix.

        Raises:
            UsageError: there is no such mix, or several and none was named.
            SpecError: the mix file is wrong.
            InfeasibleError: its bounds exclude each other.
        """
        return cls(load_mix(find_mix(target, cwd or Path.cwd())))

    def lock(self) -> Lock | None:
        """The committed lock, checked to be whole and of this mix; None when there is none.

        Raises:
            IntegrityError: it was edited or damaged.
            StaleError: it is the lock of another mix.
        """
        lock = read_lock(self.lock_path)
        if lock is not None and lock.name != self.spec.name:
            raise StaleError(
                f"the lock is of mix {lock.name!r}, this is {self.spec.name!r}",
                place=Place(str(self.lock_path)),
                remedy="restore the lock of this mix, or remove the file to start a new one",
            )
        return lock

    def lock_at(self, revision: str) -> Lock:
        """A lock by file, by `REV:path`, or this mix's at `REV` or `merge-base:REV`; raises as `committed.lock_at`."""
        return lock_at(self.lock_path, revision)

    def plan(
        self,
        options: PlanOptions | None = None,
        *,
        baseline: Lock | Baseline | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Plan:
        """What changed since the lock (or `baseline`, also one without a lock), and what that needs.

        With `options.refresh` declared domains are counted where they can be read, and the plan says what was found.

        Raises:
            CorpusError: the data is wrong or cannot be read.
            InfeasibleError: the bounds exclude each other on this data.
        """
        return self.checked(self.draft(options, baseline=baseline, on_progress=on_progress))

    def draft(
        self,
        options: PlanOptions | None = None,
        *,
        baseline: Lock | Baseline | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Plan:
        """A `plan` whose bounds nobody has looked at yet."""
        context = self._context(on_progress)
        observed = observe(self.loaded, context, self._trainer)
        lock = baseline.lock if isinstance(baseline, Baseline) else baseline or self.lock()
        observed = with_inventories(observed, lock, self.ledger.home, context)
        if baseline is None:
            self._bases.remember(lock)
        asked, records, standing = options or PlanOptions(), LazyRecords(self.ledger), self.ledger.standing()

        def make(seen: Observed) -> Plan:
            return build_plan(seen, lock, records, _design, asked, appraise=_appraise, standing=standing)

        plan = plan_on(make, observed, lock, records, solve_only=asked.solve_only)
        started = (baseline.check,) if isinstance(baseline, Baseline) else unmerged_checks(self.lock_path)
        refreshed = refresh_checks(self.spec, context) if asked.refresh else ()
        return replace(plan, checks=(*plan.checks, *started, *refreshed, *cache_checks(context)))

    def checked(self, plan: Plan) -> Plan:
        """`plan`, with warnings where bounds move kept ratios or leave something no share; raises as `check_bounds`."""
        if not plan.has_changes:
            return plan  # nor are numerics loaded for it
        from olmixctl.methods.feasible import check_plan

        return check_plan(plan, self.loaded.place)

    def apply(
        self,
        plan: Plan,
        *,
        parallelism: int | None = None,
        wait: bool = True,
        merge: LockMerge | None = None,
        on_event: OnEvent = silent,
    ) -> ApplyResult:
        """Execute the steps of `plan`: train, fit, solve, write the lock last. Another apply may work at the same time.

        Args:
            plan: made from this mix.
            parallelism: runs at once, instead of the declared number.
            wait: wait for runs that another apply trains.
            merge: the sides that `plan` joins: the new lock goes on from both, whatever lock lies there.
            on_event: takes progress.

        Raises:
            BlockedError: a check of the plan stands in the way.
            IncompleteError: stopped before the lock; what finished is recorded.
            LeaseError: another apply trains what is left, and `wait` is False.
            StaleError: the lock moved meanwhile.
        """
        began = time.monotonic()
        previous = merge.start if merge else self._bases.base_of(plan, self.lock(), self.lock_path, self.ledger)
        if plan.blocked:
            raise BlockedError("; ".join(check.message for check in plan.blocked), remedy=plan.blocked[0].remedy)
        keep_inventories(plan.observed, self.ledger.home, self._context())
        sharing = self._sharing(wait=wait)
        lock, written = previous, False
        with resumable(plan, self.ledger, self.lock_path):
            train = partial(self._train, sharing=sharing, parallelism=parallelism, on_event=on_event)
            training = Training(
                train=lambda p, mark: train(p, mark=mark), records=self.ledger.records, on_event=on_event
            )
            done, trained = carry_out(plan, training)
            if plan.has_changes or merge:
                from olmixctl.methods.decide import decide

                with alone(sharing, on_event) as check:
                    lock = decide(done, previous, self.ledger.records(), on_event, standing=self.ledger.standing())
                    check()
                    lock = joined_lock(lock, merge) if merge else lock
                    written = (
                        write_lock(self.lock_path, lock) if merge else land(plan, lock, self.lock(), self.lock_path)
                    )
                    tidy((*plan.runs, *done.runs), self.lock_path, sharing)
        assert lock is not None, "a plan without a lock trains and writes one"
        return ApplyResult(
            lock=lock,
            previous=previous,
            written=written,
            by_another=not written and digest_of(lock) != plan.base.digest,
            trained=trained,
            recorded=len({run.key for run in done.runs if run.recorded}),
            device_seconds=self._spent(done) if trained else None,
            cost=part_of(plan.cost, len({run.key for run in done.missing})),
            wall_seconds=time.monotonic() - began,
        )

    def measure(
        self,
        plan: Plan,
        mixes: Sequence[GridMixture],
        *,
        seeds: Sequence[int] = (0,),
        parallelism: int | None = None,
        on_event: OnEvent = silent,
    ) -> dict[tuple[int, int], RunRecord]:
        """Train a proxy on each of `mixes` with each of `seeds`, and record them like any run: a mix put to the test.

        Args:
            plan: a plan of the present; only what it observed is used.
            mixes: over the domains, on the grid.
            seeds: of initialisation and data order.
            parallelism: runs at once.
            on_event: takes progress.

        Returns:
            (position in `mixes`, seed) → the recorded run.

        Raises:
            IncompleteError: stopped before all were done.
        """
        free, observed = Coordinates(tuple(plan.observed.states)), with_trainer(plan.observed, self._trainer)
        asked = {
            (number, seed): PlannedRun(
                inputs=run_inputs(observed, free, mix, seed), point=mix, weights=mix.as_mixture(), recorded=False
            )
            for number, mix in enumerate(mixes)
            for seed in seeds
        }
        missing = tuple(run for run in asked.values() if run.key not in self.ledger)
        self._train(replace(plan, runs=missing), self._sharing(), parallelism, on_event)
        return {where: self.ledger.get(run.key) for where, run in asked.items()}

    def verify(self, *, deep: bool = False) -> Verification:
        """Re-derive the lock from committed evidence; with `deep`, read the data again too.

        Raises:
            UsageError: there is no lock.
            IntegrityError: the lock or a run file is not whole.
        """
        from olmixctl.methods.certify import verify_lock

        lock = self._need_lock()
        around = surroundings(lock, self.lock_path, self.ledger)
        result = verify_lock(lock, self._as_locked(lock), around)
        if deep and result.sound:
            read = data_checks(self.spec, lock, self._context(), around.inventories)
            result = replace(result, checks=(*result.checks, *read))
        return result

    def explain(self, domain: str, bootstrap: Bootstrap | None = None) -> Explanation:
        """Why `domain` weighs what it does in the lock: bounds, pulls, runs, interval.

        Args:
            domain: id.
            bootstrap: for the interval; 100 resamples if left out.

        Raises:
            UsageError: there is no lock, or no such domain in it.
            StaleError: the mix file asks for something else than the lock was made for.
            IntegrityError: the lock or a run file is not whole.
        """
        from olmixctl.methods.resample import Bootstrap

        lock = self._need_lock()
        return explanation(lock, self._as_locked(lock), self.lock_path, self.ledger, (domain, bootstrap or Bootstrap()))

    def trade_off(self, lock: Lock | None, on_progress: Callable[[int, int], None] | None = None) -> TradeOff:
        """What the mix file trades, by the runs behind `lock`, or why nothing tells; raises as `tradeoff.trade_off`."""
        from olmixctl.methods.tradeoff import TradeOff, silent, trade_off

        if lock is None:
            return TradeOff(reason="there is no lock yet, so no runs tell")
        return trade_off(lock, self._as_locked(lock), self.ledger.records(), on_progress or silent)

    def export(self, form: str, *, tokens: int | None = None, check: bool = False) -> tuple[str, tuple[str, ...]]:
        """The lock in a trainer's own syntax, and remarks for the person.

        Args:
            form: name of the format.
            tokens: of the training run, instead of the mix's target.
            check: read the result back as the trainer would, and compare.

        Raises:
            UsageError: no such format.
            CorpusError: the trainer needs files or counts that are not there.
        """
        from olmixctl.export.registry import NEEDS_FILES, find_exporter

        exporter = find_exporter(form)
        lock = self._need_lock()
        states = locked_states(self.spec, lock, self._context()) if form in NEEDS_FILES else {}
        mix = export_mix(lock, self.spec, states, tokens)
        text = exporter.render(mix)
        if check:
            exporter.check(text, mix)
        rehearsal = is_rehearsal(str(lock.inputs.get("trainer", "")))
        warning = ("a rehearsal: these weights come from a response surface, nothing was measured",)
        return text, (*(warning if rehearsal else ()), *exporter.remarks(mix))

    def unlock(self, *, force: bool = False) -> tuple[Freed, ...]:
        """All leases; those whose holder has ended are removed, with `force` those of living holders, too."""
        return free_leases(Leases(self._leases_home), int(time.time()), force=force)

    # What the present is.

    def _context(self, on_progress: Callable[[int, int], None] | None = None) -> CorpusContext:
        from olmixctl.corpus.context import CorpusContext

        return CorpusContext.open(self.root, tokenizer=self.spec.tokenizer, on_progress=on_progress)

    @property
    def _trainer(self) -> str:
        return self._executor({}).trainer

    def _as_locked(self, lock: Lock) -> Observed:
        return observed_as_locked(self.spec, lock, standing_trainer(lock, self._trainer))

    # The steps.

    def _executor(self, evals: Mapping[str, str], parallelism: int | None = None) -> Executor:
        if self.spec.executor.kind == "fake":
            from olmixctl.execute.fake import FakeExecutor

            return FakeExecutor(evals)
        from olmixctl.execute.local import LocalExecutor

        return LocalExecutor(self.spec.executor, self.root / ".olmixctl" / "checkpoints", parallelism)

    def _sharing(self, *, wait: bool = True) -> Sharing:
        return Sharing(ledger=self.ledger, leases=Leases(self._leases_home), wait=wait)

    def _train(
        self, plan: Plan, sharing: Sharing, parallelism: int | None, on_event: OnEvent, mark: Mapping[str, Any] = _NONE
    ) -> int:
        from olmixctl.execute.training import train_missing
        from olmixctl.repository import provenance

        executor = self._executor(plan.observed.evals, parallelism)
        context = self._context(lambda done, total: on_event(DataPreparing("token shards", done, total)))
        data = partial(training_data, plan.observed, context)
        spool = LocalHome(self.root / ".olmixctl" / "unrecorded" / self.lock_path.name.removesuffix(LOCK_SUFFIX))
        origin = {**provenance(self.root), **mark}
        return train_missing(plan, executor, sharing, data, provenance=origin, on_event=on_event, spool=spool)

    def _spent(self, plan: Plan) -> float | None:
        """Device-seconds of the runs that the plan missed, whoever trained them; None where none of them says."""
        records = self.ledger.records()
        return actual_seconds([records[run.key] for run in plan.missing if run.key in records])

    def _need_lock(self) -> Lock:
        lock = self.lock()
        if lock is None:
            raise UsageError(
                f"mix {self.spec.name} has no lock yet", place=Place(str(self.lock_path)), remedy="olmixctl apply"
            )
        return lock


def _appraise(question: Question) -> Appraisal | str:
    """The laws behind the lock; their numerics load only when a plan has something to choose."""
    from olmixctl.methods.appraise import appraise

    return appraise(question)


def _design(observed: Observed, coordinates: Coordinates) -> tuple[GridMixture, ...]:
    """The method's swarm; its numerics load only when a plan needs one."""
    from olmixctl.methods.olmix import design

    return design(observed, coordinates)
