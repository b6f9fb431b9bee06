"""The same model on the same shards, measured by this bench, by CLIP_benchmark's code and by the definitions."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import open_clip
import torch
from PIL import Image

import concord
from concord.benchmarks import Bench, Record, Retrieval, ZeroShotClassification, ZeroShotMultiLabel
from concord.data.benchmarks.classification import WebDatasetCaptions, WebDatasetLayout
from tests.benchmarks.walks.parity_data import CLASSES, FINDINGS, KINDS, SHARDS, TEMPLATES

CUTS = (1, 5, 10)

METRICS = {
    "acc1": "zero_shot/classes/top1",
    "acc5": "zero_shot/classes/top5",
    "mean_per_class_recall": "zero_shot/classes/mean_per_class",
    "mean_average_precision": "multi_label/findings/map",
    **{f"image_retrieval_recall@{k}": f"retrieval/captions/text_to_image/r{k}" for k in CUTS},
    **{f"text_retrieval_recall@{k}": f"retrieval/captions/image_to_text/r{k}" for k in CUTS},
}
"""By their name ours."""


def ours(model: Path, data: Path) -> dict[str, Record]:
    """Records by the names of theirs."""
    tasks = {
        "classes": ZeroShotClassification(WebDatasetLayout(str(data / "classes"))),
        "findings": ZeroShotMultiLabel(WebDatasetLayout(str(data / "findings"))),
        "captions": Retrieval(WebDatasetCaptions(str(data / "captions")), duplicates="separate"),
    }
    records = {record.name: record for record in Bench(tasks, gallery=0, bootstrap=100).run(concord.load(model)).records}
    return {name: records[own] for name, own in METRICS.items()}


def theirs(model: Path, data: Path) -> dict[str, float]:
    """What CLIP_benchmark's code says, with OpenCLIP's transform and tokenizer, in single precision.

    Raises:
        ImportError: where it is not installed.
    """
    from clip_benchmark.datasets.builder import build_dataset, image_captions_collate_fn
    from clip_benchmark.metrics import zeroshot_classification, zeroshot_retrieval
    from torch.utils.data import DataLoader

    # Arrays of one element were numbers, when their code was written.
    zeroshot_classification.float = lambda value: np.asarray(value).item()
    network, _, transform = open_clip.create_model_and_transforms(f"local-dir:{model}")
    network.eval()
    tokenize = open_clip.get_tokenizer(f"local-dir:{model}")
    found: dict[str, float] = {}
    for name in ("classes", "findings"):
        dataset = build_dataset(f"wds/{name}", str(data / name), transform, task="zeroshot_classification")
        loader = DataLoader(dataset.batched(32), batch_size=None)
        loader.dataset.classes = dataset.classes
        found |= zeroshot_classification.evaluate(network, loader, tokenize, dataset.classes, dataset.templates, "cpu", amp=False)
    dataset = build_dataset("wds/captions", str(data / "captions"), transform, task="zeroshot_retrieval")
    loader = DataLoader(dataset.batched(32, collation_fn=image_captions_collate_fn), batch_size=None)
    return found | zeroshot_retrieval.evaluate(network, loader, tokenize, "cpu", amp=False, recall_k_list=list(CUTS))


def by_definition(model: Path, data: Path) -> dict[str, float]:
    """The same numbers written out once more: OpenCLIP embeds, NumPy counts in double precision."""
    network, _, transform = open_clip.create_model_and_transforms(f"local-dir:{model}")
    network.eval()
    tokenize = open_clip.get_tokenizer(f"local-dir:{model}")

    @torch.no_grad()
    def texts(lines: list[str]) -> np.ndarray:
        return unit(network.encode_text(tokenize(lines)).double().numpy())

    @torch.no_grad()
    def images(examples: list[dict[str, bytes]]) -> np.ndarray:
        pictures = [Image.open(io.BytesIO(next(one[kind] for kind in KINDS if kind in one))).convert("RGB") for one in examples]
        return unit(network.encode_image(torch.stack([transform(picture) for picture in pictures])).double().numpy())

    def classifier(names: list[str]) -> np.ndarray:
        return unit(np.stack([texts([template.format(c=name) for template in TEMPLATES]).mean(axis=0) for name in names]))

    classes, findings, captions = (members(data / name) for name in ("classes", "findings", "captions"))
    scores, labels = images(classes) @ classifier(CLASSES).T, np.array([int(one["cls"]) for one in classes])
    order = np.argsort(-scores, axis=1)
    hits = order[:, 0] == labels
    found = {
        "acc1": hits.mean(),
        "acc5": (order[:, :5] == labels[:, None]).any(axis=1).mean(),
        "mean_per_class_recall": np.mean([hits[labels == c].mean() for c in np.unique(labels)]),
    }
    scores, several = images(findings) @ classifier(FINDINGS).T, np.stack([np.load(io.BytesIO(one["npy"])) for one in findings])
    truths = [several[np.argsort(-scores[:, c]), c] for c in range(len(FINDINGS))]
    precisions = [(np.cumsum(truth) / np.arange(1, len(truth) + 1))[truth == 1].mean() for truth in truths]
    found["mean_average_precision"] = np.mean(precisions)
    lines = [one["txt"].decode().splitlines() for one in captions]
    owner = np.repeat(np.arange(len(lines)), [len(own) for own in lines])
    scores = images(captions) @ texts([line for own in lines for line in own]).T
    fits = owner == np.arange(len(lines))[:, None]
    for side, table, right in (("text", scores, fits), ("image", scores.T, fits.T)):
        best = np.take_along_axis(right, np.argsort(-table, axis=1), axis=1)
        found |= {f"{side}_retrieval_recall@{k}": best[:, :k].any(axis=1).mean() for k in CUTS}
    return {name: float(value) for name, value in found.items()}


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def members(folder: Path) -> list[dict[str, bytes]]:
    """By example the contents of its members by suffix."""
    found: dict[str, dict[str, bytes]] = {}
    for shard in range(SHARDS):
        with tarfile.open(folder / f"test/{shard}.tar") as tar:
            for member in tar:
                key, _, suffix = member.name.partition(".")
                content = tar.extractfile(member)
                assert content is not None
                found.setdefault(key, {})[suffix] = content.read()
    return list(found.values())


def different(found: Mapping[str, Record], expected: Mapping[str, float], rounding: float = 1e-7) -> dict[str, tuple[float, float]]:
    """Numbers that differ by more than rounding, which is that of single precision in theirs; empty where all agree."""
    return {name: (found[name].value, value) for name, value in expected.items() if abs(found[name].value - value) > rounding}
