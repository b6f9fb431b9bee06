"""InfoNCE as an objective: what it computes of a model and a batch, and what it refuses."""

from __future__ import annotations

import pytest
import torch

from concord.distributed import Ranks
from concord.errors import IncompatibleError
from concord.models.dual_encoder import DualEncoder
from concord.models.similarity import Cosine, LateInteraction, Lorentz, Similarity
from concord.objectives import InfoNCE, Step, Terms
from concord.types import Batch, TextView, Tokens
from tests.tiny import EMBED_DIM, tiny_batch, tiny_model


def run(objective: InfoNCE, model: DualEncoder, batch: Batch) -> Terms:
    objective.check(model)
    objective.setup(model)
    return objective(Step(model, batch, Ranks()))


def gradients(terms: Terms, model: DualEncoder) -> dict[str, torch.Tensor]:
    model.zero_grad()
    terms.loss.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


@pytest.mark.parametrize("similarity", [Cosine(), Cosine(init_bias=-3.0), LateInteraction(), Lorentz(EMBED_DIM)])
@pytest.mark.parametrize(("smoothing", "image_to_text_weight"), [(0.0, 0.5), (0.1, 0.75)])
def test_value_and_gradient_match_the_definition(similarity: Similarity, smoothing: float, image_to_text_weight: float) -> None:
    model, batch = tiny_model(similarity).double(), tiny_batch(6)
    terms = run(InfoNCE(label_smoothing=smoothing, image_to_text_weight=image_to_text_weight), model, batch)
    ours = gradients(terms, model)
    images, texts = model.embed_image(model.image(batch.images["image"])), model.embed_text(model.text(batch.texts["caption"]))
    target = (1 - smoothing) * torch.eye(6, dtype=torch.float64) + smoothing / 6
    scale = model.similarity.logit_scale.exp()
    image_rows = (scale * similarity.image_to_text(images, texts)).log_softmax(dim=1)
    text_rows = (scale * similarity.text_to_image(texts, images)).log_softmax(dim=1)
    oracle = -(target * (image_to_text_weight * image_rows + (1 - image_to_text_weight) * text_rows)).sum() / 6
    theirs = gradients(Terms(oracle), model)
    torch.testing.assert_close(terms.loss, oracle, rtol=1e-12, atol=0)
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("tile", [1, 4, 100])
def test_tiles_change_nothing(tile: int) -> None:
    model, batch = tiny_model(Cosine()).double(), tiny_batch(6)
    plain, tiled = (run(InfoNCE(label_smoothing=0.1, image_to_text_weight=0.75, tile=t), model, batch) for t in (None, tile))
    torch.testing.assert_close(tiled.loss, plain.loss, rtol=1e-12, atol=0)
    assert {name: float(value) for name, value in tiled.logs.items()} == {name: float(value) for name, value in plain.logs.items()}
    expected = gradients(plain, model)
    torch.testing.assert_close(gradients(tiled, model), expected, rtol=1e-9, atol=1e-12)


def test_order_of_pairs_does_not_matter() -> None:
    model, batch = tiny_model(Cosine()).double(), tiny_batch(5)
    order = torch.tensor([3, 0, 4, 1, 2])
    caption = batch.texts["caption"]
    shuffled = Batch(batch.keys, {"image": batch.images["image"][order]}, {"caption": Tokens(caption.ids[order], caption.mask[order])})
    torch.testing.assert_close(run(InfoNCE(), model, shuffled).loss, run(InfoNCE(), model, batch).loss)


def test_reads_the_view_that_it_names() -> None:
    model, batch = tiny_model(Cosine()), tiny_batch(5)
    sentences = InfoNCE(text_view="sentence")
    assert sentences.text_views == {"sentence": TextView("sentence")}
    assert InfoNCE().text_views == {"caption": TextView("caption")}
    as_captions = Batch(batch.keys, batch.images, {"caption": batch.texts["sentence"]})
    assert run(sentences, model, batch).loss == run(InfoNCE(), model, as_captions).loss


def test_logs_the_accuracies() -> None:
    model = tiny_model(Cosine())
    logs = run(InfoNCE(), model, tiny_batch(5)).logs
    assert set(logs) == {"image_to_text_accuracy", "text_to_image_accuracy"}
    assert all(0 <= value <= 1 and not value.requires_grad for value in logs.values())


@pytest.mark.parametrize("tile", [None, 2])
def test_mixed_precision_at_scale_100(tile: int | None) -> None:
    model, batch = tiny_model(Cosine(init_scale=100.0)), tiny_batch(6)
    exact = run(InfoNCE(tile=tile), model, batch).loss
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = run(InfoNCE(tile=tile), model, batch)
    assert terms.loss.dtype == torch.float32
    assert terms.loss.item() == pytest.approx(exact.item(), rel=0.05)
    assert all(gradient.isfinite().all() for gradient in gradients(terms, model).values())


@pytest.mark.parametrize("similarity", [LateInteraction(), Lorentz(EMBED_DIM)])
def test_refuses_tiles_without_an_inner_product(similarity: Similarity) -> None:
    with pytest.raises(IncompatibleError, match=rf"tile=64 needs .* which {type(similarity).__name__} is not; set tile=null"):
        InfoNCE(tile=64).check(tiny_model(similarity))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label_smoothing": 1.0}, r"label_smoothing must lie in \[0, 1\), got 1.0"),
        ({"image_to_text_weight": 1.5}, r"image_to_text_weight must lie in \[0, 1\], got 1.5"),
        ({"text_view": "title"}, "text_view must be 'caption' or 'sentence', got 'title'"),
        ({"tile": 0}, "tile must be at least 1 or null, got 0"),
        ({"weight": -1.0}, "weight must be at least 0, got -1.0"),
    ],
)
def test_refuses_bad_settings(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InfoNCE(**arguments)
