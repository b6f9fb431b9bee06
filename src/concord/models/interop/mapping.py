"""One table of weight names for two directions: theirs to ours when a model is loaded, ours to theirs when it is exported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from concord.errors import CheckpointError, IncompatibleError

Form = Literal["same", "transposed", "reshaped", "zero", "own"]

_COUNTER = "num_batches_tracked"
"""A batch norm's count of batches, which decides nothing in evaluation and which some writers leave out."""


@dataclass(frozen=True)
class Rule:
    """Which weights of ours hold the numbers of which weights of theirs.

    In a name `*` stands for a whole number, such as that of a layer, and `**` for whatever is left of the name; what they stand
    for is the same in all names of a rule, in this order.

    Attributes:
        ours: our names. Several are laid one behind the other along the first axis: (q, kv).
        theirs: their names, likewise: ours ("qkv",) and theirs ("q", "k", "v") say that qkv is the three in a row. Where they
            are several, they have equal shares.
        form: "same"; "transposed", matrices with exchanged axes; "reshaped", theirs lack our leading axes of size 1, or have
            one where we have a scalar. Without theirs: "zero" where they have nothing to add, or "own" for what is ours alone.
    """

    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    form: Form = "same"


def rule(ours: str | tuple[str, ...], theirs: str | tuple[str, ...], form: Form = "same") -> Rule:
    """A rule, with single names as plain strings."""
    return Rule((ours,) if isinstance(ours, str) else ours, (theirs,) if isinstance(theirs, str) else theirs, form)


def under(ours: str, theirs: str, rules: Sequence[Rule]) -> list[Rule]:
    """The same rules below a prefix on each side."""
    return [Rule(tuple(ours + name for name in r.ours), tuple(theirs + name for name in r.theirs), r.form) for r in rules]


def import_weights(rules: Sequence[Rule], theirs: Mapping[str, Tensor], model: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Their weights under our names.

    Args:
        rules: the table.
        theirs: their weights by name.
        model: the state of a fresh model of ours, which says what names and shapes are wanted.

    Raises:
        CheckpointError: naming weights that are missing, left over, or of a size that does not fit.
    """
    result: dict[str, Tensor] = {}
    used: set[str] = set()
    missing: list[str] = []
    for found in _expand(rules, model):
        if not found.theirs:
            result |= {name: torch.zeros_like(model[name]) if found.form == "zero" else model[name] for name in found.ours}
            continue
        absent = [name for name in found.theirs if name not in theirs]
        if absent and found.ours[0].endswith(_COUNTER):
            result[found.ours[0]] = model[found.ours[0]]
            continue
        missing += absent
        used.update(found.theirs)
        if not absent:
            result |= _split(found, [theirs[name] for name in found.theirs], model)
    _refuse("are missing", missing)
    _refuse("belong nowhere", [name for name in theirs if name not in used])
    return result


def export_weights(rules: Sequence[Rule], ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our weights under their names.

    Raises:
        IncompatibleError: naming a weight that they have no place for.
    """
    result: dict[str, Tensor] = {}
    for found in _expand(rules, ours):
        if found.form == "zero" and any(bool(ours[name].any()) for name in found.ours):
            raise IncompatibleError(f"weight {found.ours[0]} is not zero, and the other library's model has no such weight")
        if found.theirs:
            whole = torch.cat([ours[name] for name in found.ours]) if len(found.ours) > 1 else ours[found.ours[0]]
            parts = whole.chunk(len(found.theirs)) if len(found.theirs) > 1 else [_exported(whole, found.form)]
            result |= {name: part.detach().cpu().clone().contiguous() for name, part in zip(found.theirs, parts, strict=True)}
    return result


def _expand(rules: Sequence[Rule], ours: Mapping[str, Tensor]) -> Iterator[Rule]:
    """The rules with numbers and names in place of their wildcards, so that each of our weights is in one of them."""
    covered: set[str] = set()
    for name in ours:
        if name in covered:
            continue
        found = next((filled for r in rules if (filled := _fill(r, name)) is not None), None)
        if found is None or not all(other in ours for other in found.ours):
            raise IncompatibleError(f"weight {name} has no counterpart in the other library's model")
        covered.update(found.ours)
        yield found


def _fill(r: Rule, name: str) -> Rule | None:
    """The rule for this name of ours, None where it does not speak of it."""
    for pattern in r.ours:
        match = _expression(pattern).fullmatch(name)
        if match is not None:
            return Rule(tuple(_insert(p, match.groups()) for p in r.ours), tuple(_insert(p, match.groups()) for p in r.theirs), r.form)
    return None


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*\*", "(.+)").replace(r"\*", r"(\d+)"))


def _insert(pattern: str, values: tuple[str, ...]) -> str:
    given = iter(values)
    return re.sub(r"\*\*?", lambda _: next(given), pattern)


def _split(found: Rule, parts: list[Tensor], model: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The numbers of their tensors as our tensors."""
    shapes = [model[name].shape for name in found.ours]
    try:
        whole = torch.cat(parts) if len(parts) > 1 else parts[0]
        if found.form == "transposed":
            whole = whole.mT
        elif found.form == "reshaped":
            whole = whole.reshape(shapes[0])
        tensors = torch.split(whole, [shape[0] for shape in shapes]) if len(shapes) > 1 else (whole,)
    except (RuntimeError, IndexError):
        tensors = ()
    if [tensor.shape for tensor in tensors] != shapes:
        given, wanted = (" and ".join(str(list(shape)) for shape in group) for group in ((part.shape for part in parts), shapes))
        raise CheckpointError(f"the weights do not fit the model: {found.theirs[0]} has shape {given}, and {wanted} is wanted")
    return dict(zip(found.ours, tensors, strict=True))


def _exported(tensor: Tensor, form: Form) -> Tensor:
    if form == "transposed":
        return tensor.mT
    while form == "reshaped" and tensor.ndim > 1 and tensor.shape[0] == 1:
        tensor = tensor[0]
    return tensor


def _refuse(problem: str, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise CheckpointError(f"the weights do not fit the model: {', '.join(sorted(names)[:3])}{more} {problem}")
