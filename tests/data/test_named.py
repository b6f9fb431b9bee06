"""Every data set with a name is read in its exact layout, from the command line's configuration to batches."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from concord.config import build
from concord.data import KeyedSource, WebDataModule
from concord.data.filters import Filtered, Language, Score
from concord.images import Preprocess, decode
from concord.tasks.catalog import read
from concord.tokenizers import BPETokenizer
from concord.types import ImageView, TextView, role_of
from tests.composing import compose_config, options
from tests.conftest import ROOT
from tests.data.named_sets import Named, every_named

NAMED = every_named()

GENERAL = {
    *("emoji", "folder", "hugging_face", "medical", "mixture", "parquet"),
    *("phantoms", "rewrites", "shapes", "shards", "table", "unimed"),
}
"""Options of `data` that are no published data set of one piece: readers, what is made on the fly, and mixtures."""

FACTS = ("Paper", "Layout", "From", "Size", "Licence")


@pytest.fixture(params=sorted(NAMED))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def written(name: str, tmp_path: Path) -> Named:
    return NAMED[name](tmp_path / "set")


def data_config(name: str, named: Named, *overrides: str) -> dict[str, Any]:
    return compose_config(f"data={name}", f"data.path={named.path}", *named.overrides, *overrides)["data"]  # type: ignore[no-any-return]


def test_every_option_of_data_has_a_fixture() -> None:
    assert set(options("data")) == GENERAL | set(NAMED)
    assert set(NAMED) <= set(options("source"))


def test_pairs(name: str, written: Named) -> None:
    source = build(data_config(name, written)["source"], "data.source")
    assert isinstance(source, KeyedSource)
    assert [source.key(index) for index in range(len(source))] == list(written.examples)
    shades = []
    for index, (key, captions) in enumerate(written.examples.items()):
        pair = source[index]
        assert pair.key == key
        assert [(str(caption), role_of(caption)) for caption in pair.captions] == captions
        assert pair.captions == source.captions(index)
        assert pair.source == source.name
        assert isinstance(pair.image, bytes | np.ndarray)
        shades.append(decode(pair.image).getpixel((0, 0))[0])  # type: ignore[index]
    assert shades == sorted(shades)
    assert len(set(shades)) == len(shades)


def test_batches(name: str, written: Named, tokenizer: BPETokenizer, preprocess: Preprocess) -> None:
    config = data_config(name, written, "data.batch_size=2", "data.workers=0", "data.pin_memory=false")
    module = build(config, "data")
    assert isinstance(module, WebDataModule)
    module.setup_views({"image": ImageView("weak")}, {"caption": TextView("caption")}, tokenizer, preprocess)
    keys: list[str] = []
    for batch in itertools.islice(module.train_dataloader(), -(-len(written.examples) // 2)):
        assert batch.images["image"].shape == (2, 3, 8, 8)
        assert batch.texts["caption"].ids.shape[0] == 2
        keys += batch.keys
    assert set(keys[: len(written.examples)]) == set(written.examples)
    assert module.bad.causes.total() == 0


def test_in_a_mixture(tmp_path: Path) -> None:
    coco, cc3m = NAMED["coco"](tmp_path / "coco"), NAMED["cc3m"](tmp_path / "cc3m")
    sources = ["+source@data.source.sources.a=coco", "+source@data.source.sources.b=cc3m"]
    paths = [f"data.source.sources.a.path={coco.path}", f"data.source.sources.b.path={cc3m.path}"]
    source = build(compose_config("data=mixture", *sources, *paths)["data"]["source"], "data.source")
    assert len(source) == len(coco.examples) + len(cc3m.examples)


@pytest.mark.parametrize(
    ("name", "override", "keys"),
    [
        ("coco", "data.source.split=val", ["000000391895.jpg", "000000522418.jpg"]),
        ("coco_karpathy", "data.source.split=test", ["val2014/COCO_val2014_000000391895.jpg"]),
        ("coco_karpathy", "data.source.split=train", ["train2014/COCO_train2014_000000000009.jpg"]),
        ("flickr30k", "data.source.split=test", ["1007129816.jpg"]),
        ("flickr8k", "data.source.chosen=Flickr_8k.testImages.txt", ["1002674143_1b742ab4b8.jpg"]),
        ("scicap", "data.source.split=val", ["000000501522.png", "000000501523.png"]),
        ("redcaps", "data.source.annotations=annotations/birds_*.json", ["birds/cxq9o2.jpg"]),
        ("wit_base", "data.source.languages=[en]", ["https://upload.wikimedia.org/wikipedia/commons/0.jpg"]),
    ],
)
def test_official_parts(name: str, override: str, keys: list[str], tmp_path: Path) -> None:
    config = data_config(name, NAMED[name](tmp_path / "set"), override)
    source = build(config["source"], "data.source")
    assert [source.key(index) for index in range(len(source))] == keys


def test_filters_find_what_img2dataset_kept(tmp_path: Path) -> None:
    laion = build(data_config("laion", NAMED["laion"](tmp_path / "laion"), "data.source.metadata=json")["source"], "data.source")
    kept = Filtered(laion, {"similar": Score("similarity", min=0.3)}, cache=str(tmp_path / "cache"))
    assert [kept.key(index) for index in range(len(kept))] == ["000000000", "000000001"]
    wit = build(data_config("wit", NAMED["wit"](tmp_path / "wit"))["source"], "data.source")
    german = Filtered(wit, {"german": Language("language", ["de"])}, cache=str(tmp_path / "cache"))
    assert [german.captions(index) for index in range(len(german))] == [("Deutsch: Ein Turm",)]


@pytest.mark.parametrize("name", sorted(NAMED))
def test_its_configuration_says_where_it_comes_from(name: str) -> None:
    header = "".join(itertools.takewhile(lambda line: line.startswith("#"), (ROOT / f"conf/source/{name}.yaml").open()))
    for fact in FACTS:
        assert re.search(rf"^# {fact}: \S", header, re.MULTILINE), f"conf/source/{name}.yaml: no line '# {fact}: ...'"
    assert "data.path=" in (ROOT / f"conf/data/{name}.yaml").read_text().splitlines()[0]


def test_the_catalog_and_the_page_list_them_all() -> None:
    entries = {entry.name: entry for entry in read(ROOT / "conf") if entry.group == "data"}
    page = (ROOT / "docs/data_sets.md").read_text()
    for name in NAMED:
        assert re.search(r"\d{4}, https://", entries[name].source), name
        assert f"| `{name}` |" in page
