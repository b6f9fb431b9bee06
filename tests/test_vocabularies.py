"""Published templates and class names: complete, faithful where it can be checked, and clear about unknown names."""

from __future__ import annotations

import pytest

from concord import vocabularies
from concord.errors import ConfigError

TEMPLATES = {
    "imagenet1k": 80, "imagenet1k_7": 7, "cifar10": 18, "cifar100": 18, "caltech101": 34, "food101": 1, "sun397": 2, "cars": 8,
    "fgvc_aircraft": 2, "dtd": 8, "pets": 1, "flowers": 1, "mnist": 1, "stl10": 2, "eurosat": 3, "gtsrb": 3, "country211": 5,
    "renderedsst2": 1, "voc2007": 1, "fer2013": 6, "clevr_count_all": 1, "clevr_closest_object_distance": 1, "pcam": 2, "svhn": 6,
    "resisc45": 4, "kitti_closest_vehicle_distance": 1, "smallnorb_label_azimuth": 4, "dsprites_label_x_position": 1,
    "dsprites_label_orientation": 4, "dmlab": 1, "diabetic_retinopathy": 1, "kinetics700": 28, "ucf101": 48, "resisc45_clip": 18,
}  # fmt: skip
"""How many templates the sources list."""

CLASSES = {
    "imagenet1k": 1000, "imagenet_a": 200, "imagenet_r": 200, "imagenet_o": 200, "cifar10": 10, "cifar100": 100, "caltech101": 102,
    "caltech101_vtab": 102, "food101": 101, "sun397": 397, "cars": 196, "fgvc_aircraft": 100, "dtd": 47, "pets": 37, "flowers": 102,
    "mnist": 10, "stl10": 10, "eurosat": 10, "gtsrb": 43, "country211": 211, "renderedsst2": 2, "voc2007": 20, "fer2013": 7,
    "clevr_count_all": 8, "clevr_closest_object_distance": 6, "pcam": 2, "svhn": 10, "resisc45": 45, "diabetic_retinopathy": 5,
    "kitti_closest_vehicle_distance": 4, "dmlab": 6, "birdsnap": 500, "kinetics700": 700, "ucf101": 101, "hateful_memes": 2,
}  # fmt: skip


@pytest.mark.parametrize("name", TEMPLATES)
def test_sets_are_complete(name: str) -> None:
    assert len(set(vocabularies.templates(name))) == TEMPLATES[name]


@pytest.mark.parametrize("name", vocabularies.template_sets())
def test_every_template_has_a_place_for_the_name(name: str) -> None:
    for template in vocabularies.templates(name):
        assert template.count("{}") == 1
        assert "{" not in template.replace("{}", "").replace("{a}", "")


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_has_a_name(name: str) -> None:
    names = vocabularies.class_names(name)
    assert len(names) == CLASSES[name]
    assert all(name == name.strip() for name in names)
    assert name in vocabularies.class_name_sets()


def test_names_and_templates_of_imagenet_are_those_of_open_clip() -> None:
    metadata = pytest.importorskip("open_clip.zero_shot_metadata")
    assert vocabularies.class_names("imagenet1k") == tuple(metadata.IMAGENET_CLASSNAMES)
    for name, ours in (("OPENAI_IMAGENET_TEMPLATES", "imagenet1k"), ("SIMPLE_IMAGENET_TEMPLATES", "imagenet1k_7")):
        theirs = tuple(template("{}") for template in getattr(metadata, name))
        assert vocabularies.templates(ours) == theirs


def test_two_names_of_imagenet_occur_twice_as_published() -> None:
    names = vocabularies.class_names("imagenet1k")
    assert [names.count(name) for name in ("missile", "sunglasses")] == [2, 2]
    assert len(set(names)) == 998
    assert (names.index("missile"), names.index("sunglasses")) == (657, 836)


def test_shifted_sets_point_into_imagenet() -> None:
    ids = vocabularies.wordnet_ids()
    assert len(set(ids)) == 1000
    assert list(ids) == sorted(ids)
    assert vocabularies.imagenet_labels("imagenet1k") == tuple(range(1000))
    for name in ("imagenet_a", "imagenet_r", "imagenet_o"):
        labels = vocabularies.imagenet_labels(name)
        assert list(labels) == sorted(set(labels))
        assert [ids[label] for label in labels] == list(vocabularies.wordnet_ids(name))
        names = vocabularies.class_names("imagenet1k")
        assert vocabularies.class_names(name) == tuple(names[label] for label in labels)
    assert ids[0] == "n01440764"
    assert vocabularies.class_names("imagenet_r")[:2] == ("goldfish", "great white shark")


def test_a_name_may_be_empty() -> None:
    assert vocabularies.class_names("clevr_closest_object_distance")[3] == ""


@pytest.mark.parametrize("function", [vocabularies.templates, vocabularies.class_names, vocabularies.wordnet_ids])
def test_unknown_names_are_refused_with_the_nearest(function: object) -> None:
    with pytest.raises(ConfigError, match="there is no set imagenet2k; did you mean imagenet1k"):
        function("imagenet2k")  # type: ignore[operator]
