"""From the configuration to the parts of a run, checked before any data is touched."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from concord.benchmarks import Bench
from concord.config import TARGET, build, check, is_node, locate
from concord.data import Views, WebDataModule
from concord.errors import ConfigError, DataError, IncompatibleError
from concord.images import Preprocess
from concord.methods import Pretrainer
from concord.models import DualEncoder
from concord.models.checkpoint import describe, without_fetching
from concord.models.likelihood import CaptionLikelihood
from concord.objectives import Objective
from concord.tasks.measure import SCORER_INJECTED, build_bench
from concord.tokenizers import Tokenizer

METHOD_INJECTED = ("model", "optimizer", "schedule", "compute", "tuning")
TRAINER_INJECTED = ("callbacks", "logger", "folder", "check")
CALLBACK_INJECTED = {"benchmark": ("measure",), "summary": ("lines",), "data": ("means", "counts"), "record": ("details",)}
TOKENIZER_CAPTIONS = 20_000
"""Examples whose captions a vocabulary is learned from; more hardly change it."""


@dataclass
class Parts:
    """What a training run is made of."""

    method: Pretrainer
    data: WebDataModule
    tokenizer: Tokenizer
    preprocess: Preprocess
    bench: Bench


def assemble(cfg: Mapping[str, Any], tokenizer: Tokenizer | None) -> Parts:
    """Build the parts, data first: the vocabulary is learned from it and sets the size of the model.

    Args:
        cfg: the configuration, already checked.
        tokenizer: one that is there already, of a checkpoint; None builds the configured one.
    """
    bench = build_bench(cfg["benchmark"])
    data: WebDataModule = build(cfg["data"], "data")
    if tokenizer is None:
        tokenizer = build_tokenizer(cfg, data)
    spec = model_spec(cfg, tokenizer)
    method = build_method(cfg, build_model(spec))
    preprocess: Preprocess = build(cfg["preprocess"], "preprocess", image_size=method.model.image.image_size)
    method.description = describe(spec, tokenizer, preprocess)
    data.setup_views(method.image_views, method.text_views, tokenizer, preprocess, method.model.image.patch_size)
    return Parts(method, data, tokenizer, preprocess, bench)


def assemble_views(cfg: Mapping[str, Any]) -> tuple[WebDataModule, Views]:
    """The data and what training makes of a pair of them, without the memory and the weights of a model.

    Args:
        cfg: the configuration, already checked.
    """
    data, needs = _outline_data(cfg)
    return data, data.make_views(*needs)


def assemble_data(cfg: Mapping[str, Any]) -> WebDataModule:
    """The data, ready to be read as training reads them, without the memory and the weights of a model.

    Args:
        cfg: the configuration, already checked.
    """
    data, needs = _outline_data(cfg)
    data.setup_views(*needs)
    return data


def _outline_data(cfg: Mapping[str, Any]) -> tuple[WebDataModule, tuple[Any, ...]]:
    """The data, and what its views follow from."""
    data: WebDataModule = build(cfg["data"], "data")
    tokenizer = build_tokenizer(cfg, data)
    method = outline_method(cfg, tokenizer)
    preprocess: Preprocess = build(cfg["preprocess"], "preprocess", image_size=method.model.image.image_size)
    return data, (method.image_views, method.text_views, tokenizer, preprocess, method.model.image.patch_size)


def build_tokenizer(cfg: Mapping[str, Any], data: WebDataModule) -> Tokenizer:
    """The configured tokenizer; where its vocabulary is learned, from the captions of the data.

    Raises:
        DataError: when they have no captions to learn from.
    """
    tokenizer: Tokenizer = build(cfg["tokenizer"], "tokenizer")
    if tokenizer.needs_training:
        try:
            tokenizer.train(data.captions(TOKENIZER_CAPTIONS))  # type: ignore[attr-defined]
        except ValueError as error:
            raise DataError(f"{data.source.name}: {error}") from None
    return tokenizer


def outline_method(cfg: Mapping[str, Any], tokenizer: Tokenizer) -> Pretrainer:
    """The method on a model that has shapes and no numbers: it takes no memory and a moment whatever the size."""
    with torch.device("meta"):
        return build_method(cfg, build_model(without_fetching(model_spec(cfg, tokenizer))))


def check_config(cfg: Mapping[str, Any]) -> None:
    """Refuse what can be known to fail from the configuration alone: keys, types, ranges, and parts that do not fit.

    The model is put together without memory or numbers, so that this costs a moment whatever its size.

    Raises:
        ConfigError: naming the key and the way out.
    """
    for group in ("tokenizer", "data", "benchmark", "optimizer", "schedule", "compute", "tuning"):
        check(cfg[group], group)
    check(cfg["method"], "method", METHOD_INJECTED)
    check(cfg["preprocess"], "preprocess", ("image_size",))
    check(cfg["scorer"], "scorer", SCORER_INJECTED)
    check(cfg["trainer"], "trainer", TRAINER_INJECTED)
    for group in ("callbacks", "logger"):
        for name, node in cfg[group].items():
            if not is_node(node):
                raise ConfigError(f"{group}.{name}: expected a mapping with _target_, got {node!r}; ~{group}.{name} removes it")
            check(node, f"{group}.{name}", CALLBACK_INJECTED.get(name, ()))
    tokenizer: Tokenizer = build(cfg["tokenizer"], "tokenizer")
    method = outline_method(cfg, tokenizer)
    _check_text(cfg, tokenizer, method.model)
    _check_batch(cfg, method)
    _check_scorer(cfg, method.model)
    _check_split(cfg, method)


def model_spec(cfg: Mapping[str, Any], tokenizer: Tokenizer) -> dict[str, Any]:
    """The model's configuration with the vocabulary size filled in: what a checkpoint keeps to rebuild the model."""
    spec = copy.deepcopy(dict(cfg["model"]))
    for part in ("text", "decoder"):
        if isinstance(spec.get(part), dict) and spec[part].get("vocab_size", 0) is None:
            spec[part]["vocab_size"] = tokenizer.vocab_size
    return spec


def build_model(spec: Mapping[str, Any]) -> DualEncoder:
    return build(spec, "model")  # type: ignore[no-any-return]


def build_method(cfg: Mapping[str, Any], model: DualEncoder) -> Pretrainer:
    """The LightningModule: the model, its objectives, optimizer and schedule, how a step is computed and what is trained."""
    parts = {name: build(cfg[name], name) for name in ("optimizer", "schedule", "compute", "tuning")}
    return build(cfg["method"], "method", model=model, **parts)  # type: ignore[no-any-return]


def _check_text(cfg: Mapping[str, Any], tokenizer: Tokenizer, model: DualEncoder) -> None:
    if tokenizer.vocab_size > model.text.vocab_size:
        raise IncompatibleError(
            f"the tokenizer has {tokenizer.vocab_size} ids and the text tower only {model.text.vocab_size}; "
            f"use the tokenizer that belongs to the tower, or set model.text.vocab_size=null"
        )
    longest, context = tokenizer.context_length, model.text.context_length
    if longest > context:
        raise IncompatibleError(
            f"model.text.context_length is {context} and captions may have tokenizer.context_length={longest} tokens; "
            f"set model.text.context_length={longest} or tokenizer.context_length={context}"
        )


def _check_batch(cfg: Mapping[str, Any], method: Pretrainer) -> None:
    _check_negatives(cfg, method)
    pairs, trainer = cfg["data"]["batch_size"], cfg["trainer"]
    if not isinstance(trainer.get("devices", 1), int):
        return  # as many processes as there are GPUs: known when training starts
    world = trainer.get("devices", 1) * trainer.get("nodes", 1)
    for name, objective in method.objectives.items():
        assert isinstance(objective, Objective)
        try:
            objective.check_batch(pairs // world, world)
        except IncompatibleError as error:
            raise IncompatibleError(f"method.objectives.{name}: {error}") from None


def _check_negatives(cfg: Mapping[str, Any], method: Pretrainer) -> None:
    contrasting = [name for name, part in method.objectives.items() if isinstance(part, Objective) and part.needs_negatives]
    if not contrasting:
        return
    if cfg["data"]["batch_size"] < 2:
        raise IncompatibleError(f"data.batch_size=1 leaves method.objectives.{contrasting[0]} without negatives; use at least 2")
    accumulate, pairs = cfg["trainer"].get("accumulate", 1), cfg["data"]["batch_size"]
    if accumulate > 1:
        raise IncompatibleError(
            f"trainer.accumulate={accumulate} would hide the negatives of one part of the batch from "
            f"method.objectives.{contrasting[0]} in the others; use trainer.accumulate=1 data.batch_size={accumulate * pairs} "
            f"compute.micro_batch=N, which runs N pairs per process through a tower at a time"
        )


def _check_split(cfg: Mapping[str, Any], method: Pretrainer) -> None:
    if cfg["trainer"].get("strategy") != "fsdp":
        return
    if not method.optimizer_settings.elementwise:
        raise IncompatibleError(
            f"optimizer.name={cfg['optimizer'].get('name')} looks at whole matrices, of which a process keeps some rows alone under "
            "trainer.strategy=fsdp; use optimizer=adamw, optimizer=lion or trainer.strategy=ddp"
        )


def _check_scorer(cfg: Mapping[str, Any], model: DualEncoder) -> None:
    scorer = locate(cfg["scorer"][TARGET], "scorer")
    if isinstance(scorer, type) and issubclass(scorer, CaptionLikelihood):
        scorer.check(model)


def require_path(value: str | None, key: str, example: str) -> str:
    """A path that the task cannot do without."""
    if value is None:
        raise ConfigError(f"{key} has no value; give one, as in {example}")
    return value
