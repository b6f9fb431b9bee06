"""What every task writes down before it does anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def save_config(cfg: Mapping[str, Any], folder: Path) -> None:
    """The resolved configuration as `config.yaml`. It is never edited afterwards; a resumed run writes what it resolved to."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(dict(cfg), sort_keys=False, allow_unicode=True), encoding="utf-8")
