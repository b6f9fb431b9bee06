"""Small real models and batches for the tests of objectives, the same on every process."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from concord.distributed import Ranks
from concord.models.decoder import CaptionDecoder
from concord.models.dual_encoder import DualEncoder
from concord.models.image_tower import ImageTower
from concord.models.similarity import Cosine
from concord.models.text_tower import TextTower
from concord.objectives import MAE, Objective, SelfDistillation, SimCLR
from concord.types import Batch, Tokens

VOCABULARY = 24
WIDTH = 16
SMALL_DECODER: dict[str, Any] = {"width": 16, "depth": 1, "heads": 2}


def small_model(
    decoder: bool = False, image_name: str = "vit_tiny_patch16_224", image_pooling: Any = None, text_pooling: Any = None
) -> DualEncoder:
    """A dual encoder for images of 16 x 16 pixels in patches of 4 x 4, with weights from seed 0; CoCa's poolings with a decoder."""
    torch.manual_seed(0)
    vit: dict[str, Any] = {"image_size": 16, "patch_size": 4, "width": WIDTH, "depth": 1, "heads": 2}
    options = vit if image_name.startswith("vit") else {}
    pooling = image_pooling or ("cascade" if decoder else "average")
    image = ImageTower(image_name, pooling=pooling, pool_heads=2, caption_queries=5, **options)
    text_pooling = text_pooling or ("class" if decoder else "end")
    text = TextTower(VOCABULARY, context_length=16, width=WIDTH, depth=1, heads=2, pooling=text_pooling)
    captioner = CaptionDecoder(VOCABULARY, WIDTH, image.width, depth=1, heads=2) if decoder else None
    return DualEncoder(image, text, Cosine(), embed_dim=8, decoder=captioner)


def small_batch(pairs: int = 4, local_crops: int = 3, seed: int = 0) -> Batch:
    """Noise images in every view and captions of unequal length."""
    generator = torch.Generator().manual_seed(seed)

    def images(*shape: int) -> Tensor:
        return torch.randint(0, 256, (pairs, *shape), generator=generator, dtype=torch.uint8)

    views = {name: images(3, 16, 16) for name in ("image", "augmented_a", "augmented_b")}
    ids = torch.randint(0, VOCABULARY, (pairs, 8), generator=generator)
    mask = torch.arange(8) < (3 + torch.arange(pairs) % 6)[:, None]
    captions = {"caption": Tokens(ids, mask)}
    return Batch([str(i) for i in range(pairs)], views | {"local": images(local_crops, 3, 8, 8)}, captions)


def share(batch: Batch, ranks: Ranks) -> Batch:
    """The rows of the global batch that belong to this rank."""
    rows = len(batch) // ranks.world
    mine = slice(ranks.offset(rows), ranks.offset(rows) + rows)
    images = {name: view[mine] for name, view in batch.images.items()}
    return Batch(batch.keys[mine], images, {name: Tokens(text.ids[mine], text.mask[mine]) for name, text in batch.texts.items()})


def set_up(objective: Objective, model: DualEncoder) -> Objective:
    """Heads with weights from seed 1."""
    objective.check(model)
    torch.manual_seed(1)
    objective.setup(model)
    return objective.train()


class FixedNoise(MAE):
    """Draws the masks of the global batch from a seed, so that any number of processes has the same."""

    def __init__(self) -> None:
        super().__init__(**SMALL_DECODER)

    def _noise(self, images: int, patches: int, device: torch.device | None = None) -> Tensor:
        ranks = Ranks.current()
        noise = torch.rand(images * ranks.world, patches, generator=torch.Generator().manual_seed(5))
        return noise[ranks.offset(images) : ranks.offset(images) + images]


def small_simclr() -> SimCLR:
    return SimCLR(hidden_width=12, out_width=6)


def small_distillation(**settings: Any) -> SelfDistillation:
    return SelfDistillation(**({"local_crops": 3, "prototypes": 10, "hidden_width": 12, "bottleneck_width": 6} | settings))
