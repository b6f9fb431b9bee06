"""A model on a bench: the same code in training and after it."""

from __future__ import annotations

from concord.benchmarks import Bench, Results
from concord.images import Preprocess
from concord.models import DualEncoder
from concord.models.likelihood import CaptionLikelihood
from concord.models.scorer import Scorer
from concord.tokenizers import Tokenizer


def measure(bench: Bench, model: DualEncoder, preprocess: Preprocess, tokenizer: Tokenizer) -> Results:
    """Run the bench with the model's own similarity, and with its caption likelihood besides where it has a decoder."""
    others = {"likelihood": CaptionLikelihood(model, preprocess, tokenizer)} if model.decoder is not None else {}
    return bench.run(Scorer(model, preprocess, tokenizer), others)
