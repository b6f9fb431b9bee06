"""MedicalDataModule: its doubts, its patients, vocabularies without reports, and batches of one modality."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from concord.data import Augmentation, HashSplit, Joined, Mixture, WebDataModule
from concord.data.medical import MedicalDataModule, MedicalImages, Mirrored
from concord.data.medical.parts import medical_parts, modalities_in, patients_in
from concord.data.source import Source
from concord.data.wrapper import Selection
from concord.errors import DataError
from concord.images import Preprocess
from concord.tasks.assemble import build_tokenizer
from concord.tokenizers import BPETokenizer
from concord.types import ImageView, TextView
from tests.data.medical.clinic import PLANTED, Clinic, Labelled, Told, clinic, exam

SAFE = {"scale": (0.9, 1.0), "ratio": (0.95, 1.05)}
RECIPES = {"weak": Augmentation(**SAFE), "flipped": Augmentation(flip=0.5, **SAFE)}  # type: ignore[arg-type]


def module(source: Source, **options: Any) -> MedicalDataModule:
    return MedicalDataModule(source, RECIPES, **{"batch_size": 2, "workers": 0, "max_bad_share": 1.0, **options})


def set_up(data: WebDataModule, tokenizer: BPETokenizer, recipe: str = "weak", resize: Any = "pad") -> None:
    data.setup_views({"image": ImageView(recipe)}, {"caption": TextView("caption")}, tokenizer, Preprocess(8, resize))


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "concord.data.medical.module"]


def test_an_unsafe_augmentation_is_warned_of_once_with_the_reason(
    tmp_path: Path, tokenizer: BPETokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    data = module(clinic(tmp_path, [exam(0), exam(1)]))
    with caplog.at_level(logging.WARNING):
        set_up(data, tokenizer, "flipped")
        set_up(data, tokenizer, "flipped")
    (line,) = warned(caplog)
    assert line.startswith(
        "data.augmentation: recipe flipped: horizontal flip (0.5) is unsafe for radiograph: left and right change places"
    )


def test_a_recipe_that_no_view_uses_and_safe_ones_are_no_matter(
    tmp_path: Path, tokenizer: BPETokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    set_up(module(clinic(tmp_path, [exam(0), exam(1)])), tokenizer)
    set_up(module(clinic(tmp_path / "tissue", [exam(0, modality="histology"), exam(1, modality="histology")])), tokenizer, "flipped")
    assert warned(caplog) == []


@pytest.mark.parametrize(("resize", "what"), [("crop", "cuts the edges of films off"), ("squash", "changes the proportions of organs")])
def test_preprocessing_that_loses_what_the_text_says_is_doubted(
    tmp_path: Path, tokenizer: BPETokenizer, caplog: pytest.LogCaptureFixture, resize: str, what: str
) -> None:
    set_up(module(clinic(tmp_path, [exam(0), exam(1)])), tokenizer, resize=resize)
    (line,) = warned(caplog)
    assert line.startswith(f"preprocess.resize={resize} {what}")
    assert line.endswith("preprocess=whole keeps them")


def test_a_mixtures_doubts_are_those_of_all_its_parts(tmp_path: Path, tokenizer: BPETokenizer, caplog: pytest.LogCaptureFixture) -> None:
    films = Joined({"one": clinic(tmp_path / "a", [exam(0), exam(1)]), "two": clinic(tmp_path / "b", [exam(0, modality="ct"), exam(1)])})
    set_up(module(Mixture({"film": films, "scan": clinic(tmp_path / "c", [exam(0, modality="mri")])})), tokenizer, "flipped")
    assert [modality for line in warned(caplog) for modality in ("ct", "mri", "radiograph") if f"for {modality}:" in line] == [
        "ct",
        "mri",
        "radiograph",
    ]


def test_the_plan_counts_patients(tmp_path: Path, tokenizer: BPETokenizer) -> None:
    films = clinic(tmp_path / "a", [exam(0, "p1"), exam(1, "p1"), exam(2, "p2")])
    other = MedicalImages(Clinic(tmp_path / "b", [exam(0, "p1"), exam(1, "p2"), exam(2, "p3")], name="scans"), captions={"report": Told()})
    data = module(Mixture({"film": films, "scan": other}))
    set_up(data, tokenizer)
    plan = data.plan()
    assert plan.patients == 5  # p1 of the one has nothing to do with p1 of the other
    assert [(part.name, part.examples, part.patients) for part in plan.parts] == [("film", 3, 2), ("scan", 3, 3)]


def test_patients_behind_any_wrapping(tmp_path: Path) -> None:
    source = clinic(tmp_path, [exam(number, f"p{number // 2}") for number in range(12)])
    chosen = Selection(source, np.array([1, 2, 11]))
    assert patients_in(chosen) == {"clinic": {"p0", "p1", "p5"}}
    assert patients_in(Mirrored(chosen)) == patients_in(chosen)
    assert patients_in(Selection(Mirrored(source), np.array([0, 1, 5]))) == {"clinic": {"p0", "p1"}}
    assert patients_in(Joined({"a": chosen, "b": Selection(source, np.array([7]))})) == {"clinic": {"p0", "p1", "p3", "p5"}}
    nested = Selection(Joined({"a": chosen, "b": source}), np.array([2, 3]))
    assert [(part, indices.tolist()) for part, indices in medical_parts(nested)] == [(source, [11]), (source, [0])]
    train, held_out = (HashSplit(source, part, 0.5) for part in ("train", "held_out"))  # by picture, which parts patients
    assert set.intersection(*(patients_in(part)["clinic"] for part in (train, held_out)))
    assert patients_in(object()) == {}
    assert modalities_in(chosen) == {"radiograph"}


def test_a_vocabulary_of_guarded_data_is_learned_from_labels_alone(tmp_path: Path) -> None:
    exams = [exam(number, label=number % 2) for number in range(8)]
    for access, expected in (("open", True), ("credentialed", False)):
        data = module(clinic(tmp_path, exams, access))  # type: ignore[arg-type]
        assert any(PLANTED in caption for caption in data.captions(100)) == expected
        assert sum("a radiograph with" in caption for caption in data.captions(100)) == 8
    tokenizer = BPETokenizer(vocab_size=600).train(data.captions(100))
    assert "patient" not in tokenizer.engine.to_str()
    assert "radiograph" in tokenizer.engine.to_str()


def test_it_is_refused_where_there_are_none_with_the_way_out(tmp_path: Path) -> None:
    source = clinic(tmp_path, [exam(number) for number in range(8)], "credentialed", captions={"report": Told()})
    cfg = {"tokenizer": {"_target_": "concord.tokenizers.BPETokenizer", "vocab_size": 300}}
    with pytest.raises(DataError, match="clinic is credentialed: no vocabulary is learned from what was written about patients") as error:
        build_tokenizer(cfg, module(source))
    assert "tokenizer=hf tokenizer.name=FOLDER" in str(error.value)


def test_other_data_modules_learn_no_more(tmp_path: Path) -> None:
    source = Joined({"a": clinic(tmp_path, [exam(number, label=0) for number in range(4)], "restricted")})
    data = WebDataModule(source, RECIPES, batch_size=2)
    assert set(data.captions(100)) == {"a radiograph with edema"}


def test_batches_of_one_modality(tmp_path: Path, tokenizer: BPETokenizer) -> None:
    parts: dict[str, Source] = {
        name: Joined({"one": clinic(tmp_path / name, [exam(number, modality=name) for number in range(6)])}) for name in ("ct", "mri")
    }
    data = module(Mixture(parts, {"ct": 1, "mri": 2}, batches="single"), batch_size=3)
    set_up(data, tokenizer)
    met = [set(batch.sources) for batch in itertools.islice(data.train_dataloader(), 60)]
    assert all(len(sources) == 1 for sources in met)
    assert 30 <= met.count({"mri"}) <= 50  # two thirds of 60


@pytest.mark.parametrize("workers", [0, 1])
def test_a_fault_over_guarded_data_leaves_a_process_without_its_words(
    tmp_path: Path, tokenizer: BPETokenizer, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = module(clinic(tmp_path, [exam(number) for number in range(4)], "credentialed"), workers=workers)
    set_up(data, tokenizer)

    def failing(self: Any, pair: Any, epoch: int, index: int) -> Any:
        raise RuntimeError(f"no idea what to do with {pair.captions}")

    monkeypatch.setattr("concord.data.views.Views.example", failing)
    with pytest.raises(DataError) as error:
        next(iter(data.train_dataloader()))
    assert "RuntimeError in test_module.py" in str(error.value)
    assert PLANTED not in str(error.value)


def test_what_is_logged_of_bad_examples(tmp_path: Path, tokenizer: BPETokenizer, caplog: pytest.LogCaptureFixture) -> None:
    source = clinic(tmp_path, [exam(number, label=0) for number in range(6)], "credentialed", captions={"label": Labelled()})
    for path in sorted(tmp_path.rglob("*.png"))[:3]:
        path.write_bytes(path.read_bytes()[:30])
    data = module(source)
    set_up(data, tokenizer)
    for _ in itertools.islice(data.train_dataloader(), 3):
        pass
    assert data.bad.causes["image cannot be decoded"] > 0
    assert PLANTED not in data.bad.summary() + caplog.text
    assert source.key(0) in data.bad.summary() or source.key(1) in data.bad.summary() or source.key(2) in data.bad.summary()
    assert "(" not in data.bad.summary()  # no details
