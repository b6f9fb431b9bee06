"""What is wrong with a command line, in one line with the nearest valid names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import MissingConfigException
from omegaconf import DictConfig, OmegaConf

from concord.errors import nearest


def explain(error: Exception, conf_folder: Path, arguments: Sequence[str]) -> str:
    """One line for an error of composing the configuration.

    Args:
        error: what Hydra or OmegaConf raised.
        conf_folder: where the configuration lies, for the names that would have been right.
        arguments: the command line.
    """
    text = str(error)
    option = re.search(r"Could not find '([^']+)/([^'/]*)'", text)
    if isinstance(error, MissingConfigException) and option:
        group, name = option.groups()
        return f"{group}={name}: there is no such option; {nearest(name, _options(conf_folder, group))}"
    group_match = re.search(r"looks like a config group override, but config group '([^']+)' does not exist", text)
    if group_match:
        return f"{group_match[1]}: there is no such group; {nearest(group_match[1], _groups(conf_folder))}"
    key = re.search(r"Could not (?:override|delete from config\.) '([^']+)'", text)
    if key:
        return f"{key[1]}: there is no such key; {nearest(key[1], _keys(conf_folder, arguments))}"
    return " ".join(text.split("\nSee https")[0].split())


def _options(conf_folder: Path, group: str) -> list[str]:
    return [path.stem for path in (conf_folder / group).glob("*.yaml")]


def _groups(conf_folder: Path) -> list[str]:
    return [path.name for path in conf_folder.iterdir() if path.is_dir()]


def _keys(conf_folder: Path, arguments: Sequence[str]) -> list[str]:
    """All keys that could have been meant: those of the configuration that the right part of the command line makes."""
    groups = _groups(conf_folder)
    choices = [argument for argument in arguments if argument.split("=")[0] in groups and "," not in argument]
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf_folder), version_base="1.3"):
            composed = compose("config", overrides=choices)
    except Exception:  # the names are a help only; without them the message still says what is wrong
        return groups
    return [*groups, *_flat(composed, "")]


def _flat(cfg: DictConfig, prefix: str) -> Iterator[str]:
    for key in map(str, cfg):
        name = f"{prefix}{key}"
        yield name
        value: Any = None if OmegaConf.is_missing(cfg, key) or OmegaConf.is_interpolation(cfg, key) else cfg[key]
        if isinstance(value, DictConfig):
            yield from _flat(value, f"{name}.")
