from __future__ import annotations

import pytest
import transformers
from torch import nn

from concord.models import CaptionDecoder, Cosine, DualEncoder, HFTextTower, ImageTower, TextTower
from concord.models.layers import blocks_of, layers_of, model_blocks


def names_at(tower: nn.Module, depth: int) -> set[str]:
    return {name for name, found in layers_of(tower).depths.items() if found == depth}


def test_a_vision_transformer_with_a_pooler() -> None:
    tower = ImageTower("vit_tiny_patch16_224", image_size=16, width=24, depth=2, heads=2, pooling="attention")
    layers = layers_of(tower)
    assert layers.count == 2
    assert set(layers.depths) == {name for name, _ in tower.named_parameters()}
    assert {"trunk.pos_embed", "trunk.cls_token", "trunk.patch_embed.proj.weight"} <= names_at(tower, 0)
    assert {"trunk.norm.weight", "trunk.blocks.1.attn.qkv.weight"} <= names_at(tower, 2)
    assert all(name.startswith("pooler.") for name in names_at(tower, 3))
    assert [id(block) for block in blocks_of(tower)] == [id(block) for block in tower.trunk.blocks]


@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [("resnet18", 8, "trunk.layer1.0.conv1.weight", "trunk.layer4.1.conv2.weight"), ("convnext_atto", 12, "trunk.stages.0.blocks.0.", "")],
)
def test_convolutional_towers_are_cut_by_block(name: str, count: int, first: str, last: str) -> None:
    tower = ImageTower(name, pooling="average")
    assert layers_of(tower).count == len(blocks_of(tower)) == count
    assert any(parameter.startswith(first) for parameter in names_at(tower, 1))
    assert any(parameter.startswith(last) for parameter in names_at(tower, count))
    assert names_at(tower, 0)


def test_text_towers() -> None:
    tower = TextTower(20, 8, width=16, depth=3, heads=2, pooling="class")
    assert names_at(tower, 0) == {"positional_embedding", "class_embedding", "token_embedding.weight"}
    assert {"norm.weight", "norm.bias", "blocks.2.norm1.weight"} <= names_at(tower, 3)
    assert len(blocks_of(tower)) == layers_of(tower).count == 3


def test_an_encoder_of_hugging_face(tmp_path: object) -> None:
    config = transformers.BertConfig(hidden_size=16, num_attention_heads=2, num_hidden_layers=2, intermediate_size=16, vocab_size=30)
    config.save_pretrained(str(tmp_path))
    tower = HFTextTower(str(tmp_path), pretrained=False)
    assert len(blocks_of(tower)) == layers_of(tower).count == 2
    assert all("embeddings" in name for name in names_at(tower, 0))
    assert all("layer.0." in name for name in names_at(tower, 1))
    assert "encoder.pooler.dense.weight" in names_at(tower, 2)


def test_a_model_has_the_blocks_of_its_towers_and_its_decoder() -> None:
    image = ImageTower("vit_tiny_patch16_224", image_size=16, width=24, depth=2, heads=2)
    text = TextTower(20, 8, width=16, depth=3, heads=2)
    decoder = CaptionDecoder(20, 16, 24, depth=2, heads=2)
    assert len(model_blocks(DualEncoder(image, text, Cosine(), 8))) == 5
    assert len(model_blocks(DualEncoder(image, text, Cosine(), 8, decoder))) == 9
