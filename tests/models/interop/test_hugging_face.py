"""CLIP and SigLIP of Hugging Face: read, written, and read by transformers again, with embeddings that stay the same."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.models.interop.hugging_face_models import (
    IMAGE_SIZE,
    TEXTS,
    WORDS,
    clip_features,
    pictures,
    save_clip,
    save_siglip,
    siglip_features,
)

import concord
from concord.errors import CheckpointError, IncompatibleError
from concord.images import Preprocess
from concord.models import Cosine, DualEncoder, ImageTower, LateInteraction, TextTower
from concord.models.checkpoint import export
from concord.models.interop import EXPORTS
from concord.models.scorer import Scorer
from concord.tokenizers import BPETokenizer

Save, Read = Callable[..., Any], Callable[[Path], tuple[torch.Tensor, torch.Tensor]]
FAMILIES: dict[str, tuple[Save, Read]] = {"clip": (save_clip, clip_features), "siglip": (save_siglip, siglip_features)}


def ours(folder: str | Path) -> tuple[torch.Tensor, torch.Tensor]:
    scorer = concord.load(folder)
    return scorer.embed_images(pictures()).vectors, scorer.embed_texts(TEXTS).vectors


def assert_equal(found: tuple[torch.Tensor, torch.Tensor], expected: tuple[torch.Tensor, torch.Tensor]) -> None:
    for part, other in zip(found, expected, strict=True):
        torch.testing.assert_close(part, other, atol=1e-5, rtol=0)


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def saved(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As transformers writes it; not to be changed."""
    folder = tmp_path_factory.mktemp(family)
    FAMILIES[family][0](folder)
    return folder


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(saved, tmp_path / "copied")


def test_pictures_and_texts_are_embedded_alike(family: str, saved: Path) -> None:
    images, texts = FAMILIES[family][1](saved)
    assert torch.pdist(images).min() > 0.01
    assert torch.pdist(texts).max() > 0.5
    assert_equal(ours(saved), (images, texts))
    scorer = concord.load(saved)
    assert scorer.model.similarity.scale.item() == pytest.approx(torch.tensor(2.0).exp().item())
    assert scorer.pairwise == (family == "siglip")
    if family == "siglip":
        assert scorer.logits(torch.zeros(1)).item() == -3.0
    assert scorer.tokenizer.truncated_share == 0  # nothing was embedded by this one
    assert any(scorer.truncated(TEXTS))


def test_there_and_back(family: str, saved: Path, tmp_path: Path) -> None:
    expected = FAMILIES[family][1](saved)
    written = export(saved, tmp_path / "written", "hugging_face")
    assert_equal(FAMILIES[family][1](written), expected)
    assert_equal(ours(written), expected)
    assert_equal(ours(export(saved, tmp_path / "concord")), expected)
    theirs, again = load_file(saved / "model.safetensors"), load_file(written / "model.safetensors")
    assert theirs.keys() == again.keys()
    assert all(torch.equal(theirs[name], again[name]) for name in theirs)


def test_transformers_finds_the_processor_by_itself(family: str, saved: Path, tmp_path: Path) -> None:
    import transformers

    written = export(saved, tmp_path, "hugging_face")
    processor = transformers.AutoProcessor.from_pretrained(written)
    assert type(processor).__name__ == {"clip": "CLIPProcessor", "siglip": "SiglipProcessor"}[family]
    assert type(transformers.AutoModel.from_pretrained(written)).__name__ == {"clip": "CLIPModel", "siglip": "SiglipModel"}[family]
    inputs = processor(images=pictures()[:1], text=TEXTS[:1], return_tensors="pt")
    tokens = concord.load(saved).tokenizer(TEXTS[:1])
    assert inputs["input_ids"][0].tolist() == tokens.ids[0, tokens.mask[0]].tolist()
    assert inputs["pixel_values"].shape == (1, 3, IMAGE_SIZE, IMAGE_SIZE)


def test_older_files(family: str, saved: Path, copied: Path) -> None:
    """Pickled weights with the numbers of the positions, processing in another file, sizes as plain numbers."""
    weights = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    weights["text_model.embeddings.position_ids"] = torch.arange(20)[None]
    expected = ours(saved)
    for zipped in (True, False):
        torch.save(weights, copied / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
        assert_equal(ours(copied), expected)
    images = json.loads((copied / "preprocessor_config.json").read_text())
    (copied / "preprocessor_config.json").unlink()
    (copied / "processor_config.json").write_text(json.dumps({"image_processor": images}))
    assert_equal(ours(copied), expected)
    images |= {"size": IMAGE_SIZE} | ({"crop_size": IMAGE_SIZE} if family == "clip" else {})
    (copied / "preprocessor_config.json").write_text(json.dumps(images))
    assert_equal(ours(copied), expected)


def test_vocabulary_and_merges_in_files_of_their_own(tmp_path: Path) -> None:
    save_clip(tmp_path)
    expected = ours(tmp_path)
    model = json.loads((tmp_path / "tokenizer.json").read_text())["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(model["vocab"]))
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    (tmp_path / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    (tmp_path / "tokenizer.json").unlink()
    assert_equal(ours(tmp_path), expected)


def test_older_configurations_of_clip_win(tmp_path: Path) -> None:
    """`text_config_dict` replaces `text_config`, as in transformers."""
    save_clip(tmp_path)
    expected = ours(tmp_path)
    edit(tmp_path / "config.json", lambda config: config.update(text_config_dict=config["text_config"], text_config={"hidden_size": 9}))
    assert_equal(ours(tmp_path), expected)


def test_clip_with_the_old_id_of_the_end_reads_texts_at_the_largest(tmp_path: Path) -> None:
    save_clip(tmp_path, eos_token_id=2)
    assert_equal(ours(tmp_path), clip_features(tmp_path))


def test_weights_in_several_files(saved: Path, copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    halves = {"a.safetensors": dict(list(weights.items())[::2]), "b.safetensors": dict(list(weights.items())[1::2])}
    for name, half in halves.items():
        save_file(half, copied / name)
    index = copied / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {key: name for name, half in halves.items() for key in half}}))
    assert_equal(ours(copied), ours(saved))
    index.write_text(json.dumps({"weight_map": {"a": "../a.safetensors"}}))
    with pytest.raises(CheckpointError, match=r"names \.\./a\.safetensors, which is no safetensors file of its folder"):
        concord.load(copied)


def test_from_the_cache_of_the_hub(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = tmp_path / "models--someone--model" / "snapshots" / "0123"
    shutil.copytree(saved, snapshot)
    (tmp_path / "models--someone--model" / "refs").mkdir()
    (tmp_path / "models--someone--model" / "refs" / "main").write_text("0123")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert_equal(ours("hf:someone/model"), ours(saved))
    with pytest.raises(CheckpointError, match="cannot fetch hf:someone/else") as caught:
        concord.load("hf:someone/else")
    assert "\n" not in str(caught.value)
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="hf:someone/model has no weights that can be read"):
        concord.load("hf:someone/model")


def set_text(**values: Any) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "config.json", lambda config: config["text_config"].update(values))


def set_vision(**values: Any) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "config.json", lambda config: config["vision_config"].update(values))


def set_images(**values: Any) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "preprocessor_config.json", lambda images: images.update(values))


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content)  # type: ignore[return-value]


def drop(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


SPOILED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "another model": (
        lambda f: edit(f / "config.json", lambda c: c.update(model_type="bert")),
        "model_type=bert; clip and siglip are read",
    ),
    "NaFlex": (lambda f: edit(f / "config.json", lambda c: c.update(model_type="siglip2")), "take one of a fixed resolution"),
    "activation": (set_text(hidden_act="relu"), "text_config.hidden_act=relu: our towers have"),
    "channels": (set_vision(num_channels=1), "only pictures of three colours"),
    "layers": (set_text(num_hidden_layers=3), "text_model.encoder.layers.2.* are missing"),
    "fewer layers": (set_vision(num_hidden_layers=1), "vision_model.encoder.layers.1.* belong nowhere"),
    "width": (set_vision(hidden_size=0), "is damaged"),
    "no number": (set_text(hidden_size="wide"), "is damaged|cannot be built"),
    "not json": (write("config.json", b"{"), "config.json cannot be read"),
    "a list": (write("config.json", b"[1]"), "config.json holds no mapping"),
    "no weights": (drop("model.safetensors"), "holds config.json and no weights; one of model.safetensors"),
    "cut weights": (lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:999]), "is damaged"),
    "no tokenizer": (drop("tokenizer.json"), "has no tokenizer.json"),
    "broken tokenizer": (write("tokenizer.json", b"{}"), "tokenizer.json cannot be read"),
    "no pictures": (drop("preprocessor_config.json"), "says in neither preprocessor_config.json nor processor_config.json"),
    "no resize": (set_images(do_resize=False), "do_resize=false"),
    "rescale": (set_images(rescale_factor=0.5), "rescale_factor=0.5: only 1/255 is read"),
    "nearest": (set_images(resample=0), "resample=0: one of 1, 2, 3 is read"),
    "size": (set_images(size={"shortest_edge": 99}), "makes no squares of 32 pixels"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_what_cannot_be_read_is_refused_in_one_line(case: str, copied: Path) -> None:
    spoil, message = SPOILED[case]
    spoil(copied)
    with pytest.raises(CheckpointError, match=message) as caught:
        concord.load(copied)
    assert "\n" not in str(caught.value)


def test_siglip_without_its_head_or_with_padding_on_the_left_is_refused(tmp_path: Path) -> None:
    save_siglip(tmp_path)
    edit(tmp_path / "config.json", lambda config: config["vision_config"].update(vision_use_head=False))
    with pytest.raises(CheckpointError, match="without its pooling head"):
        concord.load(tmp_path)
    edit(tmp_path / "tokenizer_config.json", lambda settings: settings.update(padding_side="left"))
    with pytest.raises(CheckpointError, match="only padding behind the text is read"):
        concord.load(tmp_path)


def test_clip_with_the_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    save_clip(tmp_path, eos_token_id=5)
    with pytest.raises(CheckpointError, match=r"eos_token_id=5, but texts end with id \d+; is it another model's tokenizer"):
        concord.load(tmp_path)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("exploded"),)


def test_code_in_pickled_weights_is_not_run(copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (copied / "model.safetensors").unlink()
    (copied / "pytorch_model.bin").write_bytes(pickle.dumps({"logit_scale": Bomb()}))
    with pytest.raises(CheckpointError, match="damaged, or holds code, which is never loaded"):
        concord.load(copied)
    for zipped in (True, False):
        torch.save({"logit_scale": Bomb()}, copied / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
        with pytest.raises(CheckpointError, match="damaged, or holds code, which is never loaded"):
            concord.load(copied)
    assert not (tmp_path / "exploded").exists()


def test_tokenizers_of_siglip_clean_as_their_models_were_trained(tmp_path: Path) -> None:
    save_siglip(tmp_path)
    cleanings = {"SiglipTokenizer": "canonical", "GemmaTokenizerFast": "lower", "Siglip2Tokenizer": "lower", "T5TokenizerFast": "none"}
    for name, cleaning in cleanings.items():
        edit(tmp_path / "tokenizer_config.json", lambda settings, name=name: settings.update(tokenizer_class=name))
        assert concord.load(tmp_path).tokenizer.cleaning == cleaning


def scorer_of_ours(cleaning: Any = "lower", similarity: Any = None, preprocess: Preprocess | None = None, **changes: Any) -> Scorer:
    """A model as our recipes make it, with a vocabulary of our own whose end token has the id 2."""
    tokenizer = BPETokenizer(vocab_size=300, context_length=14, cleaning=cleaning).train(WORDS)
    torch.manual_seed(0)
    image = {"image_size": IMAGE_SIZE, "patch_size": 8, "width": 32, "depth": 2, "heads": 4, "pooling": "class"}
    text = {"context_length": 16, "width": 24, "depth": 2, "heads": 3, "pooling": "end"}
    tower = ImageTower("vit_base_patch16_clip_224", **{**image, **changes.get("image", {})})
    words = TextTower(tokenizer.vocab_size, **{**text, **changes.get("text", {})})
    model = DualEncoder(tower, words, similarity or Cosine(), embed_dim=20, projection=changes.get("projection", "linear"))
    return Scorer(model, preprocess or Preprocess(IMAGE_SIZE), tokenizer)


@pytest.mark.parametrize("cleaning", ["none", "lower", "repair", "clip", "canonical"])
def test_a_model_of_our_own_becomes_a_clip(cleaning: str, tmp_path: Path) -> None:
    scorer = scorer_of_ours(cleaning)
    assert scorer.tokenizer.end_id == 2
    EXPORTS["hugging_face"](scorer, tmp_path)
    images, texts = clip_features(tmp_path)
    plain = [index for index, text in enumerate(TEXTS) if "&amp;" not in text]  # which transformers does not unescape
    torch.testing.assert_close(texts[plain], scorer.embed_texts([TEXTS[index] for index in plain]).vectors, atol=1e-5, rtol=0)
    again = concord.load(tmp_path)
    torch.testing.assert_close(again.embed_images(pictures()).vectors, images, atol=1e-5, rtol=0)
    # Of an odd number of pixels to spare, transformers leaves the smaller half on the left.
    even = [picture for picture in pictures() if abs(picture.width - picture.height) % 2 == 0]
    torch.testing.assert_close(again.embed_images(even).vectors, scorer.embed_images(even).vectors, atol=1e-5, rtol=0)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "pooling": ({"image": {"pooling": "average"}}, "CLIPModel of transformers needs image.pooling=class"),
    "pre_norm": ({"image": {"pre_norm": False}}, "needs image.pre_norm=true"),
    "text": ({"text": {"pooling": "mean"}}, "needs text.pooling=end"),
    "projection": ({"projection": "mlp"}, "needs projection=linear"),
    "bias": ({"similarity": Cosine(init_bias=-5.0)}, "needs no logit bias"),
    "similarity": ({"similarity": LateInteraction()}, "needs a cosine similarity"),
    "layer scale": ({"image": {"layer_scale": 0.1}}, "weight image.trunk.blocks.0.ls1.gamma has no counterpart"),
    "convolutions": ({"image": {"stem": "convolution"}}, "has no counterpart"),
    "padding": ({"preprocess": Preprocess(IMAGE_SIZE, "pad")}, "needs preprocess.resize=crop or squash"),
    "size": ({"preprocess": Preprocess(48)}, "to the size that the tower was made for, got crop to 48"),
    "siglip": ({"image": {"pooling": "attention", "pool_heads": 4}}, "SiglipModel of transformers needs image.pre_norm=false"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_neither_class_can_express_is_refused(case: str, tmp_path: Path) -> None:
    changes, message = REFUSED[case]
    with pytest.raises(IncompatibleError, match=message) as caught:
        EXPORTS["hugging_face"](scorer_of_ours(**changes), tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "model.safetensors").exists()
