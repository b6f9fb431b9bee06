"""From what was seen to the numbers of a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from concord.data.filters import Filtered
from concord.data.inspection.look import PAINTED, Bad, Look, encoded, hash_of
from concord.data.inspection.overlap import Overlap
from concord.data.mixture import Mixture
from concord.data.source import Composed, Source, safe_captions_at
from concord.data.wrapper import Selection

if TYPE_CHECKING:  # imported where it is used: it takes long
    import pandas as pd

QUANTILES = {"least": 0.0, "p5": 0.05, "median": 0.5, "p95": 0.95, "most": 1.0}
BINS = 40
SKEWED = 20
"""The largest value over the median from which on a histogram has bins of equal ratio instead of equal width."""

SHOWN = 5
"""Examples that are named per cause, and captions that are shown of those that repeat most."""


@dataclass(frozen=True)
class Survey:
    """All numbers of a data set, plain values: what `data.json` holds. Shares lie in [0, 1].

    Attributes:
        source: name, examples, and how many of them were looked at.
        bad: by cause, how many examples cannot be used and the names of some; and what filters dropped.
        images, captions: of the usable ones.
        parts: a line per source of a mixture; one line where there is no mixture.
        fields: of the metadata, by name: share of examples that have it, and a value; None in place of one of guarded data.
        alarms: of medical data, in how many captions something may say who a patient is, by kind; see `medical.text.alarms`.
        overlap: what is shared with the data sets of a benchmark.
        not_compared: tests whose data are not there, with the reason.
    """

    source: dict[str, Any]
    bad: dict[str, Any]
    dropped: dict[str, int]
    images: dict[str, Any]
    captions: dict[str, Any]
    parts: list[dict[str, Any]]
    fields: dict[str, dict[str, Any]]
    alarms: dict[str, int] = field(default_factory=dict)
    overlap: list[Overlap] = field(default_factory=list)
    not_compared: dict[str, str] = field(default_factory=dict)


def summarise(source: Source, look: Look, context_length: int) -> Survey:
    """The numbers of a look at a source, of which captions of more than `context_length` tokens will be cut."""
    captions = _captions(look.captions, len(look.images), context_length)
    captions["most_repeated"] = _most_repeated(source, look.captions)
    captions["by_role"] = {
        str(role): _captions(part, part["index"].nunique(), context_length) for role, part in look.captions.groupby("role", observed=True)
    }
    known = len(source) / max(1, look.examples)
    totals = {"tokens_estimated": round(captions["tokens_kept"] * known), "images_estimated": round(len(look.images) * known)}
    return Survey(
        source={"name": source.name, "examples": len(source), "looked_at": look.examples, "usable": len(look.images), **totals},
        bad=_bad(look.bad),
        dropped=_dropped(source),
        images=_images(look.images),
        captions=captions,
        parts=_parts(source, look, context_length),
        fields={
            name: {"share": count / max(1, len(look.images)), "value": look.values.get(name)} for name, count in sorted(look.fields.items())
        },
        alarms=dict(look.alarms.most_common()),
    )


def spread(values: pd.Series) -> dict[str, float]:
    """Mean and quantiles; empty without values."""
    if not len(values):
        return {}
    numbers = values.to_numpy().astype(np.float64)
    return {"mean": float(numbers.mean()), **{name: float(np.quantile(numbers, share)) for name, share in QUANTILES.items()}}


def histogram(values: pd.Series) -> dict[str, list[float]]:
    """Counts [n] between edges [n + 1]: a bin per whole number where there are few, else of equal width or, when skewed, ratio."""
    if not len(values):
        return {"edges": [], "counts": []}
    numbers = values.to_numpy().astype(np.float64)
    low, high, middle = numbers.min(), numbers.max(), float(np.median(numbers))
    if values.dtype.kind in "iu" and high - low < BINS:
        edges = np.arange(low - 0.5, high + 1)
    elif low >= 0 and high > SKEWED * middle:
        edges = np.geomspace(low if low > 0 else min(1, high / 2), high * (1 + 1e-9), BINS + 1)
        edges[0] = low
    else:
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    counts, _ = np.histogram(numbers, edges)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def duplicate_share(digests: pd.Series) -> float:
    """Share of values that were there before."""
    return 1 - digests.nunique() / len(digests) if len(digests) else 0.0


def _images(table: pd.DataFrame) -> dict[str, Any]:
    stored = table[table["format"] != PAINTED]
    derived = {
        "width": table["width"],
        "height": table["height"],
        "short_side": table[["width", "height"]].min(axis=1),
        "megapixels": table["width"].astype(np.float64) * table["height"] / 1e6,
        "aspect_ratio": table["width"] / table["height"],
        "bytes": stored["bytes"],
    }
    return {
        "count": len(table),
        "duplicate_share": duplicate_share(table["digest"]),
        "formats": {str(name): int(count) for name, count in table["format"].value_counts().items() if count},
        **{name: spread(values) for name, values in derived.items()},
        "histograms": {name: histogram(values) for name, values in derived.items()},
        "sizes": _sizes(table),
    }


def _sizes(table: pd.DataFrame) -> dict[str, Any]:
    """How many images are how wide and high: counts [width, height] between edges of equal ratio."""
    if not len(table):
        return {"width_edges": [], "height_edges": [], "counts": []}
    edges = [np.geomspace(0.9 * table[side].min(), 1.1 * table[side].max(), BINS + 1) for side in ("width", "height")]
    counts, *_ = np.histogram2d(table["width"], table["height"], bins=edges)
    return {"width_edges": edges[0].tolist(), "height_edges": edges[1].tolist(), "counts": counts.astype(int).tolist()}


def _captions(table: pd.DataFrame, examples: int, context_length: int) -> dict[str, Any]:
    kept = table["tokens"].clip(upper=context_length)
    per_example = table.groupby("index").size()
    columns = {"characters": table["characters"], "words": table["words"], "tokens": table["tokens"], "per_image": per_example}
    return {
        "count": len(table),
        "images": examples,
        "duplicate_share": duplicate_share(table["digest"]),
        "same_words_share": duplicate_share(table["words_digest"]),
        "context_length": context_length,
        "truncated_share": float((table["tokens"] > context_length).mean()) if len(table) else 0.0,
        "tokens_kept": int(kept.sum()),
        **{name: spread(values) for name, values in columns.items()},
        "histograms": {name: histogram(values) for name, values in columns.items()},
    }


def _most_repeated(source: Source, table: pd.DataFrame) -> list[dict[str, Any]]:
    """The captions that stand most often, with how often; none of those that stand once, and no text of guarded data."""
    counts = table["digest"].value_counts()
    counts = counts[counts > 1].head(SHOWN)
    firsts = table.drop_duplicates("digest").set_index("digest").loc[counts.index, "index"]
    found = []
    for digest, count, index in zip(counts.index.tolist(), counts.tolist(), firsts.tolist(), strict=True):
        texts = safe_captions_at(source, index)
        found += [{"text": str(text), "count": count} for text in texts if hash_of(encoded(text)) == digest][:1]
    return found


def _bad(samples: list[Bad]) -> dict[str, Any]:
    counts = Counter(bad.cause for bad in samples)
    named = {cause: [bad for bad in samples if bad.cause == cause][:SHOWN] for cause in counts}
    return {
        cause: {"count": count, "examples": [{"key": bad.key, "detail": bad.detail} for bad in named[cause]]}
        for cause, count in counts.most_common()
    }


def _dropped(source: Source, path: str = "") -> dict[str, int]:
    """How many examples filters inside the source dropped, by filter; in a mixture, by source and filter."""
    found = {f"{path}{name}": count for name, count in source.counts.items()} if isinstance(source, Filtered) else {}
    if isinstance(source, Composed):
        for name, part in source.sources.items():
            found |= _dropped(part, f"{path}{name}: ")
    return found | _dropped(source.source, path) if isinstance(source, Selection) else found


def _parts(source: Source, look: Look, context_length: int) -> list[dict[str, Any]]:
    """A line per source."""
    shares: Mapping[str, float] = source.shares if isinstance(source, Mixture) else {}
    bad = Counter(sample.source for sample in look.bad)
    names = dict.fromkeys((*shares, *map(str, look.images["source"].unique()), *bad))
    return [_part(name, shares.get(name), look, bad[name], context_length) for name in names]


def _part(name: str, share: float | None, look: Look, bad: int, context_length: int) -> dict[str, Any]:
    images, captions = look.images[look.images["source"] == name], look.captions[look.captions["source"] == name]
    texts = _captions(captions, len(images), context_length)
    return {
        "source": name,
        "share_of_training": share,
        "images": len(images),
        "bad": bad,
        "captions": len(captions),
        "median_short_side": _median(images[["width", "height"]].min(axis=1)),
        "mean_words": texts["words"].get("mean"),
        "mean_tokens": texts["tokens"].get("mean"),
        "truncated_share": texts["truncated_share"],
        "duplicate_images": duplicate_share(images["digest"]),
        "duplicate_captions": texts["duplicate_share"],
    }


def _median(values: pd.Series) -> float | None:
    return float(values.median()) if len(values) else None
