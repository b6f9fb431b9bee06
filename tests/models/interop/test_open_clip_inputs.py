"""Pictures and captions as OpenCLIP's own transforms and tokenizers see them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from open_clip.tokenizer import HFTokenizer
from open_clip.transform import PreprocessCfg, image_transform_v2
from tests.models.interop.open_clip_models import TEXTS, pictures, write_config, write_sentence_pieces
from torch import Tensor

from concord.errors import CheckpointError, MissingExtraError
from concord.models.interop import open_clip_tokenizers
from concord.models.interop.open_clip import _make_preprocess
from concord.models.interop.open_clip_tokenizers import CLEANINGS, clip_merges, make_tokenizer, write_tokenizer
from concord.tokenizers import BPETokenizer, CLIPTokenizer, Tokenizer, clean

pytestmark = pytest.mark.filterwarnings("ignore")

# Wild text of assigned characters (libraries differ in the version of Unicode they know), without the names of special tokens,
# which with us never end a caption.
ASSIGNED = st.characters(exclude_categories=["Cs", "Cn", "Co"])
WILD = st.text(ASSIGNED, max_size=60).filter(lambda text: not re.search("_of_text|</s>|<unk>", text.lower()))


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
def test_pixels_are_the_same(mode: str, interpolation: str) -> None:
    theirs = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "resize_mode": mode, "interpolation": interpolation, "fill_color": 7}
    transform = image_transform_v2(PreprocessCfg(size=56, **theirs), is_train=False)
    preprocess = _make_preprocess({"image_size": 56}, theirs)
    for picture in pictures():
        expected: Any = (transform(picture) * 255).round()
        assert torch.equal(preprocess(picture).float(), expected)


@pytest.mark.parametrize(
    ("vision", "preprocess", "message"),
    [
        ({"image_size": [32, 64]}, {}, "only square images"),
        ({}, {"resize_mode": "shorttest"}, "did you mean shortest"),
    ],
)
def test_other_views_are_refused(vision: dict[str, Any], preprocess: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        _make_preprocess(vision, preprocess)


def filled(tokenizer: Tokenizer, texts: list[str]) -> Tensor:
    """The ids with padding up to the context length, as OpenCLIP gives them."""
    tokens = tokenizer(texts)
    return torch.nn.functional.pad(tokens.ids, (0, tokenizer.context_length - tokens.ids.shape[1]), value=tokenizer.pad_id)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Tokenizer, Callable[..., Tensor]]]:
    """By OpenCLIP's name of the cleaning: our tokenizer and theirs, of CLIP and of sentence pieces."""
    folder = tmp_path_factory.mktemp("pieces")
    write_sentence_pieces(folder)
    result: dict[str, tuple[Tokenizer, Callable[..., Tensor]]] = {}
    for way in CLEANINGS:
        options = {"context_length": 16, "tokenizer_kwargs": {"clean": way}}
        result[f"clip {way}"] = make_tokenizer(options, None), open_clip.SimpleTokenizer(context_length=16, clean=way)
        theirs = HFTokenizer(str(folder), context_length=16, clean=way)
        result[f"pieces {way}"] = make_tokenizer({**options, "hf_tokenizer_name": "tiny"}, folder), theirs
    return result


@pytest.mark.parametrize("name", [f"{kind} {way}" for kind in ("clip", "pieces") for way in CLEANINGS])
@settings(max_examples=60, deadline=None)
@given(text=WILD)
def test_ids_are_the_same_on_wild_text(name: str, text: str, pairs: dict[str, tuple[Tokenizer, Callable[..., Tensor]]]) -> None:
    mine, theirs = pairs[name]
    assume("Cn" not in map(unicodedata.category, clean(text, "repair")))  # which a repaired text may have
    assert torch.equal(filled(mine, [text, *TEXTS]), theirs([text, *TEXTS]))


@pytest.mark.parametrize("cleaning", ["clip", "repair", "canonical"])
def test_a_vocabulary_of_our_own_gives_the_same_ids_in_open_clip(cleaning: Any, tmp_path: Path) -> None:
    tokenizer = BPETokenizer(vocab_size=300, context_length=24, cleaning=cleaning).train(TEXTS)
    text = {"context_length": 24, **write_tokenizer(tokenizer, False, tmp_path)}
    write_config({"embed_dim": 8, "vision_cfg": {}, "text_cfg": text}, {}, tmp_path)
    theirs = open_clip.get_tokenizer(f"local-dir:{tmp_path}")
    assert torch.equal(filled(tokenizer, TEXTS), theirs(TEXTS))
    again = make_tokenizer(text, tmp_path)
    assert again.to_dict()["cleaning"] == cleaning
    assert torch.equal(filled(again, TEXTS), filled(tokenizer, TEXTS))


def test_clips_vocabulary_is_recognised_and_needs_no_files(tmp_path: Path) -> None:
    tokenizer = CLIPTokenizer(clip_merges(None))
    assert write_tokenizer(tokenizer, False, tmp_path) == {}
    assert not list(tmp_path.iterdir())


def test_merges_beside_the_weights_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b</w>\n")
    assert clip_merges(tmp_path) == tmp_path / "merges.txt"
    monkeypatch.setattr(open_clip_tokenizers, "find_spec", lambda name: None)
    assert clip_merges(tmp_path) == tmp_path / "merges.txt"
    with pytest.raises(MissingExtraError, match=r"pip install 'concord\[open_clip\]'"):
        clip_merges(None)


@pytest.mark.parametrize(
    "options",
    [{"tokenizer_kwargs": {"strip_sep_token": True}}, {"tokenizer_mode": "clips"}, {"tokenizer_kwargs": {"clean": "other"}}],
)
def test_other_ways_to_make_tokens_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="this way of making tokens is not supported"):
        make_tokenizer({"hf_tokenizer_name": "bert", **options}, None)
