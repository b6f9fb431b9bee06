from __future__ import annotations

import io
import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from concord.config import build
from concord.data import BadSample, Filtered, Mixture, Shards, WebDataModule
from concord.data.filters import AspectRatio, Candidate, CaptionLength, DuplicateCaptions, Filter, ImageSize, Language, Score
from concord.data.filters.limits import normalise, within
from concord.data.filters.scan import SLICE
from concord.errors import ConfigError, DataError
from concord.types import Pair
from tests.composing import compose_config, options
from tests.data.samples import Grey, encode, write_tar

Example = Mapping[str, Any]


class Told:
    """A source that tells captions and metadata; its images are encoded with the size under "image", or broken."""

    name = "told"

    def __init__(self, *examples: Example) -> None:
        self.examples = examples
        self.images_read = 0
        self.asked = 0
        self.lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.examples)

    def key(self, index: int) -> str:
        return f"key {index}"

    def captions(self, index: int) -> tuple[str, ...]:
        self._fail(index)
        captions = self.examples[index].get("captions", ("a caption of five words",))
        if not captions:
            raise BadSample("no caption", self.key(index))
        return captions

    def metadata(self, index: int) -> Mapping[str, Any]:
        self._fail(index)
        return self.examples[index].get("metadata", {})

    def __getitem__(self, index: int) -> Pair:
        with self.lock:
            self.images_read += 1
        width, height = self.examples[index].get("image", (0, 0))
        image = encode_size(width, height) if width else b"<html>"
        return Pair(image, self.captions(index), self.key(index), self.name, self.metadata(index))

    def fingerprint(self) -> str:
        return repr(self.examples)

    def _fail(self, index: int) -> None:
        with self.lock:
            self.asked += 1
        if self.examples[index].get("gone"):
            raise BadSample("JSON cannot be read", self.key(index))


def encode_size(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def kept(filter: Filter, *examples: Example) -> list[int]:
    """Which of some examples pass one filter; one more that passes every filter stands at the end."""
    passing = {"metadata": {"width": 100, "height": 100, "language": "en", "score": 0.5}, "captions": ("the very last of them",)}
    return [index for index in Filtered(Told(*examples, passing), {"it": filter}).indices.tolist() if index < len(examples)]


def sized(width: Any, height: Any) -> Example:
    return {"metadata": {"width": width, "height": height}}


def test_image_size() -> None:
    examples = [sized(64, 200), sized(200, 63), sized(63, 64), sized(64, 64), sized(300, 301), sized("64", 70.0)]
    assert kept(ImageSize(64), *examples) == [0, 3, 4, 5]
    assert kept(ImageSize(64, 200), *examples) == [0, 3, 5]


def test_aspect_ratio() -> None:
    assert kept(AspectRatio(2.0), sized(10, 20), sized(20, 10), sized(10, 21), sized(21, 10), sized(7, 7)) == [0, 1, 4]


def test_sizes_that_nobody_told_are_read_from_the_header() -> None:
    source = Told({"image": (30, 40)}, {"image": (5, 40)}, sized(30, 40), {**sized(0, None), "image": (30, 31)}, {"image": (0, 0)})
    filtered = Filtered(source, {"size": ImageSize(20)})
    assert filtered.indices.tolist() == [0, 2, 3, 4]
    assert (filtered.counts, filtered.unjudged) == ({"size": 1}, 1)  # the last is no image: that is for the loader to count
    assert source.images_read == 4


def test_caption_length() -> None:
    examples = [{"captions": captions} for captions in (("one two",), ("a b c", "one"), ("a b c", "d e f"), (), ("caption",))]
    assert kept(CaptionLength(2), *examples) == [0, 2]
    assert kept(CaptionLength(2, which="any"), *examples) == [0, 1, 2]
    assert kept(CaptionLength(2, 2, which="any"), *examples, {"captions": ("x y z w v", "the two")}) == [0, 5]
    assert kept(CaptionLength(3, 21, "characters"), *examples, {"captions": ("x" * 100_000,)}) == [0, 1, 2, 4]


def test_language() -> None:
    examples = [{"metadata": {"language": tag}} for tag in ("en", "de", "EN-us", "english", "zh_TW", None, 5)]
    assert kept(Language("language", ["en"]), *examples) == [0, 2]
    assert kept(Language("language", ["de", "zh-tw", "en"]), *examples) == [0, 1, 2, 4]


def test_score() -> None:
    values = (0.3, 0.29, "0.31", "none", None, True, float("nan"), "inf", 1)
    examples = [{"metadata": {"score": value}} for value in values]
    assert kept(Score("score", min=0.3), *examples) == [0, 2, 8]
    assert kept(Score("score", max=0.5), *examples) == [0, 1, 2]
    assert kept(Score("score", 0.3, 0.5), *examples) == [0, 2]
    nested = Told({"metadata": {"scores": {"clip": 0.1}}}, {"metadata": {"scores": {"clip": 0.4}}})
    assert Filtered(nested, {"it": Score("scores.clip", 0.2)}).indices.tolist() == [1]


def test_duplicate_captions() -> None:
    captions = ("A cat!", "a  CAT", "a dog", "a cat.", "!!!", "a cat", "???", "!!!")
    examples = [{"captions": (caption, "other")} for caption in captions]
    assert kept(DuplicateCaptions(), *examples) == [0, 2, 4, 6]
    assert kept(DuplicateCaptions(2), *examples) == [0, 1, 2, 4, 6, 7]
    assert kept(DuplicateCaptions(), {"captions": ()}, {"captions": ()}) == [0, 1]


def test_a_copy_that_is_dropped_does_not_take_the_place_of_one_that_is_not() -> None:
    source = Told(
        {**sized(9, 9), "captions": ("same",)}, {**sized(90, 90), "captions": ("same",)}, {**sized(90, 90), "captions": ("same",)}
    )
    filtered = Filtered(source, {"duplicates": DuplicateCaptions(), "size": ImageSize(20)})
    assert filtered.indices.tolist() == [1]
    assert filtered.counts == {"duplicates": 1, "size": 1}


def test_an_example_is_counted_by_the_first_filter_that_drops_it(caplog: pytest.LogCaptureFixture) -> None:
    source = Told(*[{"metadata": {"a": index % 2, "b": index % 5}} for index in range(20)])
    with caplog.at_level(logging.INFO):
        one = Filtered(source, {"a": Score("a", min=1), "b": Score("b", min=1)})
    assert one.counts == {"a": 10, "b": 2}
    assert "told: 8 of 20 examples pass the filters: a dropped 10, b dropped 2" in caplog.text
    other = Filtered(source, {"b": Score("b", min=1), "a": Score("a", min=1)})
    assert other.counts == {"b": 4, "a": 8}
    assert one.indices.tolist() == other.indices.tolist() == [i for i in range(20) if i % 2 and i % 5]


def test_what_cannot_be_read_passes_unless_another_filter_drops_it() -> None:
    source = Told({"gone": True}, {"metadata": {"s": 1}}, {"gone": True, "metadata": {}})
    filtered = Filtered(source, {"score": Score("s", min=0), "length": CaptionLength()})
    assert filtered.indices.tolist() == [0, 1, 2]
    assert (filtered.counts, filtered.unjudged) == ({"score": 0, "length": 0}, 2)
    assert "2 could not be judged and were kept" in filtered.summary()


@settings(deadline=None)
@given(st.integers(1, 3 * SLICE), st.integers(1, 9), st.integers(0, 3))
def test_the_number_of_threads_changes_nothing(size: int, threads: int, offset: int) -> None:
    captions = [f"text {(index * 7 + offset) % 50}" for index in range(size)]
    scores = [1 if index < 3 else index % 3 for index in range(size)]
    examples = [{"captions": (caption,), "metadata": {"s": score}} for caption, score in zip(captions, scores, strict=True)]
    filters: dict[str, Filter] = {"score": Score("s", min=1), "duplicates": DuplicateCaptions(2)}
    filtered = Filtered(Told(*examples), filters, threads=threads)
    seen: Counter[str] = Counter()
    expected = []
    for index in np.flatnonzero(scores).tolist():
        seen[captions[index]] += 1
        expected += [index] if seen[captions[index]] <= 2 else []
    assert filtered.indices.tolist() == expected
    assert len(filtered) + sum(filtered.counts.values()) == size


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), max_size=40), st.integers(1, 4))
def test_within_keeps_the_first_of_each_number(numbers: list[int], most: int) -> None:
    expected = [number == 0 or numbers[:place].count(number) < most for place, number in enumerate(numbers)]
    assert within(np.array(numbers, dtype=np.uint64), most).tolist() == expected


@settings(deadline=None)
@given(st.text())
def test_normal_captions_are_normal(caption: str) -> None:
    assert normalise(f"  {caption.strip()}\n") == normalise(caption.strip())
    assert normalise("A  Cat, (sleeping)") == "a cat sleeping"


def test_the_second_start_looks_at_nothing(tmp_path: Path) -> None:
    examples = [{"metadata": {"s": index}} for index in range(500)]
    filters: dict[str, Filter] = {"score": Score("s", min=100), "duplicates": DuplicateCaptions(50)}
    first = Filtered(Told(*examples), filters, cache=str(tmp_path))
    again = Told(*examples)
    second = Filtered(again, filters, cache=str(tmp_path))
    assert again.asked <= 100  # the probes for the field
    assert second.indices.tolist() == first.indices.tolist()
    assert second.counts == first.counts == {"score": 100, "duplicates": 350}
    assert second.fingerprint() == first.fingerprint()
    for other_filters in ({"score": Score("s", min=101)}, {"duplicates": DuplicateCaptions(50), "score": Score("s", min=100)}):
        other = Told(*examples)
        Filtered(other, other_filters, cache=str(tmp_path))
        assert other.asked >= 500
    changed = Told(*examples[1:])
    Filtered(changed, filters, cache=str(tmp_path))
    assert changed.asked >= 499


def test_a_broken_cache_is_not_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    examples, filters = [{"metadata": {"s": index}} for index in range(9)], {"score": Score("s", min=4)}
    Filtered(Told(*examples), filters, cache=str(tmp_path))
    (file,) = (tmp_path / "filters").iterdir()
    for content in (b"", b"nothing", file.read_bytes()[:200]):
        file.write_bytes(content)
        assert Filtered(Told(*examples), filters, cache=str(tmp_path)).indices.tolist() == [4, 5, 6, 7, 8]
        assert "cannot be read" in caplog.text
        caplog.clear()
    occupied = tmp_path / "file"
    occupied.write_text("no folder")
    assert len(Filtered(Told(*examples), filters, cache=str(occupied))) == 5
    assert "cannot be written" in caplog.text


def test_a_source_that_cannot_tell_whether_it_changed_is_looked_at_every_time(tmp_path: Path) -> None:
    assert len(Filtered(Grey(20), {"length": CaptionLength(9, which="any")}, cache=str(tmp_path))) < 20
    assert not list(tmp_path.iterdir())


def test_refusals() -> None:
    examples = [{"metadata": {"similarity": 0.1, "deep": {"clip": 1}}}] * 3
    with pytest.raises(DataError, match=r"filters.score: none of 3 examples of told has a field 'similarty'; did you mean similarity\?"):
        Filtered(Told(*examples), {"score": Score("similarty", min=0.1)})
    with pytest.raises(DataError, match=r"filters.score: .* 'deep.clap'; did you mean deep.clip\?"):
        Filtered(Told(*examples), {"score": Score("deep.clap", min=0.1)})
    with pytest.raises(DataError, match="nothing is known of them; shards need metadata=json"):
        Filtered(Told({}), {"language": Language("language", ["en"])})
    with pytest.raises(DataError, match="told: the filters leave nothing of 3 examples: score dropped 3, length dropped 0"):
        Filtered(Told(*examples), {"score": Score("similarity", min=0.5), "length": CaptionLength()})
    with pytest.raises(ValueError, match="at least one filter"):
        Filtered(Told(*examples), {})
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        Filtered(Told(*examples), {"length": CaptionLength()}, threads=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ImageSize(0), "min_side must be at least 1, got 0"),
        (lambda: ImageSize(9, 8), "max_side must be at least min_side 9, got 8"),
        (lambda: AspectRatio(0.5), "max must be at least 1, got 0.5"),
        (lambda: CaptionLength(0), "min must be at least 1, got 0"),
        (lambda: CaptionLength(3, 2), "max must be at least min 3, got 2"),
        (lambda: Language("x", []), "values must name at least one language"),
        (lambda: Score("x"), "min or max must be given"),
        (lambda: Score("x", 2, 1), "max must be at least min 2, got 1"),
        (lambda: DuplicateCaptions(0), "max must be at least 1, got 0"),
    ],
)
def test_settings_are_checked(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_failure_of_a_filter_ends_the_scan_at_once() -> None:
    asked = []

    class Broken:
        def __call__(self, candidate: Candidate) -> bool:
            asked.append(candidate)
            time.sleep(0.01)
            raise RuntimeError("broken filter")

    with pytest.raises(RuntimeError, match="broken filter"):
        Filtered(Told(*[{}] * (SLICE * 400)), {"broken": Broken()}, threads=2)
    assert len(asked) < 20  # of 400 slices, each of which would fail at its first example


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    for shard in range(2):
        members = [
            (f"{shard}{number}.{kind}", content)
            for number in range(30)
            for kind, content in (("png", encode(size=10 + number)), ("txt", f"number {number % 25}"), ("json", {"score": number / 30}))
        ]
        write_tar(tmp_path / "shards" / f"{shard}.tar", members)
    return tmp_path / "shards"


def test_shards_are_filtered_by_their_json_and_their_images(shards: Path, tmp_path: Path) -> None:
    filters: dict[str, Filter] = {"score": Score("score", min=0.5), "size": ImageSize(30), "duplicates": DuplicateCaptions()}
    filtered = Filtered(Shards(str(shards), metadata="json"), filters, cache=str(tmp_path))
    assert filtered.counts == {"score": 30, "size": 10, "duplicates": 10}
    assert [filtered[place].key for place in range(len(filtered))] == [f"0{number}" for number in range(20, 30)]
    assert filtered.block_sizes == [10]
    again = Filtered(Shards(str(shards), metadata="json"), filters, cache=str(tmp_path))
    assert again.indices.tolist() == filtered.indices.tolist()


def test_every_filter_is_an_option_of_the_command_line(shards: Path, tmp_path: Path) -> None:
    fields = {"language": "data.filters.language.field=tag", "score": "data.filters.score.field=score"}
    overrides = [f"+filter@data.filters.{name}={name}" for name in options("filter")] + list(fields.values())
    node = compose_config("data=shards", f"data.path={shards}", *overrides, "data.filters.score.min=0.5")["data"]
    assert list(node["filters"]) == options("filter")
    assert all(build(node["filters"][name], name) for name in node["filters"])


def test_the_data_module_reads_what_passes(shards: Path, tmp_path: Path) -> None:
    overrides = (
        "data=shards",
        f"data.path={shards}",
        "data.batch_size=2",
        f"data.filter_cache={tmp_path / 'cache'}",
        "++data.source.metadata=json",
    )
    scored = ("+filter@data.filters.s=score", "data.filters.s.field=score", "data.filters.s.min=0.5")
    module = build(compose_config(*overrides, *scored)["data"], "data")
    assert isinstance(module, WebDataModule)
    assert len(module.source) == 30
    assert len(build(compose_config(*overrides)["data"], "data").source) == 60
    with pytest.raises(ConfigError, match=r"data.filters.s.mix: no such key; did you mean min"):
        build(compose_config(*overrides, *scored, "+data.filters.s.mix=1")["data"], "data")


def test_the_parts_of_a_mixture_are_filtered_each_by_itself() -> None:
    parts = {name: Told(*[{"metadata": {"s": index}} for index in range(10)]) for name in ("a", "b")}
    module = WebDataModule(Mixture(dict(parts), {"a": 1, "b": 3}), {}, batch_size=4, filters={"score": Score("s", min=4)})
    assert isinstance(module.source, Mixture)
    assert len(module.source) == 12
    assert module.source.shares == {"a": 0.25, "b": 0.75}
    assert isinstance(module.source.sources["b"], Filtered)
