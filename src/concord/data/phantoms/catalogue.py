"""Which modalities and findings there are, and what their reports say. A closed list, written by hand.

In a sentence, {side} stands for left or right, {degree} for the severity in the words of that finding, and {Degree} for
the same at the start of a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass

SEVERITIES = ("mild", "moderate", "severe")
SIDES = ("left", "right")
NO_FINDING = "no finding"

_BY_SIZE = ("small", "medium-sized", "large")
_BY_EXTENT = ("small", "moderate", "large")
_BY_COUNT = ("scattered", "several", "numerous")


@dataclass(frozen=True)
class Finding:
    """What can be seen, and how reports put it.

    Attributes:
        present: sentences that describe it.
        impression: sentences that conclude it.
        absent: sentences that deny it; true in every study of the modality that does not show it.
        lateral: whether it lies on one side.
        degrees: the words for mild, moderate and severe.
    """

    name: str
    present: tuple[str, ...]
    impression: tuple[str, ...]
    absent: tuple[str, ...]
    lateral: bool = False
    degrees: tuple[str, str, str] = SEVERITIES


@dataclass(frozen=True)
class Modality:
    """A kind of picture.

    Attributes:
        title: its name in class names and prompts.
        examination: the first line of its reports.
        findings: what it can show, `NO_FINDING` excepted.
        always: sentences true of every study.
        normal: impressions of studies without a finding.
        paired: whether every study is of one side (an eye), so that it has a side also without a finding.
    """

    name: str
    title: str
    examination: str
    findings: tuple[Finding, ...]
    always: tuple[str, ...]
    normal: tuple[str, ...]
    paired: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The normal study first, then the findings."""
        return (NO_FINDING, *(finding.name for finding in self.findings))

    def finding(self, name: str) -> Finding | None:
        """The finding of that name; None for `NO_FINDING`."""
        return next((finding for finding in self.findings if finding.name == name), None)


CHEST = Modality(
    "chest_radiograph",
    "chest radiograph",
    "Chest radiograph, frontal view.",
    findings=(
        Finding(
            "pleural effusion",
            ("There is a {degree} {side} pleural effusion.", "A {degree} {side} pleural effusion blunts the costophrenic angle."),
            ("{Degree} {side} pleural effusion.", "Pleural effusion on the {side}, {degree}."),
            ("No pleural effusion.", "The costophrenic angles are sharp."),
            lateral=True,
            degrees=_BY_EXTENT,
        ),
        Finding(
            "pneumothorax",
            ("There is a {degree} {side} pneumothorax with a visible pleural line.", "A {degree} pneumothorax is seen on the {side}."),
            ("{Degree} {side} pneumothorax.", "Pneumothorax on the {side}, {degree}."),
            ("No pneumothorax.", "There is no evidence of pneumothorax."),
            lateral=True,
            degrees=_BY_EXTENT,
        ),
        Finding(
            "consolidation",
            (
                "There is {degree} airspace consolidation in the {side} lung.",
                "{Degree} patchy consolidation is present in the {side} lung.",
            ),
            ("{Degree} {side} lung consolidation.", "Consolidation in the {side} lung, {degree}."),
            ("No focal consolidation.", "No airspace consolidation."),
            lateral=True,
        ),
        Finding(
            "cardiomegaly",
            ("The heart is enlarged to a {degree} degree.", "The cardiac silhouette shows {degree} enlargement."),
            ("{Degree} cardiomegaly.", "Cardiomegaly, {degree}."),
            ("The heart size is normal.", "No cardiomegaly."),
        ),
        Finding(
            "nodule",
            ("There is a {degree} rounded nodule in the {side} lung.", "A {degree} nodule projects over the {side} lung."),
            ("{Degree} {side} lung nodule.", "Nodule in the {side} lung, {degree}."),
            ("No pulmonary nodule.", "No nodule is seen."),
            lateral=True,
            degrees=_BY_SIZE,
        ),
    ),
    always=("The trachea is midline.", "The bony thorax is intact."),
    normal=("No acute cardiopulmonary abnormality.", "Normal chest radiograph."),
)

CT = Modality(
    "ct",
    "CT slice of the abdomen",
    "CT of the abdomen, axial slice.",
    findings=(
        Finding(
            "liver lesion",
            ("There is a {degree} hypodense lesion in the liver.", "A {degree} low-density liver lesion is seen."),
            ("{Degree} liver lesion.", "Liver lesion, {degree}."),
            ("No focal liver lesion.", "The liver is homogeneous."),
            degrees=_BY_SIZE,
        ),
        Finding(
            "kidney stone",
            ("There is a {degree} hyperdense stone in the {side} kidney.", "A {degree} calculus is present in the {side} kidney."),
            ("{Degree} {side} kidney stone.", "Stone in the {side} kidney, {degree}."),
            ("No kidney stone.", "No renal calculus on either side."),
            lateral=True,
            degrees=_BY_SIZE,
        ),
        Finding(
            "perinephric haemorrhage",
            ("There is a {degree} haemorrhage around the {side} kidney.", "{Degree} perinephric haemorrhage surrounds the {side} kidney."),
            ("{Degree} {side} perinephric haemorrhage.", "Perinephric haemorrhage on the {side}, {degree}."),
            ("No perinephric haemorrhage.", "No haemorrhage is seen."),
            lateral=True,
            degrees=_BY_EXTENT,
        ),
    ),
    always=("The spleen is of normal size.", "The aorta is of normal calibre."),
    normal=("No acute abnormality of the abdomen.", "Normal abdominal CT slice."),
)

ULTRASOUND = Modality(
    "ultrasound",
    "ultrasound image of the liver",
    "Ultrasound of the liver and gallbladder.",
    findings=(
        Finding(
            "cyst",
            ("There is a {degree} anechoic cyst in the liver with posterior enhancement.", "A {degree} simple hepatic cyst is seen."),
            ("{Degree} simple liver cyst.", "Simple cyst of the liver, {degree}."),
            ("No liver cyst.", "No cystic lesion is seen."),
            degrees=_BY_SIZE,
        ),
        Finding(
            "solid mass",
            ("There is a {degree} echogenic solid mass in the liver.", "A {degree} solid hepatic mass is seen."),
            ("{Degree} solid liver mass.", "Solid mass of the liver, {degree}."),
            ("No solid liver mass.", "No solid mass is seen."),
            degrees=_BY_SIZE,
        ),
        Finding(
            "gallstone",
            ("There is a {degree} gallstone with posterior acoustic shadowing.", "A {degree} echogenic stone lies in the gallbladder."),
            ("{Degree} gallstone.", "Cholelithiasis with a {degree} stone."),
            ("No gallstones.", "The gallbladder contains no stone."),
            degrees=_BY_SIZE,
        ),
    ),
    always=("The gallbladder is seen.", "The liver has a regular surface."),
    normal=("Normal ultrasound of the liver and gallbladder.", "No abnormality of the liver or gallbladder."),
)

FUNDUS = Modality(
    "fundus",
    "fundus photograph",
    "Colour fundus photograph, {side} eye.",
    findings=(
        Finding(
            "exudates",
            ("There are {degree} hard exudates near the macula of the {side} eye.", "{Degree} yellow exudates are seen in the {side} eye."),
            ("{Degree} hard exudates, {side} eye.", "Hard exudates in the {side} eye, {degree}."),
            ("No exudates.", "No hard exudates are seen."),
            lateral=True,
            degrees=_BY_COUNT,
        ),
        Finding(
            "haemorrhages",
            ("There are {degree} retinal haemorrhages in the {side} eye.", "{Degree} dark red haemorrhages are seen in the {side} eye."),
            ("{Degree} retinal haemorrhages, {side} eye.", "Retinal haemorrhages in the {side} eye, {degree}."),
            ("No haemorrhages.", "No retinal haemorrhage is seen."),
            lateral=True,
            degrees=_BY_COUNT,
        ),
        Finding(
            "large cup",
            (
                "There is {degree} enlargement of the optic cup of the {side} eye.",
                "The cup of the {side} optic disc shows {degree} enlargement.",
            ),
            ("{Degree} optic disc cupping, {side} eye.", "Large optic cup in the {side} eye, {degree}."),
            ("The cup-to-disc ratio is normal.", "No enlargement of the optic cup."),
            lateral=True,
        ),
    ),
    always=("The vessels follow a regular course.", "The margin of the optic disc is sharp."),
    normal=("Normal fundus of the {side} eye.", "No retinal abnormality, {side} eye."),
    paired=True,
)

HISTOLOGY = Modality(
    "histology",
    "histology image",
    "Histology, haematoxylin and eosin stain.",
    findings=(
        Finding(
            "tumour",
            (
                "There is {degree} replacement of the glands by enlarged, irregular, dark nuclei.",
                "{Degree} growth of atypical cells is seen.",
            ),
            ("{Degree} tumour.", "Tumour growth, {degree}."),
            ("No tumour.", "No atypical cells are seen."),
            degrees=("focal", "partial", "extensive"),
        ),
        Finding(
            "inflammation",
            ("There is {degree} infiltration by small round lymphocytes.", "{Degree} inflammation with dense small nuclei is seen."),
            ("{Degree} inflammation.", "Inflammation, {degree}."),
            ("No inflammation.", "No inflammatory infiltrate."),
        ),
    ),
    always=("The stain is even.", "Stroma is present."),
    normal=("Normal glandular tissue.", "Regular glands without abnormality."),
)

MODALITIES: dict[str, Modality] = {modality.name: modality for modality in (CHEST, CT, ULTRASOUND, FUNDUS, HISTOLOGY)}


def class_name(modality: Modality, finding: str) -> str:
    """ "chest radiograph with pleural effusion", "normal chest radiograph" """
    return f"normal {modality.title}" if finding == NO_FINDING else f"{modality.title} with {finding}"
