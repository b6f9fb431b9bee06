"""Micro-batches: less memory, the same random state in both passes, DDP and autocast as ever, and what is refused."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils._python_dispatch import TorchDispatchMode

from concord.distributed import Ranks
from concord.errors import IncompatibleError
from concord.models.dual_encoder import DualEncoder
from concord.models.image_tower import ImageTower
from concord.models.similarity import Cosine
from concord.models.text_tower import TextTower
from concord.objectives import InfoNCE, Objective, Step
from concord.objectives.pieces import check_pieces, in_pieces
from concord.types import Batch, Features, Tokens
from tests.objectives.parts import VOCABULARY, FixedNoise, set_up, share, small_batch, small_distillation, small_model
from tests.processes import run_on_ranks

Gradients = dict[str, Tensor]


def gradients(*modules: nn.Module) -> Gradients:
    named = [(f"{place}.{name}", p) for place, module in enumerate(modules) for name, p in module.named_parameters()]
    return {name: p.grad.clone() for name, p in named if p.grad is not None}


def clear(*modules: nn.Module) -> None:
    for module in modules:
        module.zero_grad(set_to_none=True)


def test_inputs_of_several_rows_per_pair_are_cut_between_pairs() -> None:
    rows, pairs = torch.arange(10.0)[:, None], torch.arange(5.0)[:, None]
    tokens = Tokens(torch.arange(5)[:, None], torch.ones(5, 1, dtype=torch.bool))
    seen: list[int] = []

    def function(rows: Tensor, pairs: Tensor, tokens: Tokens) -> tuple[Tensor, Features]:
        seen.append(len(pairs))
        return rows.view(-1, 2) * pairs, Features(pairs + tokens.ids, rows.view(-1, 2, 1))

    products, features = in_pieces(function, (rows, pairs, tokens), pairs=5, size=2)
    assert seen == [2, 2, 1]
    assert products.tolist() == [[0, 0], [2, 3], [8, 10], [18, 21], [32, 36]]
    assert features.pooled.flatten().tolist() == [0, 2, 4, 6, 8]
    assert features.tokens.flatten().tolist() == list(range(10))
    assert features.mask is None
    with pytest.raises(ValueError, match="inputs must have a multiple of 5 rows, got 9"):
        in_pieces(function, (rows[:9], pairs, tokens), pairs=5, size=2)


def test_pieces_as_large_as_the_batch_change_nothing() -> None:
    calls: list[Tensor] = []
    x = torch.ones(4, 2)
    for size in (None, 4, 7):
        in_pieces(lambda part: calls.append(part) or part, (x,), pairs=4, size=size)
    assert all(part is x for part in calls)
    assert len(calls) == 3


class LiveBytes(TorchDispatchMode):
    """The largest number of bytes of tensors that were made inside and lived at one time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {id(x.untyped_storage()) for x in torch.utils._pytree.tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        output = func(*args, **(kwargs or {}))
        for made in torch.utils._pytree.tree_leaves(output):
            if isinstance(made, Tensor) and id(made.untyped_storage()) not in given | self.known:
                self._note(made.untyped_storage())
        return output

    def _note(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        self.known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size


def deep_model(**options: Any) -> DualEncoder:
    """Towers deep enough that their activations are most of the memory."""
    torch.manual_seed(0)
    vit: dict[str, Any] = {"image_size": 16, "patch_size": 4, "width": 16, "depth": 8, "heads": 2}
    image = ImageTower("vit_tiny_patch16_224", pooling="average", **vit | options)
    return DualEncoder(image, TextTower(VOCABULARY, 16, width=16, depth=8, heads=2), Cosine(), embed_dim=8)


def peak(model: DualEncoder, objective: Objective, batch: Batch, micro_batch: int | None) -> int:
    clear(model, objective)
    with LiveBytes() as live:
        objective(Step(model, batch, Ranks(), micro_batch)).loss.backward()
    return live.peak


@pytest.mark.parametrize("make", [InfoNCE, FixedNoise, lambda: small_distillation(prototypes=512)])
def test_the_peak_of_memory_falls_with_the_pieces(make: Callable[[], Objective]) -> None:
    model = deep_model()
    objective, batch = set_up(make(), model), small_batch(64)
    whole, half, piece = (peak(model, objective, batch, size) for size in (None, 32, 4))
    alone = peak(model, objective, small_batch(4), None)
    assert half < 0.65 * whole
    assert piece < 0.3 * whole
    # What is left above one piece by itself are features and gradients of all pairs, not activations.
    assert piece - alone < 0.15 * whole


def random_model() -> DualEncoder:
    """Patches, blocks and words are dropped at random."""
    model = deep_model(depth=2, drop_path=0.4)
    model.image.patch_dropout = 0.5
    model.text.norm.register_forward_hook(lambda module, inputs, output: nn.functional.dropout(output, 0.3, module.training))
    return model.double().train()


class Uneven(InfoNCE):
    """Draws between the towers, as other objectives do."""

    def forward(self, step: Step) -> Any:
        step.image("image")
        torch.rand(3)
        return super().forward(step)


def random_loss(model: DualEncoder, micro_batch: int | None, seed: int = 3) -> Tensor:
    torch.manual_seed(seed)
    return Uneven()(Step(model, small_batch(7), Ranks(), micro_batch)).loss


def test_both_passes_have_the_same_random_state() -> None:
    model = random_model()
    loss = random_loss(model, 3)
    torch.manual_seed(99)  # the backward pass must not depend on what is drawn meanwhile
    loss.backward()
    assert not torch.equal(loss, random_loss(model, 3, seed=4))
    directions = {name: torch.randn(p.shape, dtype=torch.float64) for name, p in model.named_parameters()}
    slope = sum((p.grad * directions[name]).sum() for name, p in model.named_parameters() if p.grad is not None)
    losses = []
    for step in (1e-6, -1e-6):
        moved = {name: p.detach() + step * directions[name] for name, p in model.named_parameters()}
        with torch.no_grad():
            losses.append(torch.func.functional_call(Whole(model), {f"model.{name}": p for name, p in moved.items()}, (3,)))
    assert slope.abs() > 1e-2
    torch.testing.assert_close((losses[0] - losses[1]) / 2e-6, slope, rtol=1e-6, atol=0)


class Whole(nn.Module):
    """The loss as a function of the parameters."""

    def __init__(self, model: DualEncoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, micro_batch: int) -> Tensor:
        return random_loss(self.model, micro_batch)


def test_the_random_state_goes_on_as_if_the_pieces_ran_once() -> None:
    model, states = random_model(), []
    for backward in (False, True):
        loss = random_loss(model, 3)
        if backward:
            loss.backward()
        states.append(torch.get_rng_state())
    assert torch.equal(*states)


@pytest.mark.parametrize("dtype", [torch.bfloat16])
def test_autocast_is_the_same_in_both_passes(dtype: torch.dtype) -> None:
    model, batch, found = small_model(), small_batch(5), []
    for micro_batch in (None, 2):
        clear(model)
        with torch.autocast("cpu", dtype):
            loss = InfoNCE()(Step(model, batch, Ranks(), micro_batch)).loss
        loss.backward()
        found.append({"loss": loss.detach()} | gradients(model))
    largest = max(gradient.abs().max() for gradient in found[0].values())
    for name, expected in found[0].items():
        assert (found[1][name] - expected).abs().max() < 0.02 * largest, name


class Loss(nn.Module):
    """What DDP wraps."""

    def __init__(self, model: DualEncoder, objective: Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, batch: Batch, micro_batch: int | None) -> Tensor:
        return self.objective(Step(self.model, batch, Ranks.current(), micro_batch)).loss


def under_ddp() -> Gradients:
    """The gradients that DDP leaves."""
    model = small_model().double()
    module = Loss(model, set_up(InfoNCE(), model).double())
    wrapped = DistributedDataParallel(module)  # its hooks live as long as it does
    wrapped(share(small_batch(6), Ranks.current()), 2).backward()
    return gradients(module)


def test_ddp_averages_each_gradient_once(tmp_path: Path) -> None:
    model = small_model().double()
    module = Loss(model, InfoNCE())
    module(small_batch(6), None).backward()
    expected = gradients(module)
    for found in run_on_ranks(under_ddp, 2, tmp_path):
        assert found.keys() == expected.keys()
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_batch_statistics_are_refused_unless_they_are_fixed() -> None:
    model = small_model(image_name="resnet18.a1_in1k")
    with pytest.raises(IncompatibleError, match=r"compute.micro_batch: model.image.trunk.bn1 is a batch normalisation, .*vit_"):
        check_pieces(model)
    model.image.eval()
    check_pieces(model)
