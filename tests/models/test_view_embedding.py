"""View embeddings: nothing at first, then what training makes of them, and nothing where the position is unknown."""

from __future__ import annotations

import pytest
import torch
from tests.tiny import EMBED_DIM, PatchTower, WordTower, tiny_batch
from torch import Tensor

from concord.distributed import Ranks
from concord.models import Cosine, DualEncoder, LateInteraction, Similarity
from concord.models.view_embedding import ViewEmbedding
from concord.objectives import InfoNCE, Step
from concord.types import VIEW_POSITIONS, Features

PA, LATERAL = VIEW_POSITIONS.index("PA"), VIEW_POSITIONS.index("LATERAL")


def model(similarity: Similarity | None = None, view_embedding: bool = True) -> DualEncoder:
    torch.manual_seed(0)  # as `tiny_model`, whose vectors are not zero
    towers = PatchTower(), WordTower()
    return DualEncoder(*towers, similarity or Cosine(), EMBED_DIM, view_embedding=view_embedding)  # type: ignore[arg-type]


def loss(made: DualEncoder, positions: Tensor | None) -> Tensor:
    batch = tiny_batch(6)
    batch.view_positions = positions
    return InfoNCE()(Step(made, batch, Ranks.current())).loss


def test_at_the_start_it_is_the_model_without() -> None:
    positions = torch.tensor([0, 1, 2, 3, 4, 5])

    assert torch.equal(loss(model(), positions), loss(model(view_embedding=False), positions))
    assert not [name for name, _ in model(view_embedding=False).named_parameters() if "view" in name]


def test_positions_that_were_seen_learn_and_the_unknown_one_stays_zero() -> None:
    made = model()
    assert made.view_embedding is not None

    loss(made, torch.tensor([0, 0, PA, PA, LATERAL, 0])).backward()

    learned = made.view_embedding.vectors.weight.grad
    assert learned is not None
    assert [VIEW_POSITIONS[row] for row in learned.any(dim=1).nonzero().flatten()] == ["PA", "LATERAL"]


def test_the_unknown_position_is_part_of_the_graph() -> None:
    made = model()

    loss(made, None).backward()

    assert all(parameter.grad is not None for name, parameter in made.named_parameters() if "view" in name)


def test_vectors_are_added_to_what_is_pooled_and_to_every_token() -> None:
    part = ViewEmbedding(3)
    with torch.no_grad():
        part.vectors.weight[LATERAL] = torch.tensor([1.0, 2.0, 3.0])
    features = Features(torch.ones(2, 3), torch.ones(2, 4, 3))

    shown = part(features, torch.tensor([LATERAL, 0]))

    assert shown.pooled.tolist() == [[2, 3, 4], [1, 1, 1]]
    assert shown.tokens[0].tolist() == [[2, 3, 4]] * 4
    assert shown.tokens[1].tolist() == [[1, 1, 1]] * 4


@pytest.mark.parametrize("similarity", [Cosine, LateInteraction])
def test_draws_of_one_picture_have_its_position(similarity: type[Similarity]) -> None:
    made, batch = model(similarity()), tiny_batch(2)
    assert made.view_embedding is not None
    with torch.no_grad():
        torch.nn.init.normal_(made.view_embedding.vectors.weight[1:])
    batch.images["several"] = torch.stack([batch.images["image"], batch.images["image"]], dim=1)
    batch.view_positions = torch.tensor([PA, LATERAL])
    step = Step(made, batch, Ranks.current())

    one, several = step.image_embeddings("image"), step.image_embeddings("several")

    assert torch.equal(several.vectors, one.vectors.repeat_interleave(2, dim=0))
    assert not torch.allclose(one.vectors, made.embed_image(step.image("image")).vectors)
