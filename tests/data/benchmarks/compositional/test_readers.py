"""Each reader on its fixture: the right questions in the right order, and the traps of its format."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from concord.data.benchmarks import compositional as tests_of
from concord.data.benchmarks.compositional import Questions
from concord.errors import DataError
from concord.images import decode
from concord.items import Item
from tests.data.benchmarks import compositional_fixtures as fixtures


def subsets(test: Questions) -> dict[str, int]:
    return dict(Counter(item.subset for item in test.items))


def files(test: Questions, item: Item) -> list[str]:
    return [test.images[image].key for image in item.images]


def corner(test: Questions, image: int) -> tuple[int, ...]:
    """Size, and red and green of the left upper pixel, which are its place in the photograph."""
    picture = decode(test.images[image].image)
    return (*picture.size, *picture.getpixel((0, 0))[:2])  # type: ignore[index]


def test_sugar_crepe_takes_all_questions_though_their_numbers_have_gaps(tmp_path: Path) -> None:
    fixtures.sugar_crepe(tmp_path)
    test = tests_of.SugarCrepe(str(tmp_path / "sugar_crepe"))
    assert subsets(test) == dict.fromkeys(fixtures.SUGAR_CREPE, 3)
    assert [item.key for item in test.items[:3]] == ["add_att/0", "add_att/2", "add_att/3"]
    assert test.items[0] == Item("add_att/0", "texts", (0,), ("A dog on sofa 0.", "A add_att dog on sofa 0."), subset="add_att")
    assert [test.images[index].key for index in range(len(test.images))] == [f"{number:012}.jpg" for number in (139, 141, 142)]


def test_sugar_crepe_reads_the_asked_subsets_alone(tmp_path: Path) -> None:
    fixtures.sugar_crepe(tmp_path)
    (tmp_path / "sugar_crepe/data/add_obj.json").unlink()
    assert subsets(tests_of.SugarCrepe(str(tmp_path / "sugar_crepe"), subsets=["swap_obj", "add_att"])) == {"swap_obj": 3, "add_att": 3}


def test_sugar_crepe_plus_has_two_right_captions(tmp_path: Path) -> None:
    fixtures.sugar_crepe_plus(tmp_path)
    test = tests_of.SugarCrepePlus(str(tmp_path / "sugar_crepe_plus"))
    assert subsets(test) == dict.fromkeys(fixtures.SUGAR_CREPE[2:], 4)
    assert len(test.images) == 2
    texts = "A cat sits by plant 0.", "By plant 0 there is a cat sitting.", "A dog sits by plant 0."
    assert test.items[0] == Item("replace_att/0", "texts", (0,), texts, right=2, subset="replace_att")


def test_vg_relation_shows_the_box_and_stops_at_the_border(tmp_path: Path) -> None:
    fixtures.vg_relation(tmp_path)
    test = tests_of.VGRelation(str(tmp_path / "aro"))
    assert [item.group for item in test.items] == ["on", "on", "near", "holding", "on", "holding"]
    assert [item.unit for item in test.items] == ["24.png", "24.png", "25.png", "25.png", "26.png", "26.png"]
    assert test.items[0].texts == ("the cat is on the table 0", "the table 0 is on the cat")
    assert corner(test, 0) == (20, 15, 10, 5)
    assert corner(test, 1) == (10, 15, 30, 5)


def test_vg_attribution_groups_by_ordered_pair_and_shares_equal_boxes(tmp_path: Path) -> None:
    fixtures.vg_attribution(tmp_path)
    test = tests_of.VGAttribution(str(tmp_path / "aro"))
    assert Counter(item.group for item in test.items) == {"white_wooden": 26, "red_old": 2}
    assert len(test.images) == 6


def test_word_order_shuffles_the_raw_caption_and_prepares_all_texts(tmp_path: Path) -> None:
    fixtures.FIXTURES["coco_order"](tmp_path)
    test = tests_of.WordOrder(str(tmp_path / "coco"))
    assert [item.key for item in test.items] == [f"val2014/{n}.jpg/{place}" for n in range(3) for place in range(2)]
    right, *wrong = test.items[1].texts
    assert right == "two men talk near the red bus one old man waves 0"
    assert len(wrong) == 2
    assert all(sorted(text.split()) == sorted(right.split()) and text != right for text in wrong)
    assert all(text == text.lower() and "," not in text.replace(" , ", " ") for text in wrong)


def test_word_order_draws_by_seed(tmp_path: Path) -> None:
    fixtures.FIXTURES["coco_order"](tmp_path)
    first, again, other = (tests_of.WordOrder(str(tmp_path / "coco"), seed=seed) for seed in (1, 1, 2))
    assert first.items == again.items
    assert first.items != other.items
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()


def test_word_order_takes_shuffles_made_elsewhere(tmp_path: Path) -> None:
    fixtures.FIXTURES["coco_order"](tmp_path)
    made = [[f"Shuffle {n} of {place}." for n in range(4)] for place in range(6)]
    fixtures.write_json(tmp_path / "coco/made.json", made)
    test = tests_of.WordOrder(str(tmp_path / "coco"), negatives="made.json")
    assert test.items[2].texts == ("a black dog runs, slowly, across the green field", *(f"shuffle {n} of 2" for n in range(4)))
    fixtures.write_json(tmp_path / "coco/made.json", made[:5])
    with pytest.raises(DataError, match="an entry for each of 6 captions, got 5 entries"):
        tests_of.WordOrder(str(tmp_path / "coco"), negatives="made.json")
    with pytest.raises(ValueError, match="tagger must be null where negatives are given, got spacy"):
        tests_of.WordOrder(str(tmp_path / "coco"), negatives="made.json", tagger="spacy")


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ('A "big" (red) dog: it runs!', "a big red dog it runs"),
        ("An old-fashioned, 3-wheeled car's door.", "an old-fashioned, 3-wheeled car's door"),
        ("one " * 40, " ".join(["one"] * 30)),
        ("  two\n\n spaces ~ ", "two spaces"),
    ],
)
def test_captions_are_prepared_as_blip_does(text: str, prepared: str) -> None:
    from concord.data.benchmarks.compositional.word_order import pre_caption

    assert pre_caption(text) == prepared


def test_winoground_pairs_images_with_captions(tmp_path: Path) -> None:
    fixtures.winoground(tmp_path)
    test = tests_of.Winoground(str(tmp_path / "winoground"))
    assert subsets(test) == {"": 4}
    assert (test.items[1].form, test.items[1].texts) == ("match", ("the fox follows duck 1", "the duck 1 follows fox"))
    assert files(test, test.items[1]) == ["ex_1_img_0.png", "ex_1_img_1.png"]


def test_winoground_counts_by_type_and_by_tag(tmp_path: Path) -> None:
    fixtures.winoground(tmp_path)
    path = str(tmp_path / "winoground")
    assert subsets(tests_of.Winoground(path, by="type")) == {"Object": 2, "Relation": 1, "Both": 1}
    by_tag = tests_of.Winoground(path, by="tag")
    assert subsets(by_tag) == {"no tag": 2, "Complex Reasoning": 1, "Visually Difficult": 1, "Unusual Text": 1}
    assert len(by_tag.images) == 8


def test_winoground_reads_the_parquet_files_of_the_hub(tmp_path: Path) -> None:
    rows = [{**row, "image_0": fixtures.cell(10), "image_1": fixtures.cell(100 + row["id"])} for row in fixtures.winoground_rows()]
    fixtures.write_parquet(tmp_path / "data/test-0.parquet", rows)
    test = tests_of.Winoground(str(tmp_path), annotations="data")
    assert [item.key for item in test.items] == ["0", "1", "2", "3"]
    assert decode(test.images[test.items[3].images[1]].image).getpixel((0, 0)) == (103, 103, 103)
    assert len(test.images) == 8


def test_color_swap_is_read_in_both_forms(tmp_path: Path) -> None:
    fixtures.color_swap(tmp_path)
    test = tests_of.ColorSwap(str(tmp_path / "colorswap"))
    assert files(test, test.items[2]) == ["images/img_2_1.png", "images/img_2_2.png"]
    assert test.items[2].texts == ("a red cup and a blue plate 2", "a blue cup and a red plate 2")
    row = {"id": 7, "caption_1": "a", "caption_2": "b", "image_1": fixtures.cell(1), "image_2": fixtures.cell(2)}
    fixtures.write_parquet(tmp_path / "hub/test.parquet", [row])
    assert tests_of.ColorSwap(str(tmp_path), annotations="hub/*.parquet").items == [Item("7", "match", (0, 1), ("a", "b"))]


def test_cola_finds_photographs_by_the_end_of_their_address(tmp_path: Path) -> None:
    fixtures.cola(tmp_path)
    test = tests_of.Cola(str(tmp_path / "cola"))
    assert len(test.items) == 3
    assert files(test, test.items[1]) == ["21.jpg", "22.jpg"]
    assert test.items[1].texts == ("round white plate 2", "square white plate 2")


def test_eqben_takes_the_first_caption_and_reads_frames(tmp_path: Path) -> None:
    fixtures.eqben(tmp_path)
    test = tests_of.EqBen(str(tmp_path / "eqben"))
    assert subsets(test) == {"eqbenag": 1, "eqbenkubric_cnt": 1, "eqbenyoucook2": 1}
    assert test.items[0].texts == ("he sits", "he stands")
    frame = test.images[test.items[2].images[1]].image
    assert isinstance(frame, np.ndarray)
    assert frame.shape == (8, 12, 3)
    assert frame[0, 0].tolist() == [50, 100, 200]


def test_eqben_refuses_arrays_that_hold_objects(tmp_path: Path) -> None:
    fixtures.eqben(tmp_path)
    np.save(tmp_path / "eqben/images/eqbenyoucook2/0.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    test = tests_of.EqBen(str(tmp_path / "eqben"))
    with pytest.raises(DataError, match="array cannot be read"):
        test.images[test.items[2].images[0]]


@pytest.mark.parametrize("folder", ["MLLM_VLM Images", "MMVP_VLM_Images"])
def test_mmvp_pairs_neighbouring_rows_in_either_folder(tmp_path: Path, folder: str) -> None:
    fixtures.mmvp(tmp_path, folder)
    test = tests_of.MMVP(str(tmp_path / "mmvp"))
    assert [item.key for item in test.items] == ["3/4", "1/2", "5/6"]
    assert subsets(test) == {"Orientation and Direction": 2, "Quantity and Count": 1}
    assert test.items[1].texts == ("a photo of A dog, facing way 1", "a photo of A dog, facing way 2")
    assert files(test, test.items[1]) == [f"{folder}/Orientation and Direction/{number}.jpg" for number in (1, 2)]


def test_mmvp_refuses_a_pair_of_two_types_and_an_odd_row(tmp_path: Path) -> None:
    rows = [{"Question ID": n, "Type": kind, "Statement": "A dog"} for n, kind in enumerate(("a", "b", "a"))]
    fixtures.write_csv(tmp_path / "Questions.csv", rows[:2])
    with pytest.raises(DataError, match=r"Questions.csv, row 2: 'Type' must be that of the row before it, 'a', got 'b'"):
        tests_of.MMVP(str(tmp_path))
    fixtures.write_csv(tmp_path / "Questions.csv", rows)
    with pytest.raises(DataError, match="row 3: it has no partner"):
        tests_of.MMVP(str(tmp_path))


def test_bivlc_counts_by_type_and_subtype(tmp_path: Path) -> None:
    fixtures.bivlc(tmp_path)
    path = str(tmp_path / "bivlc")
    assert subsets(tests_of.BiVLC(path)) == {"": 4}
    assert subsets(tests_of.BiVLC(path, by="type")) == {"replace": 2, "swap": 1, "add": 1}
    test = tests_of.BiVLC(path, by="subtype")
    assert subsets(test) == {"replace_obj": 1, "replace_rel": 1, "swap_att": 1, "add_obj": 1}
    assert test.items[2].texts == ("A man throws ball 2.", "A man catches ball 2.")
    assert [decode(test.images[image].image).getpixel((0, 0))[0] for image in test.items[2].images] == [20, 25]  # type: ignore[index]


def test_inpaint_coco_knows_the_photograph_behind_an_edit(tmp_path: Path) -> None:
    fixtures.inpaint_coco(tmp_path)
    test = tests_of.InpaintCOCO(str(tmp_path / "inpaint_coco"), by="concept")
    assert [item.unit for item in test.items] == ["139", "139", "285"]
    assert subsets(test) == {"color": 1, "object": 1, "size": 1}
    assert [decode(test.images[image].image).getpixel((0, 0))[0] for image in test.items[2].images] == [10, 125]  # type: ignore[index]
