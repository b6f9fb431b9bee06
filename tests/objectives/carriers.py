"""For any option of `conf/objective`, a small model that can carry it and a batch of the embedded data, found by trying."""

from __future__ import annotations

from typing import Any

import yaml

from concord.errors import ConcordError, IncompatibleError
from concord.objectives import Objective
from concord.tasks.assemble import assemble, check_config
from concord.training import seed_everything
from tests.composing import SMALL, compose_config, options
from tests.conftest import ROOT
from tests.objectives.steps import Case

WIDEST = 32
"""What the whole numbers among an objective's settings, which are widths and counts, are cut to."""


def carry(name: str, pairs: int) -> Case:
    """A case for the option `name`, on the model of the method that uses it, or else of the first that can carry it.

    Raises:
        LookupError: when there is none.
    """
    reasons = {}
    for method in sorted(options("method"), key=lambda method: not uses(method, name)):
        try:
            cfg = compose_config(f"method={method}", f"+objective@method.objectives.tested={name}", *SMALL, f"data.batch_size={pairs}")
            cfg["method"]["objectives"] = {"tested": shrink(cfg["method"]["objectives"]["tested"])}
            check_config(cfg)
        except IncompatibleError as error:
            reasons[method] = str(error)
        except ConcordError as error:
            raise LookupError(f"conf/objective/{name}.yaml cannot be built: {error}") from error
        else:
            return _case(cfg)
    listed = "; ".join(f"{method}: {reason}" for method, reason in reasons.items())
    raise LookupError(f"no model of conf/method carries conf/objective/{name}.yaml, so that nothing shows that it is exact: {listed}")


def uses(method: str, objective: str) -> bool:
    """Whether a method has this objective by itself."""
    defaults = yaml.safe_load((ROOT / "conf" / "method" / f"{method}.yaml").read_text()).get("defaults", [])
    return any(objective == option for entry in defaults if isinstance(entry, dict) for key, option in entry.items() if "objective@" in key)


def shrink(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: min(value, WIDEST) if type(value) is int else value for key, value in settings.items()}


def _case(cfg: dict[str, Any]) -> Case:
    seed_everything(0)
    parts = assemble(cfg, None)
    (objective,) = parts.method.objectives.children()
    assert isinstance(objective, Objective)
    return Case(parts.method.model.train(), objective.train(), next(iter(parts.data.train_dataloader())))
