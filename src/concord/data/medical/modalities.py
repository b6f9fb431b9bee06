"""The kinds of medical pictures: what they are called, and which changes would make another statement of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from concord.errors import ConfigError, nearest

Change = Literal[
    "horizontal flip",
    "vertical flip",
    "quarter turns",
    "rotation",
    "crop",
    "stretch",
    "brightness",
    "contrast",
    "saturation",
    "hue",
    "grey",
    "stain",
]
"""What an augmentation may do to a picture; `concord.data.medical.unsafe` says how much of it a recipe does."""


@dataclass(frozen=True)
class Limit:
    """How much of a change is harmless.

    Attributes:
        most: probability of flips, turns and grey; degrees of a rotation; share of the area that a crop cuts away; largest share
            that one side is stretched against the other; half width of the range that factors of colours are drawn from.
        why: what more of it would do, as one sentence without a capital or a full stop.
    """

    most: float
    why: str


@dataclass(frozen=True)
class Modality:
    """One kind of pictures.

    Attributes:
        key: its name in configurations, metadata and metrics.
        words: what captions and prompts call one such picture, without an article; the commonest first.
        sided: whether left and right of the picture are sides of the patient, which texts name.
        limits: by change, how much of it is harmless. What is not listed is harmless in any amount.
    """

    key: str
    words: tuple[str, ...]
    sided: bool
    limits: Mapping[Change, Limit]


_CUTS = "crops that leave out much of the organ leave out findings that the text names"
_STAINS = "stain augmentation takes haematoxylin and eosin apart, which this picture does not show"
_ONE_COLOUR = "grey values are the measurement; tints are no part of it"


def _no(why: str) -> Limit:
    return Limit(0.0, why)


def _shape(why: str) -> Limit:
    return Limit(0.12, why)


_RADIOGRAPH: dict[Change, Limit] = {
    "horizontal flip": _no("left and right change places, with the heart and every side that the report names"),
    "vertical flip": _no("fluid levels and free air show which way is down"),
    "quarter turns": _no("fluid levels and free air show which way is down"),
    "rotation": Limit(20.0, "patients stand or lie nearly straight in the picture"),
    "crop": Limit(0.4, _CUTS),
    "stretch": _shape("the width of the heart against that of the chest is a finding"),
    "brightness": Limit(0.4, "opacities are told from air by how bright they are"),
    "contrast": Limit(0.4, "faint opacities vanish"),
    "hue": _no(_ONE_COLOUR),
    "stain": _no(_STAINS),
}
_SECTION: dict[Change, Limit] = {
    "horizontal flip": _no("left and right change places: a liver on the left is another diagnosis"),
    "vertical flip": _no("front and back, or head and feet, change places"),
    "quarter turns": _no("planes and sides are known by how the picture lies"),
    "rotation": Limit(20.0, "planes and sides are known by how the picture lies"),
    "crop": Limit(0.4, _CUTS),
    "stretch": _shape("sizes of lesions are measured along both axes"),
    "stain": _no(_STAINS),
}
_EYE: dict[Change, Limit] = {
    "crop": Limit(0.4, "crops that leave out the disc or the macula leave out what the text names"),
    "stain": _no(_STAINS),
}
_CELLS: dict[Change, Limit] = {
    "crop": Limit(0.8, "crops of a few cells show another magnification, and less than the diagnosis rests on"),
    "stretch": Limit(0.34, "nuclei and glands are told apart by their shapes"),
    "hue": _no("the stain's colour says what is nucleus and what is cytoplasm; stain augmentation varies it within what stains do"),
    "saturation": _no("how much stain a structure took is a finding"),
    "grey": _no("nothing is left of the stain"),
}

_ALL = (
    Modality("radiograph", ("radiograph", "X-ray image", "X-ray", "plain film"), True, _RADIOGRAPH),
    Modality(
        "mammograph",
        ("mammogram", "mammography image", "mammographic view"),
        True,
        {**_RADIOGRAPH, "horizontal flip": _no("the chest wall's side says which breast is shown")},
    ),
    Modality(
        "ct",
        ("CT scan", "computed tomography image", "CT slice", "CT image"),
        True,
        {
            **_SECTION,
            "brightness": Limit(0.2, "grey values are densities, and the window's ends are fixed"),
            "contrast": Limit(0.2, "grey values are densities: more contrast is another window"),
            "hue": _no("colour channels may be windows, and tissues would change places among them"),
            "grey": _no("colour channels may be windows, and grey would mix them"),
        },
    ),
    Modality(
        "mri",
        ("MRI scan", "magnetic resonance image", "MR image", "MRI slice"),
        True,
        {
            **_SECTION,
            "brightness": Limit(0.4, "dark and bright against other tissue name the sequence and the lesion"),
            "contrast": Limit(0.4, "T1 and T2 weighting are told apart by contrast"),
            "hue": _no("colour channels may be sequences, and tissues would change places among them"),
            "grey": _no("colour channels may be sequences, and grey would mix them"),
        },
    ),
    Modality(
        "ultrasound",
        ("ultrasound image", "sonogram", "ultrasound scan", "sonographic image"),
        True,
        {
            "horizontal flip": _no("the side of the picture is a side of the patient"),
            "vertical flip": _no("the probe is at the top; shadows and enhancement lie below what casts them"),
            "quarter turns": _no("the probe is at the top; shadows and enhancement lie below what casts them"),
            "rotation": Limit(15.0, "the probe is at the top; shadows and enhancement lie below what casts them"),
            "crop": Limit(0.4, _CUTS),
            "stretch": _shape("taller than wide is a sign of a malignant lesion"),
            "brightness": Limit(0.4, "echogenicity is judged by brightness"),
            "contrast": Limit(0.4, "echogenicity is judged by brightness"),
            "hue": _no("Doppler colours show which way blood flows"),
            "grey": _no("nothing is left of Doppler colours"),
            "stain": _no(_STAINS),
        },
    ),
    Modality(
        "fundus",
        ("fundus photograph", "retinal photograph", "colour fundus image", "retinal image"),
        True,
        {
            **_EYE,
            "horizontal flip": _no("the right eye becomes a left one, which texts name; harmless for labels of diseases alone"),
            "vertical flip": _no("the upper and lower arcades change places"),
            "quarter turns": _no("the disc lies beside the macula, never above or below it"),
            "rotation": Limit(30.0, "the disc lies beside the macula, never above or below it"),
            "stretch": _shape("the cup is measured against the disc"),
            "brightness": Limit(0.4, "haemorrhages are dark and exudates bright"),
            "saturation": Limit(0.2, "a pale disc is a finding"),
            "hue": _no("haemorrhages are red, exudates yellow and nerve fibres white"),
            "grey": _no("haemorrhages are red, exudates yellow and nerve fibres white"),
        },
    ),
    Modality(
        "oct",
        ("OCT scan", "optical coherence tomography image", "OCT B-scan", "retinal OCT image"),
        True,
        {
            **_EYE,
            "horizontal flip": _no("the nasal and the temporal side change places, as if it were the other eye"),
            "vertical flip": _no("the order of the layers is reversed"),
            "quarter turns": _no("layers lie flat"),
            "rotation": Limit(15.0, "layers lie flat, and a slope is a finding of its own"),
            "stretch": _shape("thickness of the layers is a finding"),
            "brightness": Limit(0.4, "reflectivity is judged by brightness"),
            "hue": _no(_ONE_COLOUR),
        },
    ),
    Modality("histology", ("histology image", "histopathology image", "H&E image", "photomicrograph of tissue"), False, _CELLS),
    Modality(
        "dermoscopy",
        ("dermoscopy image", "dermatoscopic image", "dermoscopic photograph of a skin lesion"),
        False,
        {
            "crop": Limit(0.6, "the border and the symmetry of the whole lesion are judged"),
            "stretch": _shape("symmetry and size of the lesion are judged"),
            "brightness": Limit(0.3, "black, dark brown and light brown stand for pigment at different depths"),
            "saturation": Limit(0.2, "colours are criteria of their own"),
            "hue": _no("colours are criteria of their own: red, white and blue-grey are no shades of brown"),
            "grey": _no("colours are criteria of their own"),
            "stain": _no(_STAINS),
        },
    ),
    Modality(
        "endoscopy",
        ("endoscopy image", "endoscopic image", "endoscopic view"),
        False,
        {
            "crop": Limit(0.5, _CUTS),
            "stretch": Limit(0.34, "shapes of polyps are classified"),
            "saturation": Limit(0.3, "redness and pallor of the mucosa are findings"),
            "hue": _no("redness and pallor of the mucosa are findings, and narrow-band light is told by its colour"),
            "grey": _no("nothing is left of redness, blood and bile"),
            "stain": _no(_STAINS),
        },
    ),
    Modality(
        "microscopy",
        ("microscopy image", "micrograph", "photomicrograph"),
        False,
        {**_CELLS, "hue": _no("the colour names the stain or the fluorescent marker"), "stain": _no(_STAINS)},
    ),
    Modality(
        "figure",
        ("figure of a medical article", "figure from a biomedical paper"),
        True,
        {
            "horizontal flip": _no("letters, arrows and panels are reversed, and it may be a radiograph"),
            "vertical flip": _no("letters, arrows and panels are reversed"),
            "quarter turns": _no("letters and axes lie level"),
            "rotation": Limit(20.0, "letters and axes lie level"),
            "crop": Limit(0.4, "panels and what arrows point at are left out"),
            "stretch": _shape("it may be a radiograph or a scan, whose shapes are findings"),
            "saturation": Limit(0.2, "stains and colour scales carry meaning"),
            "hue": _no("stains and colour scales carry meaning"),
            "grey": _no("stains and colour scales carry meaning"),
            "stain": _no("most figures show no stained tissue"),
        },
    ),
)

MODALITIES: Mapping[str, Modality] = {modality.key: modality for modality in _ALL}


def modality_named(key: str) -> Modality:
    """The modality of this name.

    Raises:
        ConfigError: for a name that is not in the list, with the nearest ones.
    """
    if key not in MODALITIES:
        raise ConfigError(f"unknown modality {key!r}; {nearest(key, MODALITIES)}")
    return MODALITIES[key]
