"""The embedded data set `shapes`: scenes painted on the fly, no files."""

from __future__ import annotations

from random import Random
from typing import Any, Literal

from concord.data.shapes.captions import draw_captions
from concord.data.shapes.negatives import draw_negatives
from concord.data.shapes.render import render
from concord.data.shapes.scene import Scene, draw_scene
from concord.data.shapes.vocabulary import CLASS_NAMES, COLOUR_NAMES, SHAPES, Split
from concord.types import Pair

Task = Literal["caption", "classification", "compositional"]

_COUNTS: dict[str, list[int]] = {"caption": [1, 2, 3], "classification": [1], "compositional": [2]}


class Shapes:
    """Procedural scenes of one to three objects with shape, colour, size and texture, in spatial relations.

    An example is a pure function of (seed, split, task, objects, index). Training never shows some combinations of colour,
    shape and texture; `held_out` shows only those, each of the 64 colour-shape classes with one texture that is new to it.

    `captions[0]` is complete: it names size, colour, texture and shape of every object and how they stand to each other
    (with one object, its place and the background). Tasks differ in what else they promise:

    - caption: scenes with any of the counts in `objects`, as likely as each stands there: [1, 1, 2] has two in three with one.
    - classification: one object; the classes take turns, so that they are evenly filled.
    - compositional: two objects, and `metadata["negatives"]`: for each kind (`swap_attributes`, `replace_object`,
      `swap_relation`, `word_order`) a list of captions that are wrong beside `captions[0]`. No caption[0] here names a
      texture: it would tell the right caption from wrong ones by its rarity, as only right ones hold combinations
      that training never had.

    metadata: `scene` (one dict per object), `objects` (their colours and shapes in words), `large` (the place of the only large
    one, else None), `relations` ((0, "left", 1): the first object is to the left of the second), `background`; with one
    object also `label` (8 colour + shape), `class_name` and `place`.

    Args:
        split: which combinations of colour, shape and texture.
        size: number of examples; a larger one only adds examples at the end.
        objects: allowed numbers of objects, of 1, 2, 3; None for all that the task allows.
        image_size: side of the square image in pixels, at least 16. Textures are told apart from about 48 on.
        seed: another seed gives other examples.
        task: see above.
    """

    name = "shapes"
    class_names: list[str] = CLASS_NAMES

    def __init__(
        self,
        split: Split = "train",
        size: int = 100_000,
        objects: list[int] | None = None,
        image_size: int = 64,
        seed: int = 0,
        task: Task = "caption",
    ) -> None:
        if split not in ("train", "held_out"):
            raise ValueError(f"split must be train or held_out, got {split!r}")
        if task not in _COUNTS:
            raise ValueError(f"task must be one of {', '.join(_COUNTS)}, got {task!r}")
        if size < 1:
            raise ValueError(f"size must be at least 1, got {size}")
        if image_size < 16:
            raise ValueError(f"image_size must be at least 16, got {image_size}")
        allowed = _COUNTS[task]
        if objects is not None and (not objects or not set(objects) <= set(allowed)):
            raise ValueError(f"objects must be some of {allowed} for task {task}, got {objects}")
        self.split: Split = split
        self.size = size
        self.objects = sorted(allowed if objects is None else objects)
        self.image_size = image_size
        self.seed = seed
        self.task: Task = task

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Pair:
        """The pair at `index`; its image is uint8 [image_size, image_size, 3].

        Raises:
            IndexError: outside of [-size, size).
        """
        index = range(self.size)[index]
        scene, captions, metadata = self._tell(index)
        return Pair(render(scene, self.image_size), captions, self.key(index), self.name, metadata)

    def key(self, index: int) -> str:
        return f"{self.split}-{self.seed}-{range(self.size)[index]:07d}"

    def captions(self, index: int) -> tuple[str, ...]:
        rng = self._stream(index := range(self.size)[index])
        return self._captions(rng, self._draw(rng, index))

    def metadata(self, index: int) -> dict[str, Any]:
        return self._tell(range(self.size)[index])[2]

    def scene(self, index: int) -> Scene:
        """The scene at `index`, unpainted."""
        index = range(self.size)[index]
        return self._draw(self._stream(index), index)

    def _tell(self, index: int) -> tuple[Scene, tuple[str, ...], dict[str, Any]]:
        """The scene at `index`, unpainted, and what is said and known about it."""
        rng = self._stream(index)
        scene = self._draw(rng, index)
        captions, metadata = self._captions(rng, scene), _describe(scene)
        if self.task == "compositional":
            metadata["negatives"] = draw_negatives(rng, scene)
        return scene, captions, metadata

    def _captions(self, rng: Random, scene: Scene) -> tuple[str, ...]:
        return draw_captions(rng, scene, texture=self.task != "compositional")

    def _stream(self, index: int) -> Random:
        # A text seed is hashed with SHA-512: streams of near indices are unrelated, in every process the same.
        return Random(f"{self.seed}/{self.split}/{self.task}/{index}")

    def _draw(self, rng: Random, index: int) -> Scene:
        label = index % len(CLASS_NAMES) if self.task == "classification" else None
        return draw_scene(rng, self.split, rng.choice(self.objects), label)


def _describe(scene: Scene) -> dict[str, Any]:
    large = [place for place, thing in enumerate(scene.things) if thing.look.size == "large"]
    metadata: dict[str, Any] = {
        "objects": [f"{thing.look.colour} {thing.look.shape}" for thing in scene.things],
        "large": large[0] if len(large) == 1 else None,
        "scene": [
            {
                "shape": thing.look.shape,
                "colour": thing.look.colour,
                "texture": thing.look.texture,
                "size": thing.look.size,
                "x": thing.x,
                "y": thing.y,
                "diameter": thing.diameter,
            }
            for thing in scene.things
        ],
        "relations": [(0, relation, other) for other, relation in enumerate(scene.relations, start=1)],
        "background": scene.background.tone,
    }
    if scene.place is not None:
        look = scene.things[0].look
        label = COLOUR_NAMES.index(look.colour) * len(SHAPES) + SHAPES.index(look.shape)
        metadata |= {"label": label, "class_name": CLASS_NAMES[label], "place": scene.place}
    return metadata
