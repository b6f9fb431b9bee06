"""What a question and its answer state of a picture, in a few words.

Only forms of questions that are known are turned into statements. A question that denies something itself, compares with something
else, or asks for more than what is seen makes none: a sentence too few does no harm, a wrong one does.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LONGEST = 9
"""Words of what is said to be there; longer questions are rarely about one thing."""

LONGEST_ANSWER = 14
"""Words of an answer that names a finding."""


class Statements(NamedTuple):
    """What a question states when the answer is yes, and when it is no."""

    affirmed: str
    denied: str


_SHOWN = r"image|picture|film|scan|study|x[ -]?ray|radiograph|cxr|ct|mri|section|slice|view|level|finding|findings"
_SEEN = (
    r"present|seen|visible|visuali[sz]ed|noted|evident|identified|identifiable|depicted|shown|observed|pictured|detected|found"
    r"|in view|in (?:the|this) (?:image|picture)"
)
_STATES = (
    r"(?:ab)?normal|enlarged|deviated|midline|shifted|fractured|broken|calcified|dilated|obscured|hyperinflated|inflamed|thickened"
    r"|elevated|blunted|sharp|symmetric(?:al)?|asymmetric(?:al)?|loculated|perforated|distended|clear|compressed|collapsed|intact"
    r"|infarcted|ischemic|hyper(?:intense|dense)|hypo(?:intense|dense)|isointense|cystic|solid|patent|tortuous|cirrhotic|swollen"
    r"|engorged|large|flat(?:tened)?|widened|narrowed|atrophied|(?:ring[ -])?enhancing|edematous"
    r"|homogen(?:e)?ous|heterogen(?:e)?ous|pathologic(?:al)?|ruptured|displaced|herniated|well[ -]?defined"
)
_IS, _DOES = r"(?:is/are|is|are)", r"(?:does|do|can)"
_WHOLE = rf"(?:this|the|these) (?:(?:chest|brain|ct|mri|x[ -]?ray) )*(?:{_SHOWN})"
_SOMEBODY = r"(?:this|the) (?:patient|image|picture|film|scan|study|x[ -]?ray|radiograph|ct|mri)|you|we"


def _form(pattern: str) -> re.Pattern[str]:
    return re.compile(f"^{pattern}$", re.IGNORECASE)


_WHERE = re.compile(
    rf",? (?:in|on|from|at|within) (?:this(?: [\w-]+){{0,3}}?|the(?: above| shown)?) (?:{_SHOWN}|patient)$|,? (?:above|here)$",
    re.IGNORECASE,
)
_PATIENT = re.compile(r"\b(?:the|this) patient'?s\b", re.IGNORECASE)
_EVIDENCE = re.compile(
    r"^(?:(?:there|are|is|any|some|an?|the|signs? of|evidence of|presence of|indications? of)\s+)+",
    re.IGNORECASE,
)
_DENYING = re.compile(
    r"\b(?:no|not|non|none|never|without|lacks?|absent|absence|other|besides|only|more|most|less|least|same|than|relative|free of|unaltered"
    r"|(?:ab)?normal\w*|(?:any|some)thing|any of|both|also|appears?|to be|well|enough|because|due to|cause[sd]?|likely|possible|suspicious"
    r"|concerning|consistent|considered|all|if|this|these|that|it|you|\w+(?<!ga)(?<!ma)ly)\b|n't\b|[/<>()]",
    re.IGNORECASE,
)
"""Words with which a statement, or its opposite, would say something else than it seems to."""
_LIES = re.compile(r" (?:present|seen|visible|located|noted|identified) (?=(?:in|on|at|near|under|within|around)\b)", re.IGNORECASE)

_WHOLE_STATE = _form(rf"(?:is|are|is/are|does) {_WHOLE} (?:an? |appear )?(?P<state>(?:ab)?normal)(?: (?:{_SHOWN}))?")
_WHOLE_KIND = _form(rf"(?:is|are) (?:this|these|it) an? (?P<state>(?:ab)?normal) (?:(?:chest|brain) )?(?:{_SHOWN})")
_STATE = _form(rf"(?P<verb>{_IS}|does|do) (?:the )+(?P<what>.+?) (?:appear |look )?(?P<state>{_STATES})")
_THERE = _form(rf"{_IS} there (?P<what>.+?)(?: (?:{_SEEN}))?")
_PRESENT = _form(rf"{_IS} (?!the\b|both\b)(?P<what>.+?) (?:{_SEEN})")
_ORGAN = _form(rf"(?P<verb>{_IS}) (?P<which>the|both) (?P<what>.+?) (?:{_SEEN})")
_SHOWS = _form(rf"{_DOES} (?:{_SOMEBODY}) (?:show|have|see|demonstrate|display|reveal|contain|depict)(?: an?| any| the)? (?P<what>.+)")

_FINDING = (
    _form(
        r"what (?:is|are|is/are) (?:the )?(?:(?:most|primary|secondary|main) )?(?:abnormal|wrong|pathological|abnormality|abnormalities"
        r"|pathology|condition|diagnosis)(?: (?:seen|shown))?"
    ),
    _form(r"what (?:\w+ )?(?:pathology|abnormality|abnormalities|condition)(?: is| are)? (?:seen|shown|demonstrated|found|present)"),
)
_PLACE = _form(r"(?:where (?:is/are|is|are)|what is the location of) (?:the )+(?P<what>[\w -]+?)(?: located| seen| placed)?")
_LOOK = _form(
    r"(?:how would you (?:describe|characteri[sz]e)|describe|what is the (?:appearance|shape|composition|density) of) (?:the )+"
    r"(?P<what>(?:(?!\b(?:or|as|location)\b)[\w -])+)"
)
_SILENT = {"yes", "no", "none", "nothing", "n/a", "normal", "unknown", "both", "not sure", "not seen", "not seen here", "here"}
"""Answers that name nothing."""
_SINGULAR = re.compile(r"(?:ss|us|is|[^aeiou]as|ax|pancreas|thorax|colon)$", re.IGNORECASE)


def statements(question: str) -> Statements | None:
    """Of a question that is answered by yes or no; None where it is of no known form.

    Args:
        question: see `concord.data.medical.answers`.
    """
    asked = _plain(question)
    if (found := _WHOLE_STATE.match(asked) or _WHOLE_KIND.match(asked)) is not None:
        pair = ("Normal study.", "Abnormal study.")
        return Statements(*(pair if found["state"].lower() == "normal" else pair[::-1]))
    asked = _WHERE.sub("", asked)
    if (found := _STATE.match(asked)) is not None and _is_named(found["what"]):
        return _of_state(found["what"], found["state"], _plural(found["verb"], found["what"]))
    if (found := _THERE.match(asked) or _PRESENT.match(asked) or _SHOWS.match(asked)) is not None:
        what = _LIES.sub(" ", _EVIDENCE.sub("", found["what"]))
        return Statements(_sentence(what), f"No {_small(what)}.") if _is_named(what) else None
    if (found := _ORGAN.match(asked)) is not None and _is_named(found["what"]):
        return _of_state(found["what"], "visible", _plural(found["verb"], found["what"]), found["which"])
    return None


def finding(question: str, answer: str) -> str | None:
    """What the answer to another question states: the finding that it names, where it lies, or what it looks like."""
    said = answer.strip().rstrip(".")
    if said.lower() in _SILENT or not 1 <= len(said.split()) <= LONGEST_ANSWER or not any(map(str.isalpha, said)):
        return None
    asked = _WHERE.sub("", _plain(question))
    if any(form.match(asked) for form in _FINDING):
        return _sentence(said)
    for form, opening in ((_PLACE, "Location"), (_LOOK, "Appearance")):
        if (found := form.match(asked)) is not None and _is_named(found["what"]):
            return f"{opening} of the {found['what']}: {_small(said)}."
    return None


def _plain(question: str) -> str:
    return " ".join(_PATIENT.sub("the", question).rstrip("?. ").split())


def _is_named(what: str) -> bool:
    """Whether words name one thing, and nothing that is denied or compared."""
    return 1 <= len(what.split()) <= LONGEST and any(map(str.isalpha, what)) and _DENYING.search(what) is None


def _of_state(what: str, state: str, plural: bool, which: str = "the") -> Statements:
    verb, subject = "are" if plural else "is", f"{which} {what}"
    denied = f"not both {what} are {state}" if which.lower() == "both" else f"{subject} {verb} not {state}"
    return Statements(_sentence(f"{subject} {verb} {state}"), _sentence(denied))


def _plural(verb: str, what: str) -> bool:
    """Whether a thing is many: as the question has it, or by its last letter where it says "is/are"."""
    if verb.lower() in ("are", "do"):
        return True
    if verb.lower() != "is/are":
        return False
    head = re.split(r" (?:of|in|under|near|at|on|over|within) ", what)[0]
    return head.endswith("s") and _SINGULAR.search(head) is None


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


def _small(text: str) -> str:
    """With a small first letter, unless it begins with an abbreviation."""
    first = text.split()[0]
    return text if first.isupper() or any(map(str.isdigit, first)) else text[0].lower() + text[1:]
