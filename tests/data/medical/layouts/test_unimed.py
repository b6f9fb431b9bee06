"""UniMed: thirteen parts as shards, in which a text holds several captions."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from concord.access import is_guarded
from concord.config import build
from concord.data import Mixture
from concord.data.medical import Guarded, MedicalDataModule
from concord.data.readers.shards import Shards
from concord.data.views.policy import CaptionChoice
from concord.images import Preprocess
from concord.tokenizers import BPETokenizer
from concord.types import ImageView, TextView, role_of
from tests.composing import compose_config
from tests.conftest import ROOT
from tests.data.samples import encode, write_tar

REPORT = "FINAL REPORT The heart is enlarged."
SENTENCES = [f"Phrasing {number} of an enlarged heart." for number in range(10)]


def packed(sentences: list[str], separator: str) -> str:
    return "".join(f"{sentence}{separator}" for sentence in sentences)


TEXTS: dict[str, list[str]] = {
    "radimagenet": [packed(SENTENCES, "_radimagenet_")],
    "chexpert": [packed(SENTENCES, "_chexpert_")],
    "openi": [packed(["What was written of it.", *SENTENCES[:3]], "_openi_")],
    "chest_xray8": [packed(SENTENCES, "_chestxray8_")],
    "mimic_cxr": [packed(SENTENCES, "_mimiccxr_") + f"_mimiccxr_{said}" for said in (REPORT, "noreportpresent")],
    **{name: ["One caption, as it is."] for name in ("rocov2", "pmc_oa", "llava_med_alignment", "llava_med_instruct", "quilt_1m")},
    "retina_part1": [packed([*SENTENCES, "A sentence too many."], "_all_retina_merged_")],
    "retina_part2": ["One caption, as it is."],
    "retina_part3": ["One caption, as it is."],
}
"""By folder the texts of its examples, as the scripts write them."""


def write_unimed(folder: Path) -> None:
    for name, texts in TEXTS.items():
        members = [(f"{n:06d}.{kind}", content) for n, text in enumerate(texts) for kind, content in (("jpg", encode(n)), ("txt", text))]
        write_tar(folder / f"{name}_webdataset/dataset-000001.tar", members)


def unimed(path: Path, *overrides: str) -> dict[str, Any]:
    return compose_config("data=unimed", f"data.path={path}", *overrides)["data"]  # type: ignore[no-any-return]


@pytest.fixture
def source(tmp_path: Path) -> Mixture:
    write_unimed(tmp_path)
    mixture = build(unimed(tmp_path)["source"], "data.source")
    assert isinstance(mixture, Mixture)
    return mixture


def spoken(part: Any, index: int) -> list[tuple[str, str]]:
    return [(str(caption), role_of(caption)) for caption in part.captions(index)]


def test_separators_are_parsed(source: Mixture) -> None:
    ten = [(sentence, "label") for sentence in SENTENCES]
    parts = source.sources
    for name in ("radimagenet", "chexpert", "chest_xray8", "retina_1"):
        assert spoken(parts[name], 0) == ten
    assert spoken(parts["openi"], 0) == [("What was written of it.", "original"), *ten[:3]]
    assert spoken(parts["mimic_cxr"], 0) == [(REPORT, "report"), *ten]
    assert spoken(parts["mimic_cxr"], 1) == ten  # there is no report
    for name in ("rocov2", "pmc_oa", "llava_med_alignment", "llava_med_instruct", "quilt_1m", "retina_2", "retina_3"):
        assert spoken(parts[name], 0) == [("One caption, as it is.", "")]


def test_a_list_in_json_is_the_same(tmp_path: Path, source: Mixture) -> None:
    documents = [{"captions": SENTENCES, "report": said, "source": "mimic_cxr", "labels": [2]} for said in (REPORT, "noreportpresent")]
    members = [(f"{n:06d}.{kind}", content) for n, each in enumerate(documents) for kind, content in (("jpg", encode(n)), ("json", each))]
    write_tar(tmp_path / "json/dataset-000001.tar", members)
    listed = Shards(str(tmp_path / "json"), {"report": "json:report", "label": "json:captions"}, absent=["noreportpresent"])
    for index in range(2):
        assert spoken(listed, index) == spoken(source.sources["mimic_cxr"], index)
    assert json.loads(json.dumps(documents))[0]["labels"] == listed.metadata(0)["labels"]


def test_parts_are_guarded_and_drawn_alike(source: Mixture) -> None:
    assert {name for name, part in source.sources.items() if is_guarded(part)} == {"chexpert", "mimic_cxr", "quilt_1m"}
    assert len(source.sources) == 13
    for share in source.shares.values():
        assert share == pytest.approx(1 / 13, rel=1e-4)
    part = source.sources["mimic_cxr"]
    assert isinstance(part, Guarded)
    assert part.access == "credentialed"
    assert "000000" not in part.key(0)


def test_sentences_made_of_labels_are_read_where_there_is_nothing_else(tmp_path: Path, source: Mixture) -> None:
    choice = CaptionChoice(unimed(tmp_path)["caption_policy"])
    for name, index, roles in (("mimic_cxr", 0, {"report"}), ("mimic_cxr", 1, {"label"}), ("openi", 0, {"original"}), ("pmc_oa", 0, {""})):
        captions = source.sources[name].captions(index)  # type: ignore[attr-defined]
        assert {role_of(captions[choice(captions, epoch, 0)]) for epoch in range(200)} == roles


def test_batches(tmp_path: Path, tokenizer: BPETokenizer, preprocess: Preprocess) -> None:
    write_unimed(tmp_path)
    module = build(unimed(tmp_path, "data.batch_size=7", "data.workers=0", "data.pin_memory=false"), "data")
    assert isinstance(module, MedicalDataModule)
    module.setup_views({"image": ImageView("plain")}, {"caption": TextView("caption")}, tokenizer, preprocess)
    batches = list(itertools.islice(module.train_dataloader(), 10))
    assert {source for batch in batches for source in batch.sources} == set(module.source.sources)  # type: ignore[attr-defined]
    assert module.bad.causes.total() == 0


def test_a_part_can_be_left_out_and_says_where_it_comes_from(tmp_path: Path) -> None:
    write_unimed(tmp_path)
    config = unimed(tmp_path, "~data.source.sources.mimic_cxr", "~data.source.sources.quilt_1m")
    assert len(build(config["source"], "data.source").sources) == 11
    header = (ROOT / "conf/source/unimed.yaml").read_text()
    for fact in ("Paper", "Layout", "From", "Size", "Licence", "Access"):
        assert re.search(rf"^# {fact}: \S", header, re.MULTILINE)
