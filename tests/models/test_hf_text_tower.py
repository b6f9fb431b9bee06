"""Hugging Face encoders as text towers, built from local folders with fresh weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from concord.errors import ConfigError, MissingExtraError
from concord.models import HFTextTower
from concord.types import Tokens

transformers = pytest.importorskip("transformers")
SIZES: dict[str, Any] = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small encoders of several kinds, saved with their weights."""
    root = tmp_path_factory.mktemp("encoders")
    torch.manual_seed(0)
    special: dict[str, Any] = {"bos_token_id": 1, "eos_token_id": 39, "pad_token_id": 0}
    bert = transformers.BertConfig(**SIZES, max_position_embeddings=24)
    roberta = transformers.RobertaConfig(**SIZES, max_position_embeddings=24, pad_token_id=1)
    clip = transformers.CLIPTextConfig(**SIZES, **special, max_position_embeddings=24)
    t5 = transformers.T5Config(vocab_size=40, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, n_positions=24)
    transformers.BertModel(bert).save_pretrained(root / "bert")
    transformers.RobertaModel(roberta).save_pretrained(root / "roberta")
    transformers.CLIPTextModel(clip).save_pretrained(root / "clip")
    transformers.T5Model(t5).save_pretrained(root / "t5")
    return root


def captions(lengths: list[int]) -> Tokens:
    longest = max(lengths)
    ids = torch.randint(2, 38, (len(lengths), longest), generator=torch.Generator().manual_seed(0))
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    ids[torch.arange(len(lengths)), mask.sum(dim=1) - 1] = 39
    return Tokens(ids * mask, mask)


@pytest.mark.parametrize("name", ["bert", "roberta", "clip", "t5"])
@pytest.mark.parametrize("pooling", ["first", "last", "mean", "max"])
def test_padding_changes_nothing(folders: Path, name: str, pooling: Any) -> None:
    tower = HFTextTower(str(folders / name), pooling=pooling).eval()
    tokens = captions([4, 9])
    padded = Tokens(F.pad(tokens.ids, (0, 7)), F.pad(tokens.mask, (0, 7)))
    features, full = tower(tokens), tower(padded)
    assert features.pooled.shape == (2, tower.width) == (2, 16)
    assert torch.allclose(features.pooled, full.pooled, atol=1e-5)
    assert torch.allclose(features.tokens, full.tokens[:, :9], atol=1e-5)
    assert not full.tokens[:, 9:].any()


def test_poolings_are_what_they_say(folders: Path) -> None:
    tokens = captions([4, 9])
    hidden = transformers.BertModel.from_pretrained(folders / "bert").eval()(tokens.ids, tokens.mask.long()).last_hidden_state
    expected = {
        "first": hidden[:, 0],
        "last": torch.stack([hidden[0, 3], hidden[1, 8]]),
        "mean": torch.stack([hidden[0, :4].mean(dim=0), hidden[1].mean(dim=0)]),
        "max": torch.stack([hidden[0, :4].amax(dim=0), hidden[1].amax(dim=0)]),
    }
    for pooling, vectors in expected.items():
        tower = HFTextTower(str(folders / "bert"), pooling=pooling).eval()  # type: ignore[arg-type]
        assert torch.allclose(tower(tokens).pooled, vectors, atol=1e-5), pooling


def test_last_token_of_a_clip_is_its_own_pooling(folders: Path) -> None:
    tokens = captions([4, 9])
    model = transformers.CLIPTextModel.from_pretrained(folders / "clip").eval()
    tower = HFTextTower(str(folders / "clip"), pooling="last").eval()
    assert torch.allclose(tower(tokens).pooled, model(tokens.ids, tokens.mask.long()).pooler_output, atol=1e-5)


@pytest.mark.parametrize(("name", "longest"), [("bert", 24), ("roberta", 22), ("clip", 24), ("t5", 24)])
def test_context_is_what_the_positions_allow(folders: Path, name: str, longest: int) -> None:
    tower = HFTextTower(str(folders / name), pretrained=False)
    assert tower.context_length == longest
    assert tower.vocab_size == 40
    assert tower(captions([longest])).pooled.isfinite().all()
    with pytest.raises(ValueError, match=f"captions have {longest + 1} tokens and the text tower's context_length is {longest}"):
        tower(captions([longest + 1]))
    with pytest.raises(ConfigError, match=r"text\.context_length must lie in"):
        HFTextTower(str(folders / name), pretrained=False, context_length=longest + 1)


def test_weights_are_loaded_only_on_demand(folders: Path) -> None:
    loaded = HFTextTower(str(folders / "bert")).state_dict()
    saved = transformers.BertModel.from_pretrained(folders / "bert").state_dict()
    fresh = HFTextTower(str(folders / "bert"), pretrained=False).state_dict()
    name = "encoder.layer.0.attention.self.query.weight"
    assert torch.equal(loaded[f"encoder.{name}"], saved[name])
    assert not torch.equal(fresh[f"encoder.{name}"], saved[name])


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no encoder that transformers can load"):
        HFTextTower(str(tmp_path / "nothing"))


def test_without_transformers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'concord\[hf\]'"):
        HFTextTower("bert-base-uncased")


def test_bad_settings_are_refused(folders: Path) -> None:
    with pytest.raises(ValueError, match="pooling must be one of first, last, mean, max, got 'cls'"):
        HFTextTower(str(folders / "bert"), pooling="cls")  # type: ignore[arg-type]
