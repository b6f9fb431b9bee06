"""Models on disk: from a training checkpoint, a run folder or an exported folder to a scorer, and back.

Nothing that a file holds is executed: tensors and plain values are read, and the model is built from a description that
can name classes of `concord.models` only.
"""

from __future__ import annotations

import inspect
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from concord.config import TARGET, build, is_node, locate, nodes
from concord.errors import CheckpointError, ConcordError
from concord.images import Preprocess
from concord.models.dual_encoder import DualEncoder
from concord.models.scorer import Scorer
from concord.tokenizers import Tokenizer

FORMAT = 1
ENTRY = "concord"
"""Key of a training checkpoint under which everything but the weights stands."""

PREFIX = "model."
"""What the dual encoder's weights begin with in a training checkpoint."""

PACKAGE = "concord.models."
WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"


@dataclass(frozen=True)
class _Contents:
    """What a checkpoint of any kind says: descriptions, and the dual encoder's weights by name."""

    description: Mapping[str, Any]
    weights: Mapping[str, Tensor]


def describe(spec: Mapping[str, Any], tokenizer: Tokenizer, preprocess: Preprocess) -> dict[str, Any]:
    """What a training checkpoint keeps under the key "concord", as plain values.

    Args:
        spec: the model as `build_model` takes it.
        tokenizer, preprocess: those of the run.
    """
    return {"format": FORMAT, "model": dict(spec), "tokenizer": tokenizer.to_dict(), "preprocess": preprocess.to_dict()}


def build_model(spec: Mapping[str, Any]) -> DualEncoder:
    """The dual encoder that a description stands for, with fresh weights; nothing is fetched from the network.

    Args:
        spec: nested mappings of constructor arguments, each with the `_target_` of a class in `concord.models`.

    Raises:
        CheckpointError: for another class, an unknown argument, or a value that is refused.
    """
    for path, node in nodes(spec, "model"):
        _check_target(str(node[TARGET]), path)
    try:
        model = build(without_fetching(spec), "model")
    except ConcordError as error:
        raise CheckpointError(f"the model's description cannot be built: {error}") from error
    if not isinstance(model, DualEncoder):
        raise CheckpointError(f"the model's description is that of a {type(model).__name__}, not of a DualEncoder")
    return model


def load(path: str | Path, device: torch.device | str = "cpu", batch_size: int = 256) -> Scorer:
    """A trained model with its preprocessing and its tokenizer, ready to embed, score and classify.

    Args:
        path: a `.ckpt` file of a run, a run's folder (its best checkpoint, or else its last), or a folder that `export` wrote.
        device: where to put the model.
        batch_size: images or texts that go through a tower at a time.

    Raises:
        CheckpointError: where the file is missing, damaged, not concord's, or of a newer format.
    """
    found = _find(Path(path))
    contents = _read(found)
    try:
        model = build_model(contents.description["model"])
        _fill(model, contents.weights)
        tokenizer = Tokenizer.from_dict(contents.description["tokenizer"])
        preprocess = Preprocess.from_dict(contents.description["preprocess"])
        _check_tokenizer(tokenizer, model)
    except (CheckpointError, ValueError, TypeError) as error:
        raise CheckpointError(f"{found}: {' '.join(str(error).split())}") from error
    return Scorer(model.eval(), preprocess, tokenizer, device, batch_size)


def export(source: str | Path, folder: str | Path) -> Path:
    """Write a checkpoint as a folder of safetensors and JSON that `load` reads; the way to hand a model on.

    Args:
        source: anything that `load` takes.
        folder: where to write; it is made if missing, and files of an earlier export in it are replaced.

    Raises:
        CheckpointError: for a source that cannot be loaded.
    """
    scorer = load(source)
    description = dict(_read(_find(Path(source))).description)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Copies, since the format has no way to say that two names share their numbers.
    save_file({name: tensor.clone().contiguous() for name, tensor in scorer.model.state_dict().items()}, folder / WEIGHTS)
    scorer.tokenizer.save(folder / TOKENIZER)
    del description["tokenizer"]
    (folder / CONFIG).write_text(json.dumps(description, indent=2), encoding="utf-8")
    return folder


def _check_target(target: str, path: str) -> None:
    refusal = CheckpointError(f"{path}.{TARGET}: {target} is not a class of concord.models; nothing else is built from a file")
    if not target.startswith(PACKAGE):
        raise refusal
    try:
        found = locate(target, path)
    except ConcordError:
        raise refusal from None
    if not (isinstance(found, type) and issubclass(found, nn.Module) and found.__module__.startswith(PACKAGE)):
        raise refusal


def without_fetching(value: Any) -> Any:
    """The same description with `pretrained` off, also where it is not named: the weights are in the checkpoint."""
    if isinstance(value, list):
        return [without_fetching(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    result = {key: without_fetching(item) for key, item in value.items()}
    if is_node(value) and "pretrained" in inspect.signature(locate(value[TARGET], "model")).parameters:
        result["pretrained"] = False
    return result


def _find(path: Path) -> Path:
    """The file, or the exported folder, that a path stands for."""
    candidates = [path / CONFIG, path / "checkpoints" / "best.ckpt", path / "checkpoints" / "last.ckpt"]
    if path.is_file():
        return path
    if not path.is_dir():
        raise CheckpointError(f"there is no checkpoint at {path}; give a .ckpt file, a run folder or an exported folder")
    found = next((candidate for candidate in candidates if candidate.is_file()), None)
    if found is None:
        raise CheckpointError(f"{path} holds no {CONFIG}, checkpoints/best.ckpt or checkpoints/last.ckpt; is it a run folder?")
    return path if found.name == CONFIG else found


def _read(path: Path) -> _Contents:
    contents = _read_export(path) if path.is_dir() else _read_training(path)
    description = contents.description
    newest = description.get("format")
    if isinstance(newest, int) and newest > FORMAT:
        raise CheckpointError(f"{path} has format {newest} and this version of concord reads up to {FORMAT}; upgrade concord")
    expected = {"format", "model", "tokenizer", "preprocess"}
    if newest != FORMAT or set(description) != expected or not all(isinstance(description[key], Mapping) for key in expected - {"format"}):
        raise CheckpointError(f"{path} is damaged: its description must hold format, model, tokenizer and preprocess")
    return contents


def _read_training(path: Path) -> _Contents:
    try:
        # Mapped, so that the optimizer's state, twice the size of the weights, is never read.
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError:
        raise CheckpointError(f"{path} is damaged, or holds code, which is never loaded") from None
    except Exception as error:  # broken archives raise errors of every class
        raise CheckpointError(f"{path} is damaged or not a checkpoint: {_first_line(error)}") from None
    if not isinstance(state, dict) or not isinstance(state.get(ENTRY), Mapping) or not isinstance(state.get("state_dict"), Mapping):
        raise CheckpointError(f"{path} was not written by concord")
    weights = {name.removeprefix(PREFIX): value for name, value in state["state_dict"].items() if str(name).startswith(PREFIX)}
    if not all(isinstance(value, Tensor) for value in weights.values()):
        raise CheckpointError(f"{path} is damaged: its weights are not all tensors")
    return _Contents(state[ENTRY], weights)


def _read_export(folder: Path) -> _Contents:
    try:
        description = {name: json.loads((folder / name).read_text(encoding="utf-8")) for name in (CONFIG, TOKENIZER)}
        weights = load_file(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder} lacks {Path(str(error.filename or WEIGHTS)).name}; export it again") from None
    except (ValueError, OSError, SafetensorError) as error:
        raise CheckpointError(f"{folder} is damaged: {_first_line(error)}") from None
    if not isinstance(description[CONFIG], dict) or "model" not in description[CONFIG]:
        raise CheckpointError(f"{folder} was not written by concord")
    return _Contents({**description[CONFIG], "tokenizer": description[TOKENIZER]}, weights)


def _fill(model: DualEncoder, weights: Mapping[str, Tensor]) -> None:
    """Load the weights, all of them and no other.

    Raises:
        CheckpointError: naming the first that are missing, left over or of another shape.
    """
    expected = model.state_dict()
    missing = sorted(set(expected) - set(weights))
    surplus = sorted(set(weights) - set(expected))
    reshaped = sorted(name for name in set(expected) & set(weights) if expected[name].shape != weights[name].shape)
    for problem, names in (("are missing", missing), ("belong nowhere", surplus), ("have another shape", reshaped)):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise CheckpointError(f"the weights do not fit the model: {', '.join(names[:3])}{more} {problem}")
    model.load_state_dict(weights)


def _check_tokenizer(tokenizer: Tokenizer, model: DualEncoder) -> None:
    if tokenizer.vocab_size > model.text.vocab_size:
        raise CheckpointError(f"the tokenizer has {tokenizer.vocab_size} ids and the text tower only {model.text.vocab_size}")
    if tokenizer.context_length > model.text.context_length:
        raise CheckpointError(f"the tokenizer makes {tokenizer.context_length} tokens and the text tower takes {model.text.context_length}")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0]
