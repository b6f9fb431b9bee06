"""Published words of benchmarks, as data: templates, class names, WordNet ids. Readers and tasks share them.

Class names stand in the order of the labels, one a line in `class_names/`, so that an empty line is an empty name
(`clevr_closest_object_distance` has one). Sources: those of CLIP_benchmark (en_classnames.json) under its own names; the
other data sets of Radford et al. (2021) from data/prompts.md in github.com/openai/CLIP. `caltech101` is in torchvision's
order and `caltech101_vtab` in that of VTAB; `eurosat`, `fer2013` and `pets` are in the alphabetical order of the folders
that CLIP_benchmark reads. `fer2013_synonyms` gives several names to a class, with ", " between them. Two ImageNet classes are
called "missile" and two "sunglasses", as published: no model can tell these apart. `fashion_mnist` and MedMNIST's sets
(`pathmnist` and so on) are in the order of the data sets' own labels, some worded for prompts.

Of segmentation, with "," between the words of a class: `voc20`, `voc21`, `context59`, `context60`, `ade20k`, `coco_object`,
`coco_stuff` and `cityscapes`, after the lists of github.com/wangf3014/SCLIP, where a background is a list of things that are no
class. Spaces that these lack are put in ("traffic light"), and "bed" is taken out of the background of `coco_object`, where it is
a class as well and could never be found.

Of medicine, written for concord: `labels/` says in several ways what the labels of medical data sets mean, and
`label_templates.yaml` makes sentences of it; `reports.yaml` says how radiology reports name their sections.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from concord.errors import ConfigError, nearest

_FOLDER = files(__name__)


def templates(name: str) -> tuple[str, ...]:
    """A published set of templates, sentences with `{}` where the class name goes and `{a}` where its article does.

    Raises:
        ConfigError: for an unknown name.
    """
    _check("templates", name, _template_sets())
    return _template_sets()[name]


def template_sets() -> list[str]:
    """The names that `templates` knows."""
    return list(_template_sets())


@cache
def class_names(name: str) -> tuple[str, ...]:
    """The published class names of a data set, by label; of `imagenet_a`, `imagenet_o` and `imagenet_r` the 200 of the 1000.

    Raises:
        ConfigError: for an unknown name.
    """
    if name in wordnet_sets() and name != "imagenet1k":
        names = class_names("imagenet1k")
        return tuple(names[label] for label in imagenet_labels(name))
    _check("class names", name, class_name_sets())
    return _lines("class_names", name)


@cache
def class_name_sets() -> tuple[str, ...]:
    """The names that `class_names` knows."""
    return tuple(sorted({*_stems("class_names"), *wordnet_sets()}))


@cache
def wordnet_ids(name: str = "imagenet1k") -> tuple[str, ...]:
    """The WordNet ids of `imagenet1k`, or of the 200 of its classes in `imagenet_a`, `imagenet_o` or `imagenet_r`, by label.

    They are sorted, as the folders of these data sets are.

    Raises:
        ConfigError: for an unknown name.
    """
    _check("WordNet ids", name, wordnet_sets())
    return _lines("wordnet_ids", name)


@cache
def wordnet_sets() -> tuple[str, ...]:
    """The names that `wordnet_ids` knows."""
    return tuple(_stems("wordnet_ids"))


@cache
def imagenet_labels(name: str) -> tuple[int, ...]:
    """By class of `imagenet_a`, `imagenet_o` or `imagenet_r`, its label among the 1000 of ImageNet.

    Raises:
        ConfigError: for an unknown name.
    """
    places = {wordnet_id: label for label, wordnet_id in enumerate(wordnet_ids())}
    return tuple(places[wordnet_id] for wordnet_id in wordnet_ids(name))


@cache
def label_dictionary(name: str) -> dict[str, Any]:
    """The words of one kind of medical labels, from `labels/`; see `concord.data.medical.text.LabelDictionary`.

    Raises:
        ConfigError: for an unknown name.
    """
    _check("label dictionaries", name, label_dictionaries())
    return _document("labels", f"{name}.yaml")


@cache
def label_dictionaries() -> tuple[str, ...]:
    """The names that `label_dictionary` knows."""
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in (_FOLDER / "labels").iterdir() if entry.name.endswith(".yaml")))


@cache
def label_templates() -> dict[str, list[str]]:
    """Sentences for labels of any kind; see `concord.data.medical.text.LabelDictionary`."""
    return _document("label_templates.yaml")


@cache
def report_words() -> dict[str, Any]:
    """How radiology reports name their sections; see `concord.data.medical.text.sections`."""
    return _document("reports.yaml")


@cache
def _template_sets() -> dict[str, tuple[str, ...]]:
    return {name: tuple(templates) for name, templates in _document("templates.yaml").items()}


def _document(*parts: str) -> dict[str, Any]:
    """A YAML file of this package."""
    found: dict[str, Any] = yaml.safe_load(_FOLDER.joinpath(*parts).read_text(encoding="utf-8"))
    return found


def _check(what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise ConfigError(f"{what}: there is no set {name}; {nearest(name, known)}")


def _stems(folder: str) -> list[str]:
    return sorted(entry.name.removesuffix(".txt") for entry in (_FOLDER / folder).iterdir() if entry.name.endswith(".txt"))


def _lines(folder: str, name: str) -> tuple[str, ...]:
    return tuple((_FOLDER / folder / f"{name}.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n"))
