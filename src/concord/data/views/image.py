"""The image views of a pair: as many draws as the views ask for, then one decoding that suits them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from torch import Tensor
from torch.utils.data import default_collate

from concord.data.source import BadSample
from concord.data.stages import stage
from concord.data.views.augment import Augmentation
from concord.data.views.drawing import check_recipes, generator
from concord.data.views.image_draw import Draw
from concord.errors import DataError
from concord.images import Encoded, Preprocess
from concord.types import ImageView, Pair


class ImageViews:
    """Makes the image views of pairs; what it makes is a pure function of (seed, epoch, index).

    Args:
        views: what to make, by name.
        augmentation: recipes by name.
        preprocess: gives the image size, and the view of recipes that do not crop.
        seed: of all draws.
        size_multiple: sides of local crops are multiples of this, such as the patch size.

    Attributes:
        sizes: side of each view in pixels.

    Raises:
        ConfigError: when a view asks for a recipe that is not there.
    """

    def __init__(
        self,
        views: Mapping[str, ImageView],
        augmentation: Mapping[str, Augmentation],
        preprocess: Preprocess,
        seed: int = 0,
        size_multiple: int = 1,
    ) -> None:
        check_recipes(views, augmentation, "data.augmentation has no recipe")
        self.views = dict(views)
        self.preprocess = preprocess
        self.seed = seed
        self.recipes = {name: augmentation[view.recipe] for name, view in views.items()}
        self.sizes = {name: recipe.output_size(preprocess.image_size, size_multiple) for name, recipe in self.recipes.items()}

    def draw(self, pair: Pair, epoch: int, index: int) -> dict[str, list[Tensor]]:
        """Of each view its V draws, uint8 [C, H, W].

        Raises:
            BadSample: when the image cannot be decoded.
        """
        try:
            with stage("decode"):
                encoded = Encoded(pair.image, self.preprocess.max_pixels, self.preprocess.background)
                draws = {name: self._draws(name, encoded.size, generator(self.seed, epoch, index, name)) for name in self.views}
                decoded = encoded.decode(min((draw.shrink for view in draws.values() for draw in view), default=1))
        except DataError as error:
            raise BadSample("image cannot be decoded", pair.key, str(error)) from None
        with stage("transform"):
            return {name: [draw(decoded, self.preprocess) for draw in view] for name, view in draws.items()}

    def _draws(self, name: str, picture: tuple[int, int], rng: Random) -> list[Draw]:
        return [self.recipes[name].draw(*picture, self.sizes[name], rng) for _ in range(self.views[name].count)]

    def collate(self, rows: Sequence[Mapping[str, Sequence[Tensor]]]) -> dict[str, Tensor]:
        """The draws of B pairs, by view: uint8 [B, C, H, W], or [B, V, C, H, W] where V is above one."""
        return {name: _stack([row[name] for row in rows]) for name in self.views}


def _stack(rows: Sequence[Sequence[Tensor]]) -> Tensor:
    stacked: Tensor = default_collate([draw for draws in rows for draw in draws])  # in a worker, straight into shared memory
    return stacked if len(rows[0]) == 1 else stacked.view(len(rows), len(rows[0]), *stacked.shape[1:])
