"""Sentences that a class name is put into. `{}` stands for the name, `{a}` for the article that it takes, a or an."""

from __future__ import annotations

from collections.abc import Sequence

from concord.errors import ConfigError, nearest

TEMPLATE_SETS: dict[str, tuple[str, ...]] = {
    "name": ("{}",),
    "photo": ("a photo of a {}",),
    "shapes": (
        "{a} {}",
        "a picture of {a} {}",
        "a small {}",
        "a large {}",
        "{a} {} on a light background",
        "{a} {} on a dark background",
        "{a} {} in the centre",
        "there is {a} {} in the centre",
    ),
    "report": ("{}.", "IMPRESSION: {}."),
}
"""Named sets. Those of `shapes` vary what its captions say besides colour and shape, so that it averages out."""


def templates_of(templates: str | Sequence[str]) -> tuple[str, ...]:
    """A set by name, or templates as they are.

    Raises:
        ConfigError: for an unknown name, no templates, or one without `{}`, which would describe all classes alike.
    """
    if isinstance(templates, str):
        if templates not in TEMPLATE_SETS:
            raise ConfigError(f"templates: there is no set {templates}; {nearest(templates, TEMPLATE_SETS)}")
        return TEMPLATE_SETS[templates]
    if not templates:
        raise ConfigError("templates must hold at least one template, got none")
    for template in templates:
        if "{}" not in template:
            raise ConfigError(f"templates: {template!r} lacks the placeholder {{}} for the class name")
    return tuple(templates)


def prompts_of(class_names: Sequence[str], templates: Sequence[str]) -> list[list[str]]:
    """Every template filled with every class name, [C][T]."""
    return [[_fill(template, name) for template in templates] for name in class_names]


def _fill(template: str, name: str) -> str:
    article = "an" if name[:1].lower() in set("aeiou") else "a"
    return template.replace("{a}", article).replace("{}", name)
