from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from torch import nn

from concord.errors import ConfigError, MissingExtraError
from concord.models import Cosine, DualEncoder, ImageTower, TextTower
from concord.models.adapters import merged, without_adapters
from concord.training import LoRA, TowerTuning, Tuning
from concord.types import Tokens


def small_model(depth: int = 3, **image: Any) -> DualEncoder:
    torch.manual_seed(0)
    tower = ImageTower("vit_tiny_patch16_224", **{"image_size": 16, "width": 24, "depth": depth, "heads": 2, "pooling": "average", **image})
    return DualEncoder(tower, TextTower(20, 8, width=16, depth=depth, heads=2), Cosine(), embed_dim=8)


def trained(module: nn.Module) -> set[str]:
    return {name for name, parameter in module.named_parameters() if parameter.requires_grad}


def beginnings(names: set[str], parts: int) -> set[str]:
    return {".".join(name.split(".")[:parts]) for name in names}


def test_everything_is_trained_unless_something_else_is_said() -> None:
    model = small_model()
    Tuning().apply(model)
    assert trained(model) == {name for name, _ in model.named_parameters()}


def test_a_locked_tower_leaves_its_projection() -> None:
    model = small_model()
    Tuning(image=TowerTuning(unlocked_layers=0)).apply(model)
    model.train()
    assert not trained(model.image)
    assert beginnings(trained(model), 1) == {"text", "image_projection", "text_projection", "similarity"}
    assert not any(module.training for module in model.image.modules())
    assert all(module.training for module in model.text.modules())


def test_the_last_layers_are_unlocked_with_what_comes_after_them() -> None:
    model = small_model(pooling="attention", drop_path=0.1)
    Tuning(image=TowerTuning(unlocked_layers=2), text=TowerTuning(unlocked_layers=1)).apply(model)
    model.train()
    assert beginnings(trained(model.image), 3) >= {"trunk.blocks.1", "trunk.blocks.2", "trunk.norm.weight"}
    assert beginnings(trained(model.image), 1) == {"trunk", "pooler"}
    assert not any(name.startswith(("trunk.blocks.0", "trunk.pos", "trunk.patch")) for name in trained(model.image))
    assert beginnings(trained(model.text), 2) == {"blocks.2", "norm.weight", "norm.bias"}
    # Frozen layers have neither dropout nor batch statistics of their own; the others do.
    modes = [block.training for block in model.image.trunk.blocks]
    assert modes == [False, True, True]
    assert [block.training for block in model.text.blocks] == [False, False, True]


def test_a_convolutional_tower_keeps_its_statistics_where_it_is_locked() -> None:
    tower = ImageTower("resnet18", pooling="average")
    TowerTuning(unlocked_layers=1).apply(tower)
    tower.train()
    first, last = tower.trunk.layer1[0].bn1, tower.trunk.layer4[1].bn1
    before = first.running_mean.clone(), last.running_mean.clone()
    tower(torch.randint(0, 255, (4, 3, 64, 64), dtype=torch.uint8))
    assert torch.equal(first.running_mean, before[0])
    assert not torch.equal(last.running_mean, before[1])
    assert beginnings(trained(tower), 3) == {"trunk.layer4.1"}


def test_what_cannot_be_tuned_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"tuning\.image\.unlocked_layers is 4, but the tower has 3 layers"):
        Tuning(image=TowerTuning(unlocked_layers=4)).apply(small_model())
    with pytest.raises(ConfigError, match=r"tuning\.image\.lora\.targets=attention: a ImageTower has no such linear maps"):
        Tuning(image=TowerTuning(lora=LoRA())).apply(small_model_of_convolutions())
    with pytest.raises(ValueError, match="unlocked_layers must be null beside lora"):
        TowerTuning(unlocked_layers=1, lora=LoRA())


def small_model_of_convolutions() -> DualEncoder:
    return DualEncoder(ImageTower("resnet18", pooling="average"), TextTower(20, 8, width=16, depth=1, heads=2), Cosine(), embed_dim=8)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0}, "rank must be at least 1"),
        ({"alpha": 0.0}, "alpha must be above 0"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\)"),
        ({"targets": "some"}, "targets must be one of attention, mlp, all"),
    ],
)
def test_wrong_adapters_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LoRA(**settings)


def test_adapters_need_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r"peft is not installed; install it with: pip install 'concord\[lora\]'"):
        TowerTuning(lora=LoRA()).apply(small_model().text)


def inputs() -> tuple[torch.Tensor, Tokens]:
    mask = torch.arange(8) < torch.tensor([[3], [8], [5]])
    return torch.randint(0, 255, (3, 3, 16, 16), dtype=torch.uint8), Tokens(torch.randint(1, 20, (3, 8)) * mask, mask)


def embedded(model: DualEncoder) -> torch.Tensor:
    images, texts = inputs_of_seed()
    model.eval()
    with torch.no_grad():
        return torch.cat([model.embed_image(model.image(images)).vectors, model.embed_text(model.text(texts)).vectors])


def inputs_of_seed() -> tuple[torch.Tensor, Tokens]:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return inputs()


@pytest.mark.parametrize(
    ("targets", "maps"), [("attention", {"qkv", "proj"}), ("mlp", {"fc1", "fc2"}), ("all", {"qkv", "proj", "fc1", "fc2"})]
)
def test_adapters_stand_beside_the_maps_that_were_chosen(targets: Any, maps: set[str]) -> None:
    model = small_model()
    before = embedded(model)
    Tuning(image=TowerTuning(lora=LoRA(rank=2, targets=targets))).apply(model)
    assert {name.split(".")[4] for name in trained(model.image)} == maps
    assert all(".lora_" in name for name in trained(model.image))
    assert len(trained(model.image)) == 3 * len(maps) * 2
    assert all(min(parameter.shape) == 2 for parameter in model.image.parameters() if parameter.requires_grad)
    assert torch.equal(embedded(model), before)  # they begin as zero


def test_trained_adapters_merge_into_the_plain_model_and_leave_its_weights_alone() -> None:
    plain = small_model()
    model = small_model()
    tuning = Tuning(image=TowerTuning(lora=LoRA(rank=2, alpha=6.0, targets="all")), text=TowerTuning(lora=LoRA(rank=3, dropout=0.5)))
    tuning.apply(model)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    images, texts = inputs_of_seed()
    model.train()
    for _ in range(3):
        loss = (model.embed_image(model.image(images)).vectors * model.embed_text(model.text(texts)).vectors).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weights, own = model.state_dict(), plain.state_dict()
    for name, value in weights.items():
        if name.startswith(("image.", "text.")) and (bare := without_adapters(name)) is not None:
            assert torch.equal(value, own[bare]), name
    assert not torch.allclose(embedded(model), embedded(plain))
    assert tuning.adapter_scales() == {"image": 3.0, "text": 16 / 3}
    plain.load_state_dict(merged(weights, tuning.adapter_scales()))
    torch.testing.assert_close(embedded(plain), embedded(model), rtol=0, atol=1e-5)


def test_weights_without_adapters_are_as_they_were() -> None:
    weights = small_model().state_dict()
    assert merged(weights, {}).keys() == weights.keys()
    assert all(merged(weights, {})[name] is weights[name] for name in weights)
