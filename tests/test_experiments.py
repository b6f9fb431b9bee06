"""Every recipe of `conf/experiment` trains: scaled down, on its data in its exact layout, with a text encoder from a local folder."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import concord
from concord.config import build
from concord.models.checkpoint import build_model
from concord.models.interop.open_clip_spec import make_spec
from concord.tasks import run
from concord.tasks.assemble import outline_method
from concord.tokenizers import HFTokenizer
from tests.bert import write_bert
from tests.composing import SMALL_DATA, SMALL_MODEL, compose_config, options
from tests.conftest import ROOT
from tests.data.medical.layouts.test_unimed import write_unimed
from tests.data.named_sets import every_named
from tests.tasks.emoji import write_emoji

VQA_RAD = Path(os.environ.get("CONCORD_VQA_RAD", ROOT.parent / "shared" / "data" / "vqa_rad"))
"""The real one, where it is."""

SHORT = ("trainer.max_steps=2", "trainer.log_every=1", "trainer.accelerator=cpu", "schedule.warmup=0", "data.workers=0")
OFF = ("benchmark=off",)
PAIR = ("data.batch_size=2", "data.pin_memory=false")
VIT = tuple(option for option in SMALL_MODEL if ".text." not in option and not option.startswith("tokenizer"))
TEXT = tuple(option for option in SMALL_MODEL if ".text." in option)
MODEL = (*SMALL_MODEL, "callbacks.checkpoints.monitor=null")


def named(name: str, folder: Path) -> list[str]:
    """A data set as its users get it, tiny."""
    written = every_named()[name](folder / "data")
    return [f"data.path={written.path}", *written.overrides, *PAIR]


def by_bert(folder: Path) -> list[str]:
    return [f"model.text.name={write_bert(folder / 'bert')}", "model.image.pretrained=false"]


def convirt(folder: Path) -> list[str]:
    sentences = "captions@data.source.captions=report_sentences"
    return [*named("mimic_cxr_jpg", folder), *by_bert(folder), "model.image.name=resnet10t", sentences]


def pmc_clip(folder: Path) -> list[str]:
    return [*named("pmc_oa", folder), *by_bert(folder), "model.image.image_size=64"]


def unimed_clip(folder: Path) -> list[str]:
    write_unimed(folder / "data")
    return [f"data.path={folder / 'data'}", "data.batch_size=8", "data.pin_memory=false", *by_bert(folder), *VIT]


def conch(folder: Path) -> list[str]:
    tokenizer = f"tokenizer.name={write_bert(folder / 'bert')}"
    return [*named("quilt_1m", folder), *VIT, *TEXT, tokenizer, "model.image.pool_heads=2", "model.image.caption_queries=4"]


def pubmed_clip(folder: Path) -> list[str]:
    """From a CLIP of the same towers that was trained on something else."""
    other = ["data=shapes", "checkpoint=null", *SMALL_DATA, *SMALL_MODEL, *SHORT, *OFF]
    run(compose_config("experiment=pubmed_clip", *other), folder / "clip")
    return [*named("roco", folder), *VIT, *TEXT, f"checkpoint={folder / 'clip'}"]


def vqa_rad(folder: Path) -> list[str]:
    return [*named("vqa_rad", folder), *MODEL, *(f"~benchmark.tasks.{task}" for task in ("organ", "modality", "answers"))]


CASES: dict[str, Callable[[Path], list[str]]] = {
    "align": lambda _: [*SMALL_MODEL, *SMALL_DATA],
    "biomedclip": lambda folder: [*named("pmc_15m", folder), *by_bert(folder), *VIT],
    "conch": conch,
    "convirt": convirt,
    "emoji": lambda folder: [f"data.path={write_emoji(folder / 'emoji')}", "data.batch_size=8", *MODEL],
    "flip": lambda _: [*SMALL_MODEL, *SMALL_DATA],
    "phantoms": lambda _: ["data.source.size=16", "data.batch_size=8", *MODEL],
    "pmc_clip": pmc_clip,
    "pubmed_clip": pubmed_clip,
    "quickstart": lambda _: [*SMALL_DATA, *MODEL],
    "unimed_clip": unimed_clip,
    "vqa_rad": vqa_rad,
}
"""What each recipe is given; for all of them two steps."""


def test_every_recipe_has_a_case() -> None:
    assert set(CASES) == set(options("experiment"))


def trained(folder: Path, *overrides: str) -> dict[str, float]:
    """The largest value of everything that two steps logged."""
    run(compose_config(*overrides, *SHORT, *OFF), folder)
    assert json.loads((folder / "run.json").read_text())["status"] == "finished"
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: max(float(row[name]) for row in rows if row[name]) for name in rows[0] if any(row[name] for row in rows)}


@pytest.mark.parametrize("name", CASES)
def test_two_steps(name: str, tmp_path: Path) -> None:
    logged = trained(tmp_path / "run", f"experiment={name}", *CASES[name](tmp_path))
    assert math.isfinite(logged["loss"])
    assert logged["gradient_norm"] > 0


@pytest.mark.skipif(not VQA_RAD.is_dir(), reason="the pictures of VQA-RAD are not there")
@pytest.mark.parametrize("name", ["biomedclip", "conch", "convirt", "pmc_clip", "pubmed_clip", "unimed_clip"])
def test_two_steps_on_real_pictures(name: str, tmp_path: Path) -> None:
    own = [option for option in CASES[name](tmp_path) if not option.startswith(("data.", "captions@"))]
    logged = trained(tmp_path / "run", f"experiment={name}", "data=vqa_rad", f"data.path={VQA_RAD}", "data.batch_size=8", *own)
    assert logged["gradient_norm"] > 0


def test_pubmed_clip_starts_from_the_towers_of_openai() -> None:
    """Weights alone do not tell an activation: loaded into other layers of the same shapes they would fit, and mean nothing."""
    open_clip = pytest.importorskip("open_clip")
    config = compose_config("experiment=pubmed_clip", "data.path=somewhere", "model.text.vocab_size=49408")
    assert config["checkpoint"] == "open_clip:ViT-B-32-quickgelu/openai"
    ours = outline_method(config, build(config["tokenizer"], "tokenizer")).model
    spec, _ = make_spec(open_clip.get_model_config("ViT-B-32-quickgelu"), {"logit_scale": torch.zeros(())}, 0)
    with torch.device("meta"):
        theirs = build_model(spec)
    assert repr(ours) == repr(theirs)
    assert {name: value.shape for name, value in ours.state_dict().items()} == {
        name: value.shape for name, value in theirs.state_dict().items()
    }


def test_captions_that_are_cut_are_reported_for_tokenizers_of_hugging_face(tmp_path: Path) -> None:
    case = CASES["biomedclip"](tmp_path)
    assert trained(tmp_path / "whole", "experiment=biomedclip", *case)["data/truncated"] == 0
    assert trained(tmp_path / "cut", "experiment=biomedclip", *case, "tokenizer.context_length=16")["data/truncated"] == 1


@pytest.mark.parametrize("cased", [False, True])
def test_prompts_are_read_as_captions_were(cased: bool, tmp_path: Path) -> None:
    """Bio_ClinicalBERT is cased and PubMedBERT is not; what a checkpoint reads prompts with is what it was trained with."""
    case = CASES["biomedclip"](tmp_path)
    bert = write_bert(tmp_path / "bert", cased=cased)
    trained(tmp_path / "run", "experiment=biomedclip", *case)
    kept, given = concord.load(tmp_path / "run").tokenizer, HFTokenizer(str(bert), context_length=256)
    prompts = ["Chest X-ray of a pneumothorax", "chest x-ray of a pneumothorax"]
    assert torch.equal(kept(prompts).ids, given(prompts).ids)
    assert torch.equal(kept(prompts).ids[0], kept(prompts).ids[1]) is not cased
    assert (kept.start_id, kept.end_id, kept.pad_id) == (2, 3, 0)


def test_pictures_that_share_a_caption_are_no_negatives_of_one_another(tmp_path: Path) -> None:
    """Trap: sentences made of labels, and reports of normal studies, stand more than once in a batch."""
    case = CASES["unimed_clip"](tmp_path)
    plain = trained(tmp_path / "plain", "experiment=unimed_clip", *case)
    same = "method.objectives.clip.same_text"
    told = {how: trained(tmp_path / how, "experiment=unimed_clip", *case, f"{same}={how}") for how in ("masked", "positives")}
    assert "clip/kin" not in plain
    for logged in told.values():
        assert logged["clip/kin"] >= 2 / 8  # of eight pairs of two steps; several parts say the same one caption
    assert len({plain["loss"], told["masked"]["loss"], told["positives"]["loss"]}) == 3
