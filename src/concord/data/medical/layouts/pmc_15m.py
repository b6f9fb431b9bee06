"""PMC-15M (Zhang et al. 2023): all figures of PubMed Central, as BiomedCLIP's scripts collect them again."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from concord.data.benchmarks.rows import Row, json_lines
from concord.data.medical.exams import Exam
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.figures import PMC, pmc_id
from concord.data.medical.several import numbered, text_of
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage

logger = logging.getLogger(__name__)


class PMC15M(Layout):
    """JSON lines with an ARTICLE each, and its figures inside: `{"pmid", "pmc", "location", "figures": [{"fig_caption", "fig_id",
    "fig_label", "graphic_ref", "pair_id"}]}`, beside the unpacked articles, a folder each.

    There is no split; `patient_split` makes one by article. Figures without a `graphic_ref` are left out, with a warning that
    counts them; pictures that are not on the disk are bad examples. All captions are held in memory, about a kilobyte a figure.

    texts: `caption`. known: `figure`, its label in the article.

    Args:
        path: the folder.
        articles: the file of articles below it, a glob ("articles_*.jsonl"), or a list of these.
        images: the folder below it that holds the folders of the articles; "" is the folder itself. Where the scripts had them,
            which is what `location` says, plays no part.
    """

    name = "pmc_15m"
    cohort = PMC
    modality = "figure"

    def __init__(self, path: str, articles: str | list[str] = "articles.jsonl", images: str = "articles") -> None:
        self.root = below(path, images)
        self._articles = [below(path, file) for file in ([articles] if isinstance(articles, str) else articles)]

    def exams(self, storage: Storage) -> Iterator[Exam]:
        without = 0
        for file in storage.find(self._articles, ".jsonl"):
            for article in json_lines(storage, file):
                for number, figure in enumerate(article.values("figures")):
                    row = Row(f"{article.place}: figures[{number}]", figure if isinstance(figure, dict) else {})
                    if text_of(row.cells.get("graphic_ref")):
                        yield _exam(article, row)
                    else:
                        without += 1
        if without:
            logger.warning("%s: %d figures are left out, as their articles do not say where the picture is", self.name, without)


def _exam(article: Row, figure: Row) -> Exam:
    folder = text_of(article.cells.get("location")).rstrip("/").rpartition("/")[2] or f"PMC{article.name('pmc')}"
    picture = figure.text("graphic_ref").rpartition("/")[2]
    texts, known = numbered("caption", [figure.cells.get("fig_caption")]), {"figure": text_of(figure.cells.get("fig_label"))}
    return Exam(f"{folder}/{picture}", pmc_id(article.name("pmc")), study=figure.text("fig_id"), texts=texts, known=known)
