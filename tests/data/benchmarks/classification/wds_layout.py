"""Data sets in CLIP_benchmark's layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from concord.vocabularies import class_names
from tests.data.benchmarks.classification.drawn import FEW, MANY, npy, picture, write_text
from tests.data.samples import Content, write_tar


def write_wds(
    folder: Path,
    names: Sequence[str],
    examples: Sequence[Mapping[str, Content]],
    templates: Sequence[str] | None = ("a photo of a {c}.",),
    kind: str | None = None,
    shards: int = 2,
) -> None:
    """Shards of examples, each with its members by suffix; the pictures are added."""
    write_text(folder / "classnames.txt", names)
    if templates is not None:
        write_text(folder / "zeroshot_classification_templates.txt", templates)
    if kind is not None:
        (folder / "dataset_type.txt").write_text(kind)
    write_text(folder / "test/nshards.txt", [str(shards)])
    for shard in range(shards):
        numbered = list(enumerate(examples))[shard::shards]
        members = [
            (f"s{number:07d}.{suffix}", content)
            for number, example in numbered
            for suffix, content in {"webp": picture(f"{folder.name}/{number}", "WEBP"), **example}.items()
        ]
        write_tar(folder / f"test/{shard}.tar", members)


def wds(root: Path, key: str, names: str | Sequence[str] = "", columns: Sequence[Sequence[int]] | None = None) -> None:
    """A data set of single classes, with a vector of metadata per example where columns give some."""
    found = class_names(names) if isinstance(names, str) and names else names or [f"class {number}" for number in range(7)]
    count = FEW if columns is None else len(columns)
    examples: list[dict[str, Content]] = [{"cls": str(number * 11 % len(found))} for number in range(count)]
    if columns is not None:
        examples = [{**example, "npy": npy(vector)} for example, vector in zip(examples, columns, strict=True)]
    write_wds(root / f"wds_{key}_test", list(found), examples)


def wds_multilabel(root: Path, key: str) -> None:
    vectors = [[1, 0, 0], [0, 1, 1], [1, 0, 1], [0, 1, 0]]
    write_wds(root / f"wds_{key}_test", ["cat", "dog", "bird"], [{"npy": npy(vector)} for vector in vectors], kind="multilabel")


FACES = [[3, 0, 1, 0], [2, 1, 0, 1], [1, 0, 1, 0], [0, 1, 2, 1]]
"""Age, gender, race and whether it is another than white, of four pictures of faces."""


def wds_faces(root: Path, key: str) -> None:
    names = ["race:black", "race:white", "race:indian", "gender:male", "gender:female", *(f"age:{years}s" for years in (0, 10, 20, 30))]
    templates = ["race:a photo of a {c} person", "gender:a photo of a {c}", "gender:{c}", "age:a person in the {c}"]
    write_wds(root / f"wds_{key}_test", names, [{"cls": "0", "npy": npy(vector)} for vector in FACES * (MANY // len(FACES))], templates)


def wds_captions(root: Path) -> None:
    captions = ["a red kite\na child flies a kite", "a line\\nbreak inside\nanother caption", "only one"]
    write_wds(root / "wds_captions", [], [{"txt": text} for text in captions], None, "retrieval")
