"""The embedded scenes: the same everywhere, held-out combinations apart, captions true, wrong captions wrong."""

from __future__ import annotations

import hashlib
import itertools
import pickle
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data.shapes import Shapes
from concord.data.shapes import source as source_module
from concord.data.shapes.negatives import KINDS
from concord.data.shapes.vocabulary import COLOURS, SHAPES, TEXTURES
from concord.data.source import KeyedSource
from concord.types import Pair

INDICES = st.integers(0, 9_999)
SEEDS = st.integers(0, 2**40)
SPLITS = st.sampled_from(["train", "held_out"])
ATTRIBUTES = ("size", "colour", "texture", "shape")


# A reader of captions, written apart from the code that makes them: it knows the grammar and looks at coordinates only.

NAME = re.compile(rf"\ban? (?:(small|large) )?({'|'.join(COLOURS)}) (?:({'|'.join(TEXTURES)}) )?({'|'.join(SHAPES)})\b")
PHRASE = "to the left of|to the right of|above|below"
ASIDE = "to its left|to its right|above it|below it"


def read(caption: str) -> tuple[list[dict[str, str]], list[tuple[int, str, int]], str | None, str | None]:
    """Names, relations (name, direction, name), place and tone of the background that a caption claims."""
    names = [{key: word for key, word in zip(ATTRIBUTES, match.groups(), strict=True) if word} for match in NAME.finditer(caption)]
    numbers = itertools.count()
    text = NAME.sub(lambda _: f"#{next(numbers)}", caption)
    text = re.sub(r"^(a picture of|there is) ", "", text)
    tone = re.search(r" on a (light|dark) background$", text)
    text = text[: tone.start()] if tone else text
    place = re.search(r" in the (?:(\w+ \w+) corner|(centre))$", text)
    text = text[: place.start()] if place else text
    return names, read_relations(text), place and (place[1] or place[2]), tone and tone[1]


def read_relations(text: str) -> list[tuple[int, str, int]]:
    if re.fullmatch(r"#0|#0 and #1|#0, #1 and #2", text):
        return []
    if match := re.fullmatch(rf"#0 ({PHRASE}) #1(?:(, which is| and) ({PHRASE}) #2)?", text):
        first, join, second = match.groups()
        claims = [(0, direction(first), 1)]
        if second:
            claims.append((1 if join == ", which is" else 0, direction(second), 2))
        return claims
    if match := re.fullmatch(rf"#0 with #1 ({ASIDE})(?: and #2 ({ASIDE}))?", text):
        return [(other, direction(words), 0) for other, words in enumerate(match.groups(), start=1) if words]
    raise AssertionError(f"cannot read {text!r}")


def direction(words: str) -> str:
    return next(word for word in ("left", "right", "above", "below") if word in words)


def stands(thing: dict[str, Any], where: str, other: dict[str, Any]) -> bool:
    across, down = thing["x"] - other["x"], thing["y"] - other["y"]
    if where in ("left", "right"):
        return abs(across) > abs(down) and (across < 0) == (where == "left")
    return abs(down) > abs(across) and (down < 0) == (where == "above")


def in_place(thing: dict[str, Any], place: str) -> bool:
    low, high = thing["diameter"] / 2, 1 - thing["diameter"] / 2
    along = {key: (thing[key] - low) / (high - low) for key in ("x", "y")}
    if place == "centre":
        return all(0.35 < value < 0.65 for value in along.values())
    vertical, horizontal = place.split()
    return (along["y"] < 0.35) == (vertical == "top") and (along["x"] < 0.35) == (horizontal == "left")


def true_of(caption: str, metadata: Any) -> bool:
    """Whether the names fit different things of the scene such that all claims hold."""
    names, relations, place, tone = read(caption)
    assert names
    if tone and tone != metadata["background"]:
        return False
    return any(
        all(name.items() <= thing.items() for name, thing in zip(names, things, strict=True))
        and all(stands(things[a], where, things[b]) for a, where, b in relations)
        and (place is None or in_place(things[0], place))
        for things in itertools.permutations(metadata["scene"], len(names))
    )


def triples(source: Shapes, count: int) -> Iterator[tuple[str, str, str]]:
    for index in range(count):
        for thing in source.scene(index).things:
            yield thing.look.colour, thing.look.shape, thing.look.texture


def fingerprint(source: Shapes, indices: list[int]) -> str:
    """All that some examples hold, as text."""
    parts = [(pair.image.tobytes(), pair.captions, pair.key, repr(pair.metadata)) for pair in map(source.__getitem__, indices)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def test_the_reader_tells_true_from_false() -> None:
    scene = [
        {"size": "large", "colour": "red", "texture": "solid", "shape": "ring", "x": 0.2, "y": 0.5, "diameter": 0.4},
        {"size": "small", "colour": "blue", "texture": "dotted", "shape": "star", "x": 0.8, "y": 0.6, "diameter": 0.3},
    ]
    metadata = {"scene": scene, "background": "dark"}
    assert true_of("a large red solid ring to the left of a small blue dotted star", metadata)
    assert true_of("a red ring with a blue star to its right", metadata)
    assert true_of("a blue star and a red ring on a dark background", metadata)
    assert not true_of("a blue star and a red ring on a light background", metadata)
    assert not true_of("a red ring to the right of a blue star", metadata)
    assert not true_of("a red ring above a blue star", metadata)
    assert not true_of("a blue ring to the left of a red star", metadata)
    assert not true_of("a small red ring", metadata)


@settings(max_examples=60, deadline=None)
@given(index=INDICES, seed=SEEDS, split=SPLITS, task=st.sampled_from(["caption", "classification", "compositional"]))
def test_every_caption_is_true(index: int, seed: int, split: Any, task: Any) -> None:
    pair = Shapes(split, size=10_000, seed=seed, task=task)[index]
    assert 2 <= len(pair.captions) <= 5
    assert len(set(pair.captions)) == len(pair.captions)
    for caption in pair.captions:
        assert caption == caption.lower()
        assert len(read(caption)[0]) == len(pair.metadata["scene"])
        assert true_of(caption, pair.metadata), caption


@settings(max_examples=60, deadline=None)
@given(index=INDICES, seed=SEEDS, split=SPLITS)
def test_wrong_captions_are_wrong(index: int, seed: int, split: Any) -> None:
    pair = Shapes(split, size=10_000, seed=seed, task="compositional")[index]
    negatives = pair.metadata["negatives"]
    assert tuple(negatives) == KINDS
    for kind in ("swap_attributes", "replace_object", "swap_relation"):
        for caption in negatives[kind]:
            assert not true_of(caption, pair.metadata), (kind, caption, pair.captions[0])
    right = pair.captions[0].split()
    assert sorted(negatives["swap_attributes"][0].split()) == sorted(right)
    for caption in negatives["word_order"]:
        assert sorted(caption.split()) == sorted(right)
        assert not bag_true_of(caption, pair)


def bag_true_of(caption: str, pair: Pair) -> bool:
    """Whether the words on the two sides of the relation, in any order, describe two things that stand so."""
    phrase = re.search(rf" ({PHRASE}) ", caption)
    assert phrase is not None
    sides = [set(text.split()) - {"a", "an"} for text in (caption[: phrase.start()], caption[phrase.end() :])]
    return any(
        all(side <= {thing[key] for key in ATTRIBUTES} for side, thing in zip(sides, things, strict=True))
        and stands(things[0], direction(phrase[1]), things[1])
        for things in itertools.permutations(pair.metadata["scene"])
    )


@pytest.mark.parametrize("count", [2, 3])
def test_relations_are_clear(count: int) -> None:
    """What is said to be left or right is further off across than down, and the other way round."""
    source = Shapes(size=3_000, objects=[count])
    for index in range(3_000):
        scene = source.scene(index)
        places = [{"x": thing.x, "y": thing.y} for thing in scene.things]
        assert all(stands(places[0], where, other) for where, other in zip(scene.relations, places[1:], strict=True))


def test_the_first_caption_is_complete() -> None:
    for task, words in (("caption", 4), ("classification", 4), ("compositional", 3)):
        source = Shapes("held_out", size=300, task=task)
        for index in range(300):
            names, relations, place, tone = read(source[index].captions[0])
            assert all(len(name) == words for name in names)
            assert len(relations) == len(names) - 1
            assert (place is not None and tone is not None) == (len(names) == 1)


def test_full_captions_tell_scenes_apart() -> None:
    source = Shapes("held_out", size=500)
    assert len({source[index].captions[0] for index in range(500)}) >= 450


def test_training_never_shows_a_held_out_combination() -> None:
    train = Counter(triples(Shapes("train", size=6_000), 6_000))
    held_out = Counter(triples(Shapes("held_out", size=6_000), 6_000))
    assert not train.keys() & held_out.keys()
    assert len(train) == 64 * 3
    assert len(held_out) == 64
    assert {triple[:2] for triple in held_out} == set(itertools.product(COLOURS, SHAPES))
    assert Counter(texture for _, _, texture in held_out) == dict.fromkeys(TEXTURES, 16)


def test_held_out_classes_are_even() -> None:
    source = Shapes("held_out", size=640, task="classification")
    pairs = [source[index] for index in range(640)]
    assert Counter(pair.metadata["label"] for pair in pairs) == dict.fromkeys(range(64), 10)
    assert len(source.class_names) == len(set(source.class_names)) == 64
    for pair in pairs:
        (thing,) = pair.metadata["scene"]
        assert pair.metadata["class_name"] == source.class_names[pair.metadata["label"]] == f"{thing['colour']} {thing['shape']}"
    drawn = Counter(triples(Shapes("held_out", size=6_400, objects=[1]), 6_400))
    assert min(drawn.values()) > 50


@settings(max_examples=60, deadline=None)
@given(index=INDICES, seed=SEEDS, count=st.sampled_from([1, 2, 3]))
def test_things_are_apart_inside_and_different(index: int, seed: int, count: int) -> None:
    things = Shapes(size=10_000, objects=[count], seed=seed)[index].metadata["scene"]
    assert len(things) == count
    for key in ("colour", "shape"):
        assert len({thing[key] for thing in things}) == count
    for thing in things:
        radius = thing["diameter"] / 2
        assert all(radius - 1e-9 <= thing[axis] <= 1 - radius + 1e-9 for axis in ("x", "y"))
    for a, b in itertools.combinations(things, 2):
        assert max(abs(a[axis] - b[axis]) for axis in ("x", "y")) > (a["diameter"] + b["diameter"]) / 2


@settings(max_examples=40, deadline=None)
@given(index=INDICES, seed=SEEDS, image_size=st.sampled_from([32, 48, 64, 97]))
def test_pixels_show_what_the_metadata_say(index: int, seed: int, image_size: int) -> None:
    pair = Shapes(size=10_000, image_size=image_size, seed=seed)[index]
    assert pair.image.shape == (image_size, image_size, 3)
    assert pair.image.dtype == np.uint8
    rows, columns = np.mgrid[:image_size, :image_size] + 0.5
    least = 0.1 if image_size >= 48 else 0.02  # a dotted thing of ten pixels has hardly one of a single colour
    for thing in pair.metadata["scene"]:
        close = np.abs(pair.image.astype(int) - COLOURS[thing["colour"]]).max(axis=2) <= 6
        radius = thing["diameter"] * image_size / 2 + 1
        box = (np.abs(columns - thing["x"] * image_size) <= radius) & (np.abs(rows - thing["y"] * image_size) <= radius)
        assert close[box].sum() > least * radius**2
        assert not close[~box].any()


def test_textures_and_sizes_change_the_picture() -> None:
    source = Shapes(size=600, task="classification")
    shares: dict[tuple[str, str], list[float]] = {}
    for index in range(600):
        pair = source[index]
        (thing,) = pair.metadata["scene"]
        exact = (np.abs(pair.image.astype(int) - COLOURS[thing["colour"]]).max(axis=2) <= 6).mean()
        shares.setdefault((thing["texture"], thing["size"]), []).append(float(exact))
    mean = {key: np.mean(values) for key, values in shares.items()}
    for texture in TEXTURES:
        assert mean[texture, "large"] > 1.5 * mean[texture, "small"]
    for size in ("small", "large"):
        assert mean["solid", size] > 1.2 * max(mean[texture, size] for texture in TEXTURES[1:])


@settings(max_examples=20, deadline=None)
@given(indices=st.lists(st.integers(0, 99), min_size=1, max_size=5), seed=SEEDS, split=SPLITS)
def test_examples_depend_on_nothing_but_their_index(indices: list[int], seed: int, split: Any) -> None:
    source, longer = Shapes(split, size=100, seed=seed), Shapes(split, size=1_000, seed=seed)
    alone = [fingerprint(Shapes(split, size=100, seed=seed), [index]) for index in indices]
    assert [fingerprint(source, [index]) for index in reversed(indices)] == alone[::-1]
    assert [fingerprint(longer, [index]) for index in indices] == alone
    assert fingerprint(pickle.loads(pickle.dumps(source)), indices) == fingerprint(source, indices)


def test_another_process_makes_the_same_examples() -> None:
    code = (
        "import hashlib; from concord.data.shapes import Shapes\n"
        "source = Shapes('held_out', size=40, seed=3)\n"
        "parts = [(p.image.tobytes(), p.captions, p.key, repr(p.metadata)) for p in (source[i] for i in range(39, -1, -1))][::-1]\n"
        "print(hashlib.sha256(repr(parts).encode()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == fingerprint(Shapes("held_out", size=40, seed=3), list(range(40)))


@pytest.mark.parametrize("task", ["caption", "classification", "compositional"])
def test_keys_captions_and_metadata_are_told_without_painting(task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Shapes(size=12, task=task)
    pairs = [source[index] for index in range(12)]
    monkeypatch.setattr(source_module, "render", None)
    assert isinstance(source, KeyedSource)
    for index, pair in enumerate(pairs):
        assert (source.key(index), source.captions(index), source.metadata(index)) == (pair.key, pair.captions, pair.metadata)
    assert source.captions(-1) == pairs[-1].captions
    with pytest.raises(IndexError):
        source.captions(12)


def test_seeds_and_splits_differ() -> None:
    prints = {fingerprint(Shapes(split, size=5, seed=seed), [0, 1]) for split in ("train", "held_out") for seed in (0, 1)}
    assert len(prints) == 4


def test_indexing_follows_sequences() -> None:
    source = Shapes(size=10)
    assert len(source) == 10
    assert source[-1].key == source[9].key
    assert source[np.int64(2)].key == source[2].key
    assert len({source[index].key for index in range(10)}) == 10
    with pytest.raises(IndexError):
        source[10]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"split": "test"}, "split"),
        ({"size": 0}, "size"),
        ({"image_size": 8}, "image_size"),
        ({"objects": []}, "objects"),
        ({"objects": [4]}, "objects"),
        ({"objects": [2], "task": "classification"}, "objects"),
        ({"task": "detection"}, "task"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named} must"):
        Shapes(**arguments)
