"""`task=negatives` as a user runs it: a test of one's own data, which the bench then reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from tests.composing import compose_config
from tests.conftest import ROOT

from concord.benchmarks import Bench
from concord.config import build
from concord.data import Shapes
from concord.data.benchmarks.compositional import NegativeCaptions
from concord.errors import ConfigError, DataError
from concord.perturbations import KINDS
from concord.tasks import run

SHAPES = ("data=shapes", "data.source.size=120")


def negatives(folder: Path, *overrides: str) -> list[dict[str, object]]:
    output = folder / "made" / "negatives.jsonl"
    run(compose_config("task=negatives", f"output={output}", *overrides), folder)
    return [json.loads(line) for line in output.read_text().splitlines()]


def test_shapes_become_a_test_that_the_bench_reads(tmp_path: Path) -> None:
    lines = negatives(tmp_path, *SHAPES, "task.limit=40")
    assert len(lines) == 40
    path = tmp_path / "made" / "negatives.jsonl"
    cfg = compose_config("data=shapes", "data.source.size=120")
    source = build(cfg["data"]["source"], "source")
    test = NegativeCaptions(source, str(path))
    # The captions say no numbers, and name the colour of everything.
    assert {item.subset for item in test.items} == set(KINDS) - {"replace_number", "add_attribute"}
    for item in test.items:
        assert item.texts[0] in source[item.images[0]].captions
        assert not set(item.texts[1:]) & set(source[item.images[0]].captions)


def test_what_is_written_depends_on_the_seed_alone(tmp_path: Path) -> None:
    first, again = (negatives(tmp_path / name, *SHAPES, "task.limit=10") for name in ("a", "b"))
    other = negatives(tmp_path / "c", *SHAPES, "task.limit=10", "task.seed=1")
    assert first == again
    assert first != other


def test_several_captions_of_an_image_are_several_questions(tmp_path: Path) -> None:
    lines = negatives(tmp_path, *SHAPES, "task.limit=10", "task.captions_per_image=2", "task.kinds=[shuffle]")
    assert len(lines) == 20
    assert len({line["key"] for line in lines}) == 10


def test_the_yaml_of_the_test_reads_it(tmp_path: Path) -> None:
    negatives(tmp_path, *SHAPES, "task.limit=20")
    node = yaml.safe_load((ROOT / "conf/test/negatives.yaml").read_text())
    source = compose_config(*SHAPES)["data"]["source"]
    node["reader"] |= {"path": str(tmp_path / "made" / "negatives.jsonl"), "source": source}
    task = build(node, "test")
    assert isinstance(task.reader.source, Shapes)
    assert Bench({"mine": task}).tasks["mine"].reader.name == "negatives"
    assert len(task.reader.items) > 60


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["output=null"], "output has no value"),
        (["output=a.csv"], "output must be the path of a .jsonl file"),
        (["task.kinds=[swop]"], "there is no kind swop; did you mean swap"),
        (["task.kinds=[]"], "task.kinds must hold at least one"),
        (["task.captions_per_image=0"], "task.captions_per_image must be at least 1"),
        (["task.limit=0"], "task.limit must be at least 1"),
        (["task.seed=-1"], "task.seed must be at least 0"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run(compose_config("task=negatives", f"output={tmp_path / 'x.jsonl'}", *SHAPES, *overrides), tmp_path)


def test_captions_of_which_nothing_can_be_made_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of its captions gives a wrong one"):
        run(compose_config("task=negatives", f"output={tmp_path / 'x.jsonl'}", *SHAPES, "task.kinds=[replace_number]"), tmp_path)
