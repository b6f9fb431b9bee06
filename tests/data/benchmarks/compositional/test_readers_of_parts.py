"""Readers of compositional tests with several files, parts or pictures to a question."""

from __future__ import annotations

import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from concord.data.benchmarks import compositional as tests_of
from concord.errors import DataError
from concord.images import decode
from tests.data.benchmarks import compositional_fixtures as fixtures
from tests.data.benchmarks import compositional_fixtures_of_parts as parts
from tests.data.benchmarks.compositional.test_readers import corner, files, subsets


def test_vl_checklist_leaves_out_what_is_gone_and_counts_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fixtures.vl_checklist(tmp_path)
    with caplog.at_level(logging.WARNING):
        test = tests_of.VLCheckList(str(tmp_path / "vl_checklist"))
    swig = 6 * 4 + 1  # corpora of SWiG, of which each has lost one of two questions
    assert test.absent == swig
    assert "1 of 6 pictures are not in" in caplog.text
    assert f"{len(test.items)} of {len(test.items) + swig} questions are left" in caplog.text
    counts = subsets(test)
    assert counts["Attribute/color/vaw"] == 2
    assert counts["Object/Size/large/swig"] == 4
    assert counts["Object/Location/mid/vg"] == 4
    assert set(counts) == {f"{part}/{corpus.partition('_')[0]}" for part, corpora in parts.VL_PARTS.items() for corpus in corpora}
    assert test.items[0].texts == ("vg on grass", "vg under grass")
    with pytest.raises(DataError, match=r"such as swig/gone_1\.jpg; complete the folder, or set missing to skip"):
        tests_of.VLCheckList(str(tmp_path / "vl_checklist"), missing="error")


def test_vl_checklist_limits_each_corpus_to_questions_with_their_picture(tmp_path: Path) -> None:
    fixtures.vl_checklist(tmp_path)
    path = str(tmp_path / "vl_checklist")
    data = tmp_path / "vl_checklist/data/Relation/action/swig.json"
    data.write_text(json.dumps(json.loads(data.read_text())[::-1]))  # the picture that is gone comes first
    test = tests_of.VLCheckList(path, parts=["Relation/action"], limit=1)
    assert subsets(test) == {"Relation/action/vg": 1, "Relation/action/swig": 1, "Relation/action/hake": 1}
    assert test.items[1].key == "swig/1"
    with pytest.raises(ValueError, match="limit must be at least 1 or null, got 0"):
        tests_of.VLCheckList(path, limit=0)


def test_vl_checklist_names_a_broken_yaml(tmp_path: Path) -> None:
    fixtures.vl_checklist(tmp_path)
    path = tmp_path / "vl_checklist/corpus/v1/Relation/spatial/vg.yaml"
    path.write_text("ANNO_PATH: [")
    with pytest.raises(DataError, match=r"vg.yaml is not YAML"):
        tests_of.VLCheckList(str(tmp_path / "vl_checklist"))
    path.write_text("IMG_ROOT: vg")
    with pytest.raises(DataError, match=r"vg.yaml: 'ANNO_PATH' is missing"):
        tests_of.VLCheckList(str(tmp_path / "vl_checklist"))


def test_crepe_reads_apostrophes_and_crops(tmp_path: Path) -> None:
    fixtures.crepe_productivity(tmp_path)
    test = tests_of.CrepeProductivity(str(tmp_path / "crepe"))
    assert subsets(test) == {f"{kind}/complexity_{size}": 3 for kind in ("atom", "swap", "negate") for size in range(4, 13)}
    assert test.items[2].texts == ("a dog's toy, on grass 2", *parts.CREPE_WRONG)
    assert [item.unit for item in test.items[:3]] == ["100", "101", "102"]
    assert test.images[1].key == "VG_100K_2/101.jpg@11,5,200,18"
    assert corner(test, 1) == (29, 18, 11, 5)


def test_crepe_systematicity_counts_by_split(tmp_path: Path) -> None:
    fixtures.crepe_systematicity(tmp_path)
    test = tests_of.CrepeSystematicity(str(tmp_path / "crepe"), "cc12m", negatives=["comp"])
    assert subsets(test) == {"comp/seen_compounds": 3, "comp/unseen_compounds": 3}
    with pytest.raises(DataError, match="seen_compounds_in_laion"):
        tests_of.CrepeSystematicity(str(tmp_path / "crepe"), "laion")


@pytest.mark.parametrize("together", ["set", "pair"])
def test_whats_up_groups_what_has_to_be_right_together(tmp_path: Path, together: Any) -> None:
    fixtures.whats_up(tmp_path)
    test = tests_of.WhatsUp(str(tmp_path / "whats_up"), together=together)
    assert subsets(test) == {"A": 8, "B": 8}
    groups = Counter((item.subset, item.group) for item in test.items)
    if together == "set":
        assert groups == {(subset, f"{first}/table"): 4 for subset in "AB" for first in ("mug", "cap")}
    else:
        pairs = {"A": ("left-right", "on-under"), "B": ("left-right", "front-behind")}
        assert groups == {(subset, f"{first}/table/{pair}"): 2 for subset in "AB" for first in ("mug", "cap") for pair in pairs[subset]}
    assert files(test, test.items[2]) == ["controlled_images/mug_on_table.jpeg"]
    assert test.items[2].texts[0] == "A mug on a table"
    assert len(test.items[2].texts) == 4


def test_whats_up_names_a_picture_that_says_no_position(tmp_path: Path) -> None:
    fixtures.write_json(tmp_path / "controlled_images_dataset.json", [{"image_path": "data/x/mug.jpeg", "caption_options": ["a", "b"]}])
    with pytest.raises(DataError, match=r"dataset.json\[0\]: 'data/x/mug.jpeg' is not named OBJECT_POSITION_OBJECT"):
        tests_of.WhatsUp(str(tmp_path), subsets=["A"])


def test_spatial_questions_have_relations_as_groups(tmp_path: Path) -> None:
    fixtures.whats_up_spatial(tmp_path)
    test = tests_of.SpatialQuestions(str(tmp_path / "whats_up"))
    assert subsets(test) == {"coco_one": 2, "coco_two": 2, "gqa_one": 2, "gqa_two": 2}
    assert [item.group for item in test.items[::2]] == ["left", "left", "top", "behind"]
    assert files(test, test.items[0]) == ["val2017/000000397133.jpg"]
    assert files(test, test.items[-1]) == ["vg_images/2317.jpg"]


def test_spatial_questions_find_photographs_elsewhere(tmp_path: Path) -> None:
    fixtures.whats_up_spatial(tmp_path)
    (tmp_path / "whats_up/val2017").rename(tmp_path / "elsewhere")
    test = tests_of.SpatialQuestions(str(tmp_path / "whats_up"), coco=str(tmp_path / "elsewhere"))
    assert decode(test.images[0].image).size == (12, 12)


def test_svo_probes_leaves_out_dead_pictures_and_unclear_rows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fixtures.svo_probes(tmp_path)
    with caplog.at_level(logging.WARNING):
        test = tests_of.SVOProbes(str(tmp_path / "svo_probes"), by="part", missing="skip")
    assert subsets(test) == {"subject": 1, "verb": 1, "object": 1}
    assert test.absent == 1
    assert "3 of 4 questions are left" in caplog.text
    assert "1 questions differ in none or in several" in caplog.text
    assert test.items[1].texts == ("A dog runs, 1",)
    assert files(test, test.items[1]) == ["10.jpg", "12.jpg"]


def test_comvg_draws_sentences(tmp_path: Path) -> None:
    fixtures.comvg(tmp_path)
    test = tests_of.ComVG(str(tmp_path / "comvg"), by="part")
    assert [(item.subset, item.unit) for item in test.items] == [("subject", "215"), ("verb", "215"), ("object", "215")]
    assert files(test, test.items[2]) == ["2358258.jpg", "2357997.jpg"]


def test_valse_keeps_what_annotators_found_right(tmp_path: Path) -> None:
    fixtures.valse(tmp_path)
    path = str(tmp_path / "valse")
    test = tests_of.Valse(path)
    assert subsets(test) == dict.fromkeys(parts.VALSE, 2)
    assert [item.key for item in test.items[:2]] == ["existence_0", "existence_2"]
    assert files(test, test.items[-1]) == ["coco/2.jpg"]
    assert subsets(tests_of.Valse(path, votes=0, pieces=["foil-it"])) == {"foil-it": 3}
    assert subsets(tests_of.Valse(path, votes=3, pieces=["foil-it"])) == {"foil-it": 1}
    (tmp_path / "valse/images/coco").rename(tmp_path / "valse/images/val2014")
    assert len(tests_of.Valse(path, pieces=["foil-it"], folders={"foil-it": "val2014"}).items) == 2
    with pytest.raises(ValueError, match=r"folders must name pieces .*, got foil"):
        tests_of.Valse(path, folders={"foil": "val2014"})
    with pytest.raises(ValueError, match=r"votes must lie in \[0, 3\], got 4"):
        tests_of.Valse(path, votes=4)


def test_negbench_puts_the_right_caption_first(tmp_path: Path) -> None:
    fixtures.negbench(tmp_path)
    test = tests_of.NegBench(str(tmp_path / "negbench"))
    assert subsets(test) == {"positive": 1, "negative": 1, "hybrid": 2}
    assert test.items[1].texts == tuple(f"a dog, but no cat {place} of 1" for place in (2, 0, 1, 3))
    assert files(test, test.items[1]) == ["000000000001.jpg"]


def test_imagecode_orders_frames_by_number(tmp_path: Path) -> None:
    fixtures.imagecode(tmp_path)
    test = tests_of.ImageCoDe(str(tmp_path / "imagecode"))
    assert subsets(test) == {"static": 2, "video": 2}
    video = test.items[2]
    assert video.texts == ("a deer in MSR-VTT-video1-shot1_0",)
    assert files(test, video) == [f"MSR-VTT-video1-shot1_0/img{frame}.jpg" for frame in (15, 0, 3, 6, 9, 12, 18, 21, 24, 27)]
    (tmp_path / "imagecode/data/image-sets/MSR-VTT-video1-shot1_0/img27.jpg").unlink()
    assert subsets(tests_of.ImageCoDe(str(tmp_path / "imagecode"), missing="skip")) == {"static": 2}


def test_winogavil_puts_associations_first(tmp_path: Path) -> None:
    fixtures.winogavil(tmp_path)
    test = tests_of.WinoGAViL(str(tmp_path / "winogavil"), by="candidates")
    assert subsets(test) == {"5": 1, "6": 1, "10": 1}
    assert subsets(tests_of.WinoGAViL(str(tmp_path / "winogavil"))) == {"5-6": 2, "10-12": 1}
    assert [item.texts for item in test.items] == [("A harvest",), ("An orchard",), ("A field",)]
    first = test.items[1]
    assert (first.form, first.right, len(first.images)) == ("set", 2, 6)
    shades = [decode(test.images[image].image).getpixel((0, 0))[0] for image in first.images]  # type: ignore[index]
    assert shades == [1, 41, 21, 61, 81, 101]


def test_spec_asks_both_ways(tmp_path: Path) -> None:
    fixtures.spec(tmp_path)
    test = tests_of.Spec(str(tmp_path / "spec"))
    assert subsets(test) == {f"{subset}/{way}": 3 for subset in parts.SPEC for way in ("image2text", "text2image")}
    assert test.items[1].texts == tuple(f"{n} cups in absolute_size" for n in (2, 1, 3))
    assert files(test, test.items[4]) == [f"absolute_size/images/{n}.jpg" for n in (1, 0, 2)]
    assert len(test.images) == 18


def test_object_scenes_tell_what_is_in_a_picture(tmp_path: Path) -> None:
    fixtures.object_scenes(tmp_path)
    scenes = tests_of.ObjectScenes(str(tmp_path / "object_scenes"))
    pair = scenes[1]
    assert (pair.key, pair.captions) == ("0001.png", ("a chair, a car and a drum",))
    assert pair.metadata == scenes.metadata(1) == {"objects": ["chair", "car", "drum"], "large": 1}
    assert (scenes.key(1), scenes.captions(1)) == (pair.key, pair.captions)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objects": ["apple"]}, "'objects' must be a list of at least two different names"),
        ({"objects": ["apple", "apple"]}, "'objects' must be a list of at least two different names"),
        ({"large": 2}, r"'large' must be a whole number in \[0, 1\], got 2"),
        ({"caption": " "}, "'caption' must be text, got ' '"),
    ],
)
def test_object_scenes_name_what_is_wrong(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    scene = {"image": "1.png", "objects": ["apple", "car"], "large": None, "caption": "an apple and a car", **change}
    fixtures.write_json(tmp_path / "scenes.json", [scene])
    with pytest.raises(DataError, match=rf"scenes.json\[0\]: {message}"):
        tests_of.ObjectScenes(str(tmp_path))
