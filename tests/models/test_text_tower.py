"""The text tower: padding, causality, poolings, initialisation, and OpenCLIP and transformers as references."""

from __future__ import annotations

import math
from typing import Any

import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.models.openclip_weights import copy_text_tower

from concord.models import TextTower, text_tower
from concord.models.transformer import Packing
from concord.types import Features, Tokens

VOCABULARY, CONTEXT = 50, 24
POOLINGS = ["end", "class", "last", "first", "mean"]


def tower(pooling: Any = "end", **options: Any) -> TextTower:
    torch.manual_seed(0)
    made = TextTower(VOCABULARY, CONTEXT, **{"width": 32, "depth": 2, "heads": 4, "pooling": pooling, **options})
    for block in made.blocks:  # larger than CLIP's small start, so that a leak between positions would show
        torch.nn.init.normal_(block.attention.qkv.weight, std=0.5)
    return made.eval()


def captions(lengths: list[int], padded_to: int | None = None, padding_id: int = 0, seed: int = 0) -> Tokens:
    """Random captions; those of the same seed and lengths differ in padding only."""
    generator = torch.Generator().manual_seed(seed)
    width = padded_to if padded_to is not None else max(lengths)
    ids = torch.full((len(lengths), width), padding_id)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(1, VOCABULARY, (length,), generator=generator)
    return Tokens(ids, torch.arange(width) < torch.tensor(lengths)[:, None])


@pytest.fixture(params=[True, False], ids=["packed", "padded"])
def both_layouts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Run a test with padding skipped, as on CPU, and with padding computed, as on accelerators."""
    monkeypatch.setattr(text_tower, "packs", lambda mask: request.param)
    return bool(request.param)


@pytest.mark.parametrize("pooling", POOLINGS)
@given(lengths=st.lists(st.integers(1, CONTEXT), min_size=1, max_size=5), extra=st.integers(0, CONTEXT), padding_id=st.integers(0, 49))
@settings(max_examples=15, deadline=None)
def test_padding_changes_nothing(pooling: str, lengths: list[int], extra: int, padding_id: int) -> None:
    model = tower(pooling)
    short = model(captions(lengths))
    full = model(captions(lengths, min(CONTEXT, max(lengths) + extra), padding_id))
    longest = max(lengths)
    assert torch.allclose(short.pooled, full.pooled, atol=1e-5)
    assert torch.allclose(short.tokens, full.tokens[:, :longest], atol=1e-5)
    assert not full.tokens[:, longest:].any()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_caption_does_not_depend_on_its_neighbours(pooling: str, both_layouts: bool) -> None:
    model = tower(pooling)
    tokens = captions([5, 20, 1])
    together = model(tokens).pooled
    for row in range(3):
        alone = model(Tokens(tokens.ids[row : row + 1], tokens.mask[row : row + 1])).pooled
        assert torch.allclose(alone[0], together[row], atol=1e-5)


@pytest.mark.parametrize("pooling", ["class", "last", "first", "mean"])
@given(lengths=st.lists(st.integers(1, CONTEXT), min_size=1, max_size=5), padding_id=st.integers(0, 49))
@settings(max_examples=15, deadline=None)
def test_seen_padding_is_that_of_the_tower_and_no_neighbours(pooling: str, lengths: list[int], padding_id: int) -> None:
    """How far a batch is padded, and with what, changes nothing: the tower fills captions up by itself."""
    model = tower(pooling, pad_id=7)
    together = model(captions(lengths, CONTEXT, padding_id))
    tokens = captions(lengths)
    for row, length in enumerate(lengths):
        alone = model(Tokens(tokens.ids[row : row + 1, :length], tokens.mask[row : row + 1, :length]))
        assert torch.allclose(alone.pooled[0], together.pooled[row], atol=1e-5)
        assert torch.allclose(alone.tokens[0], together.tokens[row, :length], atol=1e-5)
        assert not together.tokens[row, length:].any()


def test_seen_padding_counts_as_text() -> None:
    ids = torch.randint(1, VOCABULARY, (1, 5), generator=torch.Generator().manual_seed(0))
    short, full = Tokens(ids, torch.ones(1, 5, dtype=torch.bool)), torch.nn.functional.pad(ids, (0, CONTEXT - 5), value=7)
    whole = tower("last")(Tokens(full, torch.ones_like(full, dtype=torch.bool)))
    assert torch.allclose(tower("last", pad_id=7)(short).pooled, whole.pooled, atol=1e-5)
    assert not torch.allclose(tower("last")(short).pooled, whole.pooled, atol=1e-2)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_packed_and_padded_layouts_agree_in_value_and_gradients(pooling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = captions([3, 17, 8], padded_to=24)

    def run(packed: bool) -> tuple[Features, dict[str, torch.Tensor]]:
        monkeypatch.setattr(text_tower, "packs", lambda mask: packed)
        model = tower(pooling)
        features = model(tokens)
        (features.pooled.square().sum() + features.tokens.square().sum()).backward()
        return features, {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}

    (packed, packed_gradients), (padded, padded_gradients) = run(True), run(False)
    assert torch.allclose(packed.pooled, padded.pooled, atol=1e-5)
    assert torch.allclose(packed.tokens, padded.tokens, atol=1e-5)
    assert packed_gradients.keys() == padded_gradients.keys()
    for name, gradient in packed_gradients.items():
        assert torch.allclose(gradient, padded_gradients[name], atol=1e-5 * max(1.0, float(gradient.abs().max()))), name


@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any))
def test_packing_returns_what_it_took(lengths: list[int]) -> None:
    mask = torch.arange(9) < torch.tensor(lengths)[:, None]
    x = torch.randn(len(lengths), 9, 4)
    packing = Packing.of(mask)
    assert packing.count == sum(lengths)
    assert packing.pack(x).shape[0] % 32 == 0
    assert torch.equal(packing.unpack(packing.pack(x)), x * mask[..., None])


@pytest.mark.parametrize(("pooling", "causal"), [("end", True), ("class", True), ("last", False), ("first", False), ("mean", False)])
def test_who_sees_whom(pooling: str, causal: bool, both_layouts: bool) -> None:
    model = tower(pooling)
    before = captions([10])
    changed = Tokens(before.ids.clone(), before.mask)
    changed.ids[0, 6] = (changed.ids[0, 6] + 1) % VOCABULARY
    difference = (model(before).tokens - model(changed).tokens).abs().amax(dim=(0, 2))
    assert (difference[6:] > 1e-4).all()
    assert (difference[:6] < 1e-6).all() == causal
    assert (model(before).pooled - model(changed).pooled).abs().max() > 1e-4


def test_poolings_are_what_they_say() -> None:
    tokens = captions([4, 9])
    last, first, mean = (tower(pooling)(tokens) for pooling in ("last", "first", "mean"))
    assert torch.equal(last.pooled, torch.stack([last.tokens[0, 3], last.tokens[1, 8]]))
    assert torch.equal(first.pooled, first.tokens[:, 0])
    assert torch.allclose(mean.pooled, torch.stack([mean.tokens[0, :4].mean(dim=0), mean.tokens[1].mean(dim=0)]), atol=1e-6)


def test_tokens_never_see_the_class_token() -> None:
    """CoCa's wiring: the class token changes the pooled vector and nothing else, and it sees every real token."""
    model, tokens = tower("class"), captions([6, 11])
    before = model(tokens)
    with torch.no_grad():
        assert model.class_embedding is not None
        model.class_embedding.normal_()
    after = model(tokens)
    assert torch.equal(before.tokens, after.tokens)
    assert (before.pooled - after.pooled).abs().max() > 1e-3
    for place in range(6):
        changed = Tokens(tokens.ids.clone(), tokens.mask)
        changed.ids[0, place] = (changed.ids[0, place] + 1) % VOCABULARY
        assert (model(changed).pooled[0] - after.pooled[0]).abs().max() > 1e-4


def test_class_tower_gives_tokens_before_the_final_norm() -> None:
    model, tokens = tower("class"), captions([6])
    before = model(tokens)
    with torch.no_grad():
        model.norm.weight.mul_(3.0)
    after = model(tokens)
    assert torch.equal(before.tokens, after.tokens)
    assert torch.allclose(after.pooled, 3 * before.pooled, atol=1e-5)


def test_longest_caption_fits_a_class_tower() -> None:
    assert tower("class")(captions([CONTEXT, 3])).pooled.isfinite().all()


def test_longer_captions_than_the_context_are_refused() -> None:
    with pytest.raises(ValueError, match="captions have 25 tokens and the text tower's context_length is 24"):
        tower()(captions([25]))


def reference_clip(**options: Any) -> Any:
    torch.manual_seed(1)
    text = {"context_length": CONTEXT, "vocab_size": VOCABULARY, "width": 32, "heads": 4, "layers": 2, **options}
    made = open_clip.transformer.TextTransformer(output_dim=16, **text)
    torch.nn.init.normal_(made.ln_final.weight)
    return made.eval()


def test_embeddings_equal_open_clips_at_full_padding() -> None:
    reference = reference_clip()
    ours = tower()
    copy_text_tower(reference, ours)
    tokens = captions([4, 13, 9])
    tokens.ids[torch.arange(3), tokens.end] = VOCABULARY - 1  # their end-of-text token: the largest id
    full = torch.nn.functional.pad(tokens.ids, (0, CONTEXT - tokens.ids.shape[1]))
    expected = reference(full)
    assert torch.allclose(ours(tokens).pooled @ reference.text_projection, expected, atol=1e-4)


def test_class_token_equals_open_clips_coca() -> None:
    reference = reference_clip(embed_cls=True, correct_cls_mask=True, pad_id=0, output_tokens=True)
    torch.nn.init.normal_(reference.cls_emb)
    ours = tower("class")
    copy_text_tower(reference, ours)
    tokens = captions([4, 13, 9])
    full = torch.nn.functional.pad(tokens.ids, (0, CONTEXT - tokens.ids.shape[1]))
    pooled, out = reference(full)
    features = ours(tokens)
    assert torch.allclose(features.pooled @ reference.text_projection, pooled, atol=1e-4)
    assert torch.allclose(features.tokens[tokens.mask], out[:, :13][tokens.mask], atol=1e-4)


def test_embeddings_equal_those_of_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.CLIPTextConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, hidden_act="gelu",
        max_position_embeddings=CONTEXT, bos_token_id=1, eos_token_id=VOCABULARY - 1, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(2)
    reference = transformers.CLIPTextModel(config).eval()
    ours = tower()
    copy_from_transformers(getattr(reference, "text_model", reference), ours)
    tokens = captions([4, 13, 9])
    tokens.ids.clamp_(max=VOCABULARY - 2)
    tokens.ids[torch.arange(3), tokens.end] = VOCABULARY - 1
    expected = reference(input_ids=tokens.ids, attention_mask=tokens.mask.long())
    features = ours(tokens)
    assert torch.allclose(features.pooled, expected.pooler_output, atol=1e-4)
    assert torch.allclose(features.tokens[tokens.mask], expected.last_hidden_state[tokens.mask], atol=1e-4)


@torch.no_grad()
def copy_from_transformers(source: Any, target: TextTower) -> None:
    target.token_embedding.load_state_dict(source.embeddings.token_embedding.state_dict())
    target.positional_embedding.copy_(source.embeddings.position_embedding.weight)
    target.norm.load_state_dict(source.final_layer_norm.state_dict())
    for theirs, block in zip(source.encoder.layers, target.blocks, strict=True):
        projections = [theirs.self_attn.q_proj, theirs.self_attn.k_proj, theirs.self_attn.v_proj]
        ours: Any = block
        ours.attention.qkv.weight.copy_(torch.cat([projection.weight for projection in projections]))
        ours.attention.qkv.bias.copy_(torch.cat([projection.bias for projection in projections]))
        ours.attention.proj.load_state_dict(theirs.self_attn.out_proj.state_dict())
        ours.norm1.load_state_dict(theirs.layer_norm1.state_dict())
        ours.norm2.load_state_dict(theirs.layer_norm2.state_dict())
        ours.mlp[0].load_state_dict(theirs.mlp.fc1.state_dict())
        ours.mlp[2].load_state_dict(theirs.mlp.fc2.state_dict())


def test_initialisation_is_clips() -> None:
    torch.manual_seed(0)
    width, depth = 128, 4
    model = TextTower(2000, 64, width=width, depth=depth, heads=4, pooling="class")
    block: Any = model.blocks[-1]
    writing = width**-0.5 * (2 * depth) ** -0.5
    expected = [
        (model.token_embedding.weight, 0.02),
        (model.positional_embedding, 0.01),
        (block.attention.qkv.weight, width**-0.5),
        (block.attention.proj.weight, writing),
        (block.mlp[0].weight, (2 * width) ** -0.5),
        (block.mlp[2].weight, writing),
    ]
    for weight, deviation in expected:
        assert math.isclose(float(weight.detach().std()), deviation, rel_tol=0.05)
        assert abs(float(weight.detach().mean())) < 0.05 * deviation
    assert not block.attention.qkv.bias.any()
    assert not block.mlp[0].bias.any()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_bf16_stays_finite_and_near(pooling: str) -> None:
    torch.manual_seed(0)
    model, tokens = TextTower(VOCABULARY, CONTEXT, width=32, depth=2, heads=4, pooling=pooling), captions([3, 24, 12])  # type: ignore[arg-type]
    with torch.autocast("cpu", torch.bfloat16):
        features = model(tokens)
        (features.pooled.square().mean() + features.tokens.square().mean()).backward()
    exact = model(tokens).pooled
    assert (features.pooled.float() - exact).abs().max() < 0.05 * exact.abs().max()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters() if parameter.grad is not None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 30}, "width must be a positive multiple of heads, got width=30, heads=4"),
        ({"depth": 0}, "depth must be at least 1, got 0"),
        ({"pooling": "eot"}, "pooling must be one of end, class, last, first, mean, got 'eot'"),
        ({"activation": "relu"}, "activation must be gelu, quick_gelu or gelu_tanh, got 'relu'"),
        ({"pad_id": 0}, "or be None for pooling 'end', got 0"),
        ({"pooling": "last", "pad_id": 50}, r"pad_id must lie in \[0, vocab_size = 50\), or be None"),
    ],
)
def test_bad_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tower(**options)
