"""Readers of retrieval tests, each on a fixture in its exact format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data.benchmarks.retrieval import (
    CaptionFiles,
    Circo,
    Cirr,
    CocoCN,
    Conversations,
    Crossmodal3600,
    DescribedImages,
    FashionIQ,
    LineAligned,
    NameCommaCaption,
    NumberedCoco,
    judged_grades,
    judged_matches,
)
from concord.data.source import Described, Fingerprinted, KeyedSource, Located
from concord.errors import DataError
from concord.types import role_of
from tests.data.benchmarks import retrieval_fixtures as fixtures
from tests.data.samples import encode


def test_crossmodal_knows_the_language_of_each_caption(tmp_path: Path) -> None:
    fixtures.xm3600(tmp_path)
    source = Crossmodal3600(str(tmp_path / "xm3600"))
    pair = source[2]
    assert len(source) == 6
    assert len(pair.captions) == 72
    assert {role_of(caption) for caption in pair.captions} == set(source_languages(source))
    assert pair.key == "0000000000000002"
    assert pair.image == encode(80, "JPEG")
    first = Crossmodal3600(str(tmp_path / "xm3600"), languages=["de", "fi"], first_only=True)
    assert [(str(caption), role_of(caption)) for caption in first.captions(0)] == [("de cat 0", "de"), ("fi cat 0", "fi")]
    assert first.fingerprint() != source.fingerprint()


def source_languages(source: Crossmodal3600) -> list[str]:
    return [role_of(caption) for caption in source.captions(0)][::2]


def test_crossmodal_refuses_what_is_not_there(tmp_path: Path) -> None:
    fixtures.xm3600(tmp_path)
    with pytest.raises(ValueError, match="there is no 'xx'"):
        Crossmodal3600(str(tmp_path / "xm3600"), languages=["xx"])
    file = tmp_path / "xm3600" / "captions.jsonl"
    lines = file.read_text().splitlines()
    entry = json.loads(lines[1])
    entry["sw"]["caption"] = []
    file.write_text("\n".join([lines[0], json.dumps(entry)]))
    with pytest.raises(DataError, match="line 2: image 0000000000000001 has no caption in sw; leave sw out of languages"):
        Crossmodal3600(str(tmp_path / "xm3600"))
    assert len(Crossmodal3600(str(tmp_path / "xm3600"), languages=["en"])) == 2
    file.write_text(lines[0] + "\n" + lines[1][:50])
    with pytest.raises(DataError, match="line 2 is not JSON"):
        Crossmodal3600(str(tmp_path / "xm3600"))


def test_files_of_lines_belong_together(tmp_path: Path) -> None:
    fixtures.xtd10(tmp_path)
    source = LineAligned(str(tmp_path / "xtd10"), fixtures.XTD_FILES, "XTD10/test_image_names.txt")
    assert len(source) == 6
    assert [(str(caption), role_of(caption)) for caption in source.captions(1)][:2] == [("en dog", "en"), ("es dog", "es")]
    (tmp_path / "xtd10" / "MIC" / "test_1kcaptions_fr.txt").write_text("only one\n")
    with pytest.raises(DataError, match=r"test_1kcaptions_fr.txt has 1 lines and XTD10/test_image_names.txt 6"):
        LineAligned(str(tmp_path / "xtd10"), fixtures.XTD_FILES, "XTD10/test_image_names.txt")


def test_a_caption_may_hold_commas_and_even_a_file_name(tmp_path: Path) -> None:
    fixtures.flickr8k_retrieval(tmp_path)
    folder = tmp_path / "flickr8k"
    (folder / "list.txt").write_text("image,caption\n0.jpg,A man, smiling, saves a.jpg, twice .\n\n0.jpg,Another.\n")
    source = NameCommaCaption(str(folder), "list.txt", "Images")
    assert source[0].captions == ("A man, smiling, saves a.jpg, twice .", "Another.")
    (folder / "list.txt").write_text("image,caption\n0.png,No\n")
    with pytest.raises(DataError, match=r"list.txt, line 2: expected NAME.jpg,CAPTION"):
        NameCommaCaption(str(folder), "list.txt", "Images")


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp", "Zs"], blacklist_characters="\x85"), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_any_caption_comes_back(tmp_path_factory: pytest.TempPathFactory, caption: str) -> None:
    folder = tmp_path_factory.mktemp("flickr")
    fixtures.write_images(folder / "images", ["a.jpg"])
    fixtures.write_text(folder / "list.txt", f"image,caption\na.jpg,{caption}\n")
    assert NameCommaCaption(str(folder), "list.txt").captions(0) == (caption,)


def test_coco_cn_finds_its_images_by_their_names(tmp_path: Path) -> None:
    fixtures.coco_cn(tmp_path)
    source = CocoCN(str(tmp_path / "coco_cn"))
    assert [len(source.captions(row)) for row in range(6)] == [1, 2, 1, 2, 1, 2]
    assert source.key(1) == "train2014/COCO_train2014_000000000001.jpg"
    assert source[0].image == encode(20, "JPEG")
    with (tmp_path / "coco_cn" / "coco-cn_test.txt").open("a") as file:
        file.write("COCO_val2014_000000000099\n")
    with pytest.raises(DataError, match=r"COCO_val2014_000000000099\.jpg has no caption"):
        CocoCN(str(tmp_path / "coco_cn"))


def test_descriptions_of_one_split(tmp_path: Path) -> None:
    fixtures.docci(tmp_path)
    assert len(DescribedImages(str(tmp_path / "docci"))) == 6
    test = DescribedImages(str(tmp_path / "docci"), where={"split": "test"})
    assert [test.key(row) for row in range(len(test))] == [f"test_{row:05d}.jpg" for row in range(1, 6)]
    with pytest.raises(DataError, match="no image in it"):
        DescribedImages(str(tmp_path / "docci"), where={"split": "nothing"})


def test_urban1k_takes_the_first_line_and_counts_as_numbers_do(tmp_path: Path) -> None:
    fixtures.urban1k(tmp_path)
    source = CaptionFiles(str(tmp_path / "Urban1k"))
    assert [source.key(row) for row in range(6)] == [f"{row}.jpg" for row in range(7, 13)]  # 10 after 9
    assert source.captions(0) == ("A street with a cat. It is busy.",)


def test_conversations_are_cut_to_the_test(tmp_path: Path) -> None:
    fixtures.sharegpt4v_1k(tmp_path)
    source = Conversations(str(tmp_path / "sharegpt4v"), first=4)
    assert len(source) == 4
    assert source.captions(0) == ("The image shows a cat.",)
    file = tmp_path / "sharegpt4v" / "share-captioner_coco_lcs_sam_1246k_1107.json"
    file.write_text(json.dumps([{"image": "a.jpg", "conversations": [{"value": "x"}]}]))
    with pytest.raises(DataError, match=r"\[0\]: a conversation needs two turns"):
        Conversations(str(tmp_path / "sharegpt4v"))


def test_judgements_go_by_the_numbers_of_images_and_captions(tmp_path: Path) -> None:
    fixtures.eccv_caption(tmp_path)
    source = NumberedCoco(str(tmp_path / "coco"))
    assert len(source) == 6
    assert source.key(1) == "101"
    assert source[1].metadata["caption_ids"] == ["10", "11", "12", "13", "14"]
    assert len(source.captions(0)) == 6
    relevance = judged_matches(str(tmp_path / "coco" / "eccv_caption"))
    assert relevance.images_of == {"10": {"101": 1.0, "102": 1.0}, "21": {"102": 1.0}}
    assert relevance.captions_of["102"] == dict.fromkeys(["20", "21", "22", "23", "24", "10"], 1.0)
    assert not relevance.graded
    (tmp_path / "coco" / "eccv_caption" / "eccv_caption_to_image.json").write_text(json.dumps({"10": 101}))
    with pytest.raises(DataError, match=r"eccv_caption_to_image.json: '10' must be a list, got a number"):
        judged_matches(str(tmp_path / "coco" / "eccv_caption"))


def test_grades_go_both_ways(tmp_path: Path) -> None:
    fixtures.crisscrossed(tmp_path)
    file = tmp_path / "coco" / "sits_test.csv"
    relevance = judged_grades(str(file))
    assert relevance.graded
    assert relevance.images_of["10"] == {"101": 4.5, "102": 0.5}
    assert relevance.captions_of["102"] == {**dict.fromkeys(["20", "21", "22", "23", "24"], 4.5), "10": 0.5}
    assert relevance.images_of["0"] == {"100": 4.5}  # grade 0 is no match
    file.write_text("caption,image,agg_score\nx:1,COCO_val2014_000000000101.jpg,high\n")
    with pytest.raises(DataError, match="row 1: 'agg_score' must be a number"):
        judged_grades(str(file))


def test_cirr_leaves_the_reference_out(tmp_path: Path) -> None:
    fixtures.cirr(tmp_path)
    test = Cirr(str(tmp_path / "cirr"))
    query = test.queries[1]
    assert len(test.images) == 8
    assert (query.key, query.reference, query.targets, query.texts) == ("13", 1, (2,), ("show a dog",))
    assert query.group == (2, 3, 4, 5, 6)  # the six of the set without the reference
    assert not query.keep_reference
    assert test.images[query.targets[0]].image == encode(80, "PNG")
    file = tmp_path / "cirr" / "captions" / "cap.rc2.val.json"
    entries = json.loads(file.read_text())
    del entries[0]["target_hard"]
    file.write_text(json.dumps(entries))
    with pytest.raises(DataError, match="targets of the test are not published"):
        Cirr(str(tmp_path / "cirr"))


def test_fashion_iq_joins_captions_in_both_orders_and_searches_its_category(tmp_path: Path) -> None:
    fixtures.fashion_iq(tmp_path)
    test = FashionIQ(str(tmp_path / "fashion_iq"))
    query = test.queries[3]
    assert len(test.images) == 18
    assert len(test.queries) == 9
    assert query.texts == ("Is red and has longer sleeves", "Has longer sleeves and is Red")
    assert (query.subset, query.gallery, query.reference, query.targets) == ("shirt", tuple(range(6, 12)), 7, (6,))
    assert query.keep_reference
    with pytest.raises(DataError, match="no target"):
        FashionIQ(str(tmp_path / "fashion_iq"), split="test")
    with pytest.raises(ValueError, match="categories must be some of"):
        FashionIQ(str(tmp_path / "fashion_iq"), categories=("hats",))


def test_circo_has_several_targets_the_first_one_foremost(tmp_path: Path) -> None:
    fixtures.circo(tmp_path)
    test = Circo(str(tmp_path / "circo"))
    query = test.queries[0]
    assert (query.reference, query.targets) == (0, (1, 3))
    assert query.aspects == ("cardinality", "addition")
    assert query.gallery == ()


@pytest.mark.parametrize("reader", ["docci", "urban1k", "coco_cn"])
def test_readers_tell_names_and_captions_without_images(tmp_path: Path, reader: str) -> None:
    fixtures.FIXTURES[reader](tmp_path)
    build = {
        "docci": lambda: DescribedImages(str(tmp_path / "docci")),
        "urban1k": lambda: CaptionFiles(str(tmp_path / "Urban1k")),
        "coco_cn": lambda: CocoCN(str(tmp_path / "coco_cn")),
    }[reader]
    source = build()
    for protocol in (KeyedSource, Described, Located, Fingerprinted):
        assert isinstance(source, protocol)
    pair = source[3]
    assert (pair.key, pair.captions) == (source.key(3), source.captions(3))
    assert Path(source.location(3)).is_file()
    assert build().fingerprint() == source.fingerprint()


def test_faults_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"captions\.jsonl"):
        Crossmodal3600(str(tmp_path))
    fixtures.urban1k(tmp_path)
    for image in (tmp_path / "Urban1k" / "image").iterdir():
        image.unlink()
    with pytest.raises(DataError, match="none of its images is there, such as"):
        CaptionFiles(str(tmp_path / "Urban1k"))
    fixtures.flickr8k_retrieval(tmp_path)
    (tmp_path / "flickr8k" / "list.txt").write_bytes(b"image,caption\n0.jpg,\xff\xfe\n")
    with pytest.raises(DataError, match=r"list.txt is not UTF-8"):
        NameCommaCaption(str(tmp_path / "flickr8k"), "list.txt", "Images")
    (tmp_path / "flickr8k" / "list.txt").write_text("image,caption\n../../secret.jpg,x\n")
    with pytest.raises(DataError, match="none of its images is there"):
        NameCommaCaption(str(tmp_path / "flickr8k"), "list.txt", "Images")
