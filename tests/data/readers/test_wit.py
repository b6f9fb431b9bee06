from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from concord.data import WitBase
from concord.data.source import block_sizes
from concord.types import role_of
from tests.data.named_sets import image_url, wit_base
from tests.data.readers.annotations import refusal, shade


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(wit_base(tmp_path / "set").path)


def captions(source: WitBase) -> list[list[tuple[str, str]]]:
    return [[(str(caption), role_of(caption)) for caption in source.captions(index)] for index in range(len(source))]


def test_captions_know_their_language(path: str) -> None:
    source = WitBase(path)
    assert captions(source) == [
        [("A bridge", "en"), ("Eine Brücke", "de")],
        [("一座塔", "zh")],
        [("Ein Haus", "de"), ("Ein altes Haus", "de")],
    ]
    assert [source.key(index) for index in range(3)] == [image_url(0), image_url(2), image_url(3)]
    assert [shade(source, index) for index in range(3)] == [0, 2, 3]
    assert source[0].metadata["mime_type"] == "image/jpeg"
    assert source.name == source[0].source == "wit_base"


@pytest.mark.parametrize(
    ("languages", "images"),
    [(["en"], [0]), (["de"], [0, 3]), (["de", "zh"], [0, 2, 3])],
)
def test_images_without_a_caption_in_these_languages_are_left_out(path: str, languages: list[str], images: list[int]) -> None:
    source = WitBase(path, languages=languages)
    assert [source.key(index) for index in range(len(source))] == [image_url(image) for image in images]
    assert {role for listed in captions(source) for _, role in listed} == set(languages)
    assert sum(block_sizes(source)) == len(source)


def test_several_texts_of_a_page(path: str) -> None:
    source = WitBase(path, texts=["caption_reference_description", "caption_alt_text_description"], languages=["en"])
    assert captions(source) == [[("A bridge", "en"), ("bridge", "en")], [("no reference", "en")]]


def test_a_process_gets_the_same_source(path: str) -> None:
    source = WitBase(path, languages=["de"])
    assert captions(pickle.loads(pickle.dumps(source))) == captions(source)


def test_the_fingerprint_tells_texts_and_languages(path: str) -> None:
    sources = [WitBase(path), WitBase(path, languages=["de"]), WitBase(path, texts="page_title")]
    assert len({source.fingerprint() for source in sources}) == 3
    assert WitBase(path).fingerprint() == sources[0].fingerprint()


def test_settings_are_checked(path: str) -> None:
    for settings, message in (({"cache": -1}, "cache"), ({"languages": []}, "languages"), ({"texts": []}, "texts")):
        with pytest.raises(ValueError, match=message):
            WitBase(path, **settings)  # type: ignore[arg-type]
    assert "none of 4 images has a caption_reference_description in xx" in refusal(lambda: WitBase(path, languages=["xx"]))


TEXTS = pa.list_(pa.string())


@pytest.mark.parametrize(
    ("features", "kind", "message"),
    [
        ("text", pa.string(), "no column 'wit_features' with one list per field"),
        ({"language": ["en"]}, pa.struct([("language", TEXTS)]), "no field 'caption_reference_description' in wit_features"),
        (
            {"language": "en", "caption_reference_description": ["x"]},
            pa.struct([("language", pa.string()), ("caption_reference_description", TEXTS)]),
            "wit_features.language must be lists of text, got string",
        ),
        (
            {"language": ["en", "de"], "caption_reference_description": ["x"]},
            pa.struct([("language", TEXTS), ("caption_reference_description", TEXTS)]),
            "caption_reference_description and wit_features.language differ in length",
        ),
    ],
)
def test_files_of_another_form_are_refused(tmp_path: Path, features: Any, kind: pa.DataType, message: str) -> None:
    schema = pa.schema([("image", pa.binary()), ("image_url", pa.string()), ("wit_features", kind)])
    rows = [{"image": b"", "image_url": "u", "wit_features": features}]
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "x.parquet")
    text = refusal(lambda: WitBase(str(tmp_path)))
    assert message in text
    assert "x.parquet" in text


def test_empty_cells_and_blank_captions_are_no_captions(tmp_path: Path) -> None:
    kind = pa.struct([("language", TEXTS), ("caption_reference_description", TEXTS)])
    schema = pa.schema([("image", pa.binary()), ("image_url", pa.string()), ("wit_features", kind)])
    pages = [
        None,
        {"language": None, "caption_reference_description": None},
        {"language": ["en"], "caption_reference_description": [" \n"]},
    ]
    pages.append({"language": [None, "en"], "caption_reference_description": ["of no language", "good"]})
    rows = [{"image": b"x", "image_url": str(number), "wit_features": page} for number, page in enumerate(pages)]
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "x.parquet")
    source = WitBase(str(tmp_path))
    assert [source.key(index) for index in range(len(source))] == ["3"]
    assert captions(source) == [[("of no language", ""), ("good", "en")]]
