"""What is wrong with a step of training, and how it is told."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import torch
from torch import nn
from torch.distributed.tensor import DTensor

from concord.distributed import Ranks, local
from concord.training.diagnosis import Finding


@dataclass
class Fault:
    """What is wrong with a step.

    Attributes:
        step: optimizer steps, this one included.
        what: in a few words.
        policy: what is done about it.
        details: which terms, parameters or gradients are not finite; "" where none is known.
        keys: of this rank's examples.
        jump: whether the loss is finite and too high.
        finding: the first tensor that is not finite.
    """

    step: int
    what: str
    policy: str
    details: str
    keys: list[str]
    jump: bool = False
    finding: Finding | None = None

    def __str__(self) -> str:
        parts = [f"step {self.step}: {self.what}"]
        if self.details:
            parts.append(f"not finite: {self.details}")
        if self.finding is not None:
            parts.append(f"first {self.finding.name}")
        if keys := self.finding.keys if self.finding is not None else self.keys:
            parts.append(f"examples {some(keys)}")
        return "; ".join(parts)

    def warn(self, trainer: L.Trainer, outcome: str) -> None:
        if trainer.is_global_zero:
            warnings.warn(f"{self}; {outcome}", stacklevel=2)

    def share(self, trainer: L.Trainer) -> None:
        """Tell it as the first rank that has details, and write it with the keys of all ranks as a line of `guard.jsonl` in the
        run folder; every rank calls it."""
        told = Ranks.current().gather_objects((self.details, self.keys))
        self.details, self.keys = next((one for one in told if one[0]), told[0])
        if trainer.is_global_zero:
            self._write(Path(trainer.default_root_dir) / "guard.jsonl", [keys for _, keys in told])

    def _write(self, path: Path, keys: list[list[str]]) -> None:
        found = self.finding
        first = {"tensor": found.name, "rank": found.rank, "keys": found.keys} if found is not None else None
        line = {"step": self.step, "what": self.what, "policy": self.policy, "not_finite": self.details, "first": first, "keys": keys}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            warnings.warn(f"guard.jsonl could not be written ({error.strerror})", stacklevel=2)


def non_finite_parameters(module: nn.Module) -> list[str]:
    """The names of the parameters that hold a NaN or an infinity. Where they are split among processes, every one of them calls."""
    named = [(name, parameter) for name, parameter in module.named_parameters() if parameter.numel() > 0]
    if not named:
        return []
    bad = torch.stack([~torch.isfinite(local(parameter.detach())).all() for _, parameter in named])
    if any(isinstance(parameter, DTensor) for _, parameter in named):
        bad = Ranks.current().max(bad.to(torch.uint8))
    return [name for (name, _), is_bad in zip(named, bad.tolist(), strict=True) if is_bad]


def what_is_bad(trainer: L.Trainer, module: L.LightningModule) -> str:
    """The terms of the loss and the parameters that are not finite, in words."""
    terms = getattr(module, "last_terms", None)
    values = terms if terms is not None else trainer.callback_metrics
    bad = [name for name, value in values.items() if not bool(torch.isfinite(torch.as_tensor(value)))]
    found = [f"terms {some(bad)}"] if bad else []
    if parameters := non_finite_parameters(module):
        found.append(f"parameters {some(parameters)}")
    return ", ".join(found)


def some(names: list[str]) -> str:
    """The first names of a list, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
