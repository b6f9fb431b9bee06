"""`task=inspect` as a user runs it: numbers, a page, and the gallery of the configured method."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import torch
from tests.composing import SMALL_MODEL, compose_config
from tests.conftest import RunPy
from tests.data.samples import encode, write_tar
from tests.tasks.emoji import EMOJI, write_emoji

from concord.data.inspection import Survey
from concord.errors import ConcordError
from concord.tasks import run


def inspect(folder: Path, *overrides: str) -> Survey:
    return run(compose_config("task=inspect", "task.workers=0", *SMALL_MODEL, *overrides), folder)  # type: ignore[no-any-return]


def test_from_the_command_line(run_py: RunPy, tmp_path: Path) -> None:
    shards = write_emoji(tmp_path / "emoji", 24)
    write_tar(shards / "emoji-00009.tar", [("cut.png", encode()[:50]), ("cut.txt", "half a picture"), ("mute.png", encode())])
    done = run_py("task=inspect", "data=shards", f"data.path={shards}", "method=silc", "output=look", "task.gallery=5")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "page: look/data.html" in done.stdout
    assert "bad: 1 x image cannot be decoded, such as" in done.stdout
    assert "26/26" in done.stdout
    assert sorted(path.name for path in (tmp_path / "look").iterdir()) == ["data.csv", "data.html", "data.json"]
    numbers = json.loads((tmp_path / "look" / "data.json").read_text())
    assert (numbers["source"]["examples"], numbers["source"]["usable"]) == (26, 24)
    assert {cause: line["count"] for cause, line in numbers["bad"].items()} == {"image cannot be decoded": 1, "no caption": 1}
    assert pd.read_csv(tmp_path / "look" / "data.csv")["images"].tolist() == [24]
    page = (tmp_path / "look" / "data.html").read_text()
    assert page.count('<div class="example">') == 5
    assert len(re.findall(r"local \(local\) \d", page)) == 5 * 4  # the crops that the method's self-distillation asks for


def test_it_needs_fewer_examples_than_a_batch_and_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bool] = []
    register = torch.nn.Module.register_parameter

    def spy(module: torch.nn.Module, name: str, parameter: torch.nn.Parameter | None) -> None:
        made.append(parameter is None or parameter.is_meta)
        register(module, name, parameter)

    monkeypatch.setattr(torch.nn.Module, "register_parameter", spy)
    data = ("data=folder", f"data.path={folder_of(tmp_path / 'in', 3)}", "data.batch_size=512")
    survey = run(compose_config("task=inspect", "task.workers=0", "model=vit_l_14", *data), tmp_path)
    assert survey.source["usable"] == 3
    assert len(made) > 400
    assert all(made)
    assert (tmp_path / "config.yaml").is_file()


def folder_of(folder: Path, count: int) -> Path:
    folder.mkdir()
    for index in range(count):
        (folder / f"{index}.png").write_bytes(encode(index))
        (folder / f"{index}.txt").write_text(f"a caption {index}")
    return folder


def test_views_follow_the_method(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", 4)
    for method, view in (("neg_clip", "swapped"), ("slip", "strong")):
        inspect(tmp_path / method, "data=folder", f"data.path={folder}", f"method={method}")
        assert f"({view})" in (tmp_path / method / "data.html").read_text()
    inspect(tmp_path / "clip", "data=folder", f"data.path={folder}")
    assert "(swapped)" not in (tmp_path / "clip" / "data.html").read_text()


def test_a_limit_looks_at_some_and_the_seed_says_which(tmp_path: Path) -> None:
    first = inspect(tmp_path, "data.source.size=300", "data.source.image_size=16", "task.limit=20", "task.gallery=0")
    again = inspect(tmp_path, "data.source.size=300", "data.source.image_size=16", "task.limit=20", "task.gallery=0")
    other = inspect(tmp_path, "data.source.size=300", "data.source.image_size=16", "task.limit=20", "task.gallery=0", "seed=1")
    assert (first.source["examples"], first.source["looked_at"]) == (300, 20)
    assert first == again
    assert first.captions != other.captions
    assert "of 300 examples were looked at, drawn at random" in (tmp_path / "data.html").read_text()


def test_mixtures_have_a_line_per_source(tmp_path: Path) -> None:
    sources = [f"+source@data.source.sources.{name}=folder" for name in ("small", "large")]
    paths = [f"data.source.sources.{name}.path={folder_of(tmp_path / name, size)}" for name, size in (("small", 2), ("large", 6))]
    survey = inspect(tmp_path, "data=mixture", *sources, *paths)
    assert [(part["source"], part["images"], part["share_of_training"]) for part in survey.parts] == [
        ("small", 2, 0.25),
        ("large", 6, 0.75),
    ]
    assert pd.read_csv(tmp_path / "data.csv")["source"].tolist() == ["small", "large"]


@pytest.mark.skipif(not EMOJI.is_dir(), reason="the emoji shards are not here")
def test_the_real_emoji(tmp_path: Path) -> None:
    survey = inspect(tmp_path, "data=emoji", f"data.path={EMOJI}", "task.limit=400")
    assert survey.source["examples"] == 3190
    assert (survey.source["usable"], survey.bad, survey.images["formats"]) == (400, {}, {"PNG": 400})
    assert survey.images["short_side"]["median"] == 128
    assert (tmp_path / "data.html").read_text().count('<div class="example">') == 24


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["task.limit=0"], r"task.limit must be at least 1, got 0"),
        (["task.gallery=-1"], r"task.gallery must be at least 0, got -1"),
        (["task.workers=-1"], r"task.workers must be at least 0, got -1"),
        (["task.limit=many"], r"task.limit: expected int or null, got 'many'"),
        (["data=shards", "data.path=nowhere"], r"nowhere"),
        (["runs=x"], r"runs is not read by task=inspect; remove it"),
    ],
)
def test_wrong_values_are_one_line(tmp_path: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(ConcordError, match=message) as caught:
        inspect(tmp_path, *overrides)
    assert "\n" not in str(caught.value)
