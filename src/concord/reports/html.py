"""Writing pages that stand by themselves: everything in one file, everything escaped."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jinja2

from concord.files import write_atomically

PNG = b"\x89PNG"


def render(template: str, path: Path, **values: Any) -> Path:
    """Fill a template of this package and write the page; its folder is made. Returns the path."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("concord.reports", "templates"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = environment.get_template(template).render(**values)
    write_atomically(path, lambda file: file.write(page.encode("utf-8", "backslashreplace")))
    return path


def data_address(image: bytes) -> str:
    """A PNG or JPEG as an address that holds the picture itself."""
    kind = "png" if image.startswith(PNG) else "jpeg"
    return f"data:image/{kind};base64," + base64.b64encode(image).decode("ascii")
