"""From the configuration to the parts of a run, checked before any data is touched."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from concord.config import build, check
from concord.data import WebDataModule
from concord.errors import ConfigError, IncompatibleError
from concord.images import Preprocess
from concord.methods import Pretrainer
from concord.models import DualEncoder
from concord.tokenizers import Tokenizer


@dataclass
class Parts:
    """What a training run is made of.

    Attributes:
        spec: the model's configuration with everything filled in; a checkpoint keeps it.
    """

    tokenizer: Tokenizer
    preprocess: Preprocess
    spec: dict[str, Any]
    method: Pretrainer
    data: WebDataModule
