"""`data=medical`: all data sets of a modality are one part of a mixture, and losses are told by modality."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest

from concord.config import build
from concord.data.medical import MedicalDataModule
from concord.data.medical.parts import modalities_in
from concord.images import Preprocess
from concord.tokenizers import BPETokenizer
from concord.types import ImageView, TextView
from tests.composing import compose_config
from tests.data.named_sets import every_named

MODALITIES = ["radiograph", "ct", "histology", "fundus", "figure"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every data set of the mixture, tiny."""
    folder = tmp_path_factory.mktemp("medical")
    for name in ("mimic_cxr_jpg", "chexpert_plus", "padchest", "openi", "ct_rate", "quilt_1m", "openpath", "flair", "pmc_oa", "rocov2"):
        written = every_named()[name](folder / "written" / name)
        shutil.copytree(written.path, folder if name == "mimic_cxr_jpg" else folder / name, dirs_exist_ok=True)
    return folder


def test_modalities_are_the_parts(archive: Path, tokenizer: BPETokenizer) -> None:
    config = compose_config("data=medical", f"data.path={archive}", "data.workers=0", "data.batch_size=4", "data.source.batches=single")
    assert config["preprocess"]["resize"] == "pad"
    data = build(config["data"], "data")
    assert isinstance(data, MedicalDataModule)
    assert list(data.source.sources) == MODALITIES  # type: ignore[attr-defined]
    for name, part in data.source.sources.items():  # type: ignore[attr-defined]
        assert modalities_in(part) <= {name, "mri", "ultrasound", "figure"}
    assert data.source.access == "credentialed"  # type: ignore[attr-defined]
    assert data.source.shares == dict.fromkeys(MODALITIES, pytest.approx(0.2))  # type: ignore[attr-defined]
    data.setup_views({"image": ImageView("weak")}, {"caption": TextView("caption")}, tokenizer, Preprocess(8, "pad"))
    met = [set(batch.sources) for batch in itertools.islice(data.train_dataloader(), 40)]
    assert all(len(sources) == 1 for sources in met)
    assert set().union(*met) == set(MODALITIES)
    assert [part.name for part in data.plan().parts] == MODALITIES


def test_what_one_does_not_have_is_left_out(archive: Path) -> None:
    left_out = ("~data.source.sources.ct", "~data.source.weights.ct", "~data.source.sources.radiograph.sources.padchest")
    config = compose_config("data=medical", f"data.path={archive}", *left_out)
    data = build(config["data"], "data")
    assert list(data.source.sources) == [name for name in MODALITIES if name != "ct"]
    assert list(data.source.sources["radiograph"].sources) == ["mimic_cxr", "chexpert_plus", "openi"]
