from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import concord
from concord.errors import CheckpointError
from concord.images import Preprocess
from concord.models import checkpoint, image_tower
from concord.models.checkpoint import build_model, describe, export, load
from concord.models.dual_encoder import DualEncoder
from concord.models.scorer import Scorer
from concord.tokenizers import BPETokenizer

TEXTS = ["a red box", "two", "a green ball left of a small blue box"]
SIZE = 16


@pytest.fixture(scope="module")
def tokenizer() -> BPETokenizer:
    return BPETokenizer(vocab_size=280, context_length=16).train(TEXTS)


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (3, 20, 24, 3), dtype=np.uint8))


def make_spec(vocab_size: int, kind: str = "cosine") -> dict[str, Any]:
    image = {
        "_target_": "concord.models.ImageTower",
        "name": "vit_tiny_patch16_224",
        "image_size": SIZE,
        "patch_size": 8,
        "width": 16,
        "depth": 1,
        "heads": 2,
    }
    text = {
        "_target_": "concord.models.TextTower",
        "vocab_size": vocab_size,
        "context_length": 16,
        "width": 16,
        "depth": 1,
        "heads": 2,
    }
    similarity: dict[str, Any] = {"_target_": "concord.models.Cosine", "init_scale": 10.0, "init_bias": -2.0}
    spec = {"_target_": "concord.models.DualEncoder", "image": image, "text": text, "similarity": similarity, "embed_dim": 8}
    if kind == "lorentz":
        spec["similarity"] = {"_target_": "concord.models.Lorentz", "embed_dim": 8, "init_curvature": 0.5}
    if kind == "late_interaction":
        spec["similarity"] = {"_target_": "concord.models.LateInteraction"}
    if kind == "text_conditioned":
        spec["similarity"] = {"_target_": "concord.models.TextConditioned", "embed_dim": 8, "mixtures": 3, "heads": 2}
    if kind == "view_embedding":
        spec["view_embedding"] = True
    if kind == "coca":
        image.update(pooling="cascade", pool_heads=2, caption_queries=4)
        text["pooling"] = "class"
        decoder = {"vocab_size": vocab_size, "width": 16, "image_width": 16, "depth": 1, "heads": 2}
        spec["decoder"] = {"_target_": "concord.models.CaptionDecoder", **decoder}
    return spec


def training_state(spec: dict[str, Any], tokenizer: BPETokenizer) -> dict[str, Any]:
    """What a training run saves: the weights among other modules', the optimizer's state, the description."""
    torch.manual_seed(1)
    model = build_model(spec)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    weights = {f"model.{name}": value for name, value in model.state_dict().items()}
    return {
        "state_dict": {**weights, "objectives.simclr.head.weight": torch.ones(3)},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(5)}}}],
        "global_step": 7,
        "concord": describe(spec, tokenizer, Preprocess(SIZE, "pad", background=(9, 8, 7))),
    }


@pytest.fixture
def state(tokenizer: BPETokenizer) -> dict[str, Any]:
    return training_state(make_spec(tokenizer.vocab_size), tokenizer)


@pytest.fixture
def saved(state: dict[str, Any], tmp_path: Path) -> Path:
    torch.save(state, tmp_path / "run.ckpt")
    return tmp_path / "run.ckpt"


def assert_one_line(caught: pytest.ExceptionInfo[CheckpointError]) -> None:
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["cosine", "late_interaction", "lorentz", "text_conditioned", "coca", "view_embedding"])
def test_checkpoint_and_export_give_the_same_model_to_the_bit(kind: str, tokenizer, images, tmp_path: Path) -> None:
    spec = make_spec(tokenizer.vocab_size, kind)
    state = training_state(spec, tokenizer)
    torch.save(state, tmp_path / "run.ckpt")
    original = build_model(spec)
    original.load_state_dict({name.removeprefix("model."): value for name, value in state["state_dict"].items() if name[:6] == "model."})
    expected = Scorer(original, Preprocess(SIZE, "pad", background=(9, 8, 7)), tokenizer).score(images, TEXTS)

    loaded = load(tmp_path / "run.ckpt")
    again = load(export(tmp_path / "run.ckpt", tmp_path / "export"))
    third = load(export(tmp_path / "export", tmp_path / "second"))
    assert sorted(path.name for path in (tmp_path / "export").iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]
    for scorer in (loaded, again, third):
        assert not scorer.model.training
        assert scorer.preprocess == Preprocess(SIZE, "pad", background=(9, 8, 7))
        assert scorer.tokenizer.to_dict() == tokenizer.to_dict()
        found = scorer.model.state_dict()
        assert found.keys() == original.state_dict().keys()
        assert all(torch.equal(found[name], value) for name, value in original.state_dict().items())
        assert torch.equal(scorer.score(images, TEXTS), expected)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        assert (tmp_path / "export" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_public_load_classifies(saved: Path, images) -> None:
    answer = concord.load(saved, batch_size=2).classify(images[0], ["red box", "green ball"], template="a {}")
    assert sum(answer.values()) == pytest.approx(1)
    assert set(answer) == {"red box", "green ball"}


def test_importing_concord_is_light() -> None:
    code = "import sys, concord; print(concord.__version__, 'torch' in sys.modules, hasattr(concord, 'nothing'))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert output[1:] == ["False", "False"]
    assert output[0].count(".") == 2


def test_run_folder_gives_its_best_checkpoint_else_its_last(state: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    state["state_dict"]["model.similarity.logit_scale"] = torch.tensor(1.0)
    torch.save(state, folder / "last.ckpt")
    assert load(tmp_path).model.similarity.logit_scale.item() == 1.0
    state["state_dict"]["model.similarity.logit_scale"] = torch.tensor(2.0)
    torch.save(state, folder / "best.ckpt")
    assert load(str(tmp_path)).model.similarity.logit_scale.item() == 2.0


def test_nothing_is_fetched(state: dict[str, Any], tmp_path: Path, monkeypatch) -> None:
    asked = []
    create = image_tower.timm.create_model

    def watched(*args: Any, **kwargs: Any) -> Any:
        asked.append(kwargs["pretrained"])
        return create(*args, **{**kwargs, "pretrained": False})

    monkeypatch.setattr(image_tower.timm, "create_model", watched)
    state["concord"]["model"]["image"]["pretrained"] = True
    torch.save(state, tmp_path / "run.ckpt")
    load(tmp_path / "run.ckpt")
    assert asked == [False]


def test_weights_of_a_hugging_face_encoder_are_not_asked_for(tokenizer, images, tmp_path: Path) -> None:
    """The folder holds no weights, so that loading any would fail; the description leaves `pretrained` at its default."""
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    transformers.BertConfig(vocab_size=tokenizer.vocab_size, max_position_embeddings=16, **sizes).save_pretrained(tmp_path / "bert")
    spec = make_spec(tokenizer.vocab_size)
    spec["text"] = {"_target_": "concord.models.HFTextTower", "name": str(tmp_path / "bert")}
    torch.save(training_state(spec, tokenizer), tmp_path / "run.ckpt")
    first, second = load(tmp_path / "run.ckpt"), load(export(tmp_path / "run.ckpt", tmp_path / "export"))
    assert torch.equal(first.score(images, TEXTS), second.score(images, TEXTS))


class Attack:
    """Pickles as a call that leaves a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("place", ["alone", "state_dict", "concord", "extra"])
def test_code_in_a_checkpoint_is_not_run(place: str, state: dict[str, Any], tmp_path: Path) -> None:
    attack = Attack(tmp_path / "trace")
    if place == "extra":
        state["callbacks"] = attack
    elif place != "alone":
        state[place]["model.x"] = attack
    torch.save(attack if place == "alone" else state, tmp_path / "run.ckpt")
    with pytest.raises(CheckpointError, match="holds code, which is never loaded") as caught:
        load(tmp_path / "run.ckpt")
    assert_one_line(caught)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    "target",
    [
        "os.mkdir",
        "torch.hub.load",
        "torch.nn.Linear",
        "concord.config.build",
        "concord.models.checkpoint.load",
        "concord.models.image_tower.timm.create_model",
        "concord.models.similarity.nn.Linear",
        "concord.models.dual_encoder.Embeddings",
        "concord.models.similarity.math",
        "concord.models.Nothing",
        "concord.models.",
        "concord.models...os.mkdir",
        7,
    ],
)
@pytest.mark.parametrize("place", ["model", "similarity"])
def test_only_classes_of_concord_models_are_built(target: Any, place: str, state: dict[str, Any], tmp_path: Path) -> None:
    node = {"_target_": target, "path": str(tmp_path / "trace")}
    if place == "model":
        state["concord"]["model"] = node
    else:
        state["concord"]["model"]["similarity"] = node
    torch.save(state, tmp_path / "run.ckpt")
    with pytest.raises(CheckpointError, match=r"not a class of concord\.models") as caught:
        load(tmp_path / "run.ckpt")
    assert_one_line(caught)
    assert not (tmp_path / "trace").exists()


def test_another_part_is_not_a_model(tokenizer) -> None:
    with pytest.raises(CheckpointError, match="Cosine, not of a DualEncoder"):
        build_model(make_spec(tokenizer.vocab_size)["similarity"])
    with pytest.raises(CheckpointError, match="description"):
        build_model({"image": 1})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entry: entry.update(format=2), "has format 2 and this version of concord reads up to 1; upgrade concord"),
        (lambda entry: entry.update(format="1"), "damaged"),
        (lambda entry: entry.pop("tokenizer"), "must hold format, model, tokenizer and preprocess"),
        (lambda entry: entry.update(extra=1), "must hold format"),
        (lambda entry: entry.update(model=[1]), "must hold format"),
        (lambda entry: entry["model"].update(colour=1), "model.colour: no such key"),
        (lambda entry: entry["model"]["text"].update(heads=3), "heads"),
        (lambda entry: entry["model"]["text"].update(vocab_size="many"), "model.text.vocab_size: expected int"),
        (lambda entry: entry["model"].update(embed_dim=4), "image_projection.weight.* have another shape"),
        (lambda entry: entry["model"]["text"].update(depth=2), "and 9 more are missing"),
        (lambda entry: entry["model"]["similarity"].update(init_bias=None), "similarity.logit_bias belong nowhere"),
        (lambda entry: entry["tokenizer"].pop("engine"), "not a tokenizer"),
        (lambda entry: entry["tokenizer"].update(context_length=17), "makes 17 tokens and the text tower takes 16"),
        (lambda entry: entry["tokenizer"].update(colour=1), "colour"),
        (lambda entry: entry["preprocess"].update(resize="stretch"), "resize must be one of"),
        (lambda entry: entry["preprocess"].update(colour=1), "unknown preprocessing keys: colour"),
    ],
)
def test_descriptions_that_do_not_hold(change, message: str, state: dict[str, Any], tmp_path: Path) -> None:
    state["concord"] = copy.deepcopy(state["concord"])
    change(state["concord"])
    torch.save(state, tmp_path / "run.ckpt")
    with pytest.raises(CheckpointError, match=message) as caught:
        load(tmp_path / "run.ckpt")
    assert_one_line(caught)
    assert str(tmp_path / "run.ckpt") in str(caught.value)


def test_tokenizer_larger_than_the_text_tower(tokenizer, tmp_path: Path) -> None:
    torch.save(training_state(make_spec(tokenizer.vocab_size - 1), tokenizer), tmp_path / "run.ckpt")
    with pytest.raises(CheckpointError, match=f"{tokenizer.vocab_size} ids and the text tower only {tokenizer.vocab_size - 1}"):
        load(tmp_path / "run.ckpt")


def test_weights_that_are_not_tensors(state: dict[str, Any], tmp_path: Path) -> None:
    state["state_dict"]["model.similarity.logit_scale"] = 3.0
    torch.save(state, tmp_path / "run.ckpt")
    with pytest.raises(CheckpointError, match="not all tensors"):
        load(tmp_path / "run.ckpt")


def test_paths_that_hold_no_checkpoint(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.ckpt").write_text("not a checkpoint")
    (tmp_path / "nothing.ckpt").write_bytes(b"")
    (tmp_path / "cut.ckpt").write_bytes(saved.read_bytes()[:2000])
    torch.save({"state_dict": {}, "epoch": 1}, tmp_path / "other.ckpt")
    torch.save([1, 2], tmp_path / "list.ckpt")
    expected = {
        "missing.ckpt": "there is no checkpoint at .*missing.ckpt",
        "empty": "holds no config.json",
        "text.ckpt": "damaged",
        "nothing.ckpt": "damaged",
        "cut.ckpt": "damaged",
        "other.ckpt": "was not written by concord",
        "list.ckpt": "was not written by concord",
    }
    for name, message in expected.items():
        with pytest.raises(CheckpointError, match=message) as caught:
            load(tmp_path / name)
        assert_one_line(caught)
        assert name in str(caught.value)


def test_damaged_exports(saved: Path, tmp_path: Path) -> None:
    def damaged(name: str, content: bytes | None) -> Path:
        folder = export(saved, tmp_path / "damaged")
        (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
        return folder

    config = json.loads((export(saved, tmp_path / "good") / checkpoint.CONFIG).read_text())
    cases = [
        (checkpoint.WEIGHTS, None, "lacks model.safetensors"),
        (checkpoint.TOKENIZER, None, "lacks tokenizer.json"),
        (checkpoint.WEIGHTS, b"\x10" * 40, "is damaged"),
        (checkpoint.WEIGHTS, b"", "is damaged"),
        (checkpoint.CONFIG, b"{", "cannot be read"),
        (checkpoint.CONFIG, b"\xff\xfe", "cannot be read"),
        (checkpoint.CONFIG, b'{"architectures": []}', "was not written by concord"),
        (checkpoint.TOKENIZER, b"[]", "is damaged"),
        (checkpoint.TOKENIZER, b"{}", "not a tokenizer"),
        (checkpoint.CONFIG, json.dumps({**config, "format": 9}).encode(), "upgrade concord"),
    ]
    for name, content, message in cases:
        with pytest.raises(CheckpointError, match=message) as caught:
            load(damaged(name, content))
        assert_one_line(caught)


def test_build_model_starts_with_fresh_weights(tokenizer) -> None:
    spec = make_spec(tokenizer.vocab_size, "coca")
    before = copy.deepcopy(spec)
    torch.manual_seed(0)
    first = build_model(spec)
    second = build_model(spec)
    assert isinstance(first, DualEncoder)
    assert first.decoder is not None
    assert not torch.equal(first.text_projection.weight, second.text_projection.weight)
    assert spec == before
