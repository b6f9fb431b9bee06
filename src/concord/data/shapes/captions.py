"""Captions of scenes: a complete one, and several that say the same in other words or leave something out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from concord.data.shapes.scene import OPPOSITE, Look, Relation, Scene

RELATION_PHRASES: dict[Relation, str] = {"left": "to the left of", "right": "to the right of", "above": "above", "below": "below"}
SIDE_PHRASES: dict[Relation, str] = {"left": "to its left", "right": "to its right", "above": "above it", "below": "below it"}
MAX_CAPTIONS = 5


def name_thing(look: Look, size: bool = True, texture: bool = True) -> str:
    """A noun phrase with its article: "a large red striped circle", "an orange ring"."""
    words = [look.size] if size else []
    words.append(look.colour)
    if texture:
        words.append(look.texture)
    words.append(look.shape)
    article = "an" if words[0][0] in "aeiou" else "a"
    return f"{article} {' '.join(words)}"


def relate(subject: str, relation: Relation, other: str) -> str:
    """ "a red circle to the left of a blue square" """
    return f"{subject} {RELATION_PHRASES[relation]} {other}"


def complete_caption(scene: Scene, texture: bool = True) -> str:
    """All that captions can say of the scene; `texture=False` keeps silent about the textures alone."""
    names = [name_thing(thing.look, texture=texture) for thing in scene.things]
    return _in_place(scene, names) + f" on a {scene.background.tone} background" if len(names) == 1 else _related(scene, names)


def draw_captions(rng: Random, scene: Scene, texture: bool = True) -> tuple[str, ...]:
    """Two to five different captions, the complete one first. All are true and name every colour and shape."""
    captions = [complete_caption(scene, texture)]
    for template in rng.sample(_TEMPLATES[len(scene.things)], rng.randint(1, MAX_CAPTIONS - 1)):
        size, textured = rng.random() < 0.6, rng.random() < 0.6
        caption = template(scene, [name_thing(thing.look, size, textured) for thing in scene.things])
        # A template can repeat the complete caption; a look-up in at most five strings costs less than a set.
        if caption not in captions:
            captions.append(caption)
    if len(captions) == 1:
        captions.append("a picture of " + _listed(scene, [name_thing(thing.look, False, False) for thing in scene.things]))
    return tuple(captions)


def _listed(scene: Scene, names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _in_place(scene: Scene, names: Sequence[str]) -> str:
    place = "in the centre" if scene.place == "centre" else f"in the {scene.place} corner"
    return f"{names[0]} {place}"


def _on_background(scene: Scene, names: Sequence[str]) -> str:
    return f"{_listed(scene, names)} on a {scene.background.tone} background"


def _related(scene: Scene, names: Sequence[str]) -> str:
    caption = relate(names[0], scene.relations[0], names[1])
    return caption if len(names) == 2 else f"{caption} and {RELATION_PHRASES[scene.relations[1]]} {names[2]}"


def _reversed(scene: Scene, names: Sequence[str]) -> str:
    caption = relate(names[1], OPPOSITE[scene.relations[0]], names[0])
    return caption if len(names) == 2 else f"{caption}, which is {RELATION_PHRASES[scene.relations[1]]} {names[2]}"


def _beside(scene: Scene, names: Sequence[str]) -> str:
    others = [f"{name} {SIDE_PHRASES[OPPOSITE[relation]]}" for name, relation in zip(names[1:], scene.relations, strict=True)]
    return f"{names[0]} with {' and '.join(others)}"


def _prefixed(prefix: str, template: Template) -> Template:
    return lambda scene, names: prefix + template(scene, names)


Template = Callable[[Scene, Sequence[str]], str]
_ANY: tuple[Template, ...] = (_listed, _prefixed("a picture of ", _listed), _on_background)
_TOGETHER: tuple[Template, ...] = (*_ANY, _related, _reversed, _beside, _prefixed("there is ", _related))
_TEMPLATES: dict[int, tuple[Template, ...]] = {1: (*_ANY, _in_place, _prefixed("there is ", _in_place)), 2: _TOGETHER, 3: _TOGETHER}
