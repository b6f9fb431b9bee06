from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data.medical import Exam, Exams

texts = st.text(st.characters(), max_size=8)  # halves of surrogate pairs among them
exams = st.builds(
    Exam,
    image=texts,
    patient=texts,
    study=texts,
    view=st.sampled_from(["PA", "AP", "LATERAL", ""]),
    modality=st.sampled_from(["ct", ""]),
    split=st.sampled_from(["train", "test", ""]),
    position=st.none() | st.floats(0, 1),
    label=st.none() | st.integers(0, 9),
    findings=st.lists(st.sampled_from([-1, 0, 1]), max_size=4).map(tuple),
    texts=st.dictionaries(texts, texts, max_size=2),
    known=st.dictionaries(texts, st.integers() | texts, max_size=2),
)


@settings(deadline=None)
@given(st.lists(exams, max_size=6))
def test_what_is_packed_is_what_comes_out(listed: list[Exam]) -> None:
    packed = Exams(listed)
    assert list(packed) == listed
    assert packed.column("patient").tolist() == [exam.patient for exam in listed]
    assert packed.column("image").tolist() == [exam.image for exam in listed]


@settings(deadline=None)
@given(st.lists(exams, min_size=1, max_size=6), st.data())
def test_some_of_them_are_those_in_that_order(listed: list[Exam], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(listed) - 1), max_size=8))
    assert list(Exams(listed).take(np.array(chosen, dtype=np.int64))) == [listed[index] for index in chosen]


def test_the_checksum_follows_every_field_and_the_order() -> None:
    first = Exam("a.dcm", "p1", "s1", "PA", findings=(1, 0), texts={"report": "x"}, known={"age": "60s"})
    second = Exam("b.dcm", "p1", "s1", "PA")
    different = [[first, second], [second, first], [first], [Exam("a.dcm", "p1", "s1", "PA", findings=(1, 1)), second]]
    prints = [Exams(listed).checksum() for listed in different]
    assert len(set(prints)) == len(prints)
    assert Exams([first, second]).checksum() == prints[0]


def test_names() -> None:
    assert Exam("a.nii", "p1", position=0.25).name == "a.nii@0.25"
    assert Exam("a.png", "p1").together == "a.png"
    assert Exam("a.png", "p1", "s1").together == "p1/s1"
