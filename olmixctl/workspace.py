"""The library API: a mix file in its repository, and what can be done with it.

workspace = Workspace.open("base")
plan = workspace.plan()
result = workspace.apply(plan)
print(result.lock.weights)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from olmixctl.errors import (
    BlockedError,
    CorpusError,
    IncompleteError,
    OlmixctlError,
    Place,
    StaleError,
    UsageError,
)
from olmixctl.execute.events import DataPreparing, OnEvent, Solving, silent
from olmixctl.execute.protocol import Executor, TrainingData
from olmixctl.fingerprint import digest
from olmixctl.ledger.model import RunRecord
from olmixctl.ledger.store import Ledger
from olmixctl.lock.codec import digest_of, parse
from olmixctl.lock.model import Lock
from olmixctl.lock.store import read_lock, write_lock
from olmixctl.mixture import Coordinates, GridMixture
from olmixctl.plan.build import PlanOptions, build_plan, run_inputs
from olmixctl.plan.model import Observed, Plan, PlannedRun
from olmixctl.plan.steps import FitAndSolve, KeepRatios, TrainRuns, WriteLock, steps_of
from olmixctl.spec.load import LoadedMix, load_mix
from olmixctl.spec.model import MixSpec
from olmixctl.spec.semantic import full_digest, semantic_inputs

if TYPE_CHECKING:
    from olmixctl.corpus.context import CorpusContext
    from olmixctl.methods.certify import Verification

__all__ = ["ApplyResult", "Workspace", "find_mix"]

_LOCK_SUFFIX = ".lock.yaml"


@dataclass(frozen=True, kw_only=True, slots=True)
class ApplyResult:
    """What an apply did.

    Attributes:
        lock: the lock in force now.
        previous: the lock before, or None.
        written: a new lock was written.
        trained: runs trained by this apply.
        recorded: designed runs that were in the ledger already.
        wall_seconds: from start to the written lock.
    """

    lock: Lock
    previous: Lock | None
    written: bool
    trained: int
    recorded: int
    wall_seconds: float


class Workspace:
    """A mix file with its lock, its ledger and its data. Make one with `Workspace.open`."""

    def __init__(self, loaded: LoadedMix) -> None:
        self.loaded = loaded
        self.spec: MixSpec = loaded.spec
        self.path: Path = loaded.path
        self.root: Path = loaded.root
        stem = loaded.path.name.removesuffix(".yaml").removesuffix(".yml")
        self.lock_path = loaded.path.with_name(stem + _LOCK_SUFFIX)
        if self.spec.ledger is not None:
            raise OlmixctlError(
                f"a ledger at {self.spec.ledger} is not in this version",
                place=loaded.place("ledger"),
                remedy="remove `ledger`: runs are recorded beside the mix file",
            )
        self.ledger = Ledger(loaded.path.with_name(stem + ".runs"))

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
        """A lock by file, by `REV:path`, or this mix's lock at `REV`.

        Raises:
            UsageError: no such file or revision, no Git repository, or no lock there.
            IntegrityError: what is there is not a whole lock.
        """
        path = Path(revision)
        if path.is_file():
            return parse(path.read_text(encoding="utf-8"), revision)
        from olmixctl.repository import file_at

        return parse(file_at(self.lock_path, revision), revision)

    def plan(
        self,
        options: PlanOptions | None = None,
        *,
        baseline: Lock | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Plan:
        """What changed since the lock (or `baseline`), and what that needs.

        Raises:
            CorpusError: the data is wrong or cannot be read.
            InfeasibleError: the bounds exclude each other on this data.
        """
        from olmixctl.methods.olmix import design

        observed = self._observe(on_progress)
        lock = baseline or self.lock()
        plan = build_plan(observed, lock, self.ledger.records(), design, options or PlanOptions())
        if plan.has_changes:
            self._check_feasible(plan)
        return plan

    def apply(
        self,
        plan: Plan,
        *,
        parallelism: int | None = None,
        solve_only: bool = False,
        on_event: OnEvent = silent,
    ) -> ApplyResult:
        """Execute the steps of `plan`: train, fit, solve, write the lock last.

        Raises:
            BlockedError: a check of the plan stands in the way.
            IncompleteError: stopped before the lock; what finished is recorded.
            StaleError: the lock moved meanwhile.
        """
        began = time.monotonic()
        previous = self._base_of(plan)
        if plan.blocked:
            first = plan.blocked[0]
            raise BlockedError("; ".join(check.message for check in plan.blocked), remedy=first.remedy)
        trained, lock = 0, previous
        for step in steps_of(plan):
            match step:
                case TrainRuns():
                    trained = 0 if solve_only else self._train(plan, parallelism, on_event)
                case FitAndSolve():
                    on_event(Solving(len(step.evidence)))
                    lock = self._solve(plan, previous, step.evidence)
                case KeepRatios():
                    lock = self._keep(plan, previous)
                case WriteLock():
                    assert lock is not None
                    self._base_of(plan)
                    write_lock(self.lock_path, lock)
        assert lock is not None, "a plan without a lock trains and writes one"
        return ApplyResult(
            lock=lock,
            previous=previous,
            written=plan.has_changes,
            trained=trained,
            recorded=len({run.key for run in plan.runs if run.recorded}),
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
        free, observed = Coordinates(tuple(plan.observed.states)), plan.observed
        asked = {
            (number, seed): PlannedRun(
                inputs=run_inputs(observed, free, mix, seed), point=mix, weights=mix.as_mixture(), recorded=False
            )
            for number, mix in enumerate(mixes)
            for seed in seeds
        }
        missing = tuple(run for run in asked.values() if run.key not in self.ledger)
        self._train(replace(plan, runs=missing), parallelism, on_event)
        return {where: self.ledger.get(run.key) for where, run in asked.items()}

    def verify(self, *, deep: bool = False) -> Verification:
        """Re-derive the lock from committed evidence; with `deep`, read the data again too.

        Raises:
            UsageError: there is no lock.
            IntegrityError: the lock or a run file is not whole.
        """
        from olmixctl.methods.certify import verify_lock

        lock = self._need_lock()
        result = verify_lock(lock, self._as_locked(lock), self.ledger.records())
        if deep:
            result = replace(result, checks=(*result.checks, *self._data_checks(lock)))
        return result

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
        from olmixctl.export.model import ExportDomain, ExportFile, ExportMix
        from olmixctl.export.registry import find_exporter

        exporter = find_exporter(form)
        lock = self._need_lock()
        states = self._states_of(lock)
        mix = ExportMix(
            name=lock.name,
            lock_digest=digest_of(lock),
            serial=lock.serial,
            domains=tuple(
                ExportDomain(
                    id=domain_id,
                    weight=lock.weights[domain_id],
                    tokens=record.tokens,
                    documents=record.documents,
                    files=tuple(
                        ExportFile(path=file.url, tokens=file.tokens, documents=file.documents)
                        for file in states[domain_id].files
                    ),
                )
                for domain_id, record in lock.domains.items()
            ),
            target_tokens=tokens or self.spec.target.tokens,
            max_repetition=self.spec.target.max_repetition,
        )
        text = exporter.render(mix)
        if check:
            exporter.check(text, mix)
        return text, exporter.remarks(mix)

    # What the present is.

    def _context(self, on_progress: Callable[[int, int], None] | None = None) -> CorpusContext:
        from olmixctl.corpus.context import CorpusContext

        return CorpusContext.open(self.root, tokenizer=self.spec.tokenizer, on_progress=on_progress)

    def _observe(self, on_progress: Callable[[int, int], None] | None = None) -> Observed:
        from olmixctl.corpus import measure_domains, measure_evals

        context = self._context(on_progress)
        states = measure_domains(self.spec.domains, context)
        self._refuse_twins({domain_id: state.content for domain_id, state in states.items()})
        evals = measure_evals(self.spec.evals, states, context)
        inputs = semantic_inputs(self.spec) | {"tokenizer": context.tokenizer.digest}
        return Observed(
            spec=self.spec,
            inputs=inputs,
            semantic=digest(inputs, prefix="sha256"),
            full=full_digest(self.spec),
            states=states,
            evals={name: state.digest for name, state in evals.items()},
            tokenizer=context.tokenizer.digest,
            trainer=self._executor({}).trainer,
            vocabulary=context.tokenizer.vocabulary_size,
        )

    def _as_locked(self, lock: Lock) -> Observed:
        """The present spec over the data as the lock states it: what can be checked without reading data."""
        from olmixctl.corpus.model import DomainState

        inputs: dict[str, Any] = semantic_inputs(self.spec)
        if self.spec.tokenizer != "bytes":
            # The tokeniser's file is data: `plan` and `verify --deep` read it.
            inputs["tokenizer"] = lock.inputs["tokenizer"]
        return Observed(
            spec=self.spec,
            inputs=inputs,
            semantic=digest(inputs, prefix="sha256"),
            full=full_digest(self.spec),
            states={
                domain_id: DomainState(
                    id=domain_id,
                    fingerprint=record.fingerprint,
                    content=record.content,
                    tokens=record.tokens,
                    documents=record.documents,
                )
                for domain_id, record in lock.domains.items()
            },
            evals=lock.evals,
            tokenizer=str(inputs["tokenizer"]),
            trainer=self._executor({}).trainer,
            vocabulary=0,
        )

    def _refuse_twins(self, contents: dict[str, str]) -> None:
        seen: dict[str, str] = {}
        for domain_id, content in sorted(contents.items()):
            twin = seen.setdefault(content, domain_id)
            if twin != domain_id:
                raise CorpusError(
                    f"domains {twin} and {domain_id} hold the same documents",
                    place=self.loaded.place(f"domains.{domain_id}"),
                    remedy="keep one of them: runs cannot tell them apart",
                )

    def _check_feasible(self, plan: Plan) -> None:
        from olmixctl.methods.problem import mix_problem
        from olmixctl.solve.feasible import check_feasible

        if plan.kind != "rescale":
            check_feasible(mix_problem(plan.observed, plan.coordinates))

    # The steps.

    def _executor(self, evals: Mapping[str, str], parallelism: int | None = None) -> Executor:
        if self.spec.executor.kind == "fake":
            from olmixctl.execute.fake import FakeExecutor

            return FakeExecutor(evals)
        from olmixctl.execute.local import LocalExecutor

        return LocalExecutor(self.spec.executor, self.root / ".olmixctl" / "checkpoints", parallelism)

    def _train(self, plan: Plan, parallelism: int | None, on_event: OnEvent) -> int:
        from olmixctl.execute.training import train_missing
        from olmixctl.repository import provenance

        executor = self._executor(plan.observed.evals, parallelism)
        data = partial(self._training_data, plan, on_event)
        return train_missing(plan, executor, self.ledger, data, provenance=provenance(self.root), on_event=on_event)

    def _training_data(self, plan: Plan, on_event: OnEvent) -> TrainingData:
        from olmixctl.corpus import build_evals, build_shards, holdout_fraction
        from olmixctl.corpus.model import EvalState

        context = self._context(lambda done, total: on_event(DataPreparing("token shards", done, total)))
        states, evals, proxy = plan.observed.states, self.spec.evals, self.spec.proxy
        shards = build_shards(
            states,
            context,
            holdout_fraction=holdout_fraction(evals),
            limit_tokens=proxy.tokens + proxy.batch_size * proxy.sequence_length,
        )
        digests = {name: EvalState(name=name, digest=value) for name, value in plan.observed.evals.items()}
        return TrainingData(
            shards=shards,
            evals=tuple(build_evals(evals, states, digests, context).values()),
            vocabulary=context.tokenizer.vocabulary_size,
            end_of_text=context.tokenizer.end_of_text,
        )

    def _solve(self, plan: Plan, previous: Lock | None, keys: tuple[str, ...]) -> Lock:
        from olmixctl.methods.olmix import fit_evidence, gather, solve_mix
        from olmixctl.methods.record import solved_lock

        records = self.ledger.records()
        evidence = gather(plan.observed, plan.coordinates, keys, records)
        fitted = fit_evidence(plan.observed, evidence)
        if not fitted.fit.status.converged:
            notes = "; ".join(fitted.fit.status.notes)
            raise IncompleteError(f"the laws could not be fitted: {notes}", remedy="train more runs, or other ones")
        return solved_lock(plan, previous, fitted, solve_mix(plan.observed, plan.coordinates, fitted), records)

    def _keep(self, plan: Plan, previous: Lock | None) -> Lock:
        from olmixctl.methods.olmix import keep_ratios
        from olmixctl.methods.record import kept_lock

        assert previous is not None, "ratios are kept from a lock"
        weights, moved = keep_ratios(plan.observed, plan.coordinates)
        return kept_lock(plan, previous, weights, moved=moved)

    def _base_of(self, plan: Plan) -> Lock | None:
        lock = self.lock()
        found = None if lock is None else digest_of(lock)
        if found != plan.base.digest:
            raise StaleError(
                f"the lock is not the one the plan starts from (serial {plan.base.serial}, "
                f"found {lock.serial if lock else 'none'})",
                place=Place(str(self.lock_path)),
                remedy="plan again",
            )
        return lock

    def _need_lock(self) -> Lock:
        lock = self.lock()
        if lock is None:
            raise UsageError(
                f"mix {self.spec.name} has no lock yet", place=Place(str(self.lock_path)), remedy="olmixctl apply"
            )
        return lock

    # Data against the lock.

    def _states_of(self, lock: Lock) -> dict[str, Any]:
        """The data as it is; it must be what the lock was made for."""
        from olmixctl.corpus import measure_domains

        if set(lock.domains) != set(self.spec.domain_ids):
            raise StaleError("the mix file has other domains than the lock", remedy="olmixctl apply")
        states = measure_domains(self.spec.domains, self._context())
        drifted = [d for d, record in lock.domains.items() if states[d].content != record.content]
        if drifted:
            raise StaleError(
                f"the documents of {', '.join(drifted)} are not those the lock was made for", remedy="olmixctl apply"
            )
        return states

    def _data_checks(self, lock: Lock) -> list[Any]:
        from olmixctl.corpus import measure_domains, rehash
        from olmixctl.methods.certify import VerifyCheck

        context = self._context()
        states = measure_domains([d for d in self.spec.domains if d.id in lock.domains], context)
        checks = []
        for domain_id, state in states.items():
            drifted = rehash(state, context)
            record = lock.domains[domain_id]
            if drifted:
                detail = f"files differ from what was read before: {', '.join(drifted[:5])}"
            elif state.content != record.content:
                detail = f"its documents are not those of the lock ({record.tokens:,} → {state.tokens:,} tokens)"
            else:
                detail = f"{len(state.files)} files read again"
            ok = not drifted and state.content == record.content
            checks.append(VerifyCheck(name=f"data {domain_id}", ok=ok, detail=detail))
        return checks


def find_mix(target: str | None, cwd: Path) -> Path:
    """The mix file that `target` names.

    Raises:
        UsageError: none or several fit.
    """
    if target is not None and (target.endswith((".yaml", ".yml")) or "/" in target):
        path = cwd / target
        if path.name.endswith(_LOCK_SUFFIX):
            path = path.with_name(path.name.removesuffix(_LOCK_SUFFIX) + ".yaml")
        return path
    for folder in (cwd, *cwd.parents):
        mixes = folder if folder.name == "mixes" else folder / "mixes"
        if mixes.is_dir():
            return _choose(target, mixes)
        if (folder / ".git").exists():
            break
    raise UsageError(
        f"there is no folder `mixes` in {cwd} or above it", remedy="olmixctl init NAME makes one, or name a mix file"
    )


def _choose(target: str | None, mixes: Path) -> Path:
    found = sorted(p for p in mixes.iterdir() if p.suffix in (".yaml", ".yml") and not p.name.endswith(_LOCK_SUFFIX))
    names = ", ".join(path.stem for path in found)
    if target is None:
        if len(found) == 1:
            return found[0]
        if not found:
            raise UsageError(f"there is no mix in {mixes}", remedy="olmixctl init NAME")
        raise UsageError(f"there are several mixes: {names}", remedy="say which one")
    fitting = [path for path in found if path.stem == target]
    if not fitting:
        raise UsageError(f"there is no mix {target!r} in {mixes}", remedy=f"use one of: {names}" if names else "")
    return fitting[0]
