from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from concord.data import BadSample, KeyedSource, RedCaps
from tests.data.readers.annotations import damaged, is_read_or_refused, refusal, rows, shade, write_images


def document(subreddit: str, year: int, *captions: str) -> dict[str, Any]:
    """A file of annotations as the downloader writes it."""
    info = {"start_date": f"{year}-01-01", "end_date": f"{year}-12-31", "url": "https://redcaps.xyz", "version": "1.0"}
    return {"info": info, "annotations": [post(subreddit, f"{subreddit[:2]}{number}", text) for number, text in enumerate(captions)]}


def post(subreddit: str, image_id: str, title: str) -> dict[str, Any]:
    return {
        "image_id": image_id,
        "author": "someone",
        "url": f"https://i.redd.it/{image_id}.jpg",
        "raw_caption": title,
        "caption": title.lower(),
        "subreddit": subreddit,
        "score": 7,
        "created_utc": 1577836800,
        "permalink": f"/r/{subreddit}/comments/{image_id}/",
        "crosspost_parents": None,
    }


BIRDS, ROSES = document("birds", 2019, "A Northern Cardinal!", "Heron"), document("roses", 2020, "First bloom")


@pytest.fixture
def redcaps(tmp_path: Path) -> Path:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/birds_2019.json").write_text(json.dumps(BIRDS))
    (tmp_path / "annotations/roses_2020.json").write_text(json.dumps(ROSES))
    write_images(tmp_path / "images", ["birds/bi0.jpg", "birds/bi1.jpg", "roses/ro0.jpg"])
    return tmp_path


def test_all_files_in_the_order_of_their_names(redcaps: Path) -> None:
    source = RedCaps(str(redcaps))
    assert isinstance(source, KeyedSource)
    assert rows(source) == [
        ("birds/bi0.jpg", ("a northern cardinal!",)),
        ("birds/bi1.jpg", ("heron",)),
        ("roses/ro0.jpg", ("first bloom",)),
    ]
    assert [shade(source, index) for index in range(3)] == [0, 1, 2]
    assert source.name == "redcaps"


def test_raw_captions_and_some_subreddits(redcaps: Path) -> None:
    assert RedCaps(str(redcaps), caption="raw_caption").captions(0) == ("A Northern Cardinal!",)
    assert [pair[0] for pair in rows(RedCaps(str(redcaps), "annotations/roses_*.json"))] == ["roses/ro0.jpg"]
    both = RedCaps(str(redcaps), ["annotations/roses_2020.json", "annotations/birds_2019.json"])
    assert [both.key(index) for index in range(3)] == ["roses/ro0.jpg", "birds/bi0.jpg", "birds/bi1.jpg"]


def test_an_image_that_is_gone_is_a_bad_sample(redcaps: Path) -> None:
    (redcaps / "images/birds/bi0.jpg").unlink()
    source = RedCaps(str(redcaps))
    assert source[1].captions == ("heron",)
    with pytest.raises(BadSample, match=r"birds/bi0\.jpg: image "):
        source[0]


def test_other_files_are_refused_by_name(redcaps: Path) -> None:
    file = redcaps / "annotations/roses_2020.json"
    file.write_text(json.dumps(ROSES)[:-20])
    assert "roses_2020.json is not JSON" in refusal(lambda: RedCaps(str(redcaps)))
    file.write_text(json.dumps({"info": {}, "annotations": [{"image_id": "x", "caption": "y"}]}))
    assert "roses_2020.json: annotations[0]: 'subreddit' is missing" in refusal(lambda: RedCaps(str(redcaps)))
    file.write_text(json.dumps({"info": {}}))
    assert "no 'annotations' in it" in refusal(lambda: RedCaps(str(redcaps)))
    assert "none of its images" in refusal(lambda: RedCaps(str(redcaps), "annotations/birds_2019.json", images="pictures"))
    assert "nowhere" in refusal(lambda: RedCaps(str(redcaps), "nowhere"))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=damaged(BIRDS))
def test_a_damaged_file_is_read_or_refused(redcaps: Path, content: bytes) -> None:
    (redcaps / "annotations/birds_2019.json").write_bytes(content)
    is_read_or_refused(lambda: RedCaps(str(redcaps)))
