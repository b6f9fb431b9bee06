"""ONNX files against the model that they were written from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

import concord
from concord.errors import CheckpointError, IncompatibleError, MissingExtraError
from concord.images import Preprocess
from concord.models import CaptionDecoder, Cosine, DualEncoder, ImageTower, LateInteraction, TextTower
from concord.models.checkpoint import export
from concord.models.interop import onnx
from concord.models.scorer import Scorer
from concord.tokenizers import BPETokenizer

TEXTS = ["a red box", "", "it's a small dog's toy & a very long caption about a green ball left of a small blue box", "猫の写真"]
SIZE = 16


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (5, 20, 23, 3), dtype=np.uint8))


def scorer_of(kind: str, similarity: Any = None) -> Scorer:
    """One of each way to pool: CLIP's, SigLIP's, and CoCa's, with the convolutions of our small models."""
    tokenizer = BPETokenizer(vocab_size=280, context_length=12).train(TEXTS)
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"image_size": SIZE, "patch_size": 4, "width": 16, "depth": 1, "heads": 2, "pool_heads": 2}
    towers: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
        "clip": ("vit_base_patch16_clip_224", {"pooling": "class"}, {"pooling": "end"}),
        "siglip": ("vit_base_patch16_siglip_224", {"pooling": "attention"}, {"pooling": "last", "pad_id": 0}),
        "coca": ("vit_tiny_patch16_224", {"pooling": "cascade", "caption_queries": 3, "stem": "convolution"}, {"pooling": "class"}),
    }
    name, image, text = towers[kind]
    tower = ImageTower(name, **sizes, **image)
    words = TextTower(tokenizer.vocab_size, context_length=14 if kind != "siglip" else 12, width=16, depth=1, heads=2, **text)
    decoder = CaptionDecoder(tokenizer.vocab_size, 16, 16, depth=1, heads=2) if kind == "coca" else None
    similarity = similarity or Cosine(20.0, init_bias=-4.0 if kind == "siglip" else None)
    return Scorer(DualEncoder(tower, words, similarity, embed_dim=8, decoder=decoder), Preprocess(SIZE, "squash"), tokenizer)


@pytest.fixture(scope="module")
def all_written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Scorer, Path]]:
    """Every kind of model and its folder."""
    found = {kind: (scorer_of(kind), tmp_path_factory.mktemp(kind)) for kind in ("clip", "coca", "siglip")}
    for scorer, folder in found.values():
        onnx.export(scorer, folder)
    return found


@pytest.fixture
def written(all_written: dict[str, tuple[Scorer, Path]]) -> tuple[Scorer, Path]:
    return all_written["siglip"]


@pytest.mark.parametrize("kind", ["clip", "coca", "siglip"])
def test_files_say_what_the_model_says(kind: str, images: list[np.ndarray], all_written: dict[str, tuple[Scorer, Path]]) -> None:
    scorer, folder = all_written[kind]
    again = concord.load(folder, batch_size=3)
    for embed, things in (("embed_images", images), ("embed_features", images), ("embed_texts", TEXTS)):
        ours, theirs = getattr(scorer, embed)(things).vectors, getattr(again, embed)(things).vectors
        torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(again.score(images, TEXTS), scorer.score(images, TEXTS), atol=1e-5, rtol=0)
    prompts = [["a red box", "one box"], ["a ball"]]
    ours, theirs = (one.score_classes(one.embed_images(images), prompts) for one in (scorer, again))
    torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=0)
    assert again.pairwise == scorer.pairwise
    torch.testing.assert_close(again.logits(torch.tensor([0.3])), scorer.logits(torch.tensor([0.3])))
    assert again.truncated(TEXTS) == scorer.truncated(TEXTS)


def test_any_program_can_run_them(written: tuple[Scorer, Path], images: list[np.ndarray]) -> None:
    """By the words of config.json alone."""
    scorer, folder = written
    config = json.loads((folder / "config.json").read_text())
    assert {path.name for path in folder.iterdir()} == {"config.json", "tokenizer.json", config["image"]["file"], config["text"]["file"]}
    seeing = onnxruntime.InferenceSession(str(folder / config["image"]["file"]))
    assert [part.name for part in seeing.get_inputs()] == [config["image"]["input"]]
    pixels = torch.stack([scorer.preprocess(image) for image in images])
    assert list(pixels.shape[1:]) == config["image"]["shape"][1:]
    embeddings = seeing.run(["embeddings"], {config["image"]["input"]: pixels.numpy()})[0]
    np.testing.assert_allclose(embeddings, scorer.embed_images(images).vectors.numpy(), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)
    reading = onnxruntime.InferenceSession(str(folder / config["text"]["file"]))
    assert [part.name for part in reading.get_inputs()] == config["text"]["inputs"]
    assert [part.type for part in reading.get_inputs()] == ["tensor(int64)", "tensor(bool)"]
    for count in (1, 7):
        length = config["text"]["shape"][1]
        ids, mask = np.full((count, length), scorer.tokenizer.end_id), np.ones((count, length), dtype=bool)
        assert reading.run(None, dict(zip(config["text"]["inputs"], (ids, mask), strict=True)))[0].shape == (count, config["embed_dim"])
    assert config["logit_scale"] == pytest.approx(20)
    assert config["logit_bias"] == -4


def test_the_fingerprint_is_that_of_the_files(all_written: dict[str, tuple[Scorer, Path]]) -> None:
    """Two of the three have the same scale, preprocessing and tokenizer."""
    first, second = ([concord.load(folder).fingerprint() for _, folder in all_written.values()] for _ in range(2))
    assert first == second
    assert len(set(first)) == 3


def test_files_show_no_patches_and_cannot_be_exported_again(written: tuple[Scorer, Path], tmp_path: Path) -> None:
    with pytest.raises(IncompatibleError, match="shows no patches"):
        concord.load(written[1]).embed_patches(torch.zeros(1, 3, SIZE, SIZE, dtype=torch.uint8))
    with pytest.raises(CheckpointError, match="holds ONNX files, which cannot be written in another form"):
        export(written[1], tmp_path / "again")


def test_models_without_a_vector_of_each_side_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IncompatibleError, match="ONNX files hold one vector each, which LateInteraction cannot be scored by"):
        onnx.export(scorer_of("clip", LateInteraction()), tmp_path)


def test_graphs_that_differ_from_the_model_are_not_handed_on(
    written: tuple[Scorer, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = concord.load(written[1])
    monkeypatch.setattr(onnx, "load", lambda *_: other)
    monkeypatch.setattr(onnx, "_write", lambda *_: None)
    scorer = scorer_of("siglip")
    with torch.no_grad():
        scorer.model.image.pooler.latent.add_(1.0)
    with pytest.raises(IncompatibleError, match="the written graphs differ from the model by"):
        onnx.export(scorer, tmp_path)


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no text": (lambda folder: (folder / "text.onnx").unlink(), "text.onnx cannot be run"),
    "no graph": (lambda folder: (folder / "image.onnx").write_bytes(b"nothing"), "image.onnx cannot be run"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").write_text("{}"), "is damaged"),
    "no size": (lambda folder: (folder / "config.json").write_text('{"format": "concord-onnx-1"}'), "is damaged"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_folders_are_refused_in_one_line(case: str, written: tuple[Scorer, Path], tmp_path: Path) -> None:
    for path in written[1].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    spoil, message = BROKEN[case]
    spoil(tmp_path)
    with pytest.raises(CheckpointError, match=message) as caught:
        concord.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"onnx is not installed; install it with: pip install 'concord\[onnx\]'"):
        onnx.export(scorer_of("clip"), tmp_path)
