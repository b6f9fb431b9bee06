"""What questions and answers about a picture say of its modality and its plane."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from concord.data.medical.answers import Answered

Words = Mapping[str, re.Pattern[str]]


def _words(**patterns: str) -> Words:
    return {name: re.compile(pattern, re.IGNORECASE) for name, pattern in patterns.items()}


MODALITY_WORDS = _words(
    mri=r"\bmri?s?\b|\bmagnetic resonance\b|\bflair\b|\bt[12]\b|\bdwi\b|\badc map\b|\bdiffusion[ -]weighted\b",
    ct=r"\bct\b|\bcomputed tomograph\w*|\bcat scan\b",
    radiograph=r"\bx[ -]?rays?\b|\bxr\b|\bcxr\b|(?<!\bct )\bradiographs?\b|\bfilms?\b|\bkub\b",
)
PLANE_WORDS = _words(
    axial=r"\baxial\b|\btransverse (?:plane|section|image|view|cut)\b",
    coronal=r"\bcoronal\b",
    sagittal=r"\bsagg?itt?al\b",
    PA=r"\bPA\b|\bpostero-?anterior\b|\bposterior[ -]anterior\b",
    AP=r"\bAP\b|\bantero-?posterior\b|\banterior[ -]posterior\b",
)

_ASKED = re.compile(
    r"\b(?:modality|modalities|imag\w+|scan|scanner|film|picture|radiograph|x[ -]?ray|cxr|mri?|ct|sequence|weighting|plane|section|slice"
    r"|cut|view|oriented|orientation|taken)\b",
    re.IGNORECASE,
)
_OF_ANOTHER = re.compile(
    r"\b(?:(?:not|isn't|never|other|another|else|rather|instead|better|next|would|should|could|may|recommend\w*|compared)\b"
    r"|can (?!you|we|the))",
    re.IGNORECASE,
)
"""Questions of what the picture is not, or of what else might be done."""

_IS_THIS = re.compile(r"^(?:is|was|are)\b", re.IGNORECASE)
_NAMED = re.compile(
    r"\b(?:(?:in|on|at|of|from|does|was|is) this|(?:in|on) the|plane (?:is|was) the|(?:type|kind|sequence) of)(?=((?: [\w/-]+){1,3}))",
    re.IGNORECASE,
)
"""What is taken for granted: "on this CT", "what type of MRI"."""
_ARTICLE = re.compile(r" an? | the ", re.IGNORECASE)


def modality_of(pairs: Iterable[Answered]) -> str:
    """A key of `concord.data.medical.modalities`: what the answers name, a yes affirms, or a question takes for granted; "" where
    nothing does or they disagree. A no tells nothing: what is no MRI of the chest may be one of the head. A picture that was taken
    from the back or the front (PA, AP) is a radiograph."""
    pairs = list(pairs)
    projected = ["radiograph"] if plane_of(pairs) in ("PA", "AP") else []
    return _only([*_said(pairs, MODALITY_WORDS), *projected])


def plane_of(pairs: Iterable[Answered]) -> str:
    """axial, coronal, sagittal, PA or AP, found as `modality_of` finds it; else ""."""
    return _only(_said(pairs, PLANE_WORDS))


def _said(pairs: Iterable[Answered], words: Words) -> Iterator[str]:
    for pair in pairs:
        if _OF_ANOTHER.search(pair.question):
            continue
        yield from (name for phrase in _granted(pair.question) for name in _sole(phrase, words))
        if pair.affirmed is None and _ASKED.search(pair.question):
            yield from _sole(pair.answer, words)
        elif pair.affirmed and _IS_THIS.search(pair.question) and _ASKED.search(pair.question):
            yield from _sole(pair.question, words)


def _granted(question: str) -> Iterator[str]:
    """Phrases of a question for what it takes the picture to be. What it asks about follows an article: "is this an MRI"."""
    for found in _NAMED.finditer(question):
        yield _ARTICLE.split(f"{found[1]} ", maxsplit=1)[0]


def _sole(text: str, words: Words) -> Sequence[str]:
    """The one thing that a text names; nothing where it names several, as in "CT or MRI"."""
    named = [name for name, pattern in words.items() if pattern.search(text)]
    return named if len(named) == 1 else []


def _only(found: Iterable[str]) -> str:
    distinct = set(found)
    return distinct.pop() if len(distinct) == 1 else ""
