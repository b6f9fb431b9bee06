"""Pretrainer: what every method has in common, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import lightning as L
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from concord.distributed import Ranks, whole
from concord.errors import IncompatibleError
from concord.functional.collapse import mean_cosine, participation_ratio
from concord.methods.sources import SourceLosses
from concord.models import DualEncoder
from concord.models.adapters import merged
from concord.models.checkpoint import ADAPTERS, ENTRY, build_model
from concord.objectives import Objective, Step, Terms
from concord.objectives.pieces import check_pieces
from concord.training import Compute, OptimizerSettings, Schedule, Tuning, is_logging_step, was_taken_away
from concord.training.callbacks.ema import averages_of
from concord.training.gradients import clip
from concord.types import Batch, ImageView, Paper, TextView

_ROWS = 256  # embeddings that a collapse is looked for among; more would not tell more


class Pretrainer(L.LightningModule):
    """A dual encoder and the objectives that train it. Variants say what their paper does differently.

    Args:
        model: what is trained, saved and benchmarked.
        objectives: the terms of the loss by name; the loss is the sum of weight x term.
        optimizer: builds the optimizer from this module's parameters.
        schedule: builds the learning-rate schedule.
        compute: how a step is computed.
        tuning: what of the model is trained; None for all of it.

    Attributes:
        paper: where the method comes from.
        image_views, text_views: the union over the objectives; what the data module must supply.
        description: what checkpoints say of the model, so that they can be used without the configuration.
        last_terms: the raw value of each term in the last step.

    Raises:
        IncompatibleError: when an objective cannot be carried by the model, or two objectives want one view made in two ways;
            or when the model cannot be computed in the way asked for.
    """

    paper: ClassVar[Paper]

    def __init__(
        self,
        model: DualEncoder,
        objectives: Mapping[str, Objective],
        optimizer: OptimizerSettings,
        schedule: Schedule,
        compute: Compute,
        tuning: Tuning | None = None,
    ) -> None:
        super().__init__()
        if not objectives:
            raise IncompatibleError("method.objectives is empty; add one, as in +objective@method.objectives.clip=clip")
        self.tuning = tuning if tuning is not None else Tuning()
        self.tuning.apply(model)  # before the objectives, whose teachers have the parts that their students have
        for name, objective in objectives.items():
            _carry(name, objective, model)
        self.model = model
        self.objectives = nn.ModuleDict(objectives)
        self.image_views: dict[str, ImageView] = _union({name: o.image_views for name, o in objectives.items()})
        self.text_views: dict[str, TextView] = _union({name: o.text_views for name, o in objectives.items()})
        self.optimizer_settings = optimizer
        self.schedule = schedule
        self.compute = compute
        self.description: dict[str, Any] = {}
        self.last_terms: dict[str, Tensor] = {}
        self._source_losses = SourceLosses()
        self.prepare()
        compute.apply(model)
        if compute.micro_batch is not None:
            check_pieces(self.model)

    def prepare(self) -> None:
        """What a variant does to the assembled parts, or asks of them."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        batch = self.compute.padded(batch, self.model.text.context_length)
        step = Step(self.model, batch, Ranks.current(), self.compute.micro_batch, self._progress())
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

    def model_in_use(self) -> DualEncoder:
        """What `concord.load` would give of a checkpoint of now, for benchmarks: the model itself, or, where the run averages its
        weights or splits them among processes, a copy that has them all. Every process must call."""
        averages = averages_of(self.trainer)
        if not averages and not any(isinstance(parameter, DTensor) for parameter in self.model.parameters()):
            return self.model
        weights = {name: whole(tensor) for name, tensor in {**self.model.state_dict(), **averages}.items()}
        model = build_model(self.description["model"])
        model.load_state_dict(merged(weights, self.tuning.adapter_scales()))
        return model.to(self.device).eval()

    def configure_optimizers(self) -> dict[str, Any]:  # type: ignore[override]
        optimizer = self.optimizer_settings.build(self)
        schedule = self.schedule.build(optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self, optimizer: torch.optim.Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if gradient_clip_val is not None and any(isinstance(gradient, DTensor) for gradient in gradients):
            clip(gradients, gradient_clip_val)  # PyTorch's takes no mixture of split and whole ones
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[ENTRY] = self.description
        checkpoint[ADAPTERS] = self.tuning.adapter_scales()

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(epoch, batch_idx, optimizer, *args, **kwargs)
        if was_taken_away(optimizer):
            return
        self.model.similarity.clamp_()
        for objective in self._objectives().values():
            objective.after_step(self.model, self._progress())

    def _progress(self) -> float:
        """The share of training done, in [0, 1]."""
        return self.trainer.global_step / max(1, self.trainer.max_steps)

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
