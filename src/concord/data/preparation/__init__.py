"""Writing data sets anew: as Parquet or shards, checked, smaller, with checksums."""

from concord.data.preparation.manifest import Manifest, verify
from concord.data.preparation.options import Options
from concord.data.preparation.prepare import prepare

__all__ = ["Manifest", "Options", "prepare", "verify"]
