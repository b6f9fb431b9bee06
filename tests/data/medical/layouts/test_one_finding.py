"""CheXpert 5x200 and MIMIC 5x200, drawn from the data sets in their exact layouts."""

from __future__ import annotations

import random
import shutil
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from concord.data.medical import Exam, Layout, MedicalImages
from concord.data.medical.layouts.chexpert import CheXpert
from concord.data.medical.layouts.findings import Findings
from concord.data.medical.layouts.mimic_cxr import MimicCXR
from concord.data.medical.layouts.one_finding import Draw, OneFinding, tail_of, write_list
from concord.data.storage.storage import Storage
from concord.errors import ConfigError, DataError
from tests.data.medical.layouts.one_finding_fixtures import COLUMNS, EACH, chexpert_train, mimic_train

FIVE = ["atelectasis", "cardiomegaly", "consolidation", "edema", "pleural effusion"]
NAMES = [*FIVE, "fracture", "no finding"]


class Memory(Layout):
    """Exams that are given.

    Args:
        root: folder of their pictures.
        exams: all of them.
    """

    name = "memory"
    class_names = NAMES

    def __init__(self, root: Path, exams: Sequence[Exam]) -> None:
        self.root = str(root)
        self._exams = exams

    def exams(self, storage: Storage) -> Iterator[Exam]:
        return iter(self._exams)


def exam(number: int, findings: Sequence[int], **values: Any) -> Exam:
    known = {"image": f"train/patient{number // 2:05}/study{number}/view.jpg", "patient": f"patient{number // 2:05}", "study": f"s{number}"}
    return Exam(**{**known, "view": "AP", "split": "train", "findings": tuple(findings), **values})


def alone(place: int, *others: int) -> list[int]:
    return [int(n == place) for n in range(5)] + [*others, 0][:1] + [0]


GOOD = [exam(number, alone(number % 5)) for number in range(100)]
BAD = [
    exam(200, [1, 1, 0, 0, 0, 0, 0]),  # two of the five
    exam(202, [1, 0, 0, -1, 0, 0, 0]),  # one of the five is uncertain
    exam(204, alone(0, 1)),  # another finding
    exam(206, alone(0, -1)),  # another finding is uncertain
    exam(208, [0, 0, 0, 0, 0, 0, 1]),  # none
    exam(210, alone(0), view="LATERAL"),
    exam(212, alone(0), view=""),
    exam(214, alone(0), split="validation"),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "train/patient00000/study0").mkdir(parents=True)
    for one in [*GOOD, *BAD]:
        (tmp_path / one.image).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / one.image).write_bytes(b"picture")
    return tmp_path


def drawn(root: Path, exams: Sequence[Exam], each: int = 20, seed: int = 0, **settings: Any) -> MedicalImages:
    settings = {"draw": Draw(each, seed), "findings": FIVE, "ignored": ["no finding"], **settings}
    return MedicalImages(OneFinding(Memory(root, exams), **settings), "test")


def test_only_pictures_of_one_finding_and_nothing_else(root: Path) -> None:
    source = drawn(root, [*BAD, *GOOD])
    assert {one.image for one in source.exams} == {one.image for one in GOOD}
    assert [one.label for one in source.exams] == [int(one.study[1:]) % 5 for one in source.exams]
    assert (source.class_names, source.metadata(0)["class_name"]) == (FIVE, FIVE[source.metadata(0)["label"]])
    with pytest.raises(DataError, match=r"memory: 20 pictures show atelectasis alone, and 21 are asked for; lower draw\.each"):
        drawn(root, [*BAD, *GOOD], 21)


def test_no_finding_is_looked_at_unless_it_is_ignored(root: Path) -> None:
    contradictory = [exam(number, [*alone(number % 5)[:6], 1]) for number in range(5)]
    assert len(drawn(root, contradictory, 1)) == 5
    with pytest.raises(DataError, match="0 pictures show atelectasis alone"):
        drawn(root, contradictory, 1, ignored=None)


def test_other_parts(root: Path) -> None:
    more = [exam(number, alone(number % 5), split="test") for number in range(20)]
    assert {one.study for one in drawn(root, [*GOOD[20:], *more], 4, part="test").exams} == {f"s{number}" for number in range(20)}
    assert len(drawn(root, [*GOOD[20:], *more], 20, part="all")) == 100


def test_the_draw_is_that_of_its_seed_whatever_the_order_of_the_rows(root: Path) -> None:
    first = drawn(root, GOOD, 7)
    again = drawn(root, random.Random(1).sample([*GOOD, *BAD], 108), 7)
    assert (again.list_hash, again.exams.checksum()) == (first.list_hash, first.exams.checksum())
    other = drawn(root, GOOD, 7, seed=1)
    assert other.list_hash != first.list_hash
    assert Counter(one.label for one in other.exams) == Counter(dict.fromkeys(range(5), 7))


def test_the_draw_depends_on_names_and_the_seed_alone_on_every_machine(root: Path) -> None:
    """Computed without concord: the smallest numbers that BLAKE2b makes of seed, patient, study and file."""

    def number(one: Exam) -> bytes:
        return blake2b(f"3/{one.patient}/{one.study}/view".encode(), digest_size=8).digest()

    expected = {one.study for place in range(5) for one in sorted(GOOD[place::5], key=number)[:7]}
    assert {one.study for one in drawn(root, GOOD, 7, seed=3).exams} == expected


def test_more_rows_of_other_findings_change_nothing_and_a_larger_draw_holds_a_smaller(root: Path) -> None:
    small, large = ({one.image for one in drawn(root, [*GOOD, *BAD], each).exams} for each in (7, 12))
    assert small < large
    assert small == {one.image for one in drawn(root, GOOD, 7).exams}


def test_patients_of_pretraining_are_left_out(root: Path) -> None:
    pretraining = MedicalImages(Memory(root, GOOD[:40]), "train")
    rest = drawn(root, GOOD, 12, exclude=[pretraining])
    assert not rest.patients() & pretraining.patients()
    (root / "patients.txt").write_text("".join(f"{patient}\n" for patient in sorted(pretraining.patients())))
    assert drawn(root, GOOD, 12, exclude_list=str(root / "patients.txt")).list_hash == rest.list_hash
    with pytest.raises(DataError, match="12 pictures show atelectasis alone, and 13 are asked for"):
        drawn(root, GOOD, 13, exclude=[pretraining])


def test_patients_of_another_cohort_cannot_be_compared(root: Path) -> None:
    other = Memory(root, GOOD)
    other.cohort = "elsewhere"
    with pytest.raises(ConfigError, match="exclude: memory has patients of elsewhere, and memory has its own"):
        drawn(root, GOOD, exclude=[MedicalImages(other, "train")])


def listed(root: Path, lines: Sequence[str], exams: Sequence[Exam] = GOOD, **settings: Any) -> MedicalImages:
    (root / "ids.txt").write_text("\n".join(lines) + "\n")
    return drawn(root, exams, draw=None, ids=str(root / "ids.txt"), **settings)


def test_a_list_from_elsewhere_names_the_same_pictures(root: Path) -> None:
    source = drawn(root, GOOD, 3)
    write_list(source, root / "mine" / "list.txt")
    assert stat.S_IMODE((root / "mine/list.txt").stat().st_mode) == 0o600
    paths = (root / "mine/list.txt").read_text().splitlines()
    assert paths == sorted(one.image for one in source.exams)
    for spelled in (
        paths,
        paths[::-1],
        [f"CheXpert-v1.0-small/{path}" for path in paths],
        [path.replace(".jpg", ".dcm") for path in paths],
    ):
        found = listed(root, spelled, [*GOOD, *BAD])
        assert (found.list_hash, found.exams.checksum()) == (source.list_hash, source.exams.checksum())
    write_list(source, root / "mine" / "list.txt")
    assert (root / "mine/list.txt").read_text().splitlines() == paths


def test_short_ids_will_do_where_they_are_unique(root: Path) -> None:
    unique = [exam(number, alone(number), image=f"p10/p10000099/s5000000{number}/0a-{number}.jpg") for number in range(5)]
    (root / unique[0].image).parent.mkdir(parents=True)
    (root / unique[0].image).write_bytes(b"picture")
    assert len(listed(root, ["0a-0", "0a-3"], unique)) == 2
    with pytest.raises(DataError, match=r"ids\.txt: one of its ids is the end of several paths"):
        listed(root, ["view"])


@pytest.mark.parametrize(
    ("path", "tail"),
    [
        ("a/b/c/d.jpg", "b/c/d"),
        ("d.PNG", "d"),
        ("CR.1.2.3", "CR.1.2.3"),
        (" a/1.2.3.dcm ", "a/1.2.3"),
    ],
)
def test_the_end_of_a_path_that_releases_share(path: str, tail: str) -> None:
    assert tail_of(path) == tail


def test_a_list_that_cannot_be_asked_about_as_it_is_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match=r"ids\.txt: 1 of its 2 ids are of no picture; a part of a list makes another test"):
        listed(root, [GOOD[0].image, "train/patient99999/study1/view.jpg"])
    with pytest.raises(DataError, match="1 of its 2 ids do not show exactly one of the findings"):
        listed(root, [GOOD[0].image, BAD[0].image], [*GOOD, *BAD])
    with pytest.raises(DataError, match="1 of its 2 ids are of patients to exclude"):
        listed(root, [GOOD[0].image, GOOD[10].image], exclude=[MedicalImages(Memory(root, GOOD[:2]), "train")])
    assert len(listed(root, [BAD[2].image, GOOD[1].image], [*GOOD, *BAD])) == 2  # others drew by other rules


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"draw": None}, "give either draw, how many and by which seed, or ids"),
        ({"ids": "ids.txt"}, "give either draw, how many and by which seed, or ids"),
        ({"findings": ["edema", "effusion"]}, "memory has no class 'effusion'; did you mean pleural effusion"),
        ({"ignored": ["nothing"]}, "memory has no class 'nothing'"),
        ({"findings": ["edema"]}, "findings must be at least 2 different ones, got edema"),
        ({"findings": ["edema", "edema"]}, "findings must be at least 2 different ones, got edema, edema"),
    ],
)
def test_arguments_are_checked(settings: dict[str, Any], message: str, root: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        drawn(root, GOOD, **settings)


def test_a_draw_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="each must be at least 1, got 0"):
        Draw(0)


def read(blank: Any = "negative") -> Findings:
    return Findings(COLUMNS, blank=blank)


def test_chexpert_and_its_small_release_give_the_same_list(tmp_path: Path) -> None:
    chexpert_train(tmp_path)
    settings: dict[str, Any] = {"findings": FIVE, "ignored": ["no finding"], "draw": Draw(EACH - 1)}
    path = str(tmp_path / "chexpert")
    source = MedicalImages(OneFinding(CheXpert(path, "CheXpert-v1.0", findings=read()), **settings), "test")
    assert Counter(one.label for one in source.exams) == Counter(dict.fromkeys(range(5), 200))
    assert (source.access, source.layout.modality, source.cohort) == ("restricted", "radiograph", "chexpert")
    shutil.copytree(tmp_path / "chexpert/CheXpert-v1.0", tmp_path / "chexpert/CheXpert-v1.0-small")
    small = MedicalImages(OneFinding(CheXpert(path, "CheXpert-v1.0-small", findings=read()), **settings), "test")
    assert small.list_hash == source.list_hash
    assert small.exams.checksum() != source.exams.checksum()
    with pytest.raises(DataError, match="0 pictures show atelectasis alone"):
        MedicalImages(OneFinding(CheXpert(path, "CheXpert-v1.0", findings=read("unknown")), **settings), "test")


def test_mimic_with_columns_in_another_order(tmp_path: Path) -> None:
    mimic_train(tmp_path)
    layout = MimicCXR(str(tmp_path / "mimic-cxr-jpg"), str(tmp_path / "mimic-cxr-jpg"), labels="chexpert", findings=read())
    source = MedicalImages(OneFinding(layout, FIVE, Draw(200), ignored=["no finding"]), "test")
    assert len(source) == 1000
    assert all(one.patient not in ("10009910", "10009911") for one in source.exams)
    dicom = next(one for one in source.exams).image.rpartition("/")[2].removesuffix(".jpg")
    (tmp_path / "ids.txt").write_text(dicom)
    assert len(MedicalImages(OneFinding(layout, FIVE, ids=str(tmp_path / "ids.txt")), "test")) == 1
