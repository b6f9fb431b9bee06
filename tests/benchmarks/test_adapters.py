"""Any object with two methods is measured: tensors, arrays and embeddings, cosines, averaged prompts, calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from concord.benchmarks import Bench, Retrieval, ZeroShotClassification, as_scorer
from concord.benchmarks.adapters import CosineScorer, ScaledCosineScorer
from concord.benchmarks.protocol import Calibrated, Grouped
from concord.types import Embeddings, RawImage
from tests.benchmarks.benchmark_fakes import FakeReader, Guessing

COLOURS = ["red", "green", "blue"]
FORMS: list[Callable[[np.ndarray], object]] = [
    lambda array: array,
    torch.from_numpy,
    lambda array: Embeddings(torch.from_numpy(array)),
    lambda array: torch.from_numpy(array).requires_grad_(),
]


class Colours:
    """Embeds a picture and a text by the colour that they show and name; nothing is normalised."""

    def __init__(self, form: Callable[[np.ndarray], object] = FORMS[0]) -> None:
        self.form = form

    def embed_images(self, images: Sequence[RawImage]) -> object:
        numbers = [int(np.asarray(image)[0, 0, 2]) % 3 for image in images]
        return self.form(7.0 * np.eye(3)[numbers])

    def embed_texts(self, texts: Sequence[str]) -> object:
        return self.form(np.array([[0.5 * (colour in text) for colour in COLOURS] for text in texts]) + 0.01)


@pytest.mark.parametrize("form", FORMS)
def test_an_object_with_two_methods_is_measured(form: Callable[[np.ndarray], object]) -> None:
    captions = [[f"a {COLOURS[i % 3]} thing"] for i in range(12)]
    reader = FakeReader(captions, [{"label": i % 3} for i in range(12)], COLOURS)
    bench = Bench({"zero_shot": ZeroShotClassification(reader, ["a {}", "one {}"]), "retrieval": Retrieval(reader)})
    values = bench.run(Colours(form)).values()
    assert values["zero_shot/fake/top1"] == 1.0
    assert values["retrieval/fake/image_to_text/r1"] == 1.0


class Given:
    """Embeds as it is told."""

    def __init__(self, images: np.ndarray, texts: dict[str, np.ndarray]) -> None:
        self.images, self.texts = images, texts

    def embed_images(self, images: Sequence[RawImage]) -> np.ndarray:
        return self.images[: len(images)]

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([self.texts[text] for text in texts])


def test_scores_are_cosines_and_prompts_are_averaged_as_unit_vectors() -> None:
    rng = np.random.default_rng(0)
    images, texts = rng.normal(size=(4, 8)), {name: rng.normal(size=8) * scale for name, scale in (("a", 1), ("b", 100), ("c", 1))}
    scorer = as_scorer(Given(images, texts))
    units = {name: vector / np.linalg.norm(vector) for name, vector in texts.items()}
    queries = images / np.linalg.norm(images, axis=1, keepdims=True)
    kept = scorer.embed_images([np.zeros((2, 2, 3), np.uint8)] * 4)
    expected = queries @ np.stack([units["a"], units["c"]]).T
    np.testing.assert_allclose(scorer.score(kept, ["a", "c"]).numpy(), expected, atol=1e-6)
    mean = (units["a"] + units["b"]) / 2
    expected = queries @ np.stack([mean / np.linalg.norm(mean), units["c"]]).T
    np.testing.assert_allclose(scorer.score_classes(kept, [["a", "b"], ["c"]]).numpy(), expected, atol=1e-6)


def test_the_scale_and_the_bias_are_those_of_the_training() -> None:
    plain, scaled = Colours(), Colours()
    scaled.logit_scale = torch.nn.Parameter(torch.tensor(np.log(100.0)))
    assert not isinstance(as_scorer(plain), Calibrated)
    scorer = as_scorer(scaled)
    assert isinstance(scorer, Calibrated)
    assert not scorer.pairwise
    torch.testing.assert_close(scorer.logits(torch.tensor([0.25])), torch.tensor([25.0]))
    scaled.logit_bias = -10.0
    assert scorer.pairwise
    torch.testing.assert_close(scorer.logits(torch.tensor([0.25])), torch.tensor([15.0]))
    assert isinstance(scorer, ScaledCosineScorer)


def test_a_scorer_stays_what_it_is() -> None:
    scorer = Guessing()
    assert as_scorer(scorer) is scorer
    wrapped = as_scorer(Colours())
    assert isinstance(wrapped, CosineScorer)
    assert isinstance(wrapped, Grouped)
    assert as_scorer(wrapped) is wrapped


def test_what_cannot_be_measured_is_refused_with_the_reason() -> None:
    class HalfDone:
        def embed_images(self, images: Sequence[RawImage]) -> np.ndarray:
            return np.zeros((1, 2))

    with pytest.raises(TypeError, match="HalfDone has no embed_texts"):
        as_scorer(HalfDone())  # type: ignore[arg-type]
    picture = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(ValueError, match=r"embed_images must return one vector for each of 3 inputs, \[3, E\], got \[2, 4\]"):
        as_scorer(Given(np.ones((2, 4)), {})).embed_images([picture] * 3)
    scorer = as_scorer(Given(np.ones((1, 4)), {"a": np.ones(5)}))
    with pytest.raises(ValueError, match="images have 4 numbers each and texts 5"):
        scorer.score([picture], ["a"])


def test_half_a_scorer_is_refused() -> None:
    class Half:
        def embed_images(self, images: Sequence[RawImage]) -> torch.Tensor:
            return torch.ones(len(images), 2)

        embed_texts = embed_images

        def score(self, images: object, texts: object) -> torch.Tensor:
            return torch.ones(1, 1)

    with pytest.raises(TypeError, match="Half has no score_classes"):
        as_scorer(Half())  # type: ignore[arg-type]
