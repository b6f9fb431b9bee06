"""Sentences from questions and answers: what is denied stays denied, and what is not understood is not said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.data.medical import Exam
from concord.data.medical.answers import Answered, answered, as_texts, written_as
from concord.data.medical.text import AboutCaptions, AnswerCaptions
from concord.data.medical.text.questions import opposite, stated
from concord.data.medical.text.statements import finding, statements


@pytest.mark.parametrize(
    ("question", "yes", "no"),
    [
        ("Is there a coin?", "Coin.", "No coin."),
        ("Is/Are there the coins in the patient's stomach", "Coins in the stomach.", "No coins in the stomach."),
        ("is there any evidence of a coin in this image?", "Coin.", "No coin."),
        ("Are coins present on this chest x-ray?", "Coins.", "No coins."),
        ("Do you see a coin seen in the lung?", "Coin in the lung.", "No coin in the lung."),
        ("Does this patient have a coin", "Coin.", "No coin."),
        ("Is there RSV pneumonia?", "RSV pneumonia.", "No RSV pneumonia."),
        ("Is the stomach distended?", "The stomach is distended.", "The stomach is not distended."),
        ("Is/Are the the kidneys enlarged?", "The kidneys are enlarged.", "The kidneys are not enlarged."),
        ("Is/Are the pancreas calcified?", "The pancreas is calcified.", "The pancreas is not calcified."),
        ("Does the heart appear enlarged?", "The heart is enlarged.", "The heart is not enlarged."),
        ("Are both lungs visualized?", "Both lungs are visible.", "Not both lungs are visible."),
        ("Is this image normal?", "Normal study.", "Abnormal study."),
        ("Is this an abnormal film?", "Abnormal study.", "Normal study."),
    ],
)
def test_questions_of_yes_and_no(question: str, yes: str, no: str) -> None:
    assert stated(Answered(question, "Yes")) == yes
    assert stated(Answered(question, "no.")) == no
    assert (opposite(Answered(question, "yes")), opposite(Answered(question, "No"))) == (no, yes)


@pytest.mark.parametrize(
    "question",
    [
        "Is there no coin?",
        "Is there no evidence of any coin in the stomach?",
        "Isn't there a coin?",
        "Are the lungs free of coins?",
        "Is there anything wrong with the lungs?",
        "Are there other coins?",
        "Are there more than 5 coins?",
        "Are there >5 coins?",
        "Is the coin causing an obstruction?",
        "Is there a coin or is this a button?",
        "Was the coin swallowed because of hunger?",
        "Would a CT show the coin?",
        "Can coins be swallowed?",
        "",
        "?",
    ],
)
def test_what_denies_compares_or_is_not_known_makes_no_sentence(question: str) -> None:
    assert statements(question) is None
    assert stated(Answered(question, "yes")) is None


@pytest.mark.parametrize(
    ("question", "answer", "sentence"),
    [
        ("What is abnormal in this image?", "swallowed coin", "Swallowed coin."),
        ("What pathology is shown?", "Coin in the left lung.", "Coin in the left lung."),
        ("What is/are the primary pathology ?", "a coin", "A coin."),
        ("Where is/are the coin located?", "Left upper lobe", "Location of the coin: left upper lobe."),
        ("Where is the coin?", "RUL", "Location of the coin: RUL."),
        ("How would you describe the coin?", "Round", "Appearance of the coin: round."),
        ("What is abnormal in this image?", "nothing", None),
        ("What is abnormal in this image?", "3", None),
        ("What type of imaging does this not represent?", "ultrasound", None),
        ("What is not pictured in this image?", "The extremities", None),
        ("Which organ is affected?", "stomach", None),
        ("Where is the most visible coin?", "left", None),
    ],
)
def test_open_questions(question: str, answer: str, sentence: str | None) -> None:
    assert finding(question, answer) == sentence


def captions(*pairs: tuple[str, str], otherwise: str = "skip") -> list[str]:
    return AnswerCaptions(otherwise)(Exam("", ""), as_texts(Answered(*pair) for pair in pairs), [])  # type: ignore[arg-type]


def test_captions_are_said_once_and_never_against_one_another() -> None:
    twice = [("Is there a coin?", "no"), ("Is/Are there coin?", "No"), ("Is the heart enlarged?", "yes")]
    assert captions(*twice) == ["No coin.", "The heart is enlarged."]
    assert captions(*twice, ("Is a coin present?", "Yes")) == ["The heart is enlarged."]
    assert captions(("Is this image normal?", "yes"), ("Is this image abnormal?", "yes")) == []


def test_other_questions_are_left_out_or_quoted() -> None:
    pairs = [("Who swallowed it?", "A child."), ("Is there a coin?", "no")]
    assert captions(*pairs) == ["No coin."]
    assert captions(*pairs, otherwise="quote") == ["Who swallowed it? A child.", "No coin."]
    with pytest.raises(ValueError, match="otherwise must be one of skip, quote"):
        captions(otherwise="guess")


@given(st.text(max_size=60), st.text(max_size=20))
def test_any_text_is_read_without_a_fault_and_texts_come_back(question: str, answer: str) -> None:
    pair = written_as(question, answer)
    if pair is not None:
        assert answered(as_texts([pair, pair])) == [pair, pair]
        assert all(caption.strip() for caption in captions((pair.question, pair.answer), otherwise="quote"))
    statements(question)
    finding(question, answer)


@pytest.mark.parametrize(
    ("exam", "first"),
    [
        (Exam("", "", modality="ct", known={"organ": "the head", "plane": "axial"}), "An axial CT scan of the head."),
        (Exam("", "", modality="radiograph", view="PA", known={"organ": "the chest"}), "A PA radiograph of the chest."),
        (Exam("", "", modality="radiograph", known={"plane": "coronal"}), "A radiograph."),
        (Exam("", "", modality="mri"), "An MRI scan."),
        (Exam("", "", known={"organ": "the neck", "plane": ""}), "A radiology image of the neck."),
    ],
)
def test_what_a_picture_is(exam: Exam, first: str) -> None:
    made = AboutCaptions()(exam, {}, [])
    assert made[0] == first
    assert len(set(made)) == len(made) >= 8
    assert AboutCaptions(2)(exam, {}, []) == made[:2]


def test_a_modality_is_named_with_the_organ_and_without_and_an_organ_never_without_a_picture() -> None:
    known = AboutCaptions()(Exam("", "", modality="mri", known={"organ": "the head"}), {}, [])
    assert {"the head" in caption.lower() for caption in known} == {True, False}
    assert "An MRI scan." in known
    unknown = AboutCaptions()(Exam("", "", known={"organ": "the head"}), {}, [])
    assert all("the head" in caption.lower() and "image" in caption for caption in unknown)


def test_nothing_known_gives_no_caption() -> None:
    assert AboutCaptions()(Exam("", ""), {}, []) == []
    with pytest.raises(ValueError, match="phrasings must be at least 1, got 0"):
        AboutCaptions(0)
