"""What questions say of modality and plane: only what is affirmed or taken for granted."""

from __future__ import annotations

import pytest

from concord.data.medical.answers import Answered
from concord.data.medical.depicted import modality_of, plane_of


@pytest.mark.parametrize(
    ("question", "answer", "modality"),
    [
        ("What kind of scan is this?", "CT with contrast", "ct"),
        ("What image modality is used?", "MR - Flair", "mri"),
        ("How was this image taken?", "Xray", "radiograph"),
        ("Is this a CT or an MRI?", "MRI", "mri"),
        ("Is this an MRI?", "yes", "mri"),
        ("Is this an MRI?", "no", ""),
        ("Is this an MRI of the chest?", "no", ""),
        ("Is this a CT or an MRI?", "yes", ""),
        ("Is this CT scan sharp?", "no", "ct"),
        ("Is a coin present in this chest xray?", "no", "radiograph"),
        ("Is there a coin on this CT radiograph?", "yes", "ct"),
        ("What type of MRI is this?", "an old one", "mri"),
        ("What type of imaging does this not represent?", "CT", ""),
        ("What other imaging would show the coin?", "CT", ""),
        ("Can CT be used to find coins?", "yes", ""),
        ("What is bright on a CT?", "metal", ""),
        ("Is this a PA film?", "yes", "radiograph"),
        ("Who swallowed the coin?", "CT", ""),
    ],
)
def test_modality(question: str, answer: str, modality: str) -> None:
    assert modality_of([Answered(question, answer)]) == modality


@pytest.mark.parametrize(
    ("question", "answer", "plane"),
    [
        ("In what plane is this image taken?", "Axial plane", "axial"),
        ("Is this a coronal view?", "yes", "coronal"),
        ("Is this a saggital view?", "no", ""),
        ("Is the coin seen on this axial section?", "no", "axial"),
        ("Is this an AP or PA film?", "PA", "PA"),
        ("How was this film taken?", "anterior-posterior", "AP"),
    ],
)
def test_plane(question: str, answer: str, plane: str) -> None:
    assert plane_of([Answered(question, answer)]) == plane


def test_answers_that_disagree_tell_nothing() -> None:
    pairs = [Answered("What modality is this?", "CT"), Answered("Is this an MRI?", "yes")]
    assert modality_of(pairs) == ""
    assert modality_of(pairs[:1] * 2) == "ct"
    assert modality_of([]) == ""
