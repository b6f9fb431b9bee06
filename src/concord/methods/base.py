"""Pretrainer: what every method has in common, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import lightning as L
import torch
from torch import Tensor, nn

from concord.distributed import Ranks
from concord.errors import IncompatibleError
from concord.functional.collapse import mean_cosine, participation_ratio
from concord.methods.sources import SourceLosses
from concord.models import DualEncoder
from concord.models.checkpoint import ENTRY
from concord.objectives import Objective, Step, Terms
from concord.training import OptimizerSettings, Schedule, is_logging_step, was_taken_away
from concord.types import Batch, ImageView, Paper, TextView

_ROWS = 256  # embeddings that a collapse is looked for among; more would not tell more


class Pretrainer(L.LightningModule):
    """A dual encoder and the objectives that train it. Variants say what their paper does differently.

    Args:
        model: what is trained, saved and benchmarked.
        objectives: the terms of the loss by name; the loss is the sum of weight x term.
        optimizer: builds the optimizer from this module's parameters.
        schedule: builds the learning-rate schedule.

    Attributes:
        paper: where the method comes from.
        image_views, text_views: the union over the objectives; what the data module must supply.
        description: what checkpoints say of the model, so that they can be used without the configuration.
        last_terms: the raw value of each term in the last step.

    Raises:
        IncompatibleError: when an objective cannot be carried by the model, or two objectives want one view made in two ways.
    """

    paper: ClassVar[Paper]

    def __init__(
        self,
        model: DualEncoder,
        objectives: Mapping[str, Objective],
        optimizer: OptimizerSettings,
        schedule: Schedule,
    ) -> None:
        super().__init__()
        if not objectives:
            raise IncompatibleError("method.objectives is empty; add one, as in +objective@method.objectives.clip=clip")
        for name, objective in objectives.items():
            _carry(name, objective, model)
        self.model = model
        self.objectives = nn.ModuleDict(objectives)
        self.image_views: dict[str, ImageView] = _union({name: o.image_views for name, o in objectives.items()})
        self.text_views: dict[str, TextView] = _union({name: o.text_views for name, o in objectives.items()})
        self.optimizer_settings = optimizer
        self.schedule = schedule
        self.description: dict[str, Any] = {}
        self.last_terms: dict[str, Tensor] = {}
        self._source_losses = SourceLosses()
        self.prepare()

    def prepare(self) -> None:
        """What a variant does to the assembled parts, such as locking a tower."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        step = Step(self.model, batch, Ranks.current())
        terms = {name: objective(step) for name, objective in self._objectives().items()}
        loss = torch.stack([self._objectives()[name].weight * term.loss for name, term in terms.items()]).sum()
        self.last_terms = {name: term.loss.detach() for name, term in terms.items()}
        if is_logging_step(self.trainer, self.trainer.global_step + 1):  # Lightning's bookkeeping costs more than a small step
            self.log_dict(self._logs(loss, terms), batch_size=len(batch), sync_dist=step.ranks.world > 1)
            self.log_dict(_spread(step), batch_size=len(batch), sync_dist=step.ranks.world > 1)
            of_sources = self._source_losses(terms, batch.sources, step.ranks)
            self.log_dict({f"loss/{name}": value for name, value in of_sources.items()}, batch_size=len(batch))
        return loss

    def _logs(self, loss: Tensor, terms: Mapping[str, Terms]) -> dict[str, Tensor | float]:
        """The loss, and of each term its raw value, its weight and what it contributes, so that the log is what was optimised."""
        logs: dict[str, Tensor | float] = {"loss": loss.detach(), "logit_scale": self.model.similarity.scale.detach()}
        for name, term in terms.items():
            weight = self._objectives()[name].weight
            raw = term.loss.detach()
            logs |= {f"loss/{name}": raw, f"weight/{name}": weight, f"contribution/{name}": weight * raw}
            logs |= {f"{name}/{key}": value for key, value in term.logs.items()}
        return logs

    def configure_optimizers(self) -> dict[str, Any]:  # type: ignore[override]
        optimizer = self.optimizer_settings.build(self)
        schedule = self.schedule.build(optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[ENTRY] = self.description

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(epoch, batch_idx, optimizer, *args, **kwargs)
        if was_taken_away(optimizer):
            return
        self.model.similarity.clamp_()
        progress = self.trainer.global_step / max(1, self.trainer.max_steps)
        for objective in self._objectives().values():
            objective.after_step(self.model, progress)

    def _objectives(self) -> dict[str, Objective]:
        return dict(self.objectives.items())  # type: ignore[arg-type]


@torch.no_grad()
def _spread(step: Step) -> dict[str, Tensor]:
    """How alike the embeddings of different examples are, from the first rows of each view: see `Alarms`."""
    logs: dict[str, Tensor] = {}
    for view, embeddings in step.embedded.items():
        vectors = embeddings.vectors[:_ROWS]
        if len(vectors) > 1:
            logs |= {f"embedding_cosine/{view}": mean_cosine(vectors), f"embedding_rank/{view}": participation_ratio(vectors)}
    return logs


def lock(module: nn.Module) -> None:
    """Freeze a tower for good: no gradients, and evaluation mode whatever mode its owner is in (dropout, batch statistics)."""
    module.requires_grad_(False)
    module.eval()
    module.train = lambda mode=True: module  # type: ignore[method-assign]


def _carry(name: str, objective: Objective, model: DualEncoder) -> None:
    try:
        objective.check(model)
    except IncompatibleError as error:
        raise IncompatibleError(f"method.objectives.{name}: {error}") from None
    objective.setup(model)


def _union(views: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """All views that the objectives name; the same name must mean the same view."""
    union: dict[str, Any] = {}
    owner: dict[str, str] = {}
    for objective, wanted in views.items():
        for name, view in wanted.items():
            if union.setdefault(name, view) != view:
                raise IncompatibleError(
                    f"objectives {owner[name]} and {objective} want the view {name!r} made in two ways: {union[name]}, {view}"
                )
            owner.setdefault(name, objective)
    return union
