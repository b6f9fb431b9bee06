"""Captions of medical pictures: from reports, figures' captions, labels, and questions with their answers."""

from concord.data.medical.text.alarms import alarms, alarms_in
from concord.data.medical.text.dictionary import LabelDictionary
from concord.data.medical.text.figures import Figures
from concord.data.medical.text.first_of import FirstOf
from concord.data.medical.text.labels import LabelCaptions
from concord.data.medical.text.questions import AboutCaptions, AnswerCaptions
from concord.data.medical.text.reports import Reports

__all__ = [
    "AboutCaptions",
    "AnswerCaptions",
    "Figures",
    "FirstOf",
    "LabelCaptions",
    "LabelDictionary",
    "Reports",
    "alarms",
    "alarms_in",
]
