"""What no option of `conf/objective` has by itself: other similarities, kin, groups. Many processes equal one, in value and gradient."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from concord.distributed import Ranks
from concord.models.dual_encoder import DualEncoder
from concord.models.similarity import Cosine, LateInteraction, Lorentz, Similarity, TextConditioned
from concord.objectives import FILIP, InfoNCE, NegCLIP, Objective, PairwiseSigmoid, Step
from concord.objectives.simclr import GlobalBatchNorm
from tests.processes import run_on_ranks
from tests.tiny import EMBED_DIM, rows, tiny_batch, tiny_model

PAIRS = 8


def conditioned(init_scale: float, init_bias: float | None = None) -> TextConditioned:
    return TextConditioned(EMBED_DIM, mixtures=3, heads=1, temperature=0.5, init_scale=init_scale, init_bias=init_bias)


Part = tuple[Callable[[], Similarity], Callable[[], Objective]]
CASES: dict[str, Part] = {
    "clip by tokens": (LateInteraction, InfoNCE),
    "meru": (lambda: Lorentz(EMBED_DIM), InfoNCE),
    "siglip by tokens": (lambda: LateInteraction(10.0, init_bias=-2.0), PairwiseSigmoid),
    "siglip text-conditioned": (lambda: conditioned(10.0, init_bias=-2.0), PairwiseSigmoid),
    "clip text-conditioned": (lambda: conditioned(10.0), InfoNCE),
    "clip, same texts positives": (Cosine, lambda: InfoNCE(label_smoothing=0.1, same_text="positives")),
    "clip tiled, same texts masked": (
        lambda: Cosine(100.0),
        lambda: InfoNCE(image_to_text_weight=0.75, tile=2, same_text="masked", same_study="positives"),
    ),
    "siglip, same texts positives": (lambda: Cosine(10.0, init_bias=-2.0), lambda: PairwiseSigmoid(same_text="positives")),
    "siglip tiled, same texts masked": (
        lambda: Cosine(10.0, init_bias=-2.0),
        lambda: PairwiseSigmoid(tile=2, same_text="masked", same_study="positives"),
    ),
    "filip, same texts positives": (Cosine, lambda: FILIP(token_width=4, same_text="positives", same_study="masked")),
    "neg_clip by tokens": (LateInteraction, NegCLIP),
    "filip": (Cosine, lambda: FILIP(token_width=4)),
    "clip in groups of 2": (Cosine, lambda: InfoNCE(label_smoothing=0.1, group=2)),
    "clip by tokens in groups of 4": (LateInteraction, lambda: InfoNCE(group=4)),
    "clip tiled in groups of 4": (Cosine, lambda: InfoNCE(tile=3, same_text="masked", group=4)),
    "siglip by tokens in groups of 4": (lambda: LateInteraction(10.0, init_bias=-2.0), lambda: PairwiseSigmoid(group=4)),
    "siglip tiled in groups of 2": (lambda: Cosine(10.0, init_bias=-2.0), lambda: PairwiseSigmoid(tile=1, group=2)),
    "siglip tiled in groups of 4": (lambda: Cosine(10.0, init_bias=-2.0), lambda: PairwiseSigmoid(tile=3, same_text="masked", group=4)),
    "clip with view embeddings": (Cosine, InfoNCE),
}


def assemble(part: Part, view_embedding: bool = False) -> tuple[DualEncoder, Objective]:
    similarity, objective = (make() for make in part)
    model = tiny_model(similarity, view_embedding=view_embedding).double()
    objective.setup(model)
    return model, objective.double()


def loss_and_gradients(case: str) -> dict[str, Tensor]:
    """Mean over the ranks of the loss on their share of one global batch, and of its gradients, as DDP takes it."""
    ranks = Ranks.current()
    model, objective = assemble(CASES[case], view_embedding="view" in case)
    share = PAIRS // ranks.world
    start = ranks.offset(share)
    loss = objective(Step(model, rows(tiny_batch(PAIRS, seed=1), start, start + share), ranks)).loss
    loss.backward()
    named = [*model.named_parameters(), *objective.named_parameters()]
    gradients = {name: parameter.grad for name, parameter in named if parameter.grad is not None}
    return {name: ranks.mean(value) for name, value in {"loss": loss, **gradients}.items()}


def normalise() -> dict[str, Tensor]:
    """This rank's rows through batch norm, the gradient of a weighted sum of all outputs, and the running statistics."""
    ranks = Ranks.current()
    mine = slice(ranks.offset(PAIRS // ranks.world), ranks.offset(PAIRS // ranks.world) + PAIRS // ranks.world)
    everyone = 3 + 2 * torch.randn(PAIRS, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    norm, x = GlobalBatchNorm(4).double(), everyone[mine].requires_grad_()
    output = norm(x)
    (output * torch.arange(4 * PAIRS, dtype=torch.float64).view(PAIRS, 4).sin()[mine]).sum().backward()
    assert x.grad is not None
    return {"output": output.detach(), "gradient": x.grad} | norm.state_dict()


def all_cases() -> dict[str, dict[str, Tensor]]:
    return {case: loss_and_gradients(case) for case in CASES} | {"batch_norm": normalise()}


@pytest.fixture(scope="module")
def alone() -> dict[str, dict[str, Tensor]]:
    return all_cases()


@pytest.fixture(scope="module", params=[2, 4])
def together(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Tensor]]]:
    return run_on_ranks(all_cases, request.param, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("case", CASES)
def test_many_processes_equal_one(case: str, alone: dict[str, dict[str, Tensor]], together: list[dict[str, dict[str, Tensor]]]) -> None:
    assert alone[case]["loss"] > 0
    assert any(gradient.abs().max() > 1e-4 for name, gradient in alone[case].items() if name.startswith("image.embed"))
    for result in together:
        assert result[case].keys() == alone[case].keys()
        torch.testing.assert_close(result[case], alone[case], rtol=1e-9, atol=1e-11)


def test_batch_norm_is_that_of_the_global_batch(alone: dict[str, dict[str, Tensor]], together: list[dict[str, dict[str, Tensor]]]) -> None:
    expected = alone["batch_norm"]
    for name in ("output", "gradient"):
        parts = torch.cat([result["batch_norm"][name] for result in together])
        torch.testing.assert_close(parts, expected[name], rtol=1e-12, atol=1e-12)
    for result in together:
        torch.testing.assert_close(result["batch_norm"]["running_var"], expected["running_var"], rtol=1e-12, atol=0)
