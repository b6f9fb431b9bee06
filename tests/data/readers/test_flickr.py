from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concord.data import BadSample, FlickrTokens, KeyedSource
from tests.data.readers.annotations import is_read_or_refused, refusal, rows, shade, write_images

FLICKR30K = """1000092795.jpg#0\tTwo young guys with shaggy hair look at their hands .
1000092795.jpg#1\tTwo young , White males are outside near many bushes .
10002456.jpg#0\tSeveral men in hard hats are operating a giant pulley system .
10002456.jpg#1\tWorkers look down from up above on a piece of equipment .
"""
FLICKR8K = """1000268201_693b08cb0e.jpg#0\tA child climbs some stairs .
1000268201_693b08cb0e.jpg#1\tA little girl # 1 goes in
1001773457_577c3a7d70.jpg#0\tA black dog and a spotted dog
2258277193_586949ec62.jpg.1#0\tfour persons are sitting
"""
IMAGES_8K = ["1000268201_693b08cb0e.jpg", "1001773457_577c3a7d70.jpg"]


@pytest.fixture
def flickr30k(tmp_path: Path) -> Path:
    (tmp_path / "results_20130124.token").write_text(FLICKR30K)
    write_images(tmp_path / "flickr30k-images", ["1000092795.jpg", "10002456.jpg"])
    return tmp_path


@pytest.fixture
def flickr8k(tmp_path: Path) -> Path:
    (tmp_path / "Flickr8k.token.txt").write_text(FLICKR8K)
    (tmp_path / "Flickr_8k.trainImages.txt").write_text(IMAGES_8K[1] + "\n")
    (tmp_path / "Flickr_8k.testImages.txt").write_text(IMAGES_8K[0])
    write_images(tmp_path / "Flicker8k_Dataset", IMAGES_8K)
    return tmp_path


def test_flickr30k(flickr30k: Path) -> None:
    source = FlickrTokens(str(flickr30k), "results_20130124.token", "flickr30k-images", name="flickr30k")
    assert isinstance(source, KeyedSource)
    lines = [line.split("\t")[1] for line in FLICKR30K.splitlines()]
    assert rows(source) == [("1000092795.jpg", tuple(lines[:2])), ("10002456.jpg", tuple(lines[2:]))]
    assert [shade(source, 0), shade(source, 1)] == [0, 1]
    assert source.name == "flickr30k"


@pytest.mark.parametrize(("chosen", "image"), [("Flickr_8k.trainImages.txt", 1), ("Flickr_8k.testImages.txt", 0)])
def test_a_split_of_flickr8k(flickr8k: Path, chosen: str, image: int) -> None:
    source = FlickrTokens(str(flickr8k), chosen=chosen)
    assert [source.key(index) for index in range(len(source))] == [IMAGES_8K[image]]
    assert shade(source, 0) == image


def test_an_image_that_was_never_there_is_a_bad_sample(flickr8k: Path) -> None:
    source = FlickrTokens(str(flickr8k))
    assert source[0].captions == ("A child climbs some stairs .", "A little girl # 1 goes in")
    assert len(source) == 3
    with pytest.raises(BadSample, match=r"2258277193_586949ec62\.jpg\.1: image "):
        source[2]


def test_chosen_images_without_captions_are_left_out_and_counted(flickr8k: Path, caplog: pytest.LogCaptureFixture) -> None:
    (flickr8k / "list.txt").write_text(f"{IMAGES_8K[0]}\r\nunknown.jpg\r\n\r\n{IMAGES_8K[0]}\r\n")
    with caplog.at_level(logging.WARNING):
        source = FlickrTokens(str(flickr8k), chosen="list.txt")
    assert [source.key(index) for index in range(len(source))] == [IMAGES_8K[0]]
    assert "1 images without a caption are left out, such as unknown.jpg" in caplog.text
    (flickr8k / "list.txt").write_text("unknown.jpg\n")
    assert "no image in it has a caption" in refusal(lambda: FlickrTokens(str(flickr8k), chosen="list.txt"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no image in it has a caption"),
        (b"a.jpg#0 no tab", "line 1: expected NAME.jpg#NUMBER, a tab and a caption"),
        (b"a.jpg#0\tfine\na.jpg\tno number", "line 2: expected"),
        (b"a.jpg#x\tno number", "line 1: expected"),
        (b"#0\tno name", "line 1: expected"),
        (b"a.jpg#0\t\xff\xfe", "is not UTF-8 text (byte 8)"),
        (b"image,caption\na.jpg,a cat\n", "line 1: expected"),
    ],
)
def test_other_files_are_refused_by_line(flickr8k: Path, content: bytes, message: str) -> None:
    (flickr8k / "Flickr8k.token.txt").write_bytes(content)
    text = refusal(lambda: FlickrTokens(str(flickr8k)))
    assert message in text
    assert "Flickr8k.token.txt" in text


def test_missing_files_are_refused(flickr8k: Path) -> None:
    assert "nowhere.token" in refusal(lambda: FlickrTokens(str(flickr8k), "nowhere.token"))
    assert "nowhere.txt" in refusal(lambda: FlickrTokens(str(flickr8k), chosen="nowhere.txt"))
    assert "none of its images" in refusal(lambda: FlickrTokens(str(flickr8k), images="Flickr8k_Dataset"))


LINES = st.lists(
    st.tuples(
        st.sampled_from([*IMAGES_8K, "", "../x"]), st.sampled_from(["#0", "#", "", "#a"]), st.sampled_from(["\t", " "]), st.text(max_size=8)
    ),
    max_size=4,
).map(lambda lines: "\n".join("".join(line) for line in lines).encode("utf-8", "surrogatepass"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80) | LINES)
def test_any_bytes_are_read_or_refused(flickr8k: Path, content: bytes) -> None:
    (flickr8k / "Flickr8k.token.txt").write_bytes(content)
    is_read_or_refused(lambda: FlickrTokens(str(flickr8k)))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(captions=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])).filter(str.strip), min_size=1, max_size=4))
def test_any_caption_of_one_line_survives(flickr8k: Path, captions: list[str]) -> None:
    lines = [f"{IMAGES_8K[0]}#{number}\t{caption}" for number, caption in enumerate(captions)]
    (flickr8k / "Flickr8k.token.txt").write_bytes("\n".join(lines).encode())
    assert FlickrTokens(str(flickr8k)).captions(0) == tuple(caption.strip() for caption in captions)
