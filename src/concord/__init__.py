"""concord: an experiment suite for language-image pretraining."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concord.models.checkpoint import load

__all__ = ["__version__", "load"]

__version__ = version("concord")


def __getattr__(name: str) -> Any:
    """`concord.load` brings PyTorch in when it is first asked for, so that importing concord stays light."""
    if name == "load":
        from concord.models.checkpoint import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
