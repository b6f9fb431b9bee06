from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import yaml
from timm.optim import param_groups_layer_decay
from torch import Tensor, nn

from concord.config import build
from concord.errors import ConfigError
from concord.models import Cosine, DualEncoder, ImageTower, TextTower
from concord.models.view_embedding import ViewEmbedding
from concord.training import AdamW, Linear, OptimizerSettings, TimmOptimizer
from concord.training.optimizers import parameter_groups

CONF = Path(__file__).resolve().parents[2] / "conf"


class Text(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(10, 8)
        self.positional_embedding = nn.Parameter(torch.zeros(5, 8))
        self.norm = nn.LayerNorm(8)
        self.linear = nn.Linear(8, 8)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.image = timm.create_model("vit_tiny_patch16_224", img_size=16, depth=1, embed_dim=24, num_heads=2, num_classes=0)
        self.text = Text()
        self.image_projection = nn.Linear(24, 8, bias=False)
        self.logit_scale = nn.Parameter(torch.zeros(1, 1))
        self.view_embedding = ViewEmbedding(24)


class Method(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.model = Model()


def names_by_group(module: nn.Module, **settings: Any) -> dict[str, set[str]]:
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    groups = parameter_groups(module, OptimizerSettings(lr=1.0, weight_decay=0.2, **settings))
    return {group["name"]: {names[id(parameter)] for parameter in group["params"]} for group in groups}


def test_groups_by_tower_and_decay() -> None:
    groups = names_by_group(Method())
    assert groups["other/decay"] == {"model.image_projection.weight"}
    assert groups["other/no_decay"] == {"model.logit_scale", "model.view_embedding.vectors.weight"}
    assert groups["text/decay"] == {"model.text.token_embedding.weight", "model.text.linear.weight"}
    assert groups["text/no_decay"] == {
        "model.text.positional_embedding",
        "model.text.norm.weight",
        "model.text.norm.bias",
        "model.text.linear.bias",
    }
    assert {"model.image.pos_embed", "model.image.cls_token", "model.image.patch_embed.proj.bias"} <= groups["image/no_decay"]
    assert "model.image.patch_embed.proj.weight" in groups["image/decay"]
    assert sum(len(names) for names in groups.values()) == len(list(Method().named_parameters()))


def test_what_timm_exempts_is_not_decayed() -> None:
    class Exempting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.zeros(3, 3))
            self.weight = nn.Parameter(torch.zeros(3, 3))

        def no_weight_decay(self) -> set[str]:
            return {"table"}

    assert names_by_group(nn.ModuleDict({"part": Exempting()})) == {"other/decay": {"part.weight"}, "other/no_decay": {"part.table"}}


def test_frozen_parameters_are_left_out() -> None:
    method = Method()
    method.model.image.requires_grad_(False)
    assert not any(name.startswith("image/") for name in names_by_group(method))
    with pytest.raises(ConfigError, match=r"image_lr_scale is 0\.5, but the image tower has no trainable"):
        parameter_groups(method, OptimizerSettings(image_lr_scale=0.5))
    with pytest.raises(ConfigError, match=r"image_layer_decay is 0\.5, but the image tower has no trainable"):
        parameter_groups(method, OptimizerSettings(image_layer_decay=0.5))
    with pytest.raises(ConfigError, match="every parameter is frozen"):
        parameter_groups(method.requires_grad_(False), OptimizerSettings())


def test_learning_rates_of_the_towers() -> None:
    optimizer = AdamW(lr=0.1, image_lr_scale=0.5, text_lr_scale=2.0).build(Method())
    rates = {group["name"].split("/")[0]: group["lr"] for group in optimizer.param_groups}
    assert rates == {"image": 0.05, "text": 0.2, "other": 0.1}
    decays = {group["name"].split("/")[1]: group["weight_decay"] for group in optimizer.param_groups}
    assert decays == {"decay": 0.2, "no_decay": 0.0}


def layered_model(pooling: str = "average") -> DualEncoder:
    image = ImageTower("vit_tiny_patch16_224", image_size=16, width=24, depth=3, heads=2, pooling=pooling)  # type: ignore[arg-type]
    return DualEncoder(image, TextTower(20, 8, width=16, depth=2, heads=2), Cosine(), embed_dim=8)


def rates_by_name(module: nn.Module, settings: OptimizerSettings) -> dict[str, float]:
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    return {names[id(p)]: group["lr"] for group in parameter_groups(module, settings) for p in group["params"]}


def test_layer_decay_is_that_of_timm() -> None:
    model = layered_model("attention")
    rates = rates_by_name(model, OptimizerSettings(lr=2.0, image_layer_decay=0.7, image_lr_scale=0.5))
    classifier = timm.create_model("vit_tiny_patch16_224", img_size=16, embed_dim=24, depth=3, num_heads=2, num_classes=5)
    names = {id(parameter): name for name, parameter in classifier.named_parameters()}
    groups = param_groups_layer_decay(classifier, layer_decay=0.7)
    expected = {names[id(p)]: group["lr_scale"] for group in groups for p in group["params"]}
    shared = [name for name in expected if f"image.trunk.{name}" in rates]
    assert len(shared) == len(expected) - 2  # all but the classifier's head
    assert all(rates[f"image.trunk.{name}"] == pytest.approx(expected[name]) for name in shared)
    assert rates["image.pooler.q.weight"] == expected["head.weight"] == 1.0
    assert rates["image_projection.weight"] == rates["text.blocks.0.mlp.0.weight"] == rates["similarity.logit_scale"] == 2.0


def test_layer_decay_of_texts_counts_from_the_top() -> None:
    method = nn.ModuleDict({"model": layered_model()})
    rates = rates_by_name(method, OptimizerSettings(lr=1.0, text_layer_decay=0.5))
    found = {name.removeprefix("model.text."): rate for name, rate in rates.items() if name.startswith("model.text.")}
    for start, rate in {"token_emb": 0.125, "positional": 0.125, "blocks.0.": 0.25, "blocks.1.": 0.5, "norm.": 0.5}.items():
        assert {found[name] for name in found if name.startswith(start)} == {rate}
    with pytest.raises(ConfigError, match=r"optimizer\.text_layer_decay is 0\.5, but the text tower has no layers"):
        parameter_groups(Method(), OptimizerSettings(text_layer_decay=0.5))


def test_the_rates_of_layers_follow_the_schedule() -> None:
    optimizer = AdamW(lr=1.0, image_layer_decay=0.5).build(layered_model())
    schedule = Linear(warmup=0).build(optimizer, 10)
    before = [group["lr"] for group in optimizer.param_groups]
    optimizer.step()
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.9 * rate for rate in before])


@pytest.mark.parametrize("file", sorted((CONF / "optimizer").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_configured_optimizer_has_the_groups_of_the_towers(file: Path) -> None:
    model = layered_model()
    settings = dataclasses.replace(build(yaml.safe_load(file.read_text()), "optimizer"), image_lr_scale=0.5, text_layer_decay=0.5)
    groups = {group["name"]: group for group in settings.build(model).param_groups}
    lr, decay = settings.lr, settings.weight_decay
    assert groups["image/decay"]["lr"] == pytest.approx(0.5 * lr)
    assert groups["text/decay/1"]["lr"] == pytest.approx(0.25 * lr)
    assert groups["other/scalars"]["params"] == [model.similarity.logit_scale]
    for name, group in groups.items():
        assert group["weight_decay"] == (decay if name.split("/")[1] == "decay" else 0.0), name
        assert all(p.ndim >= 2 for p in group["params"]) or group["weight_decay"] == 0.0


def test_adamw_is_fused_and_equals_the_plain_one() -> None:
    fused, plain = nn.Linear(3, 2), nn.Linear(3, 2)
    plain.load_state_dict(fused.state_dict())
    optimizer = AdamW(lr=0.1).build(fused)
    assert optimizer.defaults["fused"] is True
    groups = [{"params": [plain.weight], "weight_decay": 0.2}, {"params": [plain.bias], "weight_decay": 0.0}]
    reference = torch.optim.AdamW(groups, lr=0.1, betas=(0.9, 0.98), eps=1e-6, fused=False)
    x = torch.randn(5, 3)
    for _ in range(5):
        for net, step in ((fused, optimizer), (plain, reference)):
            step.zero_grad()
            net(x).square().mean().backward()
            step.step()
    torch.testing.assert_close(fused.weight, plain.weight)
    torch.testing.assert_close(fused.bias, plain.bias)


def minimised(settings: OptimizerSettings) -> tuple[float, float]:
    """First and last loss of a regression with a known answer."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 16))
    x, y = torch.randn(64, 32), torch.randn(64, 16)
    optimizer = settings.build(net)
    losses: list[Tensor] = []
    for _ in range(100):
        optimizer.zero_grad()
        losses.append((net(x) - y).square().mean())
        losses[-1].backward()
        optimizer.step()
    return losses[0].item(), losses[-1].item()


@pytest.mark.parametrize("file", sorted((CONF / "optimizer").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_configured_optimizer_minimises_and_resumes(file: Path, tmp_path: Path) -> None:
    settings = build(yaml.safe_load(file.read_text()), "optimizer")
    first, last = minimised(dataclasses.replace(settings, lr=4 * settings.lr, weight_decay=0.0))
    assert last < 0.9 * first

    net = nn.Linear(32, 32)
    optimizer = settings.build(net)
    net(torch.ones(1, 32)).sum().backward()
    optimizer.step()
    torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "state.pt")
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    twin = nn.Linear(32, 32)
    twin.load_state_dict(saved["net"])
    resumed = settings.build(twin)
    resumed.load_state_dict(saved["optimizer"])
    for one, step in ((net, optimizer), (twin, resumed)):
        step.zero_grad()
        one(torch.linspace(-1, 1, 32)[None]).square().sum().backward()
        step.step()
    assert torch.equal(net.weight, twin.weight)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": 0.0}, "lr must be above 0"),
        ({"lr": float("nan")}, "lr must be above 0"),
        ({"weight_decay": -1.0}, "weight_decay must be at least 0"),
        ({"image_lr_scale": 0.0}, "image_lr_scale must be above 0"),
        ({"image_layer_decay": 0.0}, r"image_layer_decay must lie in \(0, 1\]"),
        ({"text_layer_decay": 1.5}, r"text_layer_decay must lie in \(0, 1\]"),
        ({"betas": (0.9, 1.0)}, "betas must lie in"),
        ({"eps": 0.0}, "eps must be above 0"),
    ],
)
def test_wrong_values_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AdamW(**settings)


def test_wrong_name_and_option_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no optimizer 'lamp'; did you mean .*lamb"):
        TimmOptimizer(name="lamp")
    with pytest.raises(ConfigError, match=r"optimizer\.options does not fit timm's lion.*epsilon"):
        TimmOptimizer(name="lion", options={"epsilon": 1.0}).build(nn.Linear(2, 2))
