"""ARO's order tests: a caption against its own words in another order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import Literal

from concord.data.benchmarks.compositional.questions import Missing, Questions, texts_item
from concord.data.benchmarks.pictures import FilePictures
from concord.data.benchmarks.rows import Row, json_list
from concord.data.readers.annotated import below
from concord.data.readers.documents import load_json
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.perturbations import aro_shuffles, changed, spacy_tagger

_SIGNS = re.compile(r'[.!"()*#:;~]')
LONGEST = 30  # words that are kept of a caption


class WordOrder(Questions):
    """COCO-Order and Flickr-Order (ARO; Yuksekgonul et al. 2023, https://arxiv.org/abs/2210.01936).

    File: a list of {image, caption}, where caption is a list; each caption is a question. Its wrong texts are four shuffles: of
    nouns among nouns and adjectives among adjectives, of all other words, within groups of three words, and of such groups. The
    raw caption is shuffled; then all texts lose their capitals, most signs, and what follows the 30th word, as in ARO.

    ARO draws the shuffles anew in every run, so that no list of them is published: scores of different lists compare only roughly.
    Here they are drawn by seed, so that they are the same everywhere, and are drawn again where one says what the caption says.
    The first two need parts of speech: give `tagger` spacy (with its English model installed), or `negatives`, a file of
    shuffles that were made elsewhere. Without either only the last two are asked, which is an easier test (chance 1/3, not 1/5).

    Args:
        path: the folder of the test, local or behind a URL.
        annotations: the JSON file below it.
        images: the folder that its image paths start from, below it, or anywhere; "" is the folder itself.
        tagger: what tells nouns and adjectives; None leaves out the shuffles that need them.
        negatives: below it, a JSON list with one list of wrong texts per caption, in the order of the captions.
        seed: of the shuffles.
        name: for logs and metrics.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        ValueError: for a tagger together with negatives.
        DataError: for a file that is missing or of another form, and for missing pictures.
        MissingExtraError: for a tagger that is not installed.
    """

    def __init__(
        self,
        path: str,
        annotations: str = "coco_karpathy_test.json",
        images: str = "",
        tagger: Literal["spacy"] | None = None,
        negatives: str | None = None,
        seed: int = 1,
        name: str = "coco_order",
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        if tagger is not None and negatives is not None:
            raise ValueError(f"tagger must be null where negatives are given, got {tagger}")
        storage = storage if storage is not None else Storage()
        pictures = FilePictures(name, below(path, images), storage)
        file = below(path, annotations)
        captions = list(_captions(file, storage))
        texts = [text for _, _, text in captions]
        wrong = _shuffled(texts, tagger, seed) if negatives is None else _given(below(path, negatives), len(texts), storage)
        items = (
            texts_item(key, pictures.file(image), [pre_caption(text)], [pre_caption(other) for other in others])
            for (key, image, text), others in zip(captions, wrong, strict=True)
        )
        super().__init__(pictures, items, file, missing)


def pre_caption(text: str) -> str:
    """A caption as BLIP prepares it: without capitals and most signs, and of at most 30 words."""
    return " ".join(_SIGNS.sub(" ", text.lower()).split()[:LONGEST])


def _captions(file: str, storage: Storage) -> Iterator[tuple[str, str, str]]:
    """Key, image and text of each caption."""
    for row in json_list(storage, file):
        image = row.text("image")
        for number, text in enumerate(row.texts("caption")):
            yield f"{image}/{number}", image, text


def _shuffled(texts: list[str], tagger: Literal["spacy"] | None, seed: int) -> Iterator[list[str]]:
    shuffles = aro_shuffles(spacy_tagger() if tagger is not None else None)
    for number, text in enumerate(texts):
        rng = Random(f"{seed}/{number}")
        drawn = [changed(shuffle, text, rng) for shuffle in shuffles.values()]
        yield [other for other in drawn if other is not None]


def _given(file: str, count: int, storage: Storage) -> list[list[str]]:
    place = without_secrets(file)
    listed = load_json(storage, file)
    if not isinstance(listed, list) or len(listed) != count:
        got = f"{len(listed)} entries" if isinstance(listed, list) else type(listed).__name__
        raise DataError(f"{place}: expected a JSON list with an entry for each of {count} captions, got {got}")
    return [Row(place, {str(number): entry}).texts(str(number)) for number, entry in enumerate(listed)]
