from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from concord.data import Augmentation, Resample, Shards, WebDataModule, Windows
from concord.distributed import Ranks
from concord.errors import CheckpointError, ConfigError, DataError
from concord.images import Preprocess
from concord.tokenizers import BPETokenizer
from concord.types import Batch, ImageView, TextView
from tests.data.samples import Grey, encode, write_tar

VIEWS: tuple[dict[str, ImageView], dict[str, TextView]] = (
    {"image": ImageView("weak"), "local": ImageView("local", 2)},
    {"caption": TextView("caption"), "negatives": TextView("swapped")},
)


@pytest.fixture
def make(tokenizer: BPETokenizer, preprocess: Preprocess, recipes: dict[str, Augmentation]) -> Any:
    def make(size: int = 22, **options: Any) -> WebDataModule:
        data = WebDataModule(Grey(size), recipes, **{"batch_size": 4, "workers": 0, **options})
        data.setup_views(*VIEWS, tokenizer, preprocess, size_multiple=4)
        return data

    return make


class Recorder(L.LightningModule):
    """Trains one number and writes down what it saw: the keys and the sum of all pixels of every batch."""

    def __init__(self, fail_at: int = -1) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[tuple[str, ...], int]] = []
        self.fail_at = fail_at

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        if len(self.seen) == self.fail_at:
            raise RuntimeError("power cut")
        pixels = batch.images["image"].sum() + batch.images["local"].sum()
        self.seen.append((tuple(batch.keys), int(pixels)))
        return self.weight.sum() * pixels

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1e-6)


def fit(
    data: WebDataModule, folder: Path, steps: int, resume: str | None = None, fail_at: int = -1, accumulate: int = 1, every: int = 1
) -> Recorder:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    recorder = Recorder(fail_at)
    saving = L.pytorch.callbacks.ModelCheckpoint(folder, "{step}", every_n_train_steps=every, save_top_k=-1)
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=-1,
        max_steps=steps,
        accumulate_grad_batches=accumulate,
        callbacks=[saving],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(recorder, datamodule=data, ckpt_path=resume)
    return recorder


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("first_workers", "workers"), [(0, 0), (2, 2), (0, 2), (2, 0)])
def test_resuming_in_mid_epoch_goes_on_with_exactly_the_next_batch(make: Any, tmp_path: Path, first_workers: int, workers: int) -> None:
    whole = fit(make(), tmp_path / "whole", 10).seen
    assert len({keys for keys, _ in whole}) == 10
    start = fit(make(workers=first_workers), tmp_path / "cut", 4).seen
    rest = fit(make(workers=workers), tmp_path / "rest", 10, str(tmp_path / "cut/step=4.ckpt")).seen
    assert start + rest == whole


@pytest.mark.filterwarnings("ignore")
def test_after_a_crash_the_batches_since_the_last_checkpoint_come_again(make: Any, tmp_path: Path) -> None:
    whole = fit(make(), tmp_path / "whole", 12).seen
    with pytest.raises(RuntimeError, match="power cut"):
        fit(make(workers=2, prefetch=4), tmp_path / "cut", 12, fail_at=8, every=3)
    resumed = fit(make(workers=1), tmp_path / "rest", 12, str(tmp_path / "cut/step=6.ckpt"))
    assert resumed.seen == whole[6:]
    twice = fit(make(), tmp_path / "again", 12, str(tmp_path / "rest/step=9.ckpt"))
    assert twice.seen == whole[9:]


@pytest.mark.filterwarnings("ignore")
def test_accumulated_batches_are_counted(make: Any, tmp_path: Path) -> None:
    whole = fit(make(), tmp_path / "whole", 12).seen
    assert fit(make(), tmp_path / "cut", 2, accumulate=3).seen == whole[:6]
    assert fit(make(), tmp_path / "rest", 4, str(tmp_path / "cut/step=2.ckpt"), accumulate=3).seen == whole[6:]


@pytest.mark.filterwarnings("ignore")
def test_resuming_with_another_batch_size_goes_on_with_exactly_the_next_example(make: Any, tmp_path: Path) -> None:
    whole = [key for keys, _ in fit(make(), tmp_path / "whole", 12).seen for key in keys]
    start = fit(make(), tmp_path / "cut", 3).seen
    rest = fit(make(batch_size=6, workers=2), tmp_path / "rest", 9, str(tmp_path / "cut/step=3.ckpt")).seen
    last = fit(make(batch_size=2), tmp_path / "last", 9, str(tmp_path / "rest/step=7.ckpt")).seen
    assert [len(keys) for keys, _ in rest] == [6] * 6
    assert [key for keys, _ in start + rest for key in keys] == whole
    assert [key for keys, _ in last for key in keys] == whole[36:40]


OTHERS = [
    ({}, {"seed": 1}, "seed=0, this run has 1; resume with 0"),
    ({}, {"size": 30}, "examples=22, this run has 30"),
    ({}, {"order": Windows(4)}, "order=shuffle, this run has windows; resume with shuffle"),
    ({"order": Windows(4)}, {"order": Windows(8)}, r"order\.blocks=4, this run has 8"),
    ({"order": Resample()}, {"order": Windows(4)}, "order=resample, this run has windows"),
    ({"order": Windows(4)}, {}, "order=windows, this run has shuffle"),
    ({}, {"length_pool": 8}, "length_pool=null, this run has 8"),
    ({"length_pool": 8}, {}, "length_pool=8, this run has null"),
    ({"length_pool": 8}, {"length_pool": 8, "batch_size": 2}, "batch_size=4, this run has 2"),
    ({"length_pool": 8}, {"length_pool": 8, "caption_policy": "first"}, "caption_policy=random, this run has first"),
]


@pytest.mark.parametrize(("before", "now", "complaint"), OTHERS)
def test_another_order_is_not_resumed(make: Any, before: dict[str, Any], now: dict[str, Any], complaint: str) -> None:
    state = make(**before).state_dict()
    make(**before).load_state_dict(state)
    with pytest.raises(CheckpointError, match=rf"trained with data\.{complaint}") as caught:
        make(**now).load_state_dict(state)
    assert "\n" not in str(caught.value)


def test_other_files_are_resumed_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    members = [member for name in "abc" for member in ((f"{name}.png", encode()), (f"{name}.txt", f"a caption of {name}"))]
    path = write_tar(tmp_path / "one/a.tar", members)
    state = WebDataModule(Shards(str(path)), {}, batch_size=1).state_dict()
    with caplog.at_level(logging.WARNING):
        WebDataModule(Shards(str(path)), {}, batch_size=1).load_state_dict(state)
        assert caplog.text == ""
        write_tar(path, [*members, ("c.json", b"{}" * 9000)])
        WebDataModule(Shards(str(path)), {}, batch_size=1).load_state_dict(state)
    assert "the files of one are not the ones that the checkpoint was trained on" in caplog.text


def test_state_without_a_trainer(make: Any) -> None:
    data = make()
    assert data.state_dict() == {
        "consumed": 0,
        "step": 0,
        "fingerprint": None,
        "settings": {"seed": 0, "order": "shuffle", "length_pool": None, "examples": 22},
    }
    reference = iter(data.train_dataloader())
    keys = [next(reference).keys for _ in range(6)]
    other = make()
    other.load_state_dict({**data.state_dict(), "consumed": 20, "step": 5})
    assert next(iter(other.train_dataloader())).keys == keys[5]
    assert other.state_dict()["consumed"] == 20


def test_each_process_reads_its_rows_of_the_global_batch(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def keys() -> list[list[str]]:
        stream = iter(make().train_dataloader())
        return [next(stream).keys for _ in range(6)]

    whole, parts = keys(), []
    for rank in range(2):
        monkeypatch.setattr(Ranks, "current", staticmethod(lambda rank=rank: Ranks(rank, 2)))
        parts.append(keys())
    assert [a + b for a, b in zip(*parts, strict=True)] == whole


def test_captions_for_the_tokenizer(make: Any, tmp_path: Path) -> None:
    captions = list(make().captions(limit=5))
    assert len(captions) == len(set(captions)) == 10  # two each
    assert captions == list(make().captions(limit=5))
    assert len(list(make().captions(limit=10**6))) == 44
    members = [("a.png", b"no picture at all"), ("a.txt", "readable"), ("b.png", encode())]
    shards = WebDataModule(Shards(str(write_tar(tmp_path / "a.tar", members))), {}, batch_size=1)
    assert list(shards.captions(9)) == ["readable"]


def test_the_plan_is_what_a_batch_looks_like(make: Any) -> None:
    data = make(path="somewhere")
    plan = data.plan()
    assert (plan.source, plan.path, plan.examples, plan.batch_size, plan.batches_per_epoch) == ("grey", "somewhere", 22, 4, 5.5)
    batch = next(iter(data.train_dataloader()))
    planned = {view.name: view for view in plan.views}
    assert planned.keys() == {*batch.images, *batch.texts}
    for name, images in batch.images.items():
        assert planned[name].shape == tuple(images.shape)
        assert planned[name].bytes == images.nbytes
    tokens = batch.texts["caption"]
    assert planned["caption"].shape == (4, 64)
    assert planned["caption"].bytes == 4 * 64 * (tokens.ids.itemsize + tokens.mask.itemsize)
    assert plan.bytes == sum(view.bytes for view in plan.views)


def test_the_plan_does_not_show_the_secrets_of_a_url(make: Any) -> None:
    assert make(path="https://user:word@host/a.tar?token=1").plan().path == "https://host/a.tar"
    assert make().plan().path is None


def test_refusals(make: Any, recipes: dict[str, Augmentation]) -> None:
    with pytest.raises(ConfigError, match="batch_size 4 is larger than the data, which hold 3 examples"):
        make(size=3)
    for option, value in (("batch_size", 0), ("workers", -1), ("prefetch", 0), ("max_bad_share", 1.5), ("stall_seconds", 0.0)):
        with pytest.raises(ValueError, match=f"{option} must .*, got {value}"):
            make(**{option: value})
    with pytest.raises(RuntimeError, match="setup_views"):
        WebDataModule(Grey(200), recipes).train_dataloader()


def test_bad_examples_can_be_asked_for(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make(max_bad_share=0.0)
    monkeypatch.setattr(data.source, "bad", frozenset({2}))
    assert data.bad.read == 0
    with pytest.raises(DataError, match=r"data\.max_bad_share allows 0\.0%"):
        for _ in data.train_dataloader():
            pass
    assert data.bad.causes.total() > 0
