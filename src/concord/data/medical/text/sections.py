"""The sections of radiology reports.

As the software that comes with MIMIC-CXR finds them (github.com/MIT-LCP/mimic-cxr, txt/; Johnson et al. 2019), misspelt
headings and reports that were looked at by hand included; and for reports that are laid out in another way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from concord.vocabularies import report_words

CONCLUSIONS = ("impression", "findings", "last_paragraph", "comparison")
"""Sections that say what a study came to, the best first. Some reports hold it all under COMPARISON."""

_HEADING = re.compile(r"\n ([A-Z ()/,-]+):\s")
_BLANK_LINE = "\n \n"
_SEPARATOR = re.compile(r"^[ \t]*_{20,}[ \t]*$", re.MULTILINE)
_IMPRESSION = re.compile(r"(?<!\S)IMPRESSION:(?!\S)")
_ADVICE = re.compile(r"(?<!\S)(?:RECOMMENDATION|NOTIFICATION)(?:S|\(S\))?:(?!\S)")


class Section(NamedTuple):
    """A part of a report: the name that its heading stands for, and what follows it as it was written."""

    name: str
    text: str


def split_sections(report: str) -> list[Section]:
    """The parts of a report in their order.

    A heading is a line's beginning, after one space, in capitals up to a colon. What stands before the first is "preamble"; a
    report without headings is "full report". Where neither an impression nor findings are left, what follows the first blank
    line of the last section is "last_paragraph".
    """
    found = [section for section in _headed(report) if section.text.strip() or section.name not in CONCLUSIONS[:2]]
    if any(section.name in CONCLUSIONS[:2] for section in found):
        return found
    last = found.pop()
    head, blank, tail = last.text.partition(_BLANK_LINE)
    return [*found, Section(last.name, head), *([Section("last_paragraph", tail)] if blank else [])]


def last_of_each(sections: Sequence[Section]) -> dict[str, str]:
    """By name, the last section of that name, without white space around it."""
    return {section.name: section.text.strip() for section in sections}


def read_sections(report: str, study: str = "") -> dict[str, str]:
    """By name, the sections of a report of MIMIC-CXR; what was found by hand of a study is its impression.

    Args:
        report: the whole file, with line ends of any kind.
        study: its number with or without an s before it, for the studies that were looked at by hand.
    """
    report = report.replace("\r\n", "\n").replace("\r", "\n")
    number = study.removeprefix("s")
    if number in _spans():
        first, stop = _spans()[number]
        return {"impression": report[first:stop]} if stop > first else {}
    found = last_of_each(split_sections(report))
    place = _misnamed().get(number)
    return {**found, "impression": found[place]} if place in found else found


def conclusion(report: str, study: str = "") -> str:
    """What a report of MIMIC-CXR comes to: the first of `CONCLUSIONS` that it has; "" without any."""
    found = read_sections(report, study)
    return next((found[name] for name in CONCLUSIONS if name in found), "")


def read_any_layout(report: str, study: str = "") -> dict[str, str]:
    """By name, the sections of a report whose lines may be indented or not; of no study was anything found by hand."""
    return last_of_each(split_sections("".join(f"\n {line.strip()}" for line in report.splitlines())))


def without_hand_work(report: str, study: str = "") -> dict[str, str]:
    """As `read_sections`, and nothing of the studies that were looked at by hand, as PRIOR leaves them out."""
    return {} if is_read_by_hand(study) else read_sections(report)


def after_impression(report: str, study: str = "") -> dict[str, str]:
    """What follows the last "IMPRESSION:" up to recommendations and notifications (CheXzero, Tiu et al. 2022).

    Where CheXzero trains on the words NO IMPRESSION, thousands of times the same, nothing is found.
    """
    *_, last = [None, *_IMPRESSION.finditer(report)]
    if last is None:
        return {}
    advice = _ADVICE.search(report, last.end())
    return {"impression": report[last.end() : len(report) if advice is None else advice.start()]}


def without_addenda(report: str) -> str:
    """The report that addenda, each closed by a full line of underscores, were put on top of."""
    parts = [part for part in _SEPARATOR.split(report) if part.strip()]
    return parts[-1] if parts else report


def is_read_by_hand(study: str) -> bool:
    """Whether the conclusion of this study of MIMIC-CXR was found by hand."""
    number = study.removeprefix("s")
    return number in _spans() or number in _misnamed()


def name_of(heading: str) -> str:
    """The section that a heading stands for."""
    heading = heading.lower().strip()
    words = report_words()
    if heading in _headings():
        return _headings()[heading]
    for name in words["held"]:
        if name in heading:
            return str(name)
    return "findings" if any(view in heading for view in words["views"]) else heading


def _headed(report: str) -> list[Section]:
    """The parts under their headings, empty ones too."""
    heading = _HEADING.search(report)
    if heading is None:
        return [Section("full report", report)]
    found = [Section("preamble", report[: heading.start(1)])]
    while heading is not None:
        # A heading does not follow another before the end of its line.
        following = _HEADING.search(report, max(heading.end(), report.find("\n", heading.end())))
        text = report[heading.end() : len(report) if following is None else following.start()]
        found.append(Section(name_of(heading[1]), text))
        heading = following
    return found


@cache
def _headings() -> dict[str, str]:
    return {heading: name for name, headings in report_words()["headings"].items() for heading in headings}


@cache
def _misnamed() -> dict[str, str]:
    return {str(study): name for name, studies in report_words()["misnamed"].items() for study in studies}


@cache
def _spans() -> dict[str, tuple[int, int]]:
    words = report_words()
    spans: dict[str, tuple[int, int]] = {str(study): (first, stop) for study, (first, stop) in words["spans"].items()}
    return spans | {str(study): (0, 0) for study in words["silent"]}
