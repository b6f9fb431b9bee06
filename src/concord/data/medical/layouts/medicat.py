"""MedICaT (Subramanian et al. 2020): figures of open-access papers with captions and what the papers say of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from concord.data.benchmarks.rows import Row, json_lines
from concord.data.medical.exams import Exam
from concord.data.medical.layout import Layout
from concord.data.medical.several import numbered, text_of
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage


class MedICaT(Layout):
    """A JSON object per line and figure, and the figures as `figures/HASH_URI`, such as `figures/0a1b..._3-Figure2-1.png`.

    There is no split; `patient_split` makes one by paper. Its figures are not those of ROCO, but some of its papers are.

    texts: `caption`; `reference`, `reference 2`, ... what the paper says where it refers to the figure; `subcaption`, ... what
    the caption says of single panels. known: `licence` (None where nobody found one), `radiology`, `kind`.

    Args:
        path: the folder.
        figures: the list of figures below it.
        subcaptions: `subcaptions_public.jsonl` below it, for captions of panels; None reads none.
    """

    name = "medicat"
    modality = "figure"

    def __init__(
        self,
        path: str,
        figures: str = "s2_full_figures_oa_nonroco_combined_medical_top4_public.jsonl",
        subcaptions: str | None = None,
    ) -> None:
        self.root = path
        self._figures = below(path, figures)
        self._subcaptions = below(path, subcaptions) if subcaptions is not None else None

    def exams(self, storage: Storage) -> Iterator[Exam]:
        panels = self._panels(storage)
        for row in json_lines(storage, self._figures):
            paper, figure = row.text("pdf_hash"), row.text("fig_key")
            texts = {**_texts(row), **numbered("subcaption", panels.get((paper, figure), []))}
            known = {"licence": _licence(row.cells), "radiology": row.cells.get("radiology"), "kind": row.cells.get("predicted_type")}
            yield Exam(f"figures/{paper}_{row.text('fig_uri')}", paper, study=figure, texts=texts, known=known)

    def _panels(self, storage: Storage) -> dict[tuple[str, str], list[str]]:
        """By paper and figure the captions of its panels."""
        if self._subcaptions is None:
            return {}
        return {(row.text("pdf_hash"), row.text("fig_key")): _panel_captions(row) for row in json_lines(storage, self._subcaptions)}


def _texts(row: Row) -> dict[str, str]:
    caption = text_of(row.cells.get("s2_caption")) or text_of(row.cells.get("s2orc_caption"))
    references = row.cells.get("s2orc_references")
    return {**numbered("caption", [caption]), **numbered("reference", references if isinstance(references, list) else [])}


def _licence(cells: Any) -> str | None:
    for key in ("oa_info", "oa", "license"):
        cells = cells.get(key) if isinstance(cells, dict) else None
    return cells if isinstance(cells, str) else None


def _panel_captions(row: Row) -> list[str]:
    """The words of each panel alone: what all panels share, such as the patient's story, is left out. An annotation that was not
    accepted has none."""
    panels = row.cells.get("subcaptions")
    if row.cells.get("answer") != "accept" or not isinstance(panels, dict):
        return []
    words = [text_of(token.get("text")) if isinstance(token, dict) else "" for token in row.values("tokens")]
    inner = row.inner("subcaptions")
    places = [{place for place in inner.values(panel) if isinstance(place, int) and 0 <= place < len(words)} for panel in panels]
    counts = Counter(place for own in places for place in own)
    shared = {place for place, count in counts.items() if count == len(places) > 1}
    return [" ".join(words[place] for place in sorted(own - shared)) for own in places]
