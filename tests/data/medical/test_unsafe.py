from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from concord.config import build
from concord.data import Augmentation
from concord.data.medical.modalities import MODALITIES
from concord.data.medical.unsafe import Complaint, amounts, unsafe
from concord.errors import ConfigError

PRESETS = Path(__file__).resolve().parents[3] / "conf/augmentation"
OWN = {**{key: key for key in MODALITIES}, "mammograph": "radiograph", "microscopy": "medical", "figure": "medical"}
"""By modality, the recipes that are meant for it."""


def shipped(name: str) -> dict[str, Augmentation]:
    nodes = yaml.safe_load((PRESETS / f"{name}.yaml").read_text())
    return {recipe: build(node, f"augmentation.{recipe}") for recipe, node in nodes.items()}


def test_the_shipped_presets_are_those_of_the_modalities_and_three_general_ones() -> None:
    assert {file.stem for file in PRESETS.glob("*.yaml")} == {*OWN.values(), "medical", "natural", "shapes"}


@pytest.mark.parametrize("key", MODALITIES)
def test_each_modalitys_own_recipes_are_safe_and_those_of_photographs_are_not(key: str) -> None:
    assert unsafe(shipped(OWN[key]), [key]) == []
    wrong = unsafe(shipped("natural"), [key])
    assert {"strong", "local"} <= {complaint.recipe for complaint in wrong}
    assert {"hue", "grey"} & {complaint.change for complaint in wrong}
    assert MODALITIES[key].sided == any(complaint.change == "horizontal flip" for complaint in wrong)
    assert {complaint.modality for complaint in wrong} == {key}


def test_the_recipes_for_mixtures_are_safe_for_all() -> None:
    assert unsafe(shipped("medical"), MODALITIES) == []


def test_a_complaint_names_recipe_change_modality_and_reason() -> None:
    recipes = {"strong": Augmentation(flip=0.5), "plain": Augmentation()}
    (complaint,) = unsafe(recipes, ["radiograph", "radiograph"])
    assert (complaint.recipe, complaint.change, complaint.modality, complaint.amount) == ("strong", "horizontal flip", "radiograph", 0.5)
    assert str(complaint).startswith("recipe strong: horizontal flip (0.5) is unsafe for radiograph: left and right change places")
    assert "\n" not in str(complaint)


def test_limits_above_zero_are_told() -> None:
    (complaint,) = unsafe({"weak": Augmentation(scale=(0.08, 1.0), ratio=None)}, ["ct"])
    assert str(complaint).startswith("recipe weak: crop (0.92, above 0.4) is unsafe for ct: ")


@pytest.mark.parametrize(
    ("settings", "change"),
    [
        ({"flip": 0.1}, "horizontal flip"),
        ({"vertical_flip": 0.1}, "vertical flip"),
        ({"quarter_turns": 0.1}, "quarter turns"),
        ({"rotation": 45.0}, "rotation"),
        ({"scale": (0.3, 1.0), "ratio": None}, "crop"),
        ({"scale": (0.8, 1.0), "ratio": (0.5, 1.0)}, "stretch"),
        ({"scale": (0.8, 1.0), "ratio": (1.0, 1.5)}, "stretch"),
        ({"jitter": 1.0, "brightness": 0.5}, "brightness"),
        ({"jitter": 1.0, "contrast": 0.5}, "contrast"),
        ({"jitter": 1.0, "hue": 0.05}, "hue"),
        ({"grey": 0.2}, "grey"),
        ({"stain": 0.05}, "stain"),
    ],
)
def test_each_change_is_seen_by_itself(settings: dict[str, object], change: str) -> None:
    recipe = Augmentation(**settings)  # type: ignore[arg-type]
    assert [complaint.change for complaint in unsafe({"a": recipe}, ["ct"])] == [change]
    assert {name for name, amount in amounts(recipe).items() if amount > 0} == {change} | ({"crop"} if "scale" in settings else set())


def test_stains_may_vary_in_histology_but_not_hue_saturation_or_grey() -> None:
    assert unsafe({"a": Augmentation(stain=0.2, flip=0.5, vertical_flip=0.5, quarter_turns=0.75)}, ["histology"]) == []
    recipe = Augmentation(jitter=1.0, hue=0.05, saturation=0.2, grey=0.2)
    assert {complaint.change for complaint in unsafe({"a": recipe}, ["histology"])} == {"hue", "saturation", "grey"}


def test_what_is_off_or_never_drawn_is_no_matter() -> None:
    silent = Augmentation(brightness=0.9, contrast=0.9, saturation=0.9, hue=0.5, ratio=(0.2, 5.0))  # no jitter, no crop
    assert unsafe({"a": silent}, MODALITIES) == []
    assert unsafe({"local": Augmentation(scale=(0.05, 0.3), ratio=None, size=0.5)}, MODALITIES) == []


def test_the_order_is_fixed_and_modalities_count_once() -> None:
    recipes = {"b": Augmentation(flip=0.5), "a": Augmentation(flip=0.5)}
    names = [(complaint.recipe, complaint.modality) for complaint in unsafe(recipes, ["mri", "ct", "mri"])]
    assert names == [("b", "ct"), ("b", "mri"), ("a", "ct"), ("a", "mri")]
    assert isinstance(unsafe(recipes, ["ct"])[0], Complaint)


def test_a_modality_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown modality 'xray'"):
        unsafe({}, ["xray"])
