from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from concord.data.medical.sides import exchange_known, exchange_sides

EXCHANGED = {
    "Small left pleural effusion, right lung is clear.": "Small right pleural effusion, left lung is clear.",
    "LEFT-SIDED chest tube. Right-sided PICC.": "RIGHT-SIDED chest tube. Left-sided PICC.",
    "The mediastinum is shifted leftward.": "The mediastinum is shifted rightward.",
    "the rightmost lead": "the leftmost lead",
    "Mild dextroscoliosis of the thoracic spine": "Mild levoscoliosis of the thoracic spine",
    "Levo-convex curvature. DEXTROCARDIA.": "Dextro-convex curvature. LEVOCARDIA.",
    "RUL opacity and LLL atelectasis": "LUL opacity and RLL atelectasis",
    "Pain in the RLQ": "Pain in the LLQ",
    "LMLO and RCC views": "RMLO and LCC views",
    "Effusions, R > L": "Effusions, L > R",
    "Effusions L>R.": "Effusions R>L.",
    "R pleural effusion, L-sided catheter": "L pleural effusion, R-sided catheter",
    "Knee (L), lateral": "Knee (R), lateral",
    "Mass in the left breast at 10 o'clock": "Mass in the right breast at 2 o'clock",
    "at 2:30 o'clock and 12 o'clock": "at 9:30 o'clock and 12 o'clock",
    "Fundus photograph OD: drusen": "Fundus photograph OS: drusen",
    "oculus sinister": "oculus dexter",
    "left, left and left": "right, right and right",
    "Chest tube on the left in place, effusion on the right unchanged after drainage.": (
        "Chest tube on the right in place, effusion on the left unchanged after drainage."
    ),
    "The lesion is left-sided; the right open fracture.": "The lesion is right-sided; the left open fracture.",
}

KEPT = [
    "No acute cardiopulmonary abnormality.",
    "The drain was left in place.",
    "The tube was left in situ, the wounds were left open.",
    "at a right angle to the spine; a right-angled clamp",
    "Seen right away; all right. He left the hospital.",
    "Patient is right-handed.",
    "Treated with levofloxacin, levothyroxine and dextrose.",
    "Drained 2 L pleural fluid.",
    "Fracture of L4 and L1-L2, R/O osteomyelitis.",
    "R. Smith and L. Jones wrote it.",
    "Longer OS in the treated group; OD 0.4 at 600 nm.",
    "bright, leftover, cleft, copyright, upright, forthright",
    "Bilateral effusions, medial and lateral.",
]


@pytest.mark.parametrize("text", EXCHANGED)
def test_sides_change_places(text: str) -> None:
    assert exchange_sides(text) == EXCHANGED[text]
    assert exchange_sides(EXCHANGED[text]) == text


@pytest.mark.parametrize("text", KEPT)
def test_what_names_no_side_is_kept(text: str) -> None:
    assert exchange_sides(text) == text


SPOKEN = "left right Left RIGHT lEfT leftward rightmost dextro Levo LEVO dextra sinister scoliosis floxacin -convex all was be angle"
CODED = "in place R L OD OS RUL LLL RCA open now handed lung pleural sided eye fundus 10 2 12 1 :30 o'clock ( ) > < = . , - / 4 ſ ı é"
PIECES = [*SPOKEN.split(), *CODED.split()]
JOINED = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(["", " ", "-"])), max_size=12)


@settings(max_examples=500, deadline=None)
@given(JOINED.map(lambda parts: "".join(piece + space for piece, space in parts)) | st.text(max_size=40))
@example("left in place right in place all right all left")
@example("2 o'clock L lung")
def test_exchanged_twice_a_text_is_what_it_was(text: str) -> None:
    assert exchange_sides(exchange_sides(text)) == text


def test_metadata_is_exchanged_where_it_names_sides() -> None:
    known = {
        "laterality": "left",
        "side": "R",
        "eye": "OD",
        "patient_id": "left-1",
        "report": {"findings": "left lung", "score": 3},
        "n": 1,
    }
    got = exchange_known(known, ("laterality", "side", "eye", "report", "n", "missing"))
    assert got == {
        **{"laterality": "right", "side": "L", "eye": "OS", "patient_id": "left-1", "n": 1},
        "report": {"findings": "right lung", "score": 3},
    }
    assert exchange_known({"laterality": None, "side": "B"}, ("laterality", "side")) == {"laterality": None, "side": "B"}
