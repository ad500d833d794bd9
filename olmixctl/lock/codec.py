"""Lock ⇄ text: pure, canonical, exact. `parse(dump(lock)) == lock`, and the bytes of `dump` are a function of the lock.

The last line, `integrity`, is the SHA-256 of all bytes above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from olmixctl.errors import IntegrityError, Place, StaleError
from olmixctl.fingerprint import canonical_json, sha256_hex
from olmixctl.lock.confidence import confidence_section, read_confidence
from olmixctl.lock.emit import emit
from olmixctl.lock.model import (
    LOCK_VERSION,
    ActiveBound,
    Choice,
    CrossValidation,
    Ends,
    Excluded,
    Lock,
    LockedBlock,
    LockedDomain,
    LockedMetric,
    LockedSolution,
    LockedSurrogate,
    Stopped,
)
from olmixctl.lock.read import read_lines
from olmixctl.lock.whole import INTEGRITY, RESTORE, check_whole
from olmixctl.mixture import GRID, SHARE_UNITS, GridMixture

__all__ = ["digest_of", "dump", "lock_as_json", "parse"]


def dump(lock: Lock) -> str:
    """The canonical text of a lock, integrity line included."""
    body = emit(_document(lock))
    return f"{body}{INTEGRITY}sha256:{sha256_hex(body)}\n"


def digest_of(lock: Lock) -> str:
    """`sha256:` of the lock's text: what a child lock names as its parent, and a plan as its base."""
    return "sha256:" + sha256_hex(dump(lock))


def lock_as_json(lock: Lock) -> dict[str, Any]:
    """The lock as JSON, for programs: the lockfile's own shape, inputs as values instead of text, with its digest.

    Numbers have as many decimals as in the file; `float` reads them back to the same decimals.
    """
    document = _document(lock) | {"inputs": dict(lock.inputs), "digest": digest_of(lock)}
    plain: dict[str, Any] = _plain(document)
    return plain


def _plain(value: Any) -> Any:  # noqa: ANN401  (any JSON value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def parse(text: str, file: str = "lock") -> Lock:
    """Read a lock and check that it is whole.

    Raises:
        IntegrityError: conflict markers, not YAML, edited by hand, fields missing.
        StaleError: written by a newer major version, and whole.
    """
    _refuse_conflict(text, file)
    # Before the version is read: a number that was changed by hand must not pass for a newer format.
    check_whole(text, file)
    if (quick := _read_quickly(text)) is not None:
        return quick
    document = _load(text, file)
    version = document.get("lock_version")
    if isinstance(version, int) and version > LOCK_VERSION:
        raise StaleError(
            f"lock_version {version} is newer than this olmixctl reads ({LOCK_VERSION})",
            place=Place(file),
            remedy="upgrade olmixctl",
        )
    try:
        lock = _lock(document)
        ours = dump(lock)
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise IntegrityError(
            f"the lock is malformed ({type(error).__name__}: {error})", place=Place(file), remedy=RESTORE
        ) from error
    if ours != text:
        # The digest fits but the text is not ours: keys this version does not know must not be dropped silently.
        raise IntegrityError("the lock is not in canonical form", place=Place(file), remedy=RESTORE)
    return lock


def _read_quickly(text: str) -> Lock | None:
    """The lock, where `text` is canonical: YAML takes over a second for ten thousand domains. Else None."""
    try:
        lock = _lock(read_lines(text, _flow_value))
        return lock if dump(lock) == text else None
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError):
        return None


def _flow_value(text: str) -> Any:  # noqa: ANN401  (any value of a record)
    import yaml

    try:
        return yaml.load(text, Loader=_exact_loader())  # noqa: S506  (a subclass of the safe loader)
    except yaml.YAMLError as error:
        raise ValueError("not a flow value") from error


def _refuse_conflict(text: str, file: str) -> None:
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(("<<<<<<< ", ">>>>>>> ")):
            raise IntegrityError(
                "the lock holds merge conflict markers",
                place=Place(file, number),
                remedy="`olmixctl resolve` joins both sides: their runs are evidence, only what is missing is trained",
            )


def _load(text: str, file: str) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.load(text, Loader=_exact_loader())  # noqa: S506  (a subclass of the safe loader)
    except (yaml.YAMLError, ValueError, ArithmeticError, RecursionError) as error:
        # ValueError: a scalar that looks like a date or number and is none, as in `serial: 2026-13-45`.
        mark = getattr(error, "problem_mark", None)
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
        raise IntegrityError("the lock is not readable YAML", place=place, remedy=RESTORE) from error
    if not isinstance(document, dict):
        raise IntegrityError("the lock is not a mapping", place=Place(file), remedy=RESTORE)
    return document


@cache
def _exact_loader() -> Any:  # noqa: ANN401  (the class depends on how PyYAML was built)
    """The safe loader, C where there is one, with fixed-point numbers read as exact decimals."""
    import yaml

    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader: Any = type("ExactLoader", (base,), {})
    loader.add_constructor("tag:yaml.org,2002:float", lambda _, node: Decimal(node.value))
    return loader


def _fixed(value: Decimal | None, places: int) -> Decimal | None:
    return None if value is None else value.quantize(Decimal(1).scaleb(-places))


def _share(units: int) -> Decimal:
    return (Decimal(units) / SHARE_UNITS).quantize(Decimal(1).scaleb(-12))


def _document(lock: Lock) -> dict[str, Any]:
    document: dict[str, Any] = {
        "lock_version": LOCK_VERSION,
        "name": lock.name,
        "lineage": lock.lineage,
        "serial": lock.serial,
        **_parents(lock.parents),
        "tool": {"name": "olmixctl", "version": lock.tool_version},
        "spec": {"semantic": lock.spec_semantic, "full": lock.spec_full},
        # Canonical JSON in one string a section: exact, compact, and never touched by YAML's number rules.
        "inputs": {section: canonical_json(value) for section, value in sorted(lock.inputs.items())},
        "evals": dict(sorted(lock.evals.items())),
        "weights": {d: (Decimal(p) / GRID).quantize(Decimal("0.000001")) for d, p in lock.weights.items()},
        "domains": {d: _domain(record) for d, record in sorted(lock.domains.items())},
    }
    if lock.blocks:
        document["blocks"] = {
            name: {
                "mass": (Decimal(b.mass) / GRID).quantize(Decimal("0.000001")),
                "members": b.members,
                "from_serial": b.from_serial,
            }
            for name, b in sorted(lock.blocks.items())
        }
    document["evidence"] = {
        "runs": sorted(lock.evidence),
        "root": lock.evidence_root,
        "excluded": [{"run": e.run, "reason": e.reason} for e in sorted(lock.excluded, key=lambda e: e.run)],
    }
    if lock.stopped is not None:
        document["stopped"] = _stopped(lock.stopped)
    if lock.surrogate is not None:
        document["surrogate"] = _surrogate(lock.surrogate)
    document["solution"] = _solution(lock.solution)
    if lock.uncertainty:
        document["uncertainty"] = {domain: _ends(ends) for domain, ends in sorted(lock.uncertainty.items())}
    if lock.confidence is not None:
        document["confidence"] = confidence_section(lock.confidence)
    if lock.predicted:
        document["predicted"] = {name: _metric(m) for name, m in sorted(lock.predicted.items())}
    return document


def _metric(record: LockedMetric) -> dict[str, Any]:
    value: dict[str, Any] = {
        "natural": _fixed(record.natural, 6),
        "previous": _fixed(record.previous, 6),
        "this": _fixed(record.this, 6),
    }
    return value if record.interval is None else value | {"interval": _ends(record.interval)}


def _ends(ends: Ends) -> list[Decimal | None]:
    return [_fixed(end, 6) for end in ends]


def _parents(digests: tuple[str, ...]) -> dict[str, Any]:
    """One parent has a key of its own, as in locks written before two were possible."""
    if len(digests) < 2:
        return {"parent": digests[0] if digests else None}
    return {"parents": sorted(digests)}


def _domain(record: LockedDomain) -> dict[str, Any]:
    value: dict[str, Any] = {
        "fingerprint": record.fingerprint,
        "content": record.content,
        "tokens": record.tokens,
        "documents": record.documents,
        "repetition": _fixed(record.repetition, 6),
    }
    if record.block is not None:
        value |= {"block": record.block, "share": _share(record.share or 0)}
    return value | {"changed_in": record.changed_in, "protected": record.protected}


def _stopped(record: Stopped) -> dict[str, Any]:
    return {
        "planned": record.planned,
        "trained": record.trained,
        "regret": _fixed(record.regret, 9),
        "probability": _fixed(record.probability, 6),
    }


def _surrogate(record: LockedSurrogate) -> dict[str, Any]:
    value: dict[str, Any] = {"family": record.family, "digest": record.digest, "runs": record.runs}
    if record.cv is not None:
        value["cv"] = _cross_validation(record.cv)
    if record.choice is not None:
        scores = {name: _cross_validation(found) for name, found in sorted(record.choice.scores.items())}
        value["choice"] = {"reason": record.choice.reason, "scores": scores}
    return value


def _cross_validation(record: CrossValidation) -> dict[str, Any]:
    value = {"spearman": _fixed(record.spearman, 6), "rmse": _fixed(record.rmse, 6)}
    return value if record.mean_rmse is None else value | {"mean_rmse": _fixed(record.mean_rmse, 6)}


def _solution(record: LockedSolution) -> dict[str, Any]:
    value: dict[str, Any] = {
        "solver": record.solver,
        "status": record.status,
        "objective": _fixed(record.objective, 9),
        "objective_at_rounded": _fixed(record.objective_at_rounded, 9),
        "residuals": {name: _fixed(value, 12) for name, value in sorted(record.residuals.items())},
        "active": [
            {"constraint": a.constraint, "multiplier": _fixed(a.multiplier, 9)}
            for a in sorted(record.active, key=lambda a: a.constraint)
        ],
    }
    if record.objective_at_convex is not None:
        value["objective_at_convex"] = _fixed(record.objective_at_convex, 9)
    return value if record.weights_from is None else value | {"weights_from": record.weights_from}


def _lock(document: Mapping[str, Any]) -> Lock:
    import json

    evidence = document["evidence"]
    return Lock(
        name=document["name"],
        lineage=document["lineage"],
        serial=document["serial"],
        parents=_read_parents(document),
        tool_version=document["tool"]["version"],
        spec_semantic=document["spec"]["semantic"],
        spec_full=document["spec"]["full"],
        inputs={section: json.loads(text) for section, text in document["inputs"].items()},
        evals=document["evals"],
        weights=GridMixture({d: _units(w, GRID) for d, w in document["weights"].items()}),
        domains={d: _read_domain(record) for d, record in document["domains"].items()},
        blocks={n: _read_block(record) for n, record in document.get("blocks", {}).items()},
        evidence=tuple(evidence["runs"]),
        evidence_root=evidence["root"],
        excluded=tuple(Excluded(**e) for e in evidence["excluded"]),
        stopped=_read_stopped(document.get("stopped")),
        surrogate=_read_surrogate(document.get("surrogate")),
        solution=_read_solution(document["solution"]),
        predicted={n: _read_metric(m) for n, m in document.get("predicted", {}).items()},
        uncertainty={d: (low, high) for d, (low, high) in document.get("uncertainty", {}).items()},
        confidence=read_confidence(document.get("confidence")),
    )


def _read_parents(document: Mapping[str, Any]) -> tuple[str, ...]:
    if "parents" in document:
        return tuple(document["parents"])
    parent = document["parent"]
    return () if parent is None else (parent,)


def _units(value: Decimal | int, scale: int) -> int:
    units = Decimal(value) * scale
    if units != int(units):
        raise ValueError(f"{value} does not stand on its grid")
    return int(units)


def _read_domain(record: Mapping[str, Any]) -> LockedDomain:
    share = record.get("share")
    return LockedDomain(**{**record, "share": None if share is None else _units(share, SHARE_UNITS)})


def _read_block(record: Mapping[str, Any]) -> LockedBlock:
    return LockedBlock(**{**record, "mass": _units(record["mass"], GRID)})


def _read_stopped(record: Mapping[str, Any] | None) -> Stopped | None:
    return None if record is None else Stopped(**record)


def _read_surrogate(record: Mapping[str, Any] | None) -> LockedSurrogate | None:
    if record is None:
        return None
    cv, choice = record.get("cv"), record.get("choice")
    return LockedSurrogate(
        **{**record, "cv": CrossValidation(**cv) if cv else None, "choice": None if choice is None else _choice(choice)}
    )


def _choice(record: Mapping[str, Any]) -> Choice:
    scores = {name: CrossValidation(**found) for name, found in record["scores"].items()}
    return Choice(**{**record, "scores": scores})


def _read_metric(record: Mapping[str, Any]) -> LockedMetric:
    ends = record.get("interval")
    return LockedMetric(**{**record, "interval": None if ends is None else (ends[0], ends[1])})


def _read_solution(record: Mapping[str, Any]) -> LockedSolution:
    return LockedSolution(**{**record, "active": tuple(ActiveBound(**a) for a in record["active"])})
