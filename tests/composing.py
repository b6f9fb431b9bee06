"""The real configuration, composed in this process and shrunk, for tests that need many runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

from concord.cli import plain, register_resolvers
from tests.conftest import ROOT

SMALL_MODEL = (
    "model.embed_dim=32",
    "model.image.image_size=32",
    "model.image.patch_size=8",
    "model.image.width=32",
    "model.image.depth=1",
    "model.image.heads=2",
    "model.text.width=32",
    "model.text.depth=1",
    "model.text.heads=2",
    "tokenizer.vocab_size=320",
)
SMALL_DATA = ("data.source.size=64", "data.source.image_size=32", "data.batch_size=8", "data.workers=0")
SMALL = (*SMALL_MODEL, *SMALL_DATA, "trainer.max_steps=2", "trainer.accelerator=cpu", "benchmark=off")


def compose_config(*overrides: str, conf_folder: Path = ROOT / "conf") -> dict[str, Any]:
    """What the command line `python run.py OVERRIDES` would hand to the tasks."""
    register_resolvers()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_folder), version_base="1.3"):
        cfg = compose("config", overrides=list(overrides), return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    return plain(cfg)


def options(group: str, conf_folder: Path = ROOT / "conf") -> list[str]:
    """The options of a configuration group, found by listing."""
    return sorted(path.stem for path in (conf_folder / group).glob("*.yaml"))
