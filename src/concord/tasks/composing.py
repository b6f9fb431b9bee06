"""The configuration of this job once more, with something changed."""

from __future__ import annotations

from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from concord.cli import plain


def compose_again(*changes: str) -> dict[str, Any]:
    """What the command line of this job would give with further choices, such as "model=vit_b_16", in the place of its own.

    Args:
        changes: overrides of groups.
    """
    hydra = HydraConfig.get()
    folder = next(source.path for source in hydra.runtime.config_sources if source.provider == "main")
    groups = {change.partition("=")[0] for change in changes}
    kept = [override for override in hydra.overrides.task if override.partition("=")[0] not in groups]
    running = GlobalHydra.instance()
    before = running.hydra
    running.clear()  # Hydra composes for one at a time
    try:
        with initialize_config_dir(str(folder), version_base="1.3"):
            return plain(compose(hydra.job.config_name, overrides=[*kept, *changes]))
    finally:
        running.hydra = before
