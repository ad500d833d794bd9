"""From the plain data of a mix file, valid by the schema, to the frozen spec.

What the schema cannot see is found here: sizes that are no whole number, names that name nothing. A finding has the
address of the value; `load` turns it into an error with a line and a column.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from olmixctl.spec.model import (
    BudgetSpec,
    ChangeSpec,
    ConstraintSpec,
    DeclaredSpec,
    DomainSpec,
    EvalSpec,
    ExecutorSpec,
    GuardrailSpec,
    MixSpec,
    ObjectiveSpec,
    ProxySpec,
    RatioSpec,
    StopSpec,
    SwarmSpec,
    TargetSpec,
)
from olmixctl.spec.select import select, suggest
from olmixctl.spec.units import parse_proxy_tokens, parse_size

__all__ = ["Finding", "build_spec"]

_Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at an address, with what to write instead."""

    field: str
    message: str
    remedy: str


def build_spec(data: _Data) -> tuple[MixSpec, list[Finding]]:
    """The spec, and what is wrong with it; the spec is only good where nothing is.

    Args:
        data: valid by `schemas/mix.schema.json`.
    """
    return _Builder(data).spec()


class _Builder:
    """Carries the findings and the domains through the sections."""

    def __init__(self, data: _Data) -> None:
        self.data = data
        self.findings: list[Finding] = []
        self.group_bounds: list[ConstraintSpec] = []
        self.domains = tuple(sorted(self._domains(data["domains"], "", {}), key=lambda d: d.id))
        self.tags = {d.id: d.tags for d in self.domains}
        self._refuse_twins("evals")
        self._refuse_twins("constraints")

    def spec(self) -> tuple[MixSpec, list[Finding]]:
        data = self.data
        plain = {k: data[k] for k in _PLAIN if k in data}
        spec = MixSpec(
            target=self._target(data["target"]),
            domains=self.domains,
            evals=tuple(sorted(map(self._eval, range(len(data["evals"]))), key=lambda e: e.name)),
            proxy=self._proxy(data["proxy"]),
            changes=tuple(map(self._change, range(len(data.get("changes", ()))))),
            objective=self._objective(data.get("objective", {})),
            constraints=self._constraints(data.get("constraints", ())),
            ratios=self._ratios(data.get("constraints", ())),
            swarm=_swarm(data.get("swarm", {})),
            executor=ExecutorSpec(**_whole(data.get("executor", {}), "parallelism", "threads")),
            budget=_budget(data.get("budget", {})),
            recompute=self._select("recompute", data.get("recompute", [])),
            **plain,
        )
        return spec, self.findings

    def _target(self, data: _Data) -> TargetSpec:
        tokens = self._size("target.tokens", data["tokens"])
        return TargetSpec(tokens=tokens, **_floats(data, "max_repetition"))

    def _domains(self, data: _Data, prefix: str, inherited: _Data) -> Iterator[DomainSpec]:
        for name, entry in data.items():
            id_ = prefix + name
            merged = {k: entry.get(k, inherited.get(k)) for k in ("protected", "owner")}
            merged["tags"] = [*inherited.get("tags", ()), *entry.get("tags", ())]
            if "domains" not in entry:
                yield self._leaf(id_, entry, merged)
                continue
            leaves = list(self._domains(entry["domains"], f"{id_}/", merged))
            if bounds := _floats(entry, "min", "max"):
                ids = tuple(sorted(leaf.id for leaf in leaves))
                self.group_bounds.append(ConstraintSpec(name=id_, domains=ids, **bounds))
            yield from leaves

    def _leaf(self, id_: str, data: _Data, merged: _Data) -> DomainSpec:
        declared = data.get("declared")
        return DomainSpec(
            id=id_,
            paths=tuple(data["paths"]),
            tags=tuple(sorted(set(merged["tags"]))),
            protected=bool(merged["protected"]),
            declared=self._declared(f"domains.{id_}.declared", declared) if declared else None,
            dtype=data.get("dtype"),
            description=data.get("description", ""),
            owner=merged["owner"] or "",
            **_floats(data, "min", "max"),
        )

    def _declared(self, where: str, data: _Data) -> DeclaredSpec:
        documents = self._size(f"{where}.documents", data["documents"]) if "documents" in data else None
        tokens = self._size(f"{where}.tokens", data["tokens"])
        return DeclaredSpec(tokens=tokens, documents=documents, revision=data["revision"])

    def _change(self, index: int) -> ChangeSpec:
        ((kind, data),) = self.data["changes"][index].items()
        where = f"changes[{index}].{kind}"
        if kind == "merge":
            return ChangeSpec(kind="merge", sources=tuple(sorted(data["from"])), targets=(data["into"],))
        if kind == "partition":
            parts = self._select(f"{where}.into", data["into"])
            return ChangeSpec(kind="partition", sources=(data["from"],), targets=parts)
        return ChangeSpec(kind="move", sources=(data["from"],), targets=(data["to"],))

    def _eval(self, index: int) -> EvalSpec:
        data, where = self.data["evals"][index], f"evals[{index}]"
        options: dict[str, Any] = {k: data[k] for k in ("family", "description") if k in data}
        if "max_tokens" in data:
            options["max_tokens"] = self._size(f"{where}.max_tokens", data["max_tokens"])
        options |= _floats(data, "weight", "fraction")
        if "declared" in data:
            return EvalSpec(name=data["name"], declared=data["declared"]["revision"], **options)
        if "heldout" not in data:
            return EvalSpec(name=data["name"], paths=tuple(data["paths"]), **options)
        named = data["heldout"]
        if isinstance(named, str):
            heldout = self._select_one(f"{where}.heldout", named)
        else:
            heldout = self._select(f"{where}.heldout", named)
        return EvalSpec(name=data["name"], heldout=heldout, **options)

    def _objective(self, data: _Data) -> ObjectiveSpec:
        reference = data.get("reference", "natural")
        if isinstance(reference, Mapping):
            reference = self._reference(reference)
        guardrails = tuple(
            GuardrailSpec(metric=g["metric"], max_regression=float(g["max_regression"]))
            for g in data.get("guardrails", ())
        )
        worst = bool(data.get("worst_case", False))
        return ObjectiveSpec(reference=reference, guardrails=guardrails, worst_case=worst, **_floats(data, "kl"))

    def _reference(self, shares: _Data) -> Mapping[str, float]:
        where = "objective.reference"
        for id_ in shares:
            if id_ not in self.tags:
                self._finding(f"{where}.{id_}", f"no domain has the id {id_!r}", suggest(id_, self.tags))
        missing = [id_ for id_ in self.tags if id_ not in shares]
        if missing:
            self._finding(where, f"no share for {_listed(missing)}", "give every domain a share above 0")
        total = math.fsum(shares.values())
        if abs(total - 1) > 1e-4:  # room for rounding: 0.333333 three times is meant as a third each
            self._finding(where, f"the shares sum to {total:.9g}", "make them sum to 1")
        return {id_: float(shares[id_]) / total for id_ in sorted(shares)}

    def _constraints(self, items: list[_Data] | tuple[()]) -> tuple[ConstraintSpec, ...]:
        declared = [
            ConstraintSpec(
                name=item["name"],
                domains=self._select(f"constraints[{i}].domains", item["domains"]),
                **_floats(item, "min", "max"),
            )
            for i, item in enumerate(items)
            if "ratio" not in item
        ]
        return tuple(sorted([*self.group_bounds, *declared], key=lambda c: c.name))

    def _ratios(self, items: list[_Data] | tuple[()]) -> tuple[RatioSpec, ...]:
        ratios = [self._ratio(i, item) for i, item in enumerate(items) if "ratio" in item]
        return tuple(sorted(ratios, key=lambda r: r.name))

    def _ratio(self, index: int, item: _Data) -> RatioSpec:
        where = f"constraints[{index}].ratio"
        of, to = (self._select(f"{where}.{side}", item["ratio"][side]) for side in ("of", "to"))
        if both := sorted(set(of) & set(to)):
            message = f"{_listed(both)} {'is' if len(both) == 1 else 'are'} on both sides of the ratio"
            self._finding(
                where, message, "name a domain in `of` or in `to`; a share of the mix is bounded by `domains`"
            )
        return RatioSpec(name=item["name"], of=of, to=to, **_floats(item, "min", "max"))

    def _proxy(self, data: _Data) -> ProxySpec:
        options = _whole(data, "sequence_length", "batch_size", "seed", "repeats")
        try:
            options["tokens"] = parse_proxy_tokens(data["tokens"], data["model"])
        except ValueError as error:
            self._finding("proxy.tokens", str(error), "write a size such as 400K, or a multiple such as 5x")
            options["tokens"] = 1
        return ProxySpec(**options)

    def _size(self, where: str, value: int | str) -> int:
        try:
            return parse_size(value)
        except ValueError as error:
            self._finding(where, str(error), "write a size such as 300B, 2.5M or 1000000")
            return 1

    def _refuse_twins(self, section: str) -> None:
        first: dict[str, int] = {}
        for index, item in enumerate(self.data.get(section, ())):
            if first.setdefault(item["name"], index) != index:
                message = f"the name {item['name']!r} stands twice in {section}"
                self._finding(f"{section}[{index}].name", message, "choose another name for one of them")

    def _select(self, where: str, patterns: list[str]) -> tuple[str, ...]:
        found = (self._select_one(f"{where}[{i}]", p) for i, p in enumerate(patterns))
        return tuple(sorted({id_ for ids in found for id_ in ids}))

    def _select_one(self, where: str, pattern: str) -> tuple[str, ...]:
        ids = select(pattern, self.tags)
        if not ids:
            self._finding(where, f"{pattern!r} names no domain", suggest(pattern, self.tags))
        return ids

    def _finding(self, where: str, message: str, remedy: str) -> None:
        self.findings.append(Finding(where, message, remedy))


_PLAIN = ("name", "tokenizer", "surrogate", "method", "reuse", "ledger", "description", "owner")


def _swarm(data: _Data) -> SwarmSpec:
    options = _whole(data, "seed", "rounds")
    if "stop" in data:
        options["stop"] = StopSpec(**_floats(data["stop"], "regret", "confidence"))
    if "runs_per_coordinate" in data:
        # By its decimal text: 2.1 in the file is 21/10, not the nearest binary fraction.
        options["runs_per_coordinate"] = Fraction(str(data["runs_per_coordinate"]))
    return SwarmSpec(**options)


def _budget(data: _Data) -> BudgetSpec:
    return BudgetSpec(**_whole(data, "max_runs") | _floats(data, "max_gpu_hours", "gpu_hour_price"))


def _floats(data: _Data, *names: str) -> dict[str, float]:
    return {name: float(data[name]) for name in names if name in data}


def _whole(data: _Data, *names: str) -> dict[str, Any]:
    """The data, with `names` as int: JSON Schema takes 2.0 for a whole number."""
    return {k: int(v) if k in names else v for k, v in data.items()}


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(n) for n in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
