"""How published pipelines read a report, by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from concord.data.medical.text import sections

Unit = Literal["report", "sentences"]
PolicyName = Literal["mimic_cxr", "chexzero", "convirt", "gloria", "medclip", "prior"]

_WORDS = re.compile(r"\w+")
_WORDS_AND_SIGNS = re.compile(r"\w+|[^\w\s]+")


@dataclass(frozen=True)
class Policy:
    """How one pipeline reads a report.

    Attributes:
        find: from a report and the number of its study to its sections by name.
        sections: the first of these lists that says anything is read, its sections in this order.
        unit: whether a caption is what was read as a whole, or one of its sentences.
        min_words: of a caption.
        min_sentences: of what was read.
        wording: how sentences are written; None: as they are.
    """

    find: Callable[[str, str], Mapping[str, str]]
    sections: tuple[tuple[str, ...], ...]
    unit: Unit
    min_words: int
    min_sentences: int = 1
    wording: Callable[[str], str] | None = None


def words_alone(sentence: str) -> str:
    """Words of ASCII letters and digits in small letters, one space apart (GLoRIA)."""
    return " ".join(_WORDS.findall(_plain(sentence)))


def words_and_signs(sentence: str) -> str:
    """Words and runs of punctuation of ASCII in small letters, one space apart (MedCLIP)."""
    return " ".join(_WORDS_AND_SIGNS.findall(_plain(sentence)))


def _plain(sentence: str) -> str:
    return sentence.lower().encode("ascii", "ignore").decode()


_BOTH = (("findings", "impression"),)

POLICIES: Mapping[PolicyName, Policy] = {
    "mimic_cxr": Policy(sections.read_sections, tuple((name,) for name in sections.CONCLUSIONS), "report", 3),
    "chexzero": Policy(sections.after_impression, (("impression",),), "report", 1),
    "convirt": Policy(sections.read_any_layout, _BOTH, "sentences", 3),
    "gloria": Policy(sections.read_any_layout, (("impression",),), "sentences", 2, wording=words_alone),
    "medclip": Policy(sections.read_any_layout, _BOTH, "sentences", 5, wording=words_and_signs),
    "prior": Policy(sections.without_hand_work, _BOTH, "report", 3, min_sentences=4),
}
"""mimic_cxr: the conclusion, as the software of MIMIC-CXR finds it. chexzero: Tiu et al. 2022. convirt: Zhang et al. 2020. gloria:
Huang et al. 2021. medclip: Wang et al. 2022. prior: Cheng et al. 2023.

Sentences end for all of them where `report_sentences` says: GLoRIA and MedCLIP cut at every full stop after a number, which tears
2.5 cm apart. CheXzero's captions NO IMPRESSION are left out. Where a report is empty, MedCLIP takes a sentence made of labels:
`FirstOf` does. PRIOR shuffles the sentences of a report, which is not done here."""
