"""Models of our own configurations in OpenCLIP, and what cannot go there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.interop.open_clip_models import TEXTS, embed, make_folder, pictures, register_small_models, write_config

import concord
from concord.errors import CheckpointError, IncompatibleError
from concord.images import Preprocess
from concord.models.checkpoint import ENTRY, PREFIX, build_model, describe, export
from concord.models.interop import open_clip
from concord.models.interop.open_clip_export_image import image_config
from concord.tasks import export as export_task
from concord.tokenizers import BPETokenizer

pytestmark = pytest.mark.filterwarnings("ignore")

VOCABULARY = 300
VIT = {"name": "vit_tiny_patch16_224", "image_size": 32, "patch_size": 8, "width": 32, "depth": 2, "heads": 2}
TEXT = {"vocab_size": VOCABULARY, "context_length": 24, "width": 32, "depth": 2, "heads": 2}
DECODER = {"_target_": "concord.models.CaptionDecoder", "vocab_size": VOCABULARY, "width": 32, "image_width": 32, "depth": 1, "heads": 2}


def spec(image: dict[str, Any] | None = None, text: dict[str, Any] | None = None, **rest: Any) -> dict[str, Any]:
    return {
        "_target_": "concord.models.DualEncoder",
        "image": {"_target_": "concord.models.ImageTower", **(VIT if image is None else image)},
        "text": {"_target_": "concord.models.TextTower", **TEXT, **(text or {})},
        "similarity": {"_target_": "concord.models.Cosine"},
        "embed_dim": 16,
        **rest,
    }


def save(description: dict[str, Any], path: Path, **preprocess: Any) -> Path:
    """A training checkpoint of a model whose weights are all off their start."""
    register_small_models()
    torch.manual_seed(0)
    model = build_model(description)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    tokenizer = BPETokenizer(vocab_size=VOCABULARY, context_length=20, cleaning="clip").train(TEXTS)
    view = Preprocess(**{"image_size": 32, **preprocess})
    state = {PREFIX + name: value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state, ENTRY: describe(description, tokenizer, view)}, path)
    return path


OURS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "class": (spec({**VIT, "pooling": "class"}), {}),
    "average": (spec({**VIT, "pooling": "average", "activation": "gelu_tanh", "layer_scale": 0.1}), {"resize": "squash"}),
    "queries": (
        spec({**VIT, "pooling": "queries", "caption_queries": 3, "pool_heads": 2, "pool_width": 16}),
        {"interpolation": "bilinear"},
    ),
    "quick": (spec({**VIT, "activation": "quick_gelu"}, {"activation": "quick_gelu"}), {"resize": "pad", "background": [9, 9, 9]}),
    "captioner": (spec(decoder=DECODER), {}),
    "affine": (spec(text_projection="affine"), {}),
    "sees_padding": (spec(text={"pooling": "last", "pad_id": 0, "context_length": 20}), {}),
    "class_token": (spec(text={"pooling": "class", "pad_id": 0, "context_length": 20}), {}),
    "resnet": (spec({"name": "resnet_interop_clip", "pooling": "average", "image_size": 64}), {"image_size": 64}),
    "convnext": (spec({"name": "test_convnext", "pooling": "average"}), {"image_size": 64}),
    "siglip": (spec({"name": "vit_interop_siglip", "pooling": "attention"}), {}),
}


@pytest.mark.parametrize("name", OURS)
def test_a_model_of_ours_is_the_same_in_open_clip_and_back(name: str, tmp_path: Path) -> None:
    source = save(OURS[name][0], tmp_path / "last.ckpt", **OURS[name][1])
    written = export(source, tmp_path / "export", "open_clip")
    images, texts, _ = embed(written, TEXTS)
    for scorer in (concord.load(source), concord.load(written)):
        torch.testing.assert_close(scorer.embed_images(pictures()).vectors, images, atol=1e-5, rtol=0)
        torch.testing.assert_close(scorer.embed_texts(TEXTS).vectors, texts, atol=1e-5, rtol=0)


IMPOSSIBLE: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "mean": (spec(text={"pooling": "mean"}), {}, "text.pooling=mean with hidden padding has no counterpart"),
    "late": (spec(similarity={"_target_": "concord.models.LateInteraction"}), {}, "similarity LateInteraction has no counterpart"),
    "stem": (
        spec({**VIT, "stem": "convolution"}),
        {},
        r"image\.stem=convolution has no counterpart in OpenCLIP; train with .*stem=linear",
    ),
    "cascade": (spec({**VIT, "pooling": "cascade", "pool_heads": 2}), {}, "image.pooling=cascade of vit_tiny_patch16_224 has no"),
    "quick": (spec(text={"activation": "quick_gelu"}), {}, "activations gelu and quick_gelu have no counterpart"),
    "mlp": (spec(projection="mlp"), {}, "an image projection 'mlp' has no counterpart"),
    "text mlp": (spec(text_projection="gelu_mlp"), {}, "a text projection 'gelu_mlp' has no counterpart"),
    "hf mlp": (spec(projection="hf_mlp", text_projection="linear"), {}, "an image projection 'hf_mlp' has no counterpart"),
    "lanczos": (spec(), {"interpolation": "lanczos"}, "preprocess.interpolation=lanczos has no counterpart"),
    "background": (spec(), {"resize": "pad", "background": [1, 2, 3]}, "preprocess.background must be a grey"),
    "size": (spec(), {"image_size": 64}, "preprocess.image_size is 64 and image.image_size 32"),
    "activation": (spec({"name": "vit_interop_siglip", "pooling": "attention", "activation": "gelu_tanh"}), {}, "image.activation is set"),
    "padding": (spec(text={"pooling": "last", "pad_id": 0}), {}, "needs the tokenizer's context_length and pad_id"),
    "decoder": (spec(decoder={**DECODER, "mlp_ratio": 2.0}), {}, "decoder.mlp_ratio has no counterpart"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_open_clip_cannot_express_is_refused(name: str, tmp_path: Path) -> None:
    description, preprocess, message = IMPOSSIBLE[name]
    with pytest.raises(IncompatibleError, match=message):
        export(save(description, tmp_path / "last.ckpt", **preprocess), tmp_path / "export", "open_clip")


def test_a_model_of_timm_is_named_as_it_stands() -> None:
    register_small_models()
    config, shape = image_config(build_model(OURS["siglip"][0]), 32)
    assert config["timm_model_name"] == "vit_interop_siglip"
    assert config["timm_pool"] == "map"
    assert shape.trunk == "timm"


def test_the_task_writes_what_the_function_writes(tmp_path: Path) -> None:
    source = save(spec(), tmp_path / "last.ckpt")
    written = export_task({}, tmp_path, str(source), None, "open_clip")
    assert written == tmp_path / "export"
    for name in (open_clip.CONFIG, open_clip.WEIGHTS, "tokenizer.json"):
        expected = (export(source, tmp_path / "again" / "export", "open_clip") / name).read_bytes()
        assert (written / name).read_bytes() == expected
    assert (export_task({}, tmp_path, str(source), str(tmp_path / "own"), "concord") / "config.json").is_file()
    with pytest.raises(concord.errors.ConfigError, match=r"task\.format=openclip is no format; did you mean open_clip"):
        export_task({}, tmp_path, str(source), None, "openclip")


def test_a_name_and_a_file_make_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import open_clip as library

    folder = make_folder("clip", tmp_path / "clip")
    config = json.loads((folder / open_clip.CONFIG).read_text())["model_cfg"]
    monkeypatch.setitem(library.factory._MODEL_CONFIGS, "Tiny-32", config)
    expected = concord.load(folder)
    for suffix in ("safetensors", "pt"):
        path = folder / f"open_clip_model.{suffix}"
        if suffix == "pt":
            weights = concord.models.interop.weights.read_weights(folder / "open_clip_model.safetensors")
            torch.save({"epoch": 3, "state_dict": {f"module.{name}": value for name, value in weights.items()}}, path)
        found = concord.load(f"open_clip:Tiny-32/{path}")
        assert torch.equal(found.embed_texts(TEXTS).vectors, expected.embed_texts(TEXTS).vectors)
        assert torch.equal(found.embed_images(pictures()).vectors, expected.embed_images(pictures()).vectors)


def test_a_tag_brings_its_weights_view_and_activation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import open_clip as library

    folder = make_folder("clip", tmp_path / "clip")
    config = json.loads((folder / open_clip.CONFIG).read_text())["model_cfg"]
    monkeypatch.setitem(library.factory._MODEL_CONFIGS, "Tiny-32", config)
    tag = {"hf_hub": "none/none", "quick_gelu": True, "mean": (0.5, 0.4, 0.3), "std": (0.5, 0.5, 0.5), "resize_mode": "squash"}
    monkeypatch.setitem(library.pretrained._PRETRAINED, "Tiny-32", {"emoji": tag})
    monkeypatch.setattr(library, "download_pretrained", lambda found: str(folder / "open_clip_model.safetensors") if found == tag else "")
    scorer = concord.load("open_clip:Tiny-32/emoji")
    assert scorer.preprocess.resize == "squash"
    torch.testing.assert_close(scorer.model.image.mean.flatten(), torch.tensor([0.5, 0.4, 0.3]))
    write_config({**config, "quick_gelu": True}, tag, folder)
    assert torch.equal(scorer.embed_texts(TEXTS).vectors, concord.load(folder).embed_texts(TEXTS).vectors)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ViT-B-3", "OpenCLIP has no architecture ViT-B-3; did you mean"),
        ("ViT-B-32", "nothing is neither a file nor a tag of ViT-B-32"),
        ("ViT-B-32/laion2b_s34b", "did you mean laion2b_s34b_b79k"),
    ],
)
def test_unknown_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        concord.load(f"open_clip:{name}")


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("vision_cfg", {"qk_norm": True}, r"vision_cfg\.qk_norm=True: our towers do not have this"),
        ("vision_cfg", {"attentional_pool": "parallel"}, r"vision_cfg\.attentional_pool=parallel"),
        ("vision_cfg", {"timm_model_name": "vitamin_small_224"}, r"timm_pool='avg' with timm_model_name=vitamin_small_224"),
        ("vision_cfg", {"layers": [1, 1, 1, 1]}, r"vision_cfg\.layers=\[1, 1, 1, 1\] with width=64"),
        ("text_cfg", {"hf_model_name": "roberta-base"}, r"text_cfg\.hf_model_name=roberta-base"),
        ("text_cfg", {"no_causal_mask": True}, r"text_cfg\.pool_type=argmax with no_causal_mask=True"),
        ("text_cfg", {"layers": 3}, "are missing"),
        ("text_cfg", {"layers": 1}, "belong nowhere"),
        ("text_cfg", {"width": 64}, "has shape"),
        ("vision_cfg", {"act_kwargs": {"approximate": "erf"}}, r"vision_cfg\.act_kwargs"),
    ],
)
def test_other_models_are_refused_in_one_line(part: str, change: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = make_folder("clip", tmp_path)
    config = json.loads((folder / open_clip.CONFIG).read_text())["model_cfg"]
    config[part] |= change
    write_config(config, {}, folder)
    with pytest.raises(CheckpointError, match=message) as error:
        concord.load(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("open_clip_config.json", b"{", "is not a configuration of OpenCLIP"),
        ("open_clip_config.json", b"[]", "is not a configuration of OpenCLIP"),
        ("open_clip_model.safetensors", None, "holds open_clip_config.json and no weights"),
        ("open_clip_model.safetensors", b"\x10" * 40, "is damaged or holds no weights"),
    ],
)
def test_damaged_folders_are_refused(name: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    folder = make_folder("clip", tmp_path)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        concord.load(folder)


def test_weights_without_a_name_say_how_to_give_one(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "weights.pt")
    with pytest.raises(CheckpointError, match="open_clip:ARCHITECTURE/"):
        concord.load(tmp_path / "weights.pt")


def test_pickled_code_is_never_loaded(tmp_path: Path) -> None:
    witness = tmp_path / "witness"

    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (witness,))

    torch.save({"state_dict": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError, match="holds code, which is never loaded"):
        concord.load(f"open_clip:ViT-B-32/{tmp_path / 'evil.pt'}")
    assert not witness.exists()
