from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch._dynamo
from torch import Tensor, nn

from concord.errors import ConfigError
from concord.models import CaptionDecoder, Cosine, DualEncoder, ImageTower, TextTower
from concord.training import Compute
from concord.training.compute import uncompiled
from concord.types import Batch, Tokens


def small_model(trunk: str = "vit_tiny_patch16_224", depth: int = 2, **image: Any) -> DualEncoder:
    torch.manual_seed(0)
    sizes = {"image_size": 32, "patch_size": 8, "width": 24, "depth": depth, "heads": 2} if trunk.startswith("vit") else {}
    tower = ImageTower(trunk, pooling="average", **{**sizes, **image})
    text = TextTower(20, 40, width=16, depth=depth, heads=2)
    return DualEncoder(tower, text, Cosine(), 8, CaptionDecoder(20, 16, tower.width, depth=1, heads=2))


def batch_of(length: int, seed: int = 1, side: int = 32, pairs: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(length) < torch.linspace(2, length, pairs).long()[:, None]
    ids = torch.randint(1, 20, (pairs, length), generator=generator) * mask
    images = torch.randint(0, 255, (pairs, 3, side, side), dtype=torch.uint8, generator=generator)
    return Batch([str(i) for i in range(pairs)], {"image": images}, {"caption": Tokens(ids, mask)})


def loss_of(model: DualEncoder, batch: Batch) -> Tensor:
    """Something that looks at the towers, the projections and the decoder."""
    image, tokens = model.image(batch.images["image"]), batch.texts["caption"]
    text = model.text(tokens)
    cosines = model.embed_image(image).vectors @ model.embed_text(text).vectors.T
    return torch.logsumexp(cosines, 1).mean() + (model.caption_logits(image, text, tokens).square() * tokens.mask[..., None]).sum() / 100


def step(model: DualEncoder, compute: Compute, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and gradients of a training step."""
    torch.manual_seed(3)
    model.train()
    loss = loss_of(model, compute.padded(batch, model.text.context_length))
    loss.backward()
    return loss.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def saved_bytes(model: DualEncoder, batch: Batch) -> int:
    """Bytes that the graph keeps for the backward pass, parameters aside."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = loss_of(model.train(), batch)
    total = sum(kept.values())
    del loss
    return total


def test_layers_that_run_again_give_the_same_numbers_from_fewer_bytes() -> None:
    plain, again = small_model(depth=6, drop_path=0.3), small_model(depth=6, drop_path=0.3)
    compute = Compute(checkpoint_activations=True)
    compute.apply(again)
    assert again.state_dict().keys() == plain.state_dict().keys()
    batch = batch_of(40)
    (loss, gradients), (same, others) = step(plain, Compute(), batch), step(again, compute, batch)
    assert torch.equal(loss, same)
    assert gradients.keys() == others.keys()
    for name in gradients:
        torch.testing.assert_close(others[name], gradients[name], rtol=1e-6, atol=1e-7)
    assert saved_bytes(again, batch) < 0.4 * saved_bytes(plain, batch)


def test_running_statistics_count_a_batch_once() -> None:
    plain, again = small_model("resnet18"), small_model("resnet18")
    Compute(checkpoint_activations=True).apply(again)
    batch = batch_of(8, side=64)
    for model in (plain, again):
        step(model, Compute(), batch)
    assert all(module.momentum == 0.1 for module in again.modules() if isinstance(module, nn.BatchNorm2d))
    for name, buffer in plain.named_buffers():
        assert torch.equal(again.get_buffer(name), buffer), name


def test_nothing_runs_again_without_gradients() -> None:
    model = small_model()
    Compute(checkpoint_activations=True).apply(model)
    calls = []
    model.text.blocks[0].norm1.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        loss_of(model, batch_of(8))
    assert len(calls) == 1
    loss_of(model, batch_of(8)).backward()
    assert len(calls) == 3


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Lets a cheap backend stand for the compiler, and counts the graphs that it is handed."""
    torch._dynamo.reset()
    compiled: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Any]) -> Any:
        compiled.append(len(graph.graph.nodes))
        return graph.forward

    original = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **options: original(function, backend=backend, **options))
    yield compiled
    torch._dynamo.reset()


def test_a_few_lengths_are_compiled_and_no_more(counted: list[int]) -> None:
    plain, model, compute = small_model(), small_model(), Compute(compile=True, text_step=16)
    compute.apply(model)
    assert model.state_dict().keys() == plain.state_dict().keys()
    for length in (16, 32, 40):  # the three lengths that captions of at most 40 tokens are padded to
        step(model, compute, batch_of(length))
    model.zero_grad()
    first = len(counted)
    assert first > 0
    with torch._dynamo.config.patch(error_on_recompile=True):
        for length in range(2, 41):
            loss, gradients = step(model, compute, batch_of(length))
            expected, others = step(plain, Compute(), batch_of(length))
            torch.testing.assert_close(loss, expected)
            torch.testing.assert_close(gradients["text.blocks.0.mlp.0.weight"], others["text.blocks.0.mlp.0.weight"], rtol=1e-4, atol=1e-6)
            model.zero_grad()
            plain.zero_grad()
    assert len(counted) == first


def test_layers_of_one_kind_share_what_was_compiled(counted: list[int]) -> None:
    graphs = []
    for depth in (1, 4):
        counted.clear()
        torch._dynamo.reset()
        model, compute = small_model(depth=depth), Compute(compile=True)
        compute.apply(model)
        step(model, compute, batch_of(16))
        graphs.append(len(counted))
    assert graphs[0] == graphs[1]


def test_benchmarks_compile_nothing(counted: list[int]) -> None:
    model = small_model()
    Compute(compile=True).apply(model)
    with uncompiled(), torch.no_grad():
        for length in (3, 5, 9):
            loss_of(model, batch_of(length))
    assert counted == []


def test_compiled_layers_may_run_again(counted: list[int]) -> None:
    plain, model = small_model(), small_model()
    compute = Compute(compile=True, checkpoint_activations=True)
    compute.apply(model)
    (loss, gradients), (same, others) = step(plain, Compute(), batch_of(16)), step(model, compute, batch_of(16))
    assert counted
    torch.testing.assert_close(same, loss)
    for name in gradients:
        torch.testing.assert_close(others[name], gradients[name], rtol=1e-4, atol=1e-6)


def test_captions_are_padded_to_steps_and_not_beyond_the_context() -> None:
    compute = Compute(compile=True, text_step=16)
    lengths = {n: compute.padded(batch_of(n), 40).texts["caption"].ids.shape[1] for n in (1, 16, 17, 33, 40)}
    assert lengths == {1: 16, 16: 16, 17: 32, 33: 40, 40: 40}
    padded = compute.padded(batch_of(5), 40).texts["caption"]
    assert not padded.mask[:, 5:].any()
    batch = batch_of(5)
    assert Compute().padded(batch, 40) is batch


def test_what_cannot_be_computed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match=r"compute\.compile=true needs a C\+\+ compiler"):
        Compute(compile=True).apply(small_model())
    with pytest.raises(ValueError, match="text_step must be at least 1"):
        Compute(text_step=0)
