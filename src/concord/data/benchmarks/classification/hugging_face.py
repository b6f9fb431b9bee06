"""Data sets of classification that Hugging Face's `datasets` can load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from concord.data.benchmarks.classification.class_cells import Policy
from concord.data.benchmarks.classification.labelled import names_of, readable
from concord.data.benchmarks.classification.rows import LabelledRows, class_reader
from concord.data.readers.hugging_face import ArrowRows, loaded, saved
from concord.data.storage.storage import Storage

if TYPE_CHECKING:  # imported where it is used: it takes long
    import datasets


class LabelledHuggingFace(LabelledRows):
    """One picture with its class per row of a data set that Hugging Face's `datasets` can load: a folder that `save_to_disk` wrote,
    a name on the hub (from its cache, where that holds it), or "parquet", "imagefolder", ... with `data_files`.

    Pictures are taken as they are stored. Code that comes with a data set is never run.

    Args:
        path, split, config, data_files: see `concord.data.HuggingFace`.
        image: column of images: an `Image` feature, encoded bytes, or paths.
        label: column of the class: a `ClassLabel`, its number or its name, or a list of these. None with `findings`.
        class_names: by label: a list, or a set of `concord.vocabularies`; None takes those of the `ClassLabel`, or the values.
        findings, values, between, uncertain, blank, exclusive, where, key: see `LabelledTable`.
        name: for logs and metrics; the last part of `path` when not given.
        storage: reads images that are files.

    Raises:
        DataError: for what `datasets` cannot load, a split or column that is not there, and as `LabelledTable` does.
        ConfigError: as `LabelledTable` does.
    """

    def __init__(
        self,
        path: str,
        split: str = "test",
        config: str | None = None,
        data_files: str | list[str] | dict[str, str | list[str]] | None = None,
        image: str = "image",
        label: str | None = "label",
        findings: list[str] | None = None,
        values: list[str] | None = None,
        class_names: list[str] | str | None = None,
        between: str | None = None,
        uncertain: Policy = "unknown",
        blank: Policy = "unknown",
        exclusive: bool = False,
        where: dict[str, str | list[str]] | None = None,
        key: str | None = None,
        name: str | None = None,
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        folder = Path(path).expanduser()
        place = str(folder) if folder.is_dir() else path
        dataset = saved(folder, split) or loaded(split, {"path": place, "name": config, "data_files": data_files})
        rows = ArrowRows(dataset, path, storage)
        if class_names is None and values is None and label is not None:
            class_names = _class_label_names(dataset, label)
        classes = class_reader(rows, label, findings, values, class_names, between, uncertain, blank, exclusive)
        names = names_of(class_names) if class_names is not None else None
        name = name if name is not None else folder.resolve().name
        super().__init__(rows, name, image, classes, names, where or {}, key, "", place if folder.is_dir() else ".", storage)


def _class_label_names(dataset: datasets.Dataset, column: str) -> list[str] | None:
    """The names that come with a column of `ClassLabel`, or of lists of it."""
    feature = dataset.features.get(column)
    names = getattr(getattr(feature, "feature", feature), "names", None)
    return [readable(name) for name in names] if names is not None else None
