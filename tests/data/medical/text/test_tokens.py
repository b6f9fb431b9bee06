"""Captions are cut by tokens, never by characters, and framed by the tokens that the vocabulary names."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer as Engine
from tokenizers import models, normalizers, pre_tokenizers, processors

from concord.data.medical import Exam
from concord.data.medical.text import Figures
from concord.tokenizers import HFTokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""In PubMedBERT's order: CLS and SEP are 2 and 3, where BERT has 101 and 102."""

WORDS = ("axial", "computed", "tomography", "of", "the", "abdomen", "with", "hepatosplenomegaly", "and", "lymphadenopathy")
LONG = "Axial computed tomography of the abdomen with hepatosplenomegaly and lymphadenopathy"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A WordPiece vocabulary in a folder, as a text tower is given by."""
    from transformers import PreTrainedTokenizerFast

    engine = Engine(models.WordPiece({name: place for place, name in enumerate((*SPECIAL, *WORDS))}, unk_token="[UNK]"))
    engine.normalizer, engine.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    engine.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    PreTrainedTokenizerFast(tokenizer_object=engine, **names).save_pretrained(tmp_path)
    return tmp_path


def test_a_caption_of_more_characters_than_the_context_keeps_all_its_words(folder: Path) -> None:
    tokenizer = HFTokenizer(str(folder), context_length=16)
    [caption] = Figures()(Exam("ROCO_90001.jpg", "PMC9000001"), {"caption": f" {LONG}"}, [])
    tokens = tokenizer([caption])
    assert len(caption) > 77 > tokenizer.context_length > tokenizer.lengths([caption])[0] == len(WORDS) + 2
    assert tokens.ids[0, : len(WORDS) + 2].tolist() == [2, *range(5, 15), 3]
    assert tokenizer.truncated_share == 0


def test_what_is_cut_is_counted_in_tokens_and_keeps_its_end(folder: Path) -> None:
    tokenizer = HFTokenizer(str(folder), context_length=8)
    tokens = tokenizer([LONG, "the abdomen"])
    assert tokens.ids[0].tolist() == [2, 5, 6, 7, 8, 9, 10, 3]
    assert tokens.ids[1].tolist() == [2, 9, 10, 3, 0, 0, 0, 0]
    assert tokenizer.truncated_share == 0.5
    assert (tokenizer.start_id, tokenizer.end_id) == (2, 3)
