"""conf/decoder: every file of it builds, and does what its first line says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from concord.config import build
from concord.data.medical.images import MedicalDecoder
from concord.data.medical.images.windows import ends
from concord.errors import DataError
from tests.data.medical.dicoms import dicom_bytes, ramp

CUT = {"fundus", "ultrasound"}
"""Those that cut the picture; see `test_fundus` and `test_ultrasound`."""

FILES = sorted({path.stem for path in (Path(__file__).parents[4] / "conf" / "decoder").glob("*.yaml")} - CUT)
"""Of the folder, by name."""


def decoder(conf_folder: Path, name: str, **changes: Any) -> MedicalDecoder:
    with initialize_config_dir(str(conf_folder), version_base=None):
        node = OmegaConf.to_container(compose(overrides=[f"+decoder={name}"]).decoder)
    node["dicom"] |= changes
    return build(node, "decoder")


@pytest.mark.parametrize("name", FILES)
def test_every_one_decodes_a_ct(conf_folder: Path, name: str) -> None:
    picture = decoder(conf_folder, name)(dicom_bytes(slope=1, intercept=-1024, Modality="CT"))

    assert picture.shape[:2] == (36, 48)
    assert len(np.unique(picture)) > 2


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("ct_")])
def test_windows_are_those_that_the_first_line_names(conf_folder: Path, name: str) -> None:
    picture = decoder(conf_folder, name)(dicom_bytes(slope=1, intercept=-1024, Modality="CT"))
    windows = ["lung", "mediastinum", "bone"] if name == "ct_stack" else [name.removeprefix("ct_")]
    units = ramp().astype(float) - 1024
    low, high = (np.array(side) for side in zip(*map(ends, windows), strict=True))

    expected = ((units[..., None] - low) / (high - low)).clip(0, 1) * 255

    assert np.abs(np.atleast_3d(picture) - expected).max() <= 0.5
    first = (conf_folder / "decoder" / f"{name}.yaml").read_text().splitlines()[0]
    assert name == "ct_stack" or f"{low[0]:g} to {high[0]:g} HU" in first


def test_files_of_ones_own_must_say_that_they_were_deidentified(conf_folder: Path) -> None:
    silent = dicom_bytes(PatientIdentityRemoved=None)

    assert decoder(conf_folder, "default")(silent).shape == (36, 48)
    assert decoder(conf_folder, "own_files", allow_unverified_phi=True)(silent).shape == (36, 48)
    with pytest.raises(DataError, match="does not say"):
        decoder(conf_folder, "own_files")(silent)
