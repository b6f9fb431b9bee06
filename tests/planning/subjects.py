"""Methods as the planning sees them: in shapes, and with weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from concord.config import build
from concord.planning import Rehearsal, Subject
from concord.planning.device import Precision
from concord.tasks.assemble import build_method, build_model, model_spec, outline_method
from concord.tasks.plan import subject_of


def shapes(cfg: Mapping[str, Any], precision: Precision = "32", accelerator: bool = False) -> Rehearsal:
    tokenizer = build(cfg["tokenizer"], "tokenizer")
    return Rehearsal(subject_of(cfg, outline_method(cfg, tokenizer), tokenizer), precision, accelerator)


def real_subject(cfg: Mapping[str, Any]) -> Subject:
    tokenizer = build(cfg["tokenizer"], "tokenizer")
    subject = subject_of(cfg, build_method(cfg, build_model(model_spec(cfg, tokenizer))), tokenizer)
    subject.module.train()
    return subject
