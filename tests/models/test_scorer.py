from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from tests.models.scorer_fakes import (
    EMBED,
    SIZE,
    TEXTS,
    WIDTH,
    Pixels,
    Speaker,
    Words,
    brute_force,
)
from torch import Tensor, nn

from concord.errors import DataError, IncompatibleError
from concord.images import Preprocess
from concord.models import scorer as scorer_module
from concord.models.dual_encoder import DualEncoder
from concord.models.image_tower import ImageTower
from concord.models.likelihood import CaptionLikelihood, DebiasedLikelihood
from concord.models.scorer import Scorer
from concord.models.similarity import Cosine, LateInteraction, Lorentz, Similarity, TextConditioned
from concord.tokenizers import BPETokenizer
from concord.types import Embeddings, Features, Pair, Tokens


@pytest.fixture(scope="module")
def tokenizer() -> BPETokenizer:
    return BPETokenizer(vocab_size=290, context_length=32).train(TEXTS)


def make_model(similarity: Similarity, tokenizer: BPETokenizer, speaks: bool = False) -> DualEncoder:
    torch.manual_seed(0)
    size = tokenizer.vocab_size
    decoder = Speaker(size) if speaks else None
    return DualEncoder(Pixels(), Words(size), similarity, EMBED, decoder=decoder)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (5, 20, 24, 3), dtype=np.uint8))


def features_of(model: DualEncoder, tokenizer: BPETokenizer, images: list, texts: list[str]) -> tuple[Features, Tokens, Features]:
    """Everything in one batch, in evaluation mode."""
    pixels = torch.stack([Preprocess(SIZE)(image) for image in images])
    tokens = tokenizer(texts)
    with torch.no_grad():
        return model.image(pixels), tokens, model.text(tokens)


SIMILARITIES = [
    Cosine,
    LateInteraction,
    lambda: Lorentz(EMBED, init_curvature=0.7),
    lambda: TextConditioned(EMBED, mixtures=3, heads=2, temperature=0.5),
]


@pytest.mark.parametrize("query", ["image", "text"])
@pytest.mark.parametrize("make_similarity", SIMILARITIES)
def test_scores_equal_brute_force(make_similarity: Callable[[], Similarity], query: str, tokenizer, images, monkeypatch) -> None:
    model = make_model(make_similarity(), tokenizer).eval()
    image, _, text = features_of(model, tokenizer, images, TEXTS)
    expected = brute_force(model, image, text, query)
    for budget in (scorer_module.BUDGET, 200, 1):
        monkeypatch.setattr(scorer_module, "BUDGET", budget)
        for batch_size in (256, 2):
            got = Scorer(model, Preprocess(SIZE), tokenizer, batch_size=batch_size).score(images, TEXTS, query)
            torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)


def test_late_interaction_differs_by_query(tokenizer, images) -> None:
    scorer = Scorer(make_model(LateInteraction(), tokenizer), Preprocess(SIZE), tokenizer)
    assert (scorer.score(images, TEXTS) - scorer.score(images, TEXTS, "text")).abs().max() > 1e-3
    with pytest.raises(ValueError, match="'image' or 'text', got 'both'"):
        scorer.score(images, TEXTS, "both")  # type: ignore[arg-type]


@pytest.mark.parametrize("make_similarity", SIMILARITIES)
def test_other_texts_in_the_batch_change_nothing(make_similarity: Callable[[], Similarity], tokenizer, images) -> None:
    scorer = Scorer(make_model(make_similarity(), tokenizer), Preprocess(SIZE), tokenizer)
    together = scorer.score(images, TEXTS)
    alone = torch.cat([scorer.score(images, [text]) for text in TEXTS], dim=1)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("make_similarity", SIMILARITIES)
def test_embeddings_score_as_the_raw_things_do(make_similarity: Callable[[], Similarity], tokenizer, images) -> None:
    scorer = Scorer(make_model(make_similarity(), tokenizer), Preprocess(SIZE), tokenizer, batch_size=2)
    kept_images, kept_texts = scorer.embed_images(images), scorer.embed_texts(TEXTS)
    assert len(kept_images) == len(images)
    assert len(kept_texts) == len(TEXTS)
    expected = scorer.score(images, TEXTS)
    torch.testing.assert_close(scorer.score(kept_images, kept_texts), expected)
    part = scorer.score(kept_images[1:3], kept_texts[torch.tensor([4, 0])])
    torch.testing.assert_close(part, expected[1:3][:, [4, 0]], atol=1e-6, rtol=0)


def test_embeddings_can_be_trained_on(tokenizer, images) -> None:
    vectors = Scorer(make_model(Cosine(), tokenizer), Preprocess(SIZE), tokenizer).embed_images(images).vectors
    probe = nn.Linear(EMBED, 1)
    probe(vectors).sum().backward()
    torch.testing.assert_close(probe.weight.grad[0], vectors.sum(dim=0))


def test_modes_are_restored_and_gradients_off(tokenizer, images) -> None:
    model = make_model(Cosine(), tokenizer).train()
    model.image.eval()  # as a locked tower is kept
    scorer = Scorer(model, Preprocess(SIZE), tokenizer)
    first, second = scorer.score(images, TEXTS), scorer.score(images, TEXTS)
    assert torch.equal(first, second)  # no dropout
    assert not first.requires_grad
    assert model.training
    assert model.text.dropout.training
    assert not model.image.training
    with pytest.raises(DataError):
        scorer.embed_images([b"broken"])
    assert model.training
    assert not model.image.dropout.training


PROMPTS = [["a red box", "one red box"], ["blue"], ["a ball", "two", "one small red ball"]]


def test_prompts_of_cosine_are_averaged_as_unit_vectors(tokenizer, images) -> None:
    scorer = Scorer(make_model(Cosine(), tokenizer), Preprocess(SIZE), tokenizer, batch_size=2)
    kept = scorer.embed_images(images)
    expected = torch.empty(len(images), len(PROMPTS))
    for column, prompts in enumerate(PROMPTS):
        mean = sum(scorer.embed_texts([prompt]).vectors[0] for prompt in prompts) / len(prompts)
        expected[:, column] = kept.vectors @ (mean / mean.norm())
    torch.testing.assert_close(scorer.score_classes(kept, PROMPTS), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("make_similarity", SIMILARITIES[1:])
def test_prompts_of_other_similarities_average_their_scores(make_similarity: Callable[[], Similarity], tokenizer, images) -> None:
    scorer = Scorer(make_model(make_similarity(), tokenizer), Preprocess(SIZE), tokenizer, batch_size=3)
    kept = scorer.embed_images(images)
    expected = torch.stack([scorer.score(kept, prompts).mean(dim=1) for prompts in PROMPTS], dim=1)
    torch.testing.assert_close(scorer.score_classes(kept, PROMPTS), expected, atol=1e-6, rtol=0)


def test_classify_gives_probabilities(tokenizer, images) -> None:
    model = make_model(Cosine(init_scale=20.0), tokenizer)
    scorer = Scorer(model, Preprocess(SIZE), tokenizer)
    names = ["red", "small blue box", "ball"]
    answer = scorer.classify(images[0], names, template="one {}")
    assert set(answer) == set(names)
    assert sum(answer.values()) == pytest.approx(1)
    assert list(answer.values()) == sorted(answer.values(), reverse=True)
    expected = (20 * scorer.score(images[:1], [f"one {name}" for name in names])[0]).softmax(dim=0)
    assert [answer[name] for name in names] == pytest.approx(expected.tolist(), abs=1e-6)


def test_wrong_questions(tokenizer, images) -> None:
    model = make_model(Cosine(), tokenizer)
    scorer = Scorer(model, Preprocess(SIZE), tokenizer)
    with pytest.raises(ValueError, match="each class once"):
        scorer.classify(images[0], ["a", "a"])
    with pytest.raises(ValueError, match="each class once"):
        scorer.classify(images[0], [])
    with pytest.raises(ValueError, match="template must contain"):
        scorer.classify(images[0], ["a"], template="a photo")
    with pytest.raises(ValueError, match="at least one prompt"):
        scorer.score_classes(scorer.embed_images(images), [["a"], []])
    with pytest.raises(ValueError, match="at least one image"):
        scorer.embed_images([])
    with pytest.raises(ValueError, match="at least one text"):
        scorer.embed_texts([])
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        Scorer(model, Preprocess(SIZE), tokenizer, batch_size=0)
    with pytest.raises(IncompatibleError, match="decoder"):
        CaptionLikelihood(model, Preprocess(SIZE), tokenizer)


def log_likelihoods(model: DualEncoder, tokenizer: BPETokenizer, images: list, texts: list[str], per_token: bool) -> Tensor:
    """Token by token in double precision, each text by itself and without padding."""
    model = copy.deepcopy(model).double().eval()
    expected = torch.empty(len(images), len(texts), dtype=torch.float64)
    for j, text in enumerate(texts):
        padded = tokenizer([text])
        tokens = Tokens(padded.ids[padded.mask][None], padded.mask[padded.mask][None])
        for i, picture in enumerate(images):
            with torch.no_grad():
                image = model.image(Preprocess(SIZE)(picture)[None])
                logits = model.caption_logits(image, model.text(tokens), tokens)[0]
            words = tokens.ids[0].tolist()
            terms = [math.log(float(logits[t].softmax(dim=0)[words[t + 1]])) for t in range(len(words) - 1)]
            expected[i, j] = sum(terms) / (len(terms) if per_token else 1)
    return expected


@pytest.mark.parametrize("per_token", [False, True])
def test_likelihood_equals_brute_force(per_token: bool, tokenizer, images, monkeypatch) -> None:
    model = make_model(Cosine(), tokenizer, speaks=True).train()
    expected = log_likelihoods(model, tokenizer, images, TEXTS, per_token)
    for batch_size in (256, 3, 1):
        scorer = CaptionLikelihood(model, Preprocess(SIZE), tokenizer, batch_size=batch_size, per_token=per_token)
        torch.testing.assert_close(scorer.score(images, TEXTS).double(), expected, atol=1e-4, rtol=1e-5)
    monkeypatch.setattr("concord.models.likelihood.BUDGET", 1)
    torch.testing.assert_close(scorer.score(images, TEXTS).double(), expected, atol=1e-4, rtol=1e-5)
    kept_images, kept_texts = scorer.embed_images(images), scorer.embed_texts(TEXTS)
    part = scorer.score(kept_images[2:4], kept_texts[torch.tensor([5, 1])]).double()
    torch.testing.assert_close(part, expected[2:4][:, [5, 1]], atol=1e-4, rtol=1e-5)
    assert model.training


def pairs_of(images: list) -> list[Pair]:
    return [Pair(image, ("",), str(index)) for index, image in enumerate(images)]


@pytest.mark.parametrize("per_token", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_debiased_likelihood_is_the_likelihood_over_the_mean_likelihood(alpha: float, per_token: bool, tokenizer, images) -> None:
    model = make_model(Cosine(), tokenizer, speaks=True)
    whole = log_likelihoods(model, tokenizer, images, TEXTS, per_token=False)
    lengths = torch.tensor(tokenizer.lengths(TEXTS)).clamp(max=32) - 1 if per_token else 1
    bank = log_likelihoods(model, tokenizer, images[3:], TEXTS, per_token=False)
    expected = (whole - alpha * bank.exp().mean(dim=0).log()) / lengths
    for batch_size in (256, 3, 1):
        options = {"batch_size": batch_size, "alpha": alpha, "bank": pairs_of(images[3:]), "bank_size": 9, "per_token": per_token}
        scorer = DebiasedLikelihood(model, Preprocess(SIZE), tokenizer, **options)
        torch.testing.assert_close(scorer.score(images, TEXTS).double(), expected, atol=1e-4, rtol=1e-5)
        kept = scorer.embed_texts(TEXTS)[torch.tensor([5, 1])]
        torch.testing.assert_close(scorer.score(images, kept).double(), expected[:, [5, 1]], atol=1e-4, rtol=1e-5)


def test_a_text_that_any_image_would_say_is_worth_nothing(tokenizer, images) -> None:
    """A decoder that does not look finds every text as likely without the image as with it."""
    model = make_model(Cosine(), tokenizer, speaks=True)
    with torch.no_grad():
        model.decoder.layer.weight[:, WIDTH:] = 0
    plain = CaptionLikelihood(model, Preprocess(SIZE), tokenizer).score(images, TEXTS)
    debiased = DebiasedLikelihood(model, Preprocess(SIZE), tokenizer).score(images, TEXTS)
    assert plain.std(dim=1).min() > 1
    torch.testing.assert_close(debiased, torch.zeros_like(debiased), atol=1e-3, rtol=0)


def test_the_prior_is_a_function_of_its_settings(tokenizer, images) -> None:
    model = make_model(Cosine(), tokenizer, speaks=True)

    def scorer(**options) -> DebiasedLikelihood:
        return DebiasedLikelihood(model, Preprocess(SIZE), tokenizer, **options)

    assert torch.equal(scorer().score(images, TEXTS), scorer().score(images, TEXTS))
    settings = [{}, {"alpha": 0.5}, {"bank_size": 3}, {"seed": 1}, {"per_token": True}, {"bank": pairs_of(images), "bank_size": 2}]
    assert len({scorer(**options).fingerprint() for options in settings}) == len(settings)
    broken = [Pair(b"broken", ("",), "broken"), *pairs_of(images[:1])]
    good = scorer(bank=pairs_of(images[:1])).score(images, TEXTS)
    torch.testing.assert_close(scorer(bank=broken, bank_size=2).score(images, TEXTS), good)
    with pytest.raises(DataError, match="none of its 1 images can be read"):
        scorer(bank=broken[:1])
    with pytest.raises(ValueError, match=r"alpha must be at least 0, got -1"):
        scorer(alpha=-1.0)
    with pytest.raises(ValueError, match="bank_size must be at least 1, got 0"):
        scorer(bank_size=0)


def test_tells_texts_that_are_cut(tokenizer) -> None:
    scorer = Scorer(make_model(Cosine(), tokenizer), Preprocess(SIZE), tokenizer)
    longest = next(" ".join(["red"] * count) for count in range(1, 99) if tokenizer.lengths([" ".join(["red"] * count)]) == [32])
    assert scorer.truncated(["a red box", longest, f"{longest} red"]) == [False, False, True]


def test_patches_are_projected_tokens(tokenizer) -> None:
    image = ImageTower("vit_tiny_patch16_224", pooling="average", image_size=SIZE, patch_size=4, width=WIDTH, depth=1, heads=2)
    model = DualEncoder(image, Words(tokenizer.vocab_size), Cosine(), EMBED).train()  # type: ignore[arg-type]
    pixels = torch.randint(0, 256, (3, 3, 8, 12), dtype=torch.uint8)
    scorer = Scorer(model, Preprocess(SIZE), tokenizer, batch_size=2)
    patches, grid = scorer.embed_patches(pixels)
    assert grid == (2, 3)
    assert scorer.patch_size == 4
    model.eval()
    with torch.no_grad():
        tokens = model.image_projection(image(pixels).tokens)
    torch.testing.assert_close(patches, tokens / tokens.norm(dim=2, keepdim=True))
    # One of them is the image, where there is one.
    torch.testing.assert_close(scorer.embed_patches(pixels[:, :, :4, :4])[0][:, 0], model.embed_image(image(pixels[:, :, :4, :4])).vectors)


def test_patches_are_refused_where_they_mean_nothing(tokenizer) -> None:
    options = {"image_size": SIZE, "patch_size": 4, "width": WIDTH, "depth": 1, "heads": 2, "pool_heads": 2, "caption_queries": 5}
    image = ImageTower("vit_tiny_patch16_224", pooling="cascade", **options)
    words, pixels = Words(tokenizer.vocab_size), torch.zeros(1, 3, SIZE, SIZE, dtype=torch.uint8)
    for similarity, reason in ((Cosine(), "5 tokens for 4 x 4 patches"), (Lorentz(EMBED), "Lorentz is no cosine")):
        model = DualEncoder(image, words, similarity, EMBED)  # type: ignore[arg-type]
        with pytest.raises(IncompatibleError, match=reason):
            Scorer(model, Preprocess(SIZE), tokenizer).embed_patches(pixels)


def test_likelihood_of_classes_averages_prompts(tokenizer, images) -> None:
    scorer = CaptionLikelihood(make_model(Cosine(), tokenizer, speaks=True), Preprocess(SIZE), tokenizer)
    kept = scorer.embed_images(images)
    expected = torch.stack([scorer.score(kept, prompts).mean(dim=1) for prompts in PROMPTS], dim=1)
    torch.testing.assert_close(scorer.score_classes(kept, PROMPTS), expected)


def test_tiles_bound_what_late_interaction_compares(tokenizer, images, monkeypatch) -> None:
    """No comparison may hold more token pairs than the budget allows."""
    similarity = LateInteraction()
    scorer = Scorer(make_model(similarity, tokenizer), Preprocess(SIZE), tokenizer)
    sizes = []
    whole = similarity.image_to_text

    def watched(rows: Embeddings, columns: Embeddings) -> Tensor:
        sizes.append(rows.tokens.shape[:2].numel() * columns.tokens.shape[:2].numel())
        return whole(rows, columns)

    monkeypatch.setattr(similarity, "image_to_text", watched)
    monkeypatch.setattr(scorer_module, "BUDGET", 800)
    scorer.score(images, TEXTS)
    assert len(sizes) > 1
    assert max(sizes) <= 800
