"""PMC-OA (Lin et al. 2023): panels of figures in PubMed Central with the parts of the captions that speak of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from concord.data.benchmarks.rows import json_lines
from concord.data.medical.exams import Exam
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.figures import PMC, apart, pmc_id
from concord.data.medical.several import numbered
from concord.data.medical.splits import Part
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage

WHOLE = {"all": "pmc_oa.jsonl"}


class PMCOA(Layout):
    """`{"image": "PMC9000002_figure_1_2.jpg", "caption": ..., "alignment_type": ..., "alignment_score": ...}` per line, and a folder
    of pictures; their names begin with the article and end with the number of the panel.

    texts: `caption`; empty ones occur. known: `alignment_type` and `alignment_score`, where the list has them.

    Args:
        path: the folder.
        lists: by part the file below it; "all" for one that has no parts. `pmc_oa_beta.jsonl` has the whole figure's caption for
            every panel. Panels whose article is also in a later part are in no part.
        images: the folder of pictures below it, what images.zip is unpacked to; "" is the folder itself.

    Raises:
        ValueError: for no list, and for a part that there is not.
    """

    name = "pmc_oa"
    cohort = PMC
    modality = "figure"

    def __init__(self, path: str, lists: dict[str, str] = WHOLE, images: str = "images") -> None:
        if not lists or not set(lists) <= set(get_args(Part)):
            raise ValueError(f"lists must be by part, one of {', '.join(get_args(Part))}, got {list(lists)}")
        self.root = below(path, images)
        self._lists = {part: below(path, file) for part, file in lists.items()}

    def exams(self, storage: Storage) -> Iterator[Exam]:
        return apart(self.name, self._listed(storage)) if len(self._lists) > 1 else self._listed(storage)

    def _listed(self, storage: Storage) -> Iterator[Exam]:
        for part, file in self._lists.items():
            for row in json_lines(storage, file):
                image, texts = row.text("image"), numbered("caption", [row.cells.get("caption")])
                figure = image.rpartition("/")[2].rpartition(".")[0].rpartition("_")[0]
                known = {key: row.cells[key] for key in ("alignment_type", "alignment_score") if key in row.cells}
                split = part if part != "all" else ""
                article = pmc_id(figure) or image
                yield Exam(image, article, study=figure, split=split, texts=texts, known=known)  # type: ignore[arg-type]
