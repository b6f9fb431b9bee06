"""`task=plan`: what a run will take, before it starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import torch
from rich.console import Console

from concord.config import TARGET, build, locate
from concord.errors import ConfigError, IncompatibleError
from concord.files import write_json
from concord.models.checkpoint import without_fetching
from concord.planning import (
    Device,
    Plan,
    Rehearsal,
    Run,
    Subject,
    make_plan,
    measure_steps,
    show,
    show_table,
    spread_of,
    with_measured_share,
)
from concord.tasks.assemble import build_method, build_model, check_config, model_spec, outline_method
from concord.tasks.composing import compose_again
from concord.tasks.record import save_config
from concord.tasks.subject import subject_of
from concord.tokenizers import Tokenizer
from concord.training import EMA
from concord.training.trainer import Strategy

MEASURED_STEPS = 3


def plan(
    cfg: dict[str, Any],
    folder: Path,
    device: Any,
    price: float | None,
    measure: bool,
    measure_pairs: int,
    table: bool,
    models: list[str],
    devices: list[int],
) -> Plan:
    """Print what the configured training will take, and write it to `plan.json` in the folder. Nothing is trained.

    Args:
        cfg: the resolved configuration.
        folder: this job's folder.
        device: the configuration of the profile of the devices.
        price: of a device for an hour.
        measure: whether to run some steps here, to learn what share of the profile's figures they reach.
        measure_pairs: of each of these steps, at least 1.
        table: whether to plan other models and numbers of devices too.
        models: options of the group `model`, for the table.
        devices: numbers of devices, for the table.

    Raises:
        ConfigError: for wrong values, and for a run that the profile of the device does not go with.
    """
    if price is not None and not price > 0:
        raise ConfigError(f"task.price must be above 0 or null, got {price}")
    if measure_pairs < 1:
        raise ConfigError(f"task.measure_pairs must be at least 1, got {measure_pairs}")
    if not devices or min(devices) < 1:
        raise ConfigError(f"task.devices must be numbers of at least 1, as in task.devices=[1,8], got {devices}")
    if not isinstance(device, Mapping):
        raise ConfigError(f"task.device holds a whole profile, got {device!r}; choose one by its group, as in device@task.device={device}")
    check_config(cfg)
    save_config(cfg, folder)
    profile: Device = build(device, "task.device")
    _check_device(cfg, profile)
    rehearsal = rehearse(cfg, profile)
    if measure:
        profile = _measured(cfg, profile, rehearsal, measure_pairs)
    found = _plan(cfg, profile, rehearsal, _world(cfg, profile))
    show(Console(), found, price)
    rows = dict(_rows(profile, models, devices)) if table else {}
    if rows:
        show_table(Console(), rows, devices)
    cost = {} if price is None else {"cost": found.cost(price)}
    listed = {model: [plan.as_dict() if plan is not None else None for plan in row] for model, row in rows.items()}
    write_json(folder / "plan.json", {**found.as_dict(), **cost, "table": {"devices": devices, "models": listed} if rows else None})
    return found


def rehearse(cfg: Mapping[str, Any], profile: Device) -> Rehearsal:
    """The configured method, ready to be rehearsed."""
    tokenizer: Tokenizer = build(cfg["tokenizer"], "tokenizer")
    subject = subject_of(cfg, outline_method(cfg, tokenizer), tokenizer)
    return Rehearsal(subject, cfg["trainer"].get("precision", "32"), profile.kind == "gpu")


def _plan(cfg: Mapping[str, Any], profile: Device, rehearsal: Rehearsal, world: int, of_objectives: bool = True) -> Plan:
    trainer = cfg["trainer"]
    pairs = cfg["data"]["batch_size"]
    if pairs % world:
        raise IncompatibleError(f"data.batch_size={pairs} cannot be shared by {world} devices; use a multiple of {world}")
    spread = spread_of(trainer.get("strategy", "auto"), world)
    averaged = any(locate(node[TARGET], "callbacks") is EMA for node in cfg["callbacks"].values())
    run = Run(pairs, world, int(trainer["max_steps"]), int(trainer.get("accumulate", 1)), spread, averaged)
    tokens = _tokens(rehearsal.subject)
    return make_plan(rehearsal, run, profile, list(_keys(cfg)), tokens, of_objectives)


def _rows(profile: Device, models: list[str], devices: list[int]) -> Iterator[tuple[str, list[Plan | None]]]:
    """Of each model its plans; None where the devices do not divide the batch."""
    with Console().status("planning") as status:
        for model in models:
            cfg = compose_again(f"model={model}")
            check_config(cfg)
            rehearsal = rehearse(cfg, profile)
            row: list[Plan | None] = []
            for count in devices:
                status.update(f"planning {model} on {count:,} devices")
                fits = cfg["data"]["batch_size"] % count == 0
                row.append(_plan(cfg, profile, rehearsal, count, of_objectives=False) if fits else None)
            yield model, row


def _measured(cfg: Mapping[str, Any], profile: Device, rehearsal: Rehearsal, pairs: int) -> Device:
    if profile.kind == "gpu" and not torch.cuda.is_available():
        raise IncompatibleError(
            "task.measure=true needs a GPU, and PyTorch finds none; leave it out, or choose device@task.device=cpu_2_cores"
        )
    tokenizer: Tokenizer = build(cfg["tokenizer"], "tokenizer")
    method = build_method(cfg, build_model(without_fetching(model_spec(cfg, tokenizer))))
    device = torch.device("cuda" if profile.kind == "gpu" else "cpu")
    seconds = measure_steps(subject_of(cfg, method, tokenizer), device, rehearsal.precision, pairs, MEASURED_STEPS)
    return with_measured_share(profile, rehearsal, pairs, seconds)


def _check_device(cfg: Mapping[str, Any], profile: Device) -> None:
    trainer = cfg["trainer"]
    accelerator = trainer.get("accelerator", "auto")
    if accelerator not in ("auto", profile.kind):
        raise IncompatibleError(
            f"trainer.accelerator={accelerator} does not go with task.device={profile.name}, a {profile.kind}; "
            f"choose another profile, as in device@task.device={'cpu_2_cores' if accelerator == 'cpu' else 'h100'}"
        )
    if trainer.get("precision") == "bf16" and not profile.teraflops_bf16:
        raise IncompatibleError(f"{profile.name} has no bf16; use trainer.precision=16 or 32")


def _world(cfg: Mapping[str, Any], profile: Device) -> int:
    devices = cfg["trainer"].get("devices", "auto")
    each = (profile.per_node if profile.kind == "gpu" else 1) if devices == "auto" else int(devices)
    return each * int(cfg["trainer"].get("nodes", 1))


def _tokens(subject: Subject) -> dict[str, int]:
    """Per pair and tower: words at most, and patches, of all views."""
    batch = subject.batch(1)
    module: Any = subject.module
    grids = [(views.numel() // views.shape[-1] // views.shape[-2] // views.shape[-3], views.shape[-2:]) for views in batch.images.values()]
    patches = sum(count * rows * columns for count, size in grids for rows, columns in [module.model.image.grid_size(*size)])
    return {"image": patches, "text": sum(tokens.ids.numel() for tokens in batch.texts.values())}


def _keys(value: Any, path: str = "") -> Iterator[str]:
    """All keys of a configuration, dotted, and the strategies that its trainer knows."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _keys(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path
    if not path:
        yield from (f"trainer.strategy={name}" for name in get_args(Strategy))
