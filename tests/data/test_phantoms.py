"""The embedded medical-like images: the same everywhere, patients apart, reports true, findings on the side that is said."""

from __future__ import annotations

import hashlib
import pickle
import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data.phantoms import Phantoms, PhantomSides
from concord.data.phantoms import source as source_module
from concord.data.phantoms.catalogue import MODALITIES, NO_FINDING
from concord.data.phantoms.source import paint
from concord.data.phantoms.study import STUDIES_PER_PATIENT
from concord.data.source import KeyedSource
from concord.errors import DataError
from concord.types import role_of
from tests.composing import compose_config

INDICES = st.integers(0, 4_999)
SEEDS = st.integers(0, 2**31)
SPLITS = st.sampled_from(["train", "held_out"])

# Which words speak of which finding, written apart from the catalogue.
WORDS = {
    "pleural effusion": "effusion|costophrenic",
    "pneumothorax": "pneumothorax",
    "consolidation": "consolidation",
    "cardiomegaly": "cardiomegaly|heart size|heart is|cardiac silhouette",
    "nodule": "nodule",
    "liver lesion": "liver lesion|liver is homogeneous|lesion in the liver",
    "kidney stone": "stone in the|kidney stone|calculus",
    "perinephric haemorrhage": "haemorrhage",
    "cyst": r"\bcyst|cystic",
    "solid mass": "solid",
    "gallstone": "gallstone|cholelithiasis|stone",
    "exudates": "exudate",
    "haemorrhages": "haemorrhage",
    "large cup": "cup",
    "tumour": "tumour|atypical|irregular, dark nuclei",
    "inflammation": "inflamm|lymphocytes",
}
DENIALS = re.compile(r"^no |no evidence|is normal|are sharp|homogeneous|contains no")
DEGREES = {
    "mild": "mild|small|scattered|focal",
    "moderate": "moderate|medium-sized|several|partial",
    "severe": "severe|large|numerous|extensive",
}


def sentences(section: str) -> list[str]:
    return [sentence.lower() for sentence in re.split(r"(?<=\.)\s+", section)]


def fingerprint(source: Phantoms, indices: list[int]) -> str:
    parts = [(pair.image.tobytes(), pair.captions, pair.key, repr(pair.metadata)) for pair in map(source.__getitem__, indices)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@settings(max_examples=100, deadline=None)
@given(index=INDICES, seed=SEEDS, split=SPLITS)
def test_findings_are_stated_and_the_others_denied(index: int, seed: int, split: Any) -> None:
    pair = Phantoms(split, size=5_000, seed=seed)[index]
    shown, report = pair.metadata["finding"], pair.metadata["report"]
    for finding in MODALITIES[pair.metadata["modality"]].names[1:]:
        about = [text for text in sentences(report["findings"]) if re.search(WORDS[finding], text)]
        assert len(about) == 1, (finding, report)
        assert bool(DENIALS.search(about[0])) == (finding != shown), about
    (impression,) = sentences(report["impression"])
    if shown == NO_FINDING:
        assert re.match(r"normal|no |regular glands", impression)
    else:
        assert re.search(WORDS[shown].replace("cup", "cup|cupping"), impression)
        assert not DENIALS.search(impression)


@settings(max_examples=100, deadline=None)
@given(index=INDICES, seed=SEEDS)
def test_reports_say_side_and_severity(index: int, seed: int) -> None:
    pair = Phantoms(size=5_000, seed=seed)[index]
    side, severity, report = pair.metadata["laterality"], pair.metadata["severity"], pair.metadata["report"]
    text = f"{report['findings']} {report['impression']}".lower()
    assert set(re.findall(r"\b(left|right)\b", text)) == ({side} if side else set())
    assert (severity is None) == (pair.metadata["finding"] == NO_FINDING)
    if severity is not None:
        positive = [sentences(report["findings"])[0], report["impression"].lower()]
        for sentence in positive:
            assert re.search(rf"\b({DEGREES[severity]})\b", sentence.replace("large optic cup", ""))
    assert "{" not in text
    assert not re.search(r"\s\s", report["findings"])


def test_captions_are_impression_findings_report_and_sentences() -> None:
    source = Phantoms(size=60)
    for index in range(60):
        pair = source[index]
        report = pair.metadata["report"]
        impression, findings, full, *sentences = pair.captions
        assert [role_of(caption) for caption in pair.captions[:3]] == ["impression", "findings", "report"]
        assert {role_of(caption) for caption in sentences} == {"sentence"}
        assert (impression, findings, " ".join(sentences)) == (report["impression"], report["findings"], report["findings"])
        assert full == f"EXAMINATION: {report['examination']}\nFINDINGS: {findings}\nIMPRESSION: {impression}"
        assert pair.metadata["synthetic"] is True


@pytest.mark.parametrize("severity", [0, 1, 2])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    ("modality", "finding"),
    [
        ("chest_radiograph", "pleural effusion"),
        ("chest_radiograph", "pneumothorax"),
        ("chest_radiograph", "consolidation"),
        ("chest_radiograph", "nodule"),
        ("ct", "kidney stone"),
        ("ct", "perinephric haemorrhage"),
    ],
)
def test_findings_lie_on_the_other_side_of_the_picture(modality: str, finding: str, side: str, severity: int) -> None:
    """Radiological convention: the patient's left is on the image's right."""
    source = Phantoms(size=300, modalities=[modality])
    for index in range(0, 300, 30):
        normal = replace(source.study(index), finding=NO_FINDING, side=None, severity=None)
        ill = replace(normal, finding=finding, side=side, severity=severity)
        change = np.abs(paint(ill, 64).astype(int) - paint(normal, 64)).mean(axis=2) > 40
        right_half, left_half = change[:, 32:].sum(), change[:, :32].sum()
        here, there = (right_half, left_half) if side == "left" else (left_half, right_half)
        assert here >= 3
        assert there == 0


def test_anatomy_follows_the_radiological_convention() -> None:
    """The heart (chest) is on the image's right of the middle, the liver (CT) on its left."""
    for index in range(0, 60, 3):
        chest = replace(Phantoms(size=60, modalities=["chest_radiograph"]).study(index), finding=NO_FINDING, side=None, severity=None)
        region = paint(chest, 64)[36:44, :, 0].astype(int)
        assert (region[:, 36:48] > 150).sum() > (region[:, 16:28] > 150).sum() + 20
        ct = replace(Phantoms(size=60, modalities=["ct"]).study(index), finding=NO_FINDING, side=None, severity=None)
        slab = paint(ct, 64)[24:30, :, 0].astype(int)
        assert (np.abs(slab[:, 12:30] - 0.58 * 255) < 25).mean() > 0.8
        assert (np.abs(slab[:, 34:52] - 0.58 * 255) < 25).mean() < 0.5


def test_the_optic_disc_is_nasal() -> None:
    source = Phantoms(size=90, modalities=["fundus"])
    for index in range(90):
        pair = source[index]
        if pair.metadata["finding"] == "exudates":
            continue
        bright = pair.image[..., 1] > 170
        columns = np.nonzero(bright)[1]
        assert len(columns) > 10
        assert (columns.mean() > 40) == (pair.metadata["laterality"] == "right")


@pytest.mark.parametrize("modality", list(MODALITIES))
def test_findings_show_and_grow_with_severity(modality: str) -> None:
    source = Phantoms(size=300, modalities=[modality])
    for finding in MODALITIES[modality].names[1:]:
        areas = np.zeros(3)
        for index in range(0, 300, 15):
            normal = replace(source.study(index), finding=NO_FINDING, side="left", severity=None)
            reference = paint(normal, 64).astype(int)
            for severity in range(3):
                ill = replace(normal, finding=finding, severity=severity)
                areas[severity] += (np.abs(paint(ill, 64) - reference).max(axis=2) > 40).sum() / 20
        assert areas[0] > 1
        assert areas[0] < areas[1] < areas[2], (finding, areas)


def test_colour_is_as_the_modality_has_it() -> None:
    for modality in MODALITIES:
        image = Phantoms(size=3, modalities=[modality], image_size=80)[0].image
        assert image.shape == (80, 80, 3)
        assert image.dtype == np.uint8
        assert image.std() > 20
        assert (np.ptp(image, axis=2).max() == 0) == (modality not in ("fundus", "histology"))


def test_patients_have_several_studies_and_one_split() -> None:
    patients: dict[str, list[Any]] = defaultdict(list)
    held_out = {Phantoms("held_out", size=300).study(index).patient for index in range(300)}
    for index in range(300):
        study = Phantoms(size=300).study(index)
        patients[study.patient].append(study)
    assert not patients.keys() & held_out
    assert {len(studies) for studies in patients.values()} == {STUDIES_PER_PATIENT}
    for studies in patients.values():
        assert len({study.modality.name for study in studies}) == 1
        assert len({study.anatomy for study in studies}) == 1
        assert len({study.detail for study in studies}) == STUDIES_PER_PATIENT


def test_studies_of_a_patient_share_the_anatomy() -> None:
    """Two pictures of one patient are nearer to each other than pictures of two patients."""
    source = Phantoms(size=300, modalities=["ct"])
    studies = [replace(source.study(index), finding=NO_FINDING, side=None, severity=None) for index in range(60)]
    pictures = [paint(study, 64).astype(int) for study in studies]
    same = np.mean([np.abs(pictures[i] - pictures[i + 1]).mean() for i in range(0, 60, 3)])
    other = np.mean([np.abs(pictures[i] - pictures[(i + 3) % 60]).mean() for i in range(0, 60, 3)])
    assert same < 0.7 * other


def test_classes_are_even_within_a_modality() -> None:
    source = Phantoms(size=1_800)
    counts = Counter((study.modality.name, study.finding) for study in map(source.study, range(1_800)))
    assert len(counts) == len(source.class_names) == len(set(source.class_names)) == 21
    for modality in MODALITIES.values():
        assert {counts[modality.name, finding] for finding in modality.names} == {360 // len(modality.names)}


def test_labels_name_their_class_among_the_chosen_modalities() -> None:
    source = Phantoms(size=120, modalities=["ultrasound", "chest_radiograph"])
    assert len(source.class_names) == 10
    for index in range(120):
        metadata = source[index].metadata
        assert source.class_names[metadata["label"]] == metadata["class_name"]
        assert metadata["modality"] in ("ultrasound", "chest_radiograph")
    assert {source[index].metadata["label"] for index in range(120)} == set(range(10))


@settings(max_examples=20, deadline=None)
@given(indices=st.lists(st.integers(0, 99), min_size=1, max_size=4), seed=SEEDS, split=SPLITS)
def test_examples_depend_on_nothing_but_their_index(indices: list[int], seed: int, split: Any) -> None:
    source, longer = Phantoms(split, size=100, seed=seed), Phantoms(split, size=1_000, seed=seed)
    alone = [fingerprint(Phantoms(split, size=100, seed=seed), [index]) for index in indices]
    assert [fingerprint(source, [index]) for index in reversed(indices)] == alone[::-1]
    assert [fingerprint(longer, [index]) for index in indices] == alone
    assert fingerprint(pickle.loads(pickle.dumps(source)), indices) == fingerprint(source, indices)


def test_another_process_makes_the_same_examples() -> None:
    code = (
        "import hashlib; from concord.data.phantoms import Phantoms\n"
        "source = Phantoms('held_out', size=30, seed=3)\n"
        "parts = [(p.image.tobytes(), p.captions, p.key, repr(p.metadata)) for p in (source[i] for i in range(29, -1, -1))][::-1]\n"
        "print(hashlib.sha256(repr(parts).encode()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == fingerprint(Phantoms("held_out", size=30, seed=3), list(range(30)))


def test_seeds_and_splits_differ() -> None:
    prints = {fingerprint(Phantoms(split, size=5, seed=seed), [0, 1]) for split in ("train", "held_out") for seed in (0, 1)}
    assert len(prints) == 4


def test_indexing_follows_sequences() -> None:
    source = Phantoms(size=10)
    assert len(source) == 10
    assert source[-1].key == source[9].key
    with pytest.raises(IndexError):
        source[10]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"split": "test"}, "split"),
        ({"size": 0}, "size"),
        ({"image_size": 16}, "image_size"),
        ({"seed": -1}, "seed"),
        ({"modalities": []}, "modalities"),
        ({"modalities": ["ct", "ct"]}, "modalities"),
        ({"modalities": ["ctt"]}, "modalities"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named} must"):
        Phantoms(**arguments)


def test_keys_captions_and_metadata_are_told_without_painting(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Phantoms(size=12)
    pairs = [source[index] for index in range(12)]
    monkeypatch.setattr(source_module, "paint", None)
    assert isinstance(source, KeyedSource)
    for index, pair in enumerate(pairs):
        assert (source.key(index), source.captions(index), source.metadata(index)) == (pair.key, pair.captions, pair.metadata)


def test_findings_are_unknown_where_the_modality_cannot_show_them() -> None:
    source = Phantoms(size=120, labels="findings")
    assert len(source.class_names) == len(set(source.class_names)) == sum(len(modality.findings) for modality in source.modalities)
    for index in range(120):
        study, labels = source.study(index), source.metadata(index)["labels"]
        known = [name for name, label in zip(source.class_names, labels, strict=True) if label is not None]
        shown = [name for name, label in zip(source.class_names, labels, strict=True) if label == 1]
        assert known == list(study.modality.names[1:])
        assert shown == ([] if study.finding == NO_FINDING else [study.finding])


def test_sides_are_known_of_the_finding_that_is_shown_alone() -> None:
    source = Phantoms(size=240, labels="sides", name="by_side")
    lateral = [finding.name for modality in source.modalities for finding in modality.findings if finding.lateral]
    assert source.class_names == [f"left {name}" for name in lateral]
    told: set[tuple[str, int]] = set()
    for index in range(240):
        study, labels = source.study(index), source.metadata(index)["labels"]
        known = {name: label for name, label in zip(source.class_names, labels, strict=True) if label is not None}
        assert known == ({f"left {study.finding}": int(study.side == "left")} if study.finding in lateral else {})
        told |= set(known.items())
    assert len(told) == 2 * len(lateral)
    assert source[0].source == "by_side"


def test_labels_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="labels must be class, findings or sides, got 'side'"):
        Phantoms(labels="side")  # type: ignore[arg-type]


def test_sides_are_asked_by_impressions_that_differ_in_nothing_else() -> None:
    test = PhantomSides(size=150)
    exchange = {"left": "right", "right": "left"}
    assert len(test.items) == len(test.images) == sum(Phantoms("held_out", 150).study(index).side is not None for index in range(150))
    for item in test.items:
        right, wrong = item.texts
        assert wrong == re.sub(r"\b(left|right)\b", lambda found: exchange[found[0]], right) != right
        pair = test.images[item.images[0]]
        assert (item.key, item.unit, item.subset) == (pair.key, pair.metadata["patient_id"], pair.metadata["modality"])
        assert pair.captions[0] == right


def test_sides_need_a_modality_that_has_them() -> None:
    with pytest.raises(DataError, match="none of 20 studies has a side"):
        PhantomSides(size=20, modalities=["histology"])


def test_the_prompts_for_sides_are_sentences_that_exchange_them() -> None:
    sided = compose_config("benchmark=phantoms")["benchmark"]["tasks"]["sided_findings"]
    assert list(sided["descriptions"]) == list(sided["negative_descriptions"]) == Phantoms(labels="sides").class_names
    source = Phantoms(size=6000)
    said = {str(caption) for index in range(6000) for caption in source.captions(index)}
    for name, sentences in sided["descriptions"].items():
        assert sided["negative_descriptions"][name] == [sentence.replace("left", "right") for sentence in sentences]
        assert {*sentences, *sided["negative_descriptions"][name]} <= said


def test_the_prompts_of_the_benchmark_are_sentences_of_the_reports() -> None:
    findings = compose_config("benchmark=phantoms")["benchmark"]["tasks"]["findings"]
    assert list(findings["descriptions"]) == list(findings["negative_descriptions"]) == Phantoms(labels="findings").class_names
    source = Phantoms(size=6000)
    said = [{str(caption) for caption in source.captions(index)} for index in range(6000)]
    everything = set().union(*said)
    for name, sentences in findings["descriptions"].items():
        shown = set().union(*(said[index] for index in range(6000) if source.metadata(index)["finding"] == name))
        assert set(sentences) <= shown
        assert set(findings["negative_descriptions"][name]) <= everything - shown
