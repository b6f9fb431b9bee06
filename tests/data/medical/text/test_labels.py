"""Captions from labels: named, denied or left out, in several phrasings."""

from __future__ import annotations

import pickle
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data.medical import Exam
from concord.data.medical.exams import UNKNOWN
from concord.data.medical.text import LabelCaptions
from concord.errors import ConfigError

CHEXPERT = [
    "no finding", "enlarged cardiomediastinum", "cardiomegaly", "lung opacity", "lung lesion", "edema", "consolidation", "pneumonia",
    "atelectasis", "pneumothorax", "pleural effusion", "pleural other", "fracture", "support devices",
]  # fmt: skip
MIMIC = ["Fracture", "Airspace Opacity", "Pneumothorax", "Cardiomegaly"]
OPACITY = ("opacity", "whiter")


def captions(findings: tuple[int, ...], names: list[str], modality: str = "", **arguments: object) -> list[str]:
    maker = LabelCaptions("chest_radiograph", **arguments)  # type: ignore[arg-type]
    return maker(Exam("a.png", "patient99999", modality=modality, findings=findings), {}, names)


def found(**states: int) -> tuple[int, ...]:
    """Findings of CheXpert, unknown unless said."""
    return tuple(states.get(name.replace(" ", "_"), UNKNOWN) for name in CHEXPERT)


def test_what_is_there_is_named_and_what_is_unknown_is_not() -> None:
    phrasings = captions(found(cardiomegaly=1, pneumothorax=0), CHEXPERT)
    assert len(set(phrasings)) == len(phrasings) == 10
    assert all("heart" in caption.lower() or "cardiac" in caption or "cardiomegaly" in caption.lower() for caption in phrasings)
    assert not any("pneumothorax" in caption or "effusion" in caption for caption in phrasings)


def test_all_that_is_there_is_in_every_caption() -> None:
    for caption in captions(found(cardiomegaly=1, pleural_effusion=1, fracture=1), CHEXPERT, phrasings=30):
        caption = caption.lower()
        assert "heart" in caption or "cardi" in caption
        assert "pleura" in caption
        assert "fracture" in caption or "broken" in caption
        assert " and " in caption


def test_what_is_absent_is_denied_where_asked_others_each_time() -> None:
    states = found(cardiomegaly=1, pneumothorax=0, edema=0, fracture=0)
    phrasings = captions(states, CHEXPERT, denied=1)
    denied = Counter(next(name for name in ("pneumothorax", "edema", "fracture") if name in caption.lower()) for caption in phrasings)
    assert set(denied) == {"pneumothorax", "edema", "fracture"}
    assert all(" no " in caption.lower() for caption in phrasings)
    two = captions(states, CHEXPERT, denied=2, phrasings=1)[0]
    assert " or " in two
    assert captions(found(edema=0), CHEXPERT) == []
    assert captions(found(edema=0), CHEXPERT, denied=3, phrasings=2) == [
        "The chest radiograph shows no pulmonary edema.",
        "No pulmonary edema.",
    ]


def test_a_normal_picture_is_called_so() -> None:
    normal = captions(found(no_finding=1), CHEXPERT)
    assert len(normal) == 10
    assert captions(found(no_finding=1, support_devices=1), CHEXPERT, phrasings=40) == captions(
        found(support_devices=1), CHEXPERT, phrasings=40
    )
    assert captions((0, 0), ["mass", "nodule"]) == normal  # all known, none there, and no class that says so
    assert captions((0, UNKNOWN), ["mass", "nodule"]) == []
    assert captions((0, 0), ["no finding", "nodule"]) == []  # something is there that has no name
    assert captions(found(), CHEXPERT) == []
    assert captions((), CHEXPERT) == []


def test_classes_are_read_by_name_whatever_their_order() -> None:
    assert captions((0, 1, UNKNOWN, 0), MIMIC) == captions((1,), ["lung opacity"])
    assert all(any(word in caption.lower() for word in OPACITY) for caption in captions((0, 1, UNKNOWN, 0), MIMIC))
    assert captions((UNKNOWN, 1), ["Pneumonia", "Pleural_Thickening"]) == captions((1,), ["pleural thickening"])


def test_a_label_that_says_nothing_of_the_picture_makes_no_caption() -> None:
    assert captions((1,), ["Other lesion"]) == []
    assert captions((1, 1), ["Other diseases", "Nodule/Mass"]) == captions((1,), ["Nodule/Mass"])


def test_one_class_of_several() -> None:
    grade = LabelCaptions("fundus", phrasings=40)(Exam("a.png", "p", label=1), {}, ["no dr", "Mild DR"])
    assert any("mild nonproliferative diabetic retinopathy" in caption for caption in grade)
    assert any("microaneurysms" in caption for caption in grade)
    plain = LabelCaptions("fundus", phrasings=40, descriptions=False)(Exam("a.png", "p", label=1), {}, ["no dr", "Mild DR"])
    assert not any("microaneurysms" in caption for caption in plain)


def test_severities_and_denials_stand_before_any_label() -> None:
    assert captions((1,), ["severe pleural effusion"], phrasings=2) == [
        "Impression: severe pleural effusion.",
        "A chest X-ray image of a patient with marked pleural effusion.",
    ]
    assert captions((1,), ["small nodule"], phrasings=1) == ["Impression: a small nodule."]
    assert captions((1,), ["no pneumothorax"], phrasings=1) == ["Impression: no pneumothorax."]


def test_af_is_ankle_and_foot_and_the_picture_is_called_what_it_is() -> None:
    exam = Exam("MR/af/a.png", "p", modality="mri", label=0)
    for caption in LabelCaptions("radimagenet", phrasings=40)(exam, {}, ["MR/af/Bone_inflammation"]):
        assert "ankle or foot" in caption
        assert "fibrillation" not in caption
        assert "forearm" not in caption
        assert "CT" not in caption
    assert any("MRI" in caption for caption in LabelCaptions("radimagenet")(exam, {}, ["MR/af/bone_inflammation"]))


def test_unlisted_classes_are_refused_named_or_skipped() -> None:
    with pytest.raises(ConfigError, match="label 'cardiomegally' is not in the dictionary chest_radiograph; did you mean cardiomegaly"):
        captions((1,), ["cardiomegally"])
    assert captions((1,), ["a rare sign"], missing="name", phrasings=1) == ["Impression: a rare sign."]
    assert captions((1,), ["a rare sign"], missing="skip") == []
    with pytest.raises(ConfigError, match="there is no set chest_x_ray; did you mean"):
        LabelCaptions("chest_x_ray")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"phrasings": 0}, "phrasings must be at least 1, got 0"),
        ({"denied": -1}, "denied must be at least 0, got -1"),
        ({"missing": "guess"}, "missing must be one of refuse, name, skip, got 'guess'"),
    ],
)
def test_arguments_are_checked(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LabelCaptions("fundus", **arguments)  # type: ignore[arg-type]


def test_it_speaks_of_no_patient_and_travels_to_reading_processes() -> None:
    maker = LabelCaptions("chest_radiograph", denied=1)
    assert not maker.speaks_of_patients
    exam = Exam("a.png", "p", findings=found(edema=1, fracture=0))
    assert pickle.loads(pickle.dumps(maker))(exam, {}, CHEXPERT) == maker(exam, {"report": "of a patient"}, CHEXPERT)


@settings(deadline=None)
@given(st.lists(st.sampled_from([1, 0, UNKNOWN]), min_size=14, max_size=14), st.integers(1, 20), st.integers(0, 4))
def test_any_findings_make_whole_sentences(states: list[int], phrasings: int, denied: int) -> None:
    made = captions(tuple(states), CHEXPERT, phrasings=phrasings, denied=denied)
    assert len(made) <= phrasings
    for caption in made:
        assert caption[0] == caption[0].upper()
        assert caption.endswith(".")
        assert "{" not in caption
        assert "  " not in caption
    if any(states[place] == 1 for place in range(1, 14)):
        assert len(made) == phrasings
