"""What every task writes down before it does anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from concord.files import write_atomically
from concord.launching import process_index


def save_config(cfg: Mapping[str, Any], folder: Path) -> None:
    """The resolved configuration as `config.yaml`, written by the first process.

    It is never edited afterwards; a resumed run writes what it resolved to.
    """
    if process_index() > 0:
        return
    text = yaml.safe_dump(dict(cfg), sort_keys=False, allow_unicode=True)
    write_atomically(folder / "config.yaml", lambda file: file.write(text.encode()))
