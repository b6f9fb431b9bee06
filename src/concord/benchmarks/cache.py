"""Embeddings on disk, so that a second look at the same model and the same data computes nothing twice."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from concord.benchmarks.protocol import Identified, Scorer
from concord.benchmarks.reading import Embedded, Look
from concord.files import write_atomically
from concord.types import Embeddings

log = logging.getLogger(__name__)

FORMAT = 1
PACKAGES = ("concord", "torch", "pillow")
"""Whose versions may change an embedding."""

Entry = tuple[dict[str, Tensor], dict[str, Any]]


class EmbeddingCache:
    """A folder of embeddings. It may be deleted at any time.

    What was embedded is known by the model's fingerprint (weights, preprocessing, tokenizer), by the versions of what computes,
    and by the contents of the pictures and texts: data are read at every run, but neither decoded nor seen by the model again.
    A changed file is another file, wherever it lies, and nothing but vectors and checksums is kept, not of patients either. A
    model without a fingerprint is embedded anew.

    Args:
        folder: a local or shared folder; each model gets one inside.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).expanduser()

    def of(self, scorer: Scorer) -> ModelCache | None:
        """What is kept of a model as it is now; None where it cannot say what it is."""
        if not isinstance(scorer, Identified):
            return None
        return ModelCache(self.folder / _digest([FORMAT, scorer.fingerprint(), [version(package) for package in PACKAGES]]))


class ModelCache:
    """What is kept of one model. A damaged file costs a warning and is written anew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load_images(self, look: Look, checksums: Sequence[str]) -> Embedded | None:
        """What the model made of the pictures with these checksums; None where that is not known."""
        entry = self.read(_name("images", [look, *checksums]))
        if entry is None:
            return None
        tensors, causes = entry
        rows = tensors.pop("rows").tolist()
        return Embedded(rows, _embeddings(tensors) if rows else None, Counter(causes))

    def keep_images(self, look: Look, checksums: Sequence[str], embedded: Embedded) -> None:
        tensors = {} if embedded.images is None else _tensors(embedded.images)
        rows = torch.tensor(embedded.rows, dtype=torch.int64)
        self.write(_name("images", [look, *checksums]), {"rows": rows, **tensors}, dict(embedded.causes))

    def load_texts(self, texts: Sequence[str]) -> Embeddings | None:
        """What the model made of these texts; None where that is not known."""
        entry = self.read(_name("texts", texts))
        return None if entry is None else _embeddings(entry[0])

    def keep_texts(self, texts: Sequence[str], embedded: Embeddings) -> None:
        self.write(_name("texts", texts), _tensors(embedded), {})

    def read(self, name: str) -> Entry | None:
        """The tensors and the plain values of an entry; None where there is none, or a damaged one."""
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            with safe_open(path, "pt") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                about = file.metadata() or {}
            if about.get("checksum") != _checksum(tensors, about.get("values", "")):
                raise ValueError("wrong checksum")
            return tensors, json.loads(about["values"])
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            log.warning("%s is damaged (%s); what it held is embedded anew", path, " ".join(str(error).split()))
            return None

    def write(self, name: str, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Keep an entry; a folder that cannot be written to costs a warning."""
        text = json.dumps(values)
        ready = {key: tensor.contiguous() for key, tensor in tensors.items()}
        content = save(ready, {"checksum": _checksum(ready, text), "values": text})
        try:
            write_atomically(self.folder / name, lambda file: file.write(content))
        except OSError as error:
            log.warning("embeddings are not kept in %s (%s)", self.folder, error.strerror)


def _tensors(embedded: Embeddings) -> dict[str, Tensor]:
    every = {"vectors": embedded.vectors, "tokens": embedded.tokens, "mask": embedded.mask}
    return {name: tensor for name, tensor in every.items() if tensor is not None}


def _embeddings(tensors: Mapping[str, Tensor]) -> Embeddings:
    return Embeddings(tensors["vectors"], tensors.get("tokens"), tensors.get("mask"))


def _checksum(tensors: Mapping[str, Tensor], values: str) -> str:
    hashed = blake2b(values.encode(), digest_size=16)
    for name in sorted(tensors):
        hashed.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        hashed.update(tensors[name].contiguous().flatten().view(torch.uint8).numpy().data)
    return hashed.hexdigest()


def _name(kind: str, key: Sequence[Any]) -> str:
    return f"{kind}-{_digest(key)}.safetensors"


def _digest(values: Sequence[Any]) -> str:
    return blake2b(json.dumps(values).encode(), digest_size=16).hexdigest()
