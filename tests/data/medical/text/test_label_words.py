"""The dictionaries of labels: complete for the data sets, and every sentence about the label that it is for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from concord.data.medical import Exam
from concord.data.medical.layouts import bach, covidx, ham10000, lc25000, nct_crc, nih, odir, sicap, vindr
from concord.data.medical.layouts.refuge import REFUGE
from concord.data.medical.layouts.siim import SIIMPneumothorax
from concord.data.medical.text import LabelCaptions, LabelDictionary
from concord.data.medical.text.dictionary import bare, spelled, with_article
from concord.vocabularies import class_names, label_dictionaries, label_dictionary
from tests.conftest import ROOT

PRINTED = {
    "chest_radiograph": [
        *("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum", "Fracture", "Lung Lesion"),
        *("Lung Opacity", "Airspace Opacity", "No Finding", "Pleural Effusion", "Pleural Other", "Pneumonia", "Pneumothorax"),
        *("Support Devices", "Effusion", "Infiltration", "Mass", "Nodule", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia"),
        *("Aortic enlargement", "Calcification", "Clavicle fracture", "Enlarged PA", "ILD", "Lung cavity", "Lung cyst", "COPD"),
        *("Mediastinal shift", "Nodule/Mass", "Pulmonary fibrosis", "Rib fracture", "Other lesion", "Lung tumor", "Tuberculosis"),
        *("Other diseases", "Other disease", "normal", "COVID-19", "No Lung Opacity / Not Normal", "pacemaker", "chronic changes"),
        *("aortic elongation", "NSG tube", "costophrenic angle blunting", "laminar atelectasis", "vertebral degenerative changes"),
    ],
    "chest_ct": [
        *("Medical material", "Arterial wall calcification", "Cardiomegaly", "Pericardial effusion", "Coronary artery wall calcification"),
        *("Hiatal hernia", "Lymphadenopathy", "Emphysema", "Atelectasis", "Lung nodule", "Lung opacity", "Pulmonary fibrotic sequela"),
        *("Pleural effusion", "Mosaic attenuation pattern", "Peribronchial thickening", "Consolidation", "Bronchiectasis"),
        "Interlobular septal thickening",
    ],
    "histology": [
        *("ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM", "lung_aca", "lung_n", "lung_scc", "colon_aca", "colon_n"),
        *("NC", "G3", "G4", "G5", "Non-Tumor", "Non-Viable-Tumor", "Viable", "InSitu", "Invasive"),
    ],
    "dermoscopy": ["nv", "mel", "bkl", "bcc", "akiec", "vasc", "df"],
    "fundus": ["AMD", "DR", "Glaucoma", "Normal", "N", "D", "G", "C", "A", "H", "M", "O", "drusens", "haemorrhages", "papilloedema"],
    "mri": ["glioma", "meningioma", "notumor", "pituitary"],
}
"""Labels as files of the data sets spell them."""

MEDMNIST = {
    "pathmnist": "histology", "chestmnist": "chest_radiograph", "dermamnist": "dermoscopy", "octmnist": "oct", "bloodmnist": "blood_cells",
    "pneumoniamnist": "chest_radiograph", "retinamnist": "fundus", "breastmnist": "ultrasound", "tissuemnist": "kidney_cells",
    "organamnist": "organs_ct", "organcmnist": "organs_ct", "organsmnist": "organs_ct", "diabetic_retinopathy": "fundus",
    "pcam": "histology",
    "organmnist3d": "organs_ct", "nodulemnist3d": "chest_ct", "adrenalmnist3d": "organs_ct", "fracturemnist3d": "chest_ct",
    "vesselmnist3d": "mri", "synapsemnist3d": "synapses",
}  # fmt: skip
CONFIGURED = {
    "acl_mri": "mri", "breast_us": "ultrasound", "busi": "ultrasound", "chexpert_5x200": "chest_radiograph", "ct_axial": "organs_ct",
    "ct_coronal": "organs_ct", "ct_sagittal": "organs_ct", "five_retina": "fundus", "meniscal_mri": "mri", "odir_retina": "fundus",
    "osteosarcoma": "histology", "refuge_retina": "fundus", "rsna_pneumonia": "chest_radiograph", "skin_cancer": "histology",
    "skin_tumor": "histology", "thyroid_us": "ultrasound", "unimed_pcam": "histology",
}  # fmt: skip
"""Files of conf/test that may list class names of their own."""

IN_LAYOUTS = {
    "bach": bach.TISSUES.values(),
    "covidx": [name for classes in covidx.CLASSES.values() for name in classes.values()],
    "ham10000": ham10000.LESIONS.values(),
    "lc25000": [name for organ in lc25000.TISSUES.values() for name in organ.values()],
    "nct_crc": nct_crc.TISSUES.values(),
    "nih": nih.FINDINGS.values(),
    "odir": odir.DISEASES.values(),
    "refuge": REFUGE.class_names,
    "sicap": sicap.GRADES.values(),
    "siim": SIIMPneumothorax.class_names,
    "vindr": vindr.FINDINGS.values(),
}
FOR_LAYOUTS = {
    **dict.fromkeys(("bach", "lc25000", "nct_crc", "sicap"), "histology"),
    **dict.fromkeys(("covidx", "nih", "siim", "vindr"), "chest_radiograph"),
    **dict.fromkeys(("odir", "refuge"), "fundus"),
    "ham10000": "dermoscopy",
}

CODES = [
    ("radimagenet", "MR/af/hematoma", "ankle"), ("radimagenet", "CT/abd/ascites", "abdomen"),
    ("radimagenet", "cfl pathology", "calcaneofibular"),
    ("radimagenet", "gb", "gallbladder"), ("radimagenet", "cbd", "common bile duct"), ("dermoscopy", "akiec", "keratosis"),
    ("dermoscopy", "bkl", "benign"), ("dermoscopy", "df", "dermatofibroma"), ("dermoscopy", "nv", "nevus"), ("histology", "STR", "stroma"),
    ("histology", "TUM", "adenocarcinoma"), ("histology", "NORM", "normal"), ("histology", "MUC", "muc"), ("histology", "MUS", "muscle"),
    ("histology", "G4", "4"), ("histology", "lung_n", "lung"), ("chest_radiograph", "ILD", "interstitial"), ("oct", "CNV", "choroidal"),
    ("chest_radiograph", "Enlarged PA", "pulmonary artery"), ("chest_radiograph", "NSG tube", "nasogastric"),
    ("fundus", "H", "hypertensive"),
    ("fundus", "M", "myopia"), ("fundus", "CRVO", "central retinal vein"), ("fundus", "DME", "macular edema"),
]  # fmt: skip
"""What codes and letters stand for: language models that were left to guess made other words of some."""

HEALTHY = re.compile(r"normal|\bno\b|without|clear|healthy|unremarkable|regular|of the kidney|of brain tissue", re.IGNORECASE)


def words(text: str) -> str:
    """A text between spaces, spelled as labels are looked up."""
    return f" {spelled(text)} "


@cache
def expansions(name: str, key: str) -> tuple[str, ...]:
    """Every sentence that a label is said in."""
    return tuple(LabelCaptions(name, phrasings=10_000)(Exam("a.png", "p", label=0), {}, [key]))


@pytest.mark.parametrize("name", label_dictionaries())
def test_every_sentence_holds_a_synonym_of_its_label(name: str) -> None:
    for key, label in LabelDictionary(name).labels.items():
        assert bool(expansions(name, key)) == (label.normal or bool(label.names))
        for caption in expansions(name, key):
            synonyms = [words(bare(phrase)) for phrase in (*label.names, *label.described)]
            assert HEALTHY.search(caption) if label.normal else any(synonym in words(caption) for synonym in synonyms), caption


@pytest.mark.parametrize(("name", "code", "meaning"), CODES)
def test_codes_are_read_as_their_data_sets_mean_them(name: str, code: str, meaning: str) -> None:
    label = LabelDictionary(name).find(code)
    assert label is not None
    assert meaning in label.names[0].lower()


@pytest.mark.parametrize("name", label_dictionaries())
def test_no_phrase_names_another_label_unless_stated(name: str) -> None:
    labels = LabelDictionary(name).labels
    for key, label in labels.items():
        stated = {key, *label.beside}
        own = [words(phrase) for phrase in (key, *(phrase for each in stated for phrase in labels[each].names))]
        others = [words(bare(phrase)) for other in labels.keys() - stated for phrase in (other, *labels[other].names)]
        others = [other for other in others if not any(other in phrase for phrase in own)]
        for phrase in () if label.normal else (*label.names, *label.described):
            assert not [other for other in others if other in words(phrase)], phrase


@pytest.mark.parametrize("name", label_dictionaries())
def test_sentences_are_well_formed(name: str) -> None:
    for caption in (caption for key in LabelDictionary(name).labels for caption in expansions(name, key)):
        assert re.fullmatch(r"[A-Z].*[A-Za-z0-9)]\.", caption), caption
        assert not re.search(r"[{}]|  |\.\.| \.| ,|\b(\w+) \1\b", caption), caption
        assert not re.search(r"\b[Aa] (?:[aeio]|MR|X-|H&|OCT|an? |the )|\b[Aa]n (?:[bcdfgjklmnpqrstvwxyz]|CT|the )", caption), caption


@pytest.mark.parametrize("name", label_dictionaries())
def test_phrases_are_written_once_and_whole(name: str) -> None:
    labels = LabelDictionary(name).labels
    for label in labels.values():
        phrases = [*label.names, *label.described]
        assert len(set(phrases)) == len(phrases)
        assert set(label.beside) <= labels.keys()
        for phrase in phrases:
            assert phrase == phrase.strip(" .")
            assert not re.match(r"(?:with|and|or|of|in) ", phrase), phrase  # a comma in a flow list cuts a phrase in two
    assert Counter(phrase for label in labels.values() for phrase in label.names).most_common(1)[0][1] == 1


@pytest.mark.parametrize("name", label_dictionaries())
def test_no_spelling_is_of_two_labels(name: str) -> None:
    meant: dict[str, str] = {}
    for key, entry in label_dictionary(name)["labels"].items():
        for spelling in {spelled(each) for each in (key, *entry.get("names", ()), *entry.get("spelled", ()))}:
            assert meant.setdefault(spelling, key) == key


@pytest.mark.parametrize(("name", "label"), [(name, label) for name, labels in PRINTED.items() for label in labels])
def test_labels_are_known_as_data_sets_spell_them(name: str, label: str) -> None:
    assert LabelDictionary(name).find(label) is not None


@pytest.mark.parametrize("label", ["cat", "", "fibrillation", "no", "no cat", "mild", "mild cat", "zz/nodule", "af/"])
def test_what_is_no_label_is_not_found(label: str) -> None:
    assert LabelDictionary("radimagenet").find(label) is None


@pytest.mark.parametrize("name", MEDMNIST)
def test_published_class_names_have_words(name: str) -> None:
    exams = [Exam("a.png", "p", label=place) for place in range(len(class_names(name)))]
    made = [LabelCaptions(MEDMNIST[name])(exam, {}, class_names(name)) for exam in exams]
    assert all(made)
    assert len({captions[0] for captions in made}) == len(made)


def listed(value: Any) -> Iterator[list[str]]:
    """Lists of class names in a configuration."""
    for key, item in value.items() if isinstance(value, dict) else ():
        if key == "class_names" and isinstance(item, list):
            yield item
        yield from listed(item)


def configured() -> list[tuple[str, list[str]]]:
    """The lists of class names in files of conf/test, with their dictionaries."""
    files = {file: yaml.safe_load(Path(ROOT / "conf" / "test" / f"{file}.yaml").read_text()) for file in CONFIGURED}
    return [(CONFIGURED[file], names) for file, content in files.items() for names in listed(content)]


@pytest.mark.parametrize(("name", "names"), [*configured(), *((FOR_LAYOUTS[layout], names) for layout, names in IN_LAYOUTS.items())])
def test_class_names_of_data_sets_have_words(name: str, names: list[str]) -> None:
    assert names
    assert [label for label in names if LabelDictionary(name).find(label) is None] == []


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        *(("CT scan", "a CT scan"), ("MRI scan", "an MRI scan"), ("X-ray", "an X-ray"), ("H&E image", "an H&E image")),
        *(("OCT scan", "an OCT scan"), ("ultrasound image", "an ultrasound image"), ("chest X-ray", "a chest X-ray")),
        *(("micrograph", "a micrograph"), ("image", "an image")),
    ],
)
def test_articles_are_as_they_are_spoken(phrase: str, said: str) -> None:
    assert with_article(phrase) == said
