"""Our models as ONNX: two graphs that any runtime can run, and what is needed to feed them. Also read back, to be measured.

Dimensions: N images, M texts, L context length, D width of the image tower, E embedding width.
"""

from __future__ import annotations

import copy
import logging
import warnings
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from concord.errors import CheckpointError, IncompatibleError, MissingExtraError
from concord.files import write_json
from concord.images import Preprocess
from concord.models.dual_encoder import DualEncoder
from concord.models.interop.hugging_face_processing import read_json
from concord.models.interop.weights import first_line
from concord.models.scorer import Scorer
from concord.models.similarity import Cosine
from concord.tokenizers import Tokenizer
from concord.types import Embeddings, Features, Tokens

CONFIG, TOKENIZER, IMAGE, TEXT = "config.json", "tokenizer.json", "image.onnx", "text.onnx"
FORMAT = "concord-onnx-1"
"""Stands in config.json under "format"."""

TOLERANCE = 1e-4
"""How far a component of a unit vector may be off where the written graphs are compared with the model."""

LARGEST = 2**31 - 2**24
"""Bytes of weights that one ONNX file can hold; more lie in a file beside it."""


def export(scorer: Scorer, folder: Path) -> None:
    """Write image.onnx, text.onnx, tokenizer.json, and config.json, which says what goes in and what comes out.

    - image.onnx: pixels [N, 3, S, S] uint8 -> embeddings [N, E] of unit length, and features [N, D] before the projection. Mean
      and standard deviation of the pixels are taken out inside.
    - text.onnx: ids [M, L] int64 and mask [M, L] bool, True at tokens -> embeddings [M, E] of unit length.

    N and M are free. Both graphs are run and compared with the model before this returns.

    Raises:
        MissingExtraError: onnx, onnxscript or onnxruntime is not installed.
        IncompatibleError: a model that is not compared by cosines, or that PyTorch cannot write as a graph.
    """
    _libraries()
    if not isinstance(scorer.model.similarity, Cosine):
        raise IncompatibleError(f"ONNX files hold one vector each, which {type(scorer.model.similarity).__name__} cannot be scored by")
    model = copy.deepcopy(scorer.model).to("cpu", torch.float32).eval()
    size, length = model.image.image_size, scorer.tokenizer.context_length
    pixels = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    ids = torch.full((2, length), scorer.tokenizer.end_id)
    mask = torch.arange(length) < torch.tensor([[length], [1]])
    _write(_ImageGraph(model), {"pixels": pixels}, ["embeddings", "features"], folder / IMAGE)
    _write(_TextGraph(model), {"ids": ids, "mask": mask}, ["embeddings"], folder / TEXT)
    scorer.tokenizer.save(folder / TOKENIZER)
    write_json(folder / CONFIG, _config(model, scorer))
    _compare(scorer, load(folder, scorer.batch_size))


def is_export(path: str | Path) -> bool:
    """Whether `export` wrote this folder."""
    config = Path(path) / CONFIG
    return config.is_file() and (Path(path) / IMAGE).is_file() and read_json(config).get("format") == FORMAT


def load(folder: str | Path, batch_size: int = 256) -> Scorer:
    """A folder that `export` wrote, run by onnxruntime on the CPU. It embeds and scores; there is nothing to train.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        CheckpointError: files that are missing or damaged.
    """
    folder = Path(folder)
    config = read_json(folder / CONFIG)
    try:
        tokenizer = Tokenizer.load(folder / TOKENIZER)
        preprocess = Preprocess.from_dict(config["preprocess"])
        image = _OnnxImage(folder / IMAGE, int(config["image"]["size"]), int(config["embed_dim"]))
        text = _OnnxText(folder / TEXT, tokenizer, int(config["embed_dim"]))
        model = _OnnxEncoder(image, text, _similarity(config), int(config["embed_dim"]), projection="none")  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise CheckpointError(f"{folder} is damaged: {first_line(error)}") from None
    return Scorer(model.eval(), preprocess, tokenizer, batch_size=batch_size)


class _ImageGraph(nn.Module):
    def __init__(self, model: DualEncoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        features = self.model.image(pixels)
        return self.model.embed_image(features).vectors, features.pooled


class _TextGraph(nn.Module):
    def __init__(self, model: DualEncoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return self.model.embed_text(self.model.text(Tokens(ids, mask))).vectors


class _OnnxImage(nn.Module):
    """An image tower in a file, whose features are those before the projection and whose only token is the embedding."""

    supports_masking = False

    def __init__(self, path: Path, image_size: int, embed_dim: int) -> None:
        super().__init__()
        self.image_size = image_size
        self.patch_size = 1
        self.width = embed_dim
        self.session = _session(path)
        self.register_buffer("digest", _digest(path))

    def forward(self, images: Tensor) -> Features:
        embeddings, features = self.session.run(["embeddings", "features"], {"pixels": images.cpu().numpy()})
        return Features(torch.from_numpy(features), torch.from_numpy(embeddings)[:, None])

    def grid_size(self, height: int, width: int) -> tuple[int, int]:
        raise IncompatibleError("a model in ONNX files shows no patches; load the checkpoint that it was written from")


class _OnnxText(nn.Module):
    """A text tower and its projection in a file."""

    def __init__(self, path: Path, tokenizer: Tokenizer, embed_dim: int) -> None:
        super().__init__()
        self.context_length = tokenizer.context_length
        self.vocab_size = tokenizer.vocab_size
        self.pad_id = tokenizer.pad_id
        self.width = embed_dim
        self.session = _session(path)
        self.register_buffer("digest", _digest(path))

    def forward(self, tokens: Tokens) -> Features:
        missing = self.context_length - tokens.ids.shape[1]
        ids = nn.functional.pad(tokens.ids, (0, missing), value=self.pad_id)
        mask = nn.functional.pad(tokens.mask, (0, missing))
        found = torch.from_numpy(self.session.run(["embeddings"], {"ids": ids.cpu().numpy(), "mask": mask.cpu().numpy()})[0])
        return Features(found, found[:, None])


class _OnnxEncoder(DualEncoder):
    """Two files behind the interface of a dual encoder. Their digests are part of its state, and so of a scorer's fingerprint."""

    def embed_image(self, features: Features, view_positions: Tensor | None = None) -> Embeddings:
        return Embeddings(features.tokens[:, 0])


def _write(graph: nn.Module, inputs: dict[str, Tensor], outputs: list[str], path: Path) -> None:
    size = sum(tensor.numel() * tensor.element_size() for tensor in graph.state_dict().values())
    batch = torch.export.Dim("batch")
    previous = logging.getLogger("torch.onnx").level
    try:
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                graph,
                tuple(inputs.values()),
                str(path),
                input_names=list(inputs),
                output_names=outputs,
                dynamic_shapes={name: {0: batch} for name in inputs},
                dynamo=True,
                external_data=size > LARGEST,
                verbose=False,
            )
    except Exception as error:  # the exporter's errors share no class
        raise IncompatibleError(f"PyTorch cannot write {path.name} for this model: {first_line(error)}") from error
    finally:
        logging.getLogger("torch.onnx").setLevel(previous)


def _config(model: DualEncoder, scorer: Scorer) -> dict[str, Any]:
    bias = model.similarity.logit_bias
    size, length = model.image.image_size, scorer.tokenizer.context_length
    return {
        "format": FORMAT,
        "embed_dim": model.embed_dim,
        "image": {"file": IMAGE, "input": "pixels", "type": "uint8", "shape": ["batch", 3, size, size], "size": size},
        "text": {"file": TEXT, "inputs": ["ids", "mask"], "types": ["int64", "bool"], "shape": ["batch", length]},
        "logit_scale": model.similarity.scale.item(),
        "logit_bias": None if bias is None else bias.item(),
        "preprocess": scorer.preprocess.to_dict(),
    }


def _similarity(config: dict[str, Any]) -> Cosine:
    scale, bias = float(config["logit_scale"]), config["logit_bias"]
    return Cosine(scale, max(scale, 100.0), None if bias is None else float(bias), learn_scale=False)


def _compare(scorer: Scorer, written: Scorer) -> None:
    """Refuse graphs that say something else than the model.

    Raises:
        IncompatibleError: with the difference.
    """
    rng = np.random.default_rng(0)
    images = list(rng.integers(0, 256, (3, 40, 50, 3), dtype=np.uint8))
    texts = ["a photo", "two red boxes left of a small ball, and more than a short text would say of it", ""]
    pairs = [(one.embed_images(images).vectors, one.embed_texts(texts).vectors) for one in (scorer, written)]
    worst = max(float((ours.float() - theirs).abs().max()) for ours, theirs in zip(*pairs, strict=True))
    if not worst <= TOLERANCE:
        raise IncompatibleError(f"the written graphs differ from the model by {worst:.2g}; please report the model")


def _libraries() -> None:
    import importlib.util

    for package in ("onnx", "onnxscript", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "onnx")


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("onnxruntime", "onnx") from None
    try:
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors share no class
        raise CheckpointError(f"{path} cannot be run: {first_line(error)}") from None


def _digest(path: Path) -> Tensor:
    """Of a graph, as bytes."""
    hashed = blake2b(path.read_bytes(), digest_size=16)
    return torch.frombuffer(bytearray(hashed.digest()), dtype=torch.uint8)
