"""Models on disk: from a training checkpoint, a run folder or an exported folder to a scorer, and back.

Nothing that a file holds is executed: tensors and plain values are read, and the model is built from a description that
can name classes of `concord.models` only.
"""

from __future__ import annotations

import inspect
import json
import logging
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from concord.config import TARGET, build, is_node, locate, nodes
from concord.errors import CheckpointError, ConcordError
from concord.images import Preprocess
from concord.integrity import altered
from concord.models.adapters import merged
from concord.models.dual_encoder import DualEncoder
from concord.models.interop import EXPORTS, onnx, read_foreign
from concord.models.interop.contents import FORMAT, Contents, describe
from concord.models.interop.mapping import import_weights
from concord.models.interop.weights import first_line
from concord.models.scorer import Scorer
from concord.shards import put_in
from concord.tokenizers import Tokenizer

log = logging.getLogger(__name__)

__all__ = ["ENTRY", "FORMAT", "build_model", "describe", "export", "load", "without_fetching"]

ENTRY = "concord"
"""Key of a training checkpoint under which everything but the weights stands."""

ADAPTERS = "adapters"
"""Key under which the scales of adapters stand, by tower; absent, or empty, where there are none."""

AVERAGED = "averaged_weights"
"""Key under which the averages of the weights stand, by their names in the dual encoder, where a run kept them."""

PREFIX = "model."
"""What the dual encoder's weights begin with in a training checkpoint."""

PACKAGE = "concord.models."
WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"


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
        path: a `.ckpt` file of a run, a run's folder (its best checkpoint, or else its last), a folder that `export` wrote, or
            a model of another library: a folder of OpenCLIP or Hugging Face, "open_clip:ARCHITECTURE/TAG" with OpenCLIP's
            names, "open_clip:ARCHITECTURE/FILE" for weights in a file, "hf:OWNER/NAME" from the Hugging Face hub or its cache,
            or a file of OpenAI's CLIP. A folder of ONNX files is read to be measured; it runs on the CPU.
        device: where to put the model.
        batch_size: images or texts that go through a tower at a time.

    Raises:
        CheckpointError: where the file is missing, damaged, of an unknown kind, or of a newer format.
        MissingExtraError: where the other library is needed and not installed.
    """
    if onnx.is_export(path):
        return onnx.load(path, batch_size)
    found, contents = _contents(path)
    try:
        model = build_model(contents.description["model"])
        _fill(model, contents)
        tokenizer = Tokenizer.from_dict(contents.description["tokenizer"])
        preprocess = Preprocess.from_dict(contents.description["preprocess"])
        _check_tokenizer(tokenizer, model)
    except (CheckpointError, ValueError, TypeError) as error:
        raise CheckpointError(f"{found}: {' '.join(str(error).split())}") from error
    return Scorer(model.eval(), preprocess, tokenizer, device, batch_size)


def export(source: str | Path, folder: str | Path, format: str = "concord") -> Path:
    """Write a checkpoint as a folder that others can read; the way to hand a model on.

    Args:
        source: anything that `load` takes.
        folder: where to write; it is made if missing, and files of an earlier export in it are replaced.
        format: "concord", safetensors and JSON that `load` reads, or one of `concord.models.interop.EXPORTS`.

    Raises:
        CheckpointError: for a source that cannot be loaded.
        IncompatibleError: for a model that the other format cannot express.
        MissingExtraError: where the other library is needed and not installed.
    """
    if format != "concord" and format not in EXPORTS:
        raise ValueError(f"format must be one of concord, {', '.join(EXPORTS)}, got {format!r}")
    if onnx.is_export(source):
        raise CheckpointError(f"{source} holds ONNX files, which cannot be written in another form; export from the checkpoint again")
    scorer = load(source)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if format != "concord":
        scorer.model.view_embedding = None  # others know no view positions, and that of an unknown one is zero
        EXPORTS[format](scorer, folder)
        return folder
    description = dict(_contents(source)[1].description)
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


def _contents(source: str | Path) -> tuple[str | Path, Contents]:
    """What a checkpoint says, and where it was found."""
    foreign = read_foreign(source)
    if foreign is not None:
        return source, foreign
    found = _find(Path(source))
    return found, _read(found)


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


def _read(path: Path) -> Contents:
    contents = _read_export(path) if path.is_dir() else _read_training(path)
    description = contents.description
    newest = description.get("format")
    if isinstance(newest, int) and newest > FORMAT:
        raise CheckpointError(f"{path} has format {newest} and this version of concord reads up to {FORMAT}; upgrade concord")
    expected = {"format", "model", "tokenizer", "preprocess"}
    if newest != FORMAT or set(description) != expected or not all(isinstance(description[key], Mapping) for key in expected - {"format"}):
        raise CheckpointError(f"{path} is damaged: its description must hold format, model, tokenizer and preprocess")
    return contents


def _read_training(path: Path) -> Contents:
    try:
        # Mapped, so that the optimizer's state, twice the size of the weights, is never read.
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError:
        raise CheckpointError(f"{path} is damaged, or holds code, which is never loaded") from None
    except Exception as error:  # broken archives raise errors of every class
        raise CheckpointError(f"{path} is damaged or not a checkpoint: {first_line(error)}") from None
    if not isinstance(state, dict) or not isinstance(state.get(ENTRY), Mapping) or not isinstance(state.get("state_dict"), Mapping):
        raise CheckpointError(f"{path} was not written by concord; weights of OpenCLIP need their name: open_clip:ARCHITECTURE/{path}")
    averages = dict(state.get(AVERAGED, {}))
    own = {str(name).removeprefix(PREFIX): value for name, value in state["state_dict"].items() if isinstance(value, Tensor)}
    own |= {f"the average of {name}": value for name, value in averages.items() if isinstance(value, Tensor)}
    if (name := altered(path, own)) is not None:
        raise CheckpointError(f"{path} is damaged: {name} is not as it was written; take an earlier checkpoint")
    state = put_in({key: value for key, value in state.items() if key != "optimizer_states"}, path.parent)
    weights = {name.removeprefix(PREFIX): value for name, value in state["state_dict"].items() if str(name).startswith(PREFIX)}
    averages = dict(state.get(AVERAGED, {}))
    if averages:
        log.info("%s: the averaged weights (EMA) are used", path)
    if not all(isinstance(value, Tensor) for value in (weights | averages).values()):
        raise CheckpointError(f"{path} is damaged: its weights are not all tensors")
    try:
        return Contents(state[ENTRY], merged(weights | averages, state.get(ADAPTERS, {})))
    except (KeyError, RuntimeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged: its adapters do not fit ({first_line(error)})") from None


def _read_export(folder: Path) -> Contents:
    try:
        description = {name: json.loads((folder / name).read_text(encoding="utf-8")) for name in (CONFIG, TOKENIZER)}
        weights = load_file(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder} lacks {Path(str(error.filename or WEIGHTS)).name}; export it again") from None
    except (ValueError, OSError, SafetensorError) as error:
        raise CheckpointError(f"{folder} is damaged: {first_line(error)}") from None
    if not isinstance(description[CONFIG], dict) or "model" not in description[CONFIG]:
        raise CheckpointError(f"{folder} was not written by concord")
    return Contents({**description[CONFIG], "tokenizer": description[TOKENIZER]}, weights)


def _fill(model: DualEncoder, contents: Contents) -> None:
    """Load the weights, all of them and no other.

    Raises:
        CheckpointError: naming the first that are missing, left over or of another shape.
    """
    expected = model.state_dict()
    weights = contents.weights if contents.rules is None else import_weights(contents.rules, contents.weights, expected)
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
