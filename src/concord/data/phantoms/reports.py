"""Reports of studies: examination, findings with what is absent, impression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from concord.data.phantoms.catalogue import Finding
from concord.data.phantoms.study import Study


@dataclass(frozen=True)
class Report:
    examination: str
    findings: str
    impression: str

    @property
    def text(self) -> str:
        """The sections under their headings, one a line."""
        return f"EXAMINATION: {self.examination}\nFINDINGS: {self.findings}\nIMPRESSION: {self.impression}"


def write_report(study: Study) -> Report:
    """Describe what the study shows, deny the other findings of its modality, in an order and words of its own."""
    rng = Random(repr(study.detail))
    modality = study.modality
    shown = modality.finding(study.finding)
    sentences = [rng.choice(finding.absent) for finding in modality.findings if finding is not shown]
    sentences.append(rng.choice(modality.always))
    rng.shuffle(sentences)
    if shown is not None:
        sentences.insert(0, _fill(rng.choice(shown.present), study, shown))
    impressions: Sequence[str] = modality.normal if shown is None else shown.impression
    return Report(_fill(modality.examination, study, shown), " ".join(sentences), _fill(rng.choice(impressions), study, shown))


def _fill(sentence: str, study: Study, finding: Finding | None) -> str:
    degree = "" if finding is None or study.severity is None else finding.degrees[study.severity]
    return sentence.format(side=study.side, degree=degree, Degree=degree.capitalize())
