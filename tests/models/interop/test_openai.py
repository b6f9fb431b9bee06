from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from open_clip.model import CLIP
from tests.models.interop.open_clip_models import CONFIGS, TEXTS, embed, pictures, random_model, register_small_models, write_config
from torch import Tensor, nn

import concord
from concord.errors import CheckpointError
from concord.models.interop import torchscript

pytestmark = pytest.mark.filterwarnings("ignore")

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2}
VISIONS: dict[str, dict[str, Any]] = {
    "transformer": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "head_width": 64},
    "resnet": CONFIGS["resnet"]["vision_cfg"],
}


class Sized(nn.Module):
    """What OpenAI's archives hold: CLIP, and three numbers."""

    def __init__(self, model: CLIP) -> None:
        super().__init__()
        for name, part in model.named_children():
            setattr(self, name, part)
        for name in ("positional_embedding", "text_projection", "logit_scale"):
            setattr(self, name, getattr(model, name))
        for name, value in (("input_resolution", 32), ("context_length", 77), ("vocab_size", 49408)):
            self.register_buffer(name, torch.tensor(value))

    def forward(self, images: Tensor) -> Tensor:
        return self.visual(images)  # type: ignore[operator, no-any-return]


@pytest.fixture(scope="module", params=list(VISIONS))
def archive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model.pt as OpenAI publishes CLIP, and the same model as OpenCLIP keeps it."""
    register_small_models()
    folder = tmp_path_factory.mktemp(request.param)
    vision = VISIONS[request.param]
    write_config({"embed_dim": 24, "quick_gelu": True, "vision_cfg": vision, "text_cfg": TEXT}, {}, folder)
    model = random_model(folder)
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    traced = torch.jit.trace(Sized(model), torch.zeros(1, 3, vision["image_size"], vision["image_size"]))
    torch.jit.save(traced, folder / "model.pt")
    return folder


def test_an_archive_is_read_as_open_clip_reads_its_weights(archive: Path) -> None:
    scorer = concord.load(archive / "model.pt")
    images, texts, _ = embed(archive, TEXTS)
    torch.testing.assert_close(scorer.embed_images(pictures()).vectors, images, atol=1e-5, rtol=0)
    torch.testing.assert_close(scorer.embed_texts(TEXTS).vectors, texts, atol=1e-5, rtol=0)


def test_tensors_are_those_that_running_the_archive_gives(archive: Path) -> None:
    found = torchscript.read_archive(archive / "model.pt")
    expected = torch.jit.load(archive / "model.pt").state_dict()
    assert set(expected) <= set(found)
    for name, value in expected.items():
        assert torch.equal(found[name], value)
        assert found[name].dtype == value.dtype


def test_half_precision_is_read(tmp_path: Path) -> None:
    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2).half()
            self.transposed = nn.Parameter(torch.arange(6.0).view(2, 3).T)
            self.empty = nn.Parameter(torch.empty(0, 3))

        def forward(self, x: Tensor) -> Tensor:
            return x

    module = Small()
    torch.jit.save(torch.jit.script(module), tmp_path / "small.pt")
    found = torchscript.read_archive(tmp_path / "small.pt")
    for name, value in module.state_dict().items():
        assert torch.equal(found[name], value)
        assert found[name].dtype == value.dtype


def with_pickle(source: Path, target: Path, data: bytes) -> Path:
    """The archive with another data.pkl."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, data if name.endswith("/data.pkl") else old.read(name))
    return target


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_nothing_in_an_archive_is_executed(archive: Path, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    bad = with_pickle(archive / "model.pt", tmp_path / "bad.pt", pickle.dumps(Evil(witness)))
    with pytest.raises(CheckpointError, match="holds more than modules and tensors, and is not loaded"):
        concord.load(bad)
    assert not witness.exists()


@pytest.mark.parametrize(
    "data",
    [b"", b"\x80\x02", pickle.dumps(5), b"\x80\x02c__torch__\nA\n)\x81}X\x01\x00\x00\x00aU\x01bQsb."],
    ids=["empty", "cut", "number", "bad storage"],
)
def test_damaged_archives_are_refused_in_one_line(data: bytes, archive: Path, tmp_path: Path) -> None:
    bad = with_pickle(archive / "model.pt", tmp_path / "bad.pt", data)
    with pytest.raises(CheckpointError) as error:
        concord.load(bad)
    assert "\n" not in str(error.value)
    assert str(bad) in str(error.value)


def test_compressed_members_are_refused(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as new:
        new.writestr("a/constants.pkl", b"")
        new.writestr("a/data.pkl", b"0" * 10_000_000)
    with pytest.raises(CheckpointError, match="compressed"):
        concord.load(tmp_path / "bomb.pt")


def test_an_archive_of_another_model_is_refused(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "linear.pt")
    with pytest.raises(CheckpointError, match=r"not of OpenAI's CLIP"):
        concord.load(tmp_path / "linear.pt")
