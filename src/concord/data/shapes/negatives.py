"""Wrong captions of scenes with two things, each a small change of the right one (after ARO, Yuksekgonul et al. 2023)."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from concord.data.shapes.captions import name_thing, relate
from concord.data.shapes.scene import OPPOSITE, Look, Scene
from concord.data.shapes.vocabulary import SHAPES

KINDS = ("swap_attributes", "replace_object", "swap_relation", "word_order")


def draw_negatives(rng: Random, scene: Scene) -> dict[str, list[str]]:
    """One wrong caption of each kind, to stand against `complete_caption(scene, texture=False)`.

    swap_attributes: the two things exchange their colours.
    replace_object: one of them gets a shape that the scene does not show.
    swap_relation: left for right, above for below.
    word_order: sizes, colours and shapes shuffled among the two names. The words are the same; the order is often no English.
    All are false because the two things differ in colour and in shape.
    """
    first, second = (thing.look for thing in scene.things)
    relation = scene.relations[0]
    swapped = relate(_name(replace(first, colour=second.colour)), relation, _name(replace(second, colour=first.colour)))
    return {
        "swap_attributes": [swapped],
        "replace_object": [_replace_object(rng, scene)],
        "swap_relation": [relate(_name(first), OPPOSITE[relation], _name(second))],
        "word_order": [_shuffle_words(rng, scene)],
    }


def _name(look: Look) -> str:
    return name_thing(look, texture=False)


def _replace_object(rng: Random, scene: Scene) -> str:
    looks = [thing.look for thing in scene.things]
    present = {look.shape for look in looks}
    which = rng.randrange(2)
    looks[which] = replace(looks[which], shape=rng.choice([shape for shape in SHAPES if shape not in present]))
    return relate(_name(looks[0]), scene.relations[0], _name(looks[1]))


def _shuffle_words(rng: Random, scene: Scene) -> str:
    """Shuffle until the first name holds other words than its own, so that no reading of it is true."""
    first, second = ([thing.look.size, thing.look.colour, thing.look.shape] for thing in scene.things)
    words = first + second
    while set(words[:3]) == set(first):
        rng.shuffle(words)
    return relate(f"a {' '.join(words[:3])}", scene.relations[0], f"a {' '.join(words[3:])}")
