"""Every file in `conf/` says what it is, composes, and names classes that exist."""

from __future__ import annotations

from pathlib import Path

import pytest
import transformers
import yaml

from concord.config import locate, nodes
from concord.tasks.assemble import check_config
from tests.bert import write_bert
from tests.composing import compose_config, options
from tests.conftest import ROOT

FILES = sorted((ROOT / "conf").rglob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "conf")))
def test_begins_with_what_it_is_and_names_what_exists(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("# @package")]
    assert lines[0].startswith("# ")
    assert len(lines[0].split()) >= 3
    for place, node in nodes(yaml.safe_load(path.read_text()), path.stem):
        locate(node["_target_"], place)


COMPOSED_ELSEWHERE = {"full"}
"""The suite of all benchmarks takes long to compose, and its own test builds it."""


@pytest.mark.parametrize(
    "group", ["method", "model", "optimizer", "schedule", "benchmark", "data", "trainer", "tuning", "compute", "launcher"]
)
def test_every_option_fits_the_rest(group: str, tmp_path: Path) -> None:
    for name in set(options(group)) - COMPOSED_ELSEWHERE:
        check_config(compose_config(f"{group}={name}", *required(group, name, tmp_path)))


def required(group: str, name: str, folder: Path) -> list[str]:
    """What an option cannot do without."""
    if (group, name) == ("benchmark", "held_out"):
        return ["data=emoji", "data.path=somewhere"]
    if (group, name) == ("data", "rewrites"):
        return ["data.path=somewhere", "+source@data.source.source=shards", "data.source.source.path=somewhere"]
    if (group, name) == ("data", "medmnist"):
        return ["data.path=somewhere", "data.source.captions.label.dictionary=histology"]
    if group == "model" and name.endswith("_hf"):
        transformers.BertConfig(hidden_size=32, num_attention_heads=2, num_hidden_layers=1, intermediate_size=32).save_pretrained(folder)
        return [f"model.text.name={folder}"]
    return ["data.path=somewhere"] if group == "data" and name not in ("shapes", "phantoms", "mixture") else []


EMBEDDED = ("align", "flip", "phantoms", "quickstart")
BY_FOLDER = {
    "biomedclip": "model.text.name",
    "conch": "tokenizer.name",
    "convirt": "model.text.name",
    "pmc_clip": "model.text.name",
    "unimed_clip": "model.text.name",
}
"""Recipes that need no data, and what others need a text encoder for."""


@pytest.mark.parametrize("name", options("experiment"))
def test_every_experiment_fits(name: str, tmp_path: Path) -> None:
    data = [] if name in EMBEDDED else ["data.path=somewhere"]
    text = [f"{BY_FOLDER[name]}={write_bert(tmp_path)}"] if name in BY_FOLDER else []
    check_config(compose_config(f"experiment={name}", *data, *text))
