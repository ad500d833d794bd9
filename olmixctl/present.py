"""The present, as data: what the mix file and the files on this machine say now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from olmixctl.errors import CorpusError, StaleError
from olmixctl.execute.protocol import TrainingData
from olmixctl.fingerprint import digest
from olmixctl.lock.codec import digest_of
from olmixctl.lock.model import Lock
from olmixctl.plan.model import Observed
from olmixctl.spec.load import LoadedMix
from olmixctl.spec.model import MixSpec
from olmixctl.spec.semantic import full_digest, semantic_inputs

if TYPE_CHECKING:
    from olmixctl.corpus.context import CorpusContext
    from olmixctl.corpus.inputs import DeclarationError
    from olmixctl.corpus.model import DomainState
    from olmixctl.export.model import ExportMix

__all__ = ["export_mix", "locked_states", "observe", "observed_as_locked", "training_data"]


def observe(loaded: LoadedMix, context: CorpusContext, trainer: str) -> Observed:
    """The mix file and its data as they are now.

    Raises:
        CorpusError: the data is wrong or cannot be read, or two domains hold the same documents; with its place in
            the mix file where the data is not what that file declares.
    """
    from olmixctl.corpus import DeclarationError, measure_domains, measure_evals

    spec = loaded.spec
    try:
        states = measure_domains(spec.domains, context)
        _refuse_twins(loaded, states)
        evals = measure_evals(spec.evals, states, context)
    except DeclarationError as error:
        raise _placed(error, loaded) from error
    inputs = semantic_inputs(spec) | {"tokenizer": context.tokenizer.digest}
    return Observed(
        spec=spec,
        inputs=inputs | {"trainer": trainer},
        semantic=digest(inputs, prefix="sha256"),
        full=full_digest(spec),
        states=states,
        evals={name: state.digest for name, state in evals.items()},
        eval_tokens=sum(state.tokens for state in evals.values()),
        tokenizer=context.tokenizer.digest,
        trainer=trainer,
        vocabulary=context.tokenizer.vocabulary_size,
    )


def observed_as_locked(spec: MixSpec, lock: Lock, trainer: str) -> Observed:
    """The present mix file over the data as `lock` states it: all that can be checked without reading data.

    A tokeniser's file counts as data: what it is now is seen by `plan` alone.
    """
    from olmixctl.corpus.model import DomainState

    inputs: dict[str, Any] = semantic_inputs(spec)
    if spec.tokenizer != "bytes":
        inputs["tokenizer"] = lock.inputs.get("tokenizer", "")
    states = {
        domain_id: DomainState(
            id=domain_id,
            fingerprint=record.fingerprint,
            content=record.content,
            tokens=record.tokens,
            documents=record.documents,
        )
        for domain_id, record in lock.domains.items()
    }
    return Observed(
        spec=spec,
        inputs=inputs | {"trainer": trainer},
        semantic=digest(inputs, prefix="sha256"),
        full=full_digest(spec),
        states=states,
        evals=lock.evals,
        tokenizer=str(inputs["tokenizer"]),
        trainer=trainer,
        vocabulary=0,
    )


def training_data(observed: Observed, context: CorpusContext) -> TrainingData:
    """Token shards and evals for the runs of this mix, built where they are not on disk yet.

    Raises:
        CorpusError: the data changed since it was observed, or is declared only.
        OlmixctlError: the folder of shards cannot be written.
    """
    from olmixctl.corpus import build_evals, build_shards, holdout_fraction
    from olmixctl.corpus.model import EvalState

    evals, proxy = observed.spec.evals, observed.spec.proxy
    shards = build_shards(
        observed.states,
        context,
        holdout_fraction=holdout_fraction(evals),
        # One run reads no more of a domain than all its tokens, rounded up to whole batches.
        limit_tokens=proxy.tokens + proxy.batch_size * proxy.sequence_length,
    )
    digests = {name: EvalState(name=name, digest=value) for name, value in observed.evals.items()}
    return TrainingData(
        shards=shards,
        evals=tuple(build_evals(evals, observed.states, digests, context).values()),
        vocabulary=context.tokenizer.vocabulary_size,
        end_of_text=context.tokenizer.end_of_text,
    )


def locked_states(spec: MixSpec, lock: Lock, context: CorpusContext) -> dict[str, DomainState]:
    """The data with its files, which must be what the lock was made for.

    Raises:
        StaleError: it is not.
    """
    from olmixctl.corpus import measure_domains

    if set(lock.domains) != set(spec.domain_ids):
        raise StaleError("the mix file has other domains than the lock", remedy="olmixctl apply")
    states = measure_domains(spec.domains, context)
    drifted = [d for d, record in lock.domains.items() if states[d].content != record.content]
    if drifted:
        raise StaleError(
            f"the documents of {', '.join(drifted)} are not those the lock was made for", remedy="olmixctl apply"
        )
    return states


def export_mix(lock: Lock, spec: MixSpec, states: Mapping[str, DomainState], tokens: int | None) -> ExportMix:
    """What an exporter is given.

    Args:
        lock: the decided weights.
        spec: target tokens and repetition.
        states: domain id → data with files; empty for formats that name none.
        tokens: of the training run, instead of the target's.
    """
    from olmixctl.export.model import ExportDomain, ExportFile, ExportMix

    def files(domain_id: str) -> tuple[ExportFile, ...]:
        if domain_id not in states:
            return ()
        found = states[domain_id].files
        return tuple(ExportFile(path=f.url, tokens=f.tokens, documents=f.documents, kind=f.format) for f in found)

    return ExportMix(
        name=lock.name,
        lock_digest=digest_of(lock),
        serial=lock.serial,
        domains=tuple(
            ExportDomain(
                id=domain_id,
                weight=lock.weights[domain_id],
                tokens=record.tokens,
                documents=record.documents,
                files=files(domain_id),
            )
            for domain_id, record in lock.domains.items()
        ),
        target_tokens=tokens or spec.target.tokens,
        max_repetition=spec.target.max_repetition,
    )


def _placed(error: DeclarationError, loaded: LoadedMix) -> CorpusError:
    """The error with its place in the mix file; a data file it is about comes before the message."""
    file = f"{error.place}: " if error.place else ""
    return CorpusError(f"{file}{error.message}", place=loaded.place(error.address), remedy=error.remedy)


def _refuse_twins(loaded: LoadedMix, states: Mapping[str, DomainState]) -> None:
    seen: dict[str, str] = {}
    for domain_id, state in sorted(states.items()):
        twin = seen.setdefault(state.content, domain_id)
        if twin != domain_id:
            raise CorpusError(
                f"domains {twin} and {domain_id} hold the same documents",
                place=loaded.place(f"domains.{domain_id}"),
                remedy="keep one of them: runs cannot tell them apart",
            )
