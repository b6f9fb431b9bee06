"""Visual questions as a choice between texts, with a list of answers from the training part alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from concord.benchmarks.compositional.forms import Scores, chances, judge
from concord.data.medical import AnswerChoice, MedicalImages, PatientSplit
from concord.data.medical.answer_choice import answers_of, same_answer
from concord.data.medical.layouts import VQARAD
from concord.errors import DataError
from concord.items import Item
from tests.data.medical.layouts.vqa_fixtures import asked, write_vqa_rad

SPLIT = PatientSplit(0.0, 0.5)


def put(root: Path, answers: dict[str, str]) -> tuple[MedicalImages, MedicalImages]:
    """The two parts of pictures with one open and one closed question each; by part what is answered to the open one."""
    write_vqa_rad(root)
    parts = {part: MedicalImages(VQARAD(str(root)), part, SPLIT).patients() for part in ("train", "test")}  # type: ignore[arg-type]
    rows = []
    for part, patients in parts.items():
        for name in sorted(patients):
            number = int(name[6:11]) - 99900
            rows.append(asked(number, "HEAD", "Who swallowed it?", answers[part] if number % 2 else "A child.", "OTHER", "OPEN"))
            rows.append(asked(number, "HEAD", "Is it late?", "Yes", "OTHER", "CLOSED"))
    (root / "trainset.json").write_text(json.dumps(rows))
    (root / "testset.json").write_text("[]")
    trained, tested = (MedicalImages(VQARAD(str(root)), part, SPLIT) for part in ("train", "test"))  # type: ignore[arg-type]
    return trained, tested


def test_an_answer_that_the_training_part_lacks_counts_as_wrong(tmp_path: Path) -> None:
    trained, tested = put(tmp_path, {"train": "the nurse", "test": "a sailor"})
    assert list(answers_of(trained)) == ["child", "nurse"]
    choice = AnswerChoice(tested, trained)
    unseen = [item for item in choice.items if item.subset == "open" and not item.right]
    assert len(unseen) == choice.unseen > 0
    assert all("sailor" not in text for item in choice.items for text in item.texts)
    assert unseen[0].texts == ("Who swallowed it? A child.", "Who swallowed it? the nurse")
    assert judge(unseen[0], Scores([[0.9, 0.1]], []))[0] == (0.0, 0.0, False)
    assert chances(unseen[0]) == [0.0]
    # With the answers of the tested pictures in the list, as PubMedCLIP has it, nothing is unseen.
    everything = MedicalImages(VQARAD(str(tmp_path)), "all")
    assert AnswerChoice(tested, everything).unseen == 0


def test_the_right_answer_stands_first_whatever_its_spelling(tmp_path: Path) -> None:
    trained, tested = put(tmp_path, {"train": "The nurse", "test": "nurse."})
    texts = {item.texts for item in AnswerChoice(tested, trained).items if item.subset == "open"}
    assert texts == {
        ("Who swallowed it? The nurse", "Who swallowed it? A child."),
        ("Who swallowed it? A child.", "Who swallowed it? The nurse"),
    }
    assert same_answer("An X-ray ") == same_answer("x-ray.") == same_answer("the X-Ray")


def test_closed_questions_are_two_statements_or_the_question_with_both_answers(tmp_path: Path) -> None:
    write_vqa_rad(tmp_path)
    source = MedicalImages(VQARAD(str(tmp_path)), "all")
    items = AnswerChoice(source).items
    assert {item.subset for item in items} == {"closed"}  # open ones need a list of answers
    assert [item.texts for item in items[:2]] == [("Swallowed coin.", "No swallowed coin."), ("No swallowed coin.", "Swallowed coin.")]
    assert {(item.form, item.right, item.group) for item in items} == {("texts", 1, "PRES")}
    assert [item.unit for item in items] == [source.metadata(item.images[0])["patient_id"] for item in items]
    trained, tested = put(tmp_path, {"train": "", "test": ""})
    late = {item.texts for item in AnswerChoice(tested).items}
    assert late == {("Is it late? yes", "Is it late? no")}
    with pytest.raises(DataError, match="vocabulary: 1 answers to open questions"):
        AnswerChoice(tested, trained)


def test_keys_are_unique_and_the_fingerprint_tells_the_questions(tmp_path: Path) -> None:
    trained, tested = put(tmp_path, {"train": "the nurse", "test": "a sailor"})
    closed, both = AnswerChoice(tested), AnswerChoice(tested, trained)
    assert len({item.key for item in both.items}) == len(both.items) > len(closed.items)
    assert closed.fingerprint() != both.fingerprint() == AnswerChoice(tested, trained).fingerprint()


def test_only_a_choice_of_texts_may_lack_the_right_one() -> None:
    with pytest.raises(ValueError, match=r"right must lie in \[1, 1\], got 0"):
        Item("a", "images", (0, 1), ("text",), 0)
    with pytest.raises(ValueError, match=r"right must lie in \[0, 1\], got 2"):
        Item("a", "texts", (0,), ("one", "two"), 2)
