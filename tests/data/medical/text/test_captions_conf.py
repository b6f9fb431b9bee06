"""Options of `conf/captions`: each is a whole dictionary of makers, which data sets compose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from concord.config import build
from concord.data.medical import Exam
from concord.data.medical.answers import Answered, as_texts
from tests.conftest import ROOT

OPTIONS = sorted(path.stem for path in (ROOT / "conf" / "captions").glob("*.yaml"))
ROLES = {
    "answers": {"finding"},
    "figures": {"original"},
    "figures_and_references": {"original", "reference"},
    "labels": {"label"},
    "plain_reports": {"report"},
    "questions": {"about", "finding"},
    "report_or_labels": {"report"},
    "report_sentences": {"report"},
    "reports": {"report"},
    "reports_and_labels": {"report", "label"},
}
TEXTS = {
    "report": "The report has no headings. It says what is seen here.",
    "findings": "The heart is enlarged here. There is no effusion.",
    "impression": "Cardiomegaly without effusion.",
    "caption": "Fig. 1. Chest radiograph of a man.",
    "reference": "The radiograph (Figure 1) shows a large heart [3].",
    **as_texts([Answered("Is there a pneumothorax?", "No")]),
}


def makers(option: str, folder: Path) -> Any:
    """What a data set gets that composes an option."""
    (folder / "data_set.yaml").write_text(f"# For this test.\ndefaults:\n  - /captions@captions: {option}\n")
    with initialize_config_dir(str(folder), version_base=None):
        config = compose("data_set", [f"hydra.searchpath=[file://{ROOT / 'conf'}]"])
    if option == "labels":
        config.captions.label.dictionary = "chest_radiograph"
    captions = OmegaConf.to_container(config.captions, throw_on_missing=True)
    assert isinstance(captions, dict)
    return {role: build(node, f"captions.{role}") for role, node in captions.items()}


def made(option: str, folder: Path, texts: dict[str, str]) -> dict[str, list[str]]:
    exam = Exam("a.png", "patient99999", modality="radiograph", findings=(1, 0))
    return {role: maker(exam, texts, ["cardiomegaly", "edema"]) for role, maker in makers(option, folder).items()}


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_makes_captions_of_its_roles(option: str, tmp_path: Path) -> None:
    captions = made(option, tmp_path, TEXTS)
    assert captions.keys() == ROLES[option]
    assert all(captions.values())


def test_what_some_of_them_make(tmp_path: Path) -> None:
    assert made("reports", tmp_path, TEXTS) == {"report": ["Cardiomegaly without effusion."]}
    assert made("plain_reports", tmp_path, TEXTS) == {"report": [TEXTS["report"]]}
    sentences = ["The heart is enlarged here.", "There is no effusion.", "Cardiomegaly without effusion."]
    assert made("report_sentences", tmp_path, TEXTS) == {"report": sentences}
    assert made("figures_and_references", tmp_path, TEXTS)["reference"] == ["The radiograph (Figure 1) shows a large heart."]
    assert len(made("report_or_labels", tmp_path, {})["report"]) == 10
