from __future__ import annotations

import json
import pickle
import random
import unicodedata
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Engine
from tokenizers import models, pre_tokenizers, processors

from concord.errors import ConfigError, DataError
from concord.tokenizers import BPETokenizer, CLIPTokenizer, HFTokenizer, Tokenizer, clean
from concord.tokenizers.cleaning import _repair

CAPTIONS = [
    f"a {size} {colour} {shape} left of it's {other}"
    for size in ("small", "large")
    for colour in ("red", "green", "blue")
    for shape in ("circle", "square")
    for other in ("box", "ball")
]
# Code points that the two Unicode tables in use (Python's and the tokenizer's) may not agree on are left out.
# So are the names of special tokens, which concord reads as ordinary text (tested below).
ASSIGNED = st.text(st.characters(exclude_categories=("Cs", "Cn", "Co")), max_size=40).filter(lambda text: "_of_text>" not in text.lower())
WILD = st.text(max_size=60)  # lone surrogates included


@pytest.fixture(scope="module")
def bpe() -> BPETokenizer:
    return BPETokenizer(vocab_size=400, context_length=32).train(CAPTIONS)


@pytest.fixture(scope="module")
def clip_path() -> Path:
    module = pytest.importorskip("open_clip.tokenizer")
    return Path(module.default_bpe())


@pytest.fixture(scope="module")
def clip(clip_path: Path) -> CLIPTokenizer:
    return CLIPTokenizer(clip_path)


@pytest.fixture(scope="module")
def reference(clip_path: Path):
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer(str(clip_path))


def hf_folder(folder: Path, frame: bool, pad: bool = True, end: bool = True) -> Path:
    """A word-level Hugging Face tokenizer as a folder on disk."""
    from transformers import PreTrainedTokenizerFast

    names = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "a", "red", "circle"]
    engine = Engine(models.WordLevel({name: index for index, name in enumerate(names)}, unk_token="[UNK]"))
    engine.pre_tokenizer = pre_tokenizers.Whitespace()
    if frame:
        engine.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    names_of = {"unk_token": "[UNK]", "bos_token": "[CLS]"}
    if pad:
        names_of["pad_token"] = "[PAD]"
    if end:
        names_of["eos_token"] = "[SEP]"
    PreTrainedTokenizerFast(tokenizer_object=engine, **names_of).save_pretrained(folder)
    return folder


@given(WILD)
def test_clip_cleaning_shortcut_equals_the_long_way(text: str) -> None:
    import html

    import ftfy

    text = clean(text, "none")
    long_way = clean(html.unescape(html.unescape(ftfy.fix_text(text))), "none")
    assert _repair(text) == " ".join(long_way.split())


def test_cleaning_choices() -> None:
    text = "  A &amp;lt; B\tâ€œquotedâ€\x9d "
    assert clean(text, "none") == text
    assert clean(text, "lower") == text.lower()
    assert clean(text, "clip") == 'a < b "quoted"'
    assert clean(text, "repair") == 'A < B "quoted"'
    assert clean("It's  __init__, &amp; done.", "canonical") == "its init done"
    assert clean("a \ud83d b", "none") == "a � b"
    with pytest.raises(TypeError, match="NoneType"):
        clean(None, "none")  # type: ignore[arg-type]


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(ASSIGNED, min_size=1, max_size=4))
def test_clip_ids_equal_open_clip(clip: CLIPTokenizer, reference, texts: list[str]) -> None:
    tokens = clip(texts)
    expected = reference(texts)
    length = tokens.ids.shape[1]
    assert torch.equal(tokens.ids, expected[:, :length])
    assert (expected[:, length:] == 0).all()
    assert torch.equal(tokens.end, expected.argmax(dim=1))


def test_clip_ids_equal_open_clip_on_every_script(clip: CLIPTokenizer, reference) -> None:
    letters = [chr(code) for code in range(0x3000) if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")]
    draw = random.Random(0)
    texts = ["".join(draw.choices(letters, k=12)) for _ in range(1000)] + [f"it'{letter} 1{letter}!{letter}'s" for letter in letters]
    ours = clip._encode(texts)
    for text, encoding in zip(texts, ours, strict=True):
        assert encoding.ids == reference.encode(text), ascii(text)


def test_clip_sizes(clip: CLIPTokenizer) -> None:
    assert (clip.vocab_size, clip.start_id, clip.end_id, clip.pad_id) == (49408, 49406, 49407, 0)
    long = clip(["word " * 100])
    assert long.ids.shape == (1, 77)
    assert long.ids[0, -1] == clip.end_id
    assert clip(["a photo of a cat!"]).ids.shape == (1, 8)
    assert clip.decode(clip(["A photo of a cat!"]).ids[0]) == "a photo of a cat !"


def test_names_of_special_tokens_are_plain_text(clip: CLIPTokenizer, bpe: BPETokenizer) -> None:
    for tokenizer, text in ((clip, "one <end_of_text> two"), (bpe, "one <end_of_text><pad> two")):
        ids = tokenizer([text]).ids[0].tolist()
        assert ids.count(tokenizer.end_id) == 1
        assert "two" in tokenizer.decode(ids)


def test_clip_reads_text_and_gzip_alike(clip: CLIPTokenizer, clip_path: Path, tmp_path: Path) -> None:
    import gzip

    plain = tmp_path / "bpe.txt"
    plain.write_bytes(gzip.decompress(clip_path.read_bytes()))
    assert CLIPTokenizer(plain).to_dict() == clip.to_dict()


def test_clip_file_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing\.txt"):
        CLIPTokenizer(tmp_path / "missing.txt")
    (tmp_path / "broken.txt.gz").write_bytes(b"not gzip")
    with pytest.raises(DataError, match="broken"):
        CLIPTokenizer(tmp_path / "broken.txt.gz")
    (tmp_path / "other.txt").write_text("header\nthree words here\n")
    with pytest.raises(DataError, match="two symbols"):
        CLIPTokenizer(tmp_path / "other.txt")


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(WILD, min_size=1, max_size=5))
def test_bpe_on_wild_text(bpe: BPETokenizer, texts: list[str]) -> None:
    tokens = bpe(texts)
    longest = int(tokens.mask.sum(dim=1).max())
    assert tokens.ids.shape == tokens.mask.shape == (len(texts), min(-(-longest // 8) * 8, bpe.context_length))
    assert (tokens.ids[~tokens.mask] == bpe.pad_id).all()
    assert (tokens.ids[:, 0] == bpe.start_id).all()
    assert (tokens.ids.gather(1, tokens.end[:, None]) == bpe.end_id).all()
    assert bool((tokens.mask[:, 1:] <= tokens.mask[:, :-1]).all())
    for index, text in enumerate(texts):
        if len(clean(text, "lower").encode()) < bpe.context_length - 3:
            assert bpe.decode(tokens.ids[index]) == clean(text, "lower").strip()


def test_batch_composition_does_not_change_a_caption(bpe: BPETokenizer) -> None:
    together = bpe(["a red box", "a large green square left of something much longer"])
    alone = bpe(["a red box"])
    assert torch.equal(together.ids[0][together.mask[0]], alone.ids[0][alone.mask[0]])


def test_truncation_is_counted_and_keeps_the_end() -> None:
    tokenizer = BPETokenizer(vocab_size=300, context_length=10).train(CAPTIONS)
    tokens = tokenizer(["q", "qwertyuiopasdfgh", "x" * 1000])
    assert tokens.ids.shape == (3, 10)
    assert tokens.ids[1:, -1].tolist() == [tokenizer.end_id] * 2
    assert (tokenizer.seen, tokenizer.truncated) == (3, 2)
    assert tokenizer.truncated_share == pytest.approx(2 / 3)


def test_bpe_learns_words_and_ignores_the_order_of_captions() -> None:
    tokenizer = BPETokenizer(vocab_size=400).train(CAPTIONS)
    shuffled = random.Random(0).sample(CAPTIONS, len(CAPTIONS))
    assert BPETokenizer(vocab_size=400).train(iter(shuffled)).to_dict() == tokenizer.to_dict()
    assert int(tokenizer(["a large red circle"]).mask.sum()) == 6
    assert 259 < tokenizer.vocab_size <= 400


def test_bpe_must_be_trained() -> None:
    tokenizer = BPETokenizer()
    assert tokenizer.needs_training
    with pytest.raises(RuntimeError, match="train"):
        tokenizer(["a"])
    with pytest.raises(ValueError, match="at least one caption"):
        tokenizer.train([])
    assert tokenizer.needs_training
    assert not tokenizer.train(CAPTIONS).needs_training


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vocab_size": 258}, "vocab_size must be at least 259, got 258"),
        ({"context_length": 2}, "context_length must be above 2, got 2"),
        ({"cleaning": "upper"}, "cleaning must be one of none, lower, clip"),
        ({"min_frequency": 0}, "min_frequency must be at least 1, got 0"),
    ],
)
def test_wrong_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BPETokenizer(**arguments)


def test_one_string_is_refused_and_none_is_empty(bpe: BPETokenizer) -> None:
    with pytest.raises(TypeError, match="list"):
        bpe("a caption")
    assert bpe([]).ids.shape[0] == 0


def test_round_trips(bpe: BPETokenizer, clip: CLIPTokenizer, tmp_path: Path) -> None:
    texts = ["A  red &amp; blue circle", "Übergröße 東京 🙂", ""]
    for tokenizer in (bpe, clip):
        tokenizer.save(tmp_path / "tokenizer.json")
        through_json = Tokenizer.from_dict(json.loads(json.dumps(tokenizer.to_dict())))
        for copy in (through_json, Tokenizer.load(tmp_path / "tokenizer.json"), pickle.loads(pickle.dumps(tokenizer))):
            expected, got = tokenizer(texts), copy(texts)
            assert torch.equal(got.ids, expected.ids)
            assert torch.equal(got.mask, expected.mask)
            assert copy.to_dict() == tokenizer.to_dict()
            assert copy.decode(got.ids[1]) == tokenizer.decode(expected.ids[1])


@pytest.mark.parametrize("change", [{"engine": {"model": "evil"}}, {"suffix": []}, {"pad_id": -1}, {"cleaning": "x"}, {"suffix": [10**9]}])
def test_damaged_descriptions_are_refused(bpe: BPETokenizer, change: dict) -> None:
    with pytest.raises(ValueError, match=r"."):
        Tokenizer.from_dict({**bpe.to_dict(), **change})


def test_hf_keeps_the_frame_of_its_model(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    tokenizer = HFTokenizer(str(hf_folder(tmp_path, frame=True)), context_length=5)
    tokens = tokenizer(["a red circle", "circle", "a a a a a a", "green"])
    assert tokens.ids.tolist() == [[1, 4, 5, 6, 2], [1, 6, 2, 0, 0], [1, 4, 4, 4, 2], [1, 3, 2, 0, 0]]
    assert (tokenizer.start_id, tokenizer.end_id, tokenizer.pad_id, tokenizer.vocab_size) == (1, 2, 0, 7)
    assert tokenizer.decode(tokens.ids[1]) == "circle"
    assert tokenizer(["a [SEP] red"]).ids[0].tolist().count(2) == 1
    copy = Tokenizer.from_dict(json.loads(json.dumps(tokenizer.to_dict())))
    assert torch.equal(copy(["a red circle"]).ids, tokenizer(["a red circle"]).ids)


def test_hf_without_frame_gets_one(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    tokenizer = HFTokenizer(str(hf_folder(tmp_path, frame=False, pad=False)))
    assert tokenizer(["a red", "a"]).ids.tolist() == [[1, 4, 5, 2, 2, 2, 2, 2], [1, 4, 2, 2, 2, 2, 2, 2]]
    assert tokenizer(["a red", "a"]).mask.sum(dim=1).tolist() == [4, 3]


def test_hf_errors(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(ConfigError, match="nowhere"):
        HFTokenizer(str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="no end-of-sequence token"):
        HFTokenizer(str(hf_folder(tmp_path, frame=False, end=False)))


def test_lengths_are_counted_before_anything_is_cut(bpe: BPETokenizer, tmp_path: Path) -> None:
    texts = ["a small red circle", "", "a red circle " * 50]
    for tokenizer in (bpe, HFTokenizer(str(hf_folder(tmp_path, frame=True)), context_length=8)):
        lengths = tokenizer.lengths(texts)
        kept = tokenizer(texts).mask.sum(dim=1).tolist()
        assert kept == [min(length, tokenizer.context_length) for length in lengths]
        assert lengths[2] >= 150 + 2


def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"cannot load tokenizer pubmedbert/: no such folder"):
        HFTokenizer("pubmedbert/")
