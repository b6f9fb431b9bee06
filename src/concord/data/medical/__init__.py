"""Medical data: DICOM, volumes and reports to image-text pairs, with splits by patient and nothing of patients in what a run leaves."""

from concord.data.medical.answer_choice import AnswerChoice
from concord.data.medical.balanced import balanced
from concord.data.medical.captions import CaptionMaker
from concord.data.medical.exams import Exam, Exams
from concord.data.medical.guarded import Guarded
from concord.data.medical.layout import Layout
from concord.data.medical.mirrored import Mirrored
from concord.data.medical.module import MedicalDataModule
from concord.data.medical.source import Decoder, MedicalImages
from concord.data.medical.splits import PatientSplit

__all__ = [
    "AnswerChoice",
    "CaptionMaker",
    "Decoder",
    "Exam",
    "Exams",
    "Guarded",
    "Layout",
    "MedicalDataModule",
    "MedicalImages",
    "Mirrored",
    "PatientSplit",
    "balanced",
]
