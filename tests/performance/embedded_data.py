"""How fast the embedded data are made, on one core: `python tests/performance/embedded_data.py`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from concord.data.phantoms import Phantoms
from concord.data.phantoms.catalogue import MODALITIES
from concord.data.phantoms.source import paint
from concord.data.shapes import Shapes
from concord.data.shapes.render import render
from concord.data.shapes.source import Task

REPEATS = 5
CASES: list[tuple[Task, list[int]]] = [
    ("caption", [1]),
    ("caption", [2]),
    ("caption", [3]),
    ("caption", [1, 2, 3]),
    ("compositional", [2]),
]


def best_milliseconds(function: Callable[[Any], object], items: Iterable[Any]) -> float:
    """Processor milliseconds per item in the fastest of some rounds, after one that fills the caches."""
    items = list(items)
    rounds = []
    for _ in range(REPEATS + 1):
        start = time.process_time()
        for item in items:
            function(item)
        rounds.append(time.process_time() - start)
    return 1_000 * min(rounds[1:]) / len(items)


def report(name: str, picture: float, pair: float) -> None:
    print(f"{name:<44}{picture:>9.3f} ms/picture{pair:>9.3f} ms/pair{1_000 / pair:>9.0f} pairs/s")


def main() -> None:
    for image_size in (64, 96):
        for task, objects in CASES:
            shapes = Shapes(size=1_000, objects=objects, image_size=image_size, task=task)
            scenes = [shapes.scene(index) for index in range(len(shapes))]
            picture = best_milliseconds(partial(render, image_size=image_size), scenes)
            report(f"shapes {task} {objects} {image_size} px", picture, best_milliseconds(shapes.__getitem__, range(len(shapes))))
        for modality in MODALITIES:
            phantoms = Phantoms(size=120, modalities=[modality], image_size=image_size)
            studies = [phantoms.study(index) for index in range(len(phantoms))]
            picture = best_milliseconds(partial(paint, image_size=image_size), studies)
            report(f"phantoms {modality} {image_size} px", picture, best_milliseconds(phantoms.__getitem__, range(len(phantoms))))


if __name__ == "__main__":
    main()
