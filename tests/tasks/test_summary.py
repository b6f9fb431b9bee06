from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from tests.data.samples import WORDS, Grey

from concord.data import Augmentation, Mixture, Source, WebDataModule
from concord.images import Preprocess
from concord.tasks.assemble import Parts
from concord.tasks.train import summary_lines
from concord.tokenizers import BPETokenizer
from concord.types import ImageView, TextView


def lines(source: Source) -> dict[str, str]:
    tokenizer = BPETokenizer(vocab_size=300, context_length=64).train([" ".join(WORDS)] * 4)
    data = WebDataModule(source, {"plain": Augmentation()}, batch_size=8)
    data.setup_views({"image": ImageView("plain")}, {"caption": TextView("caption")}, tokenizer, Preprocess(image_size=8))
    parts: Any = SimpleNamespace(data=data, tokenizer=tokenizer)
    return summary_lines(cast(Parts, parts), batches=100)


def test_the_summary_says_how_often_each_source_of_a_mixture_is_seen() -> None:
    said = lines(Mixture({"a": Grey(300), "b": Grey(1000)}, {"a": 3, "b": 1}))
    assert said["data"] == "a+b, 1,300 examples"
    assert said["sources"] == "a 300 examples, 75.0% of the pairs, 2 epochs; b 1,000 examples, 25.0% of the pairs, 0.2 epochs"
    assert said["batch"].startswith("8 pairs, 0.0 MiB")


def test_the_summary_of_one_source_has_its_batches_per_epoch() -> None:
    said = lines(Grey(300))
    assert "sources" not in said
    assert said["batch"].startswith("8 pairs, 37.5 batches per epoch, ")
