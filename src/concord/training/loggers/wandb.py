"""Weights & Biases."""

from __future__ import annotations

import netrc
import os
import uuid
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

from concord.files import write_atomically
from concord.training.loggers.base import RunLogger
from concord.training.provenance import git_commit, versions


class WandbLogger(RunLogger):
    """Metrics, configuration, code version and sample predictions on a Weights & Biases dashboard.

    The run's id is kept in the run folder, so that a resumed run goes on in the same dashboard run.

    Args:
        project: on the dashboard.
        entity: user or team; None for the account's default.
        group: runs that belong together.
        name: of this run; None takes the run folder's name.
        job_type: such as "train" or "evaluate".
        tags: to filter by.
        mode: "auto" is online where an API key is found (WANDB_API_KEY or netrc) and offline otherwise. Offline runs are sent
            later with `wandb sync`.
        media: whether pictures and texts of examples are sent; see `RunLogger`.
        timeout: seconds to wait for the server at the start (then the run goes on offline) and at the end (then what is left
            can be synced later), above 0.
    """

    def __init__(
        self,
        project: str = "concord",
        entity: str | None = None,
        group: str | None = None,
        name: str | None = None,
        job_type: str | None = "train",
        tags: Sequence[str] = (),
        mode: Literal["auto", "online", "offline", "disabled"] = "auto",
        media: bool | None = None,
        timeout: float = 60.0,
    ) -> None:
        super().__init__(media)
        if not timeout > 0:
            raise ValueError(f"timeout must be above 0 seconds, got {timeout}")
        self.project = project
        self.entity = entity
        self.group = group
        self.run_name = name
        self.job_type = job_type
        self.tags = tuple(tags)
        self.mode = ("online" if has_api_key() else "offline") if mode == "auto" else mode
        self.timeout = timeout
        self._config: dict[str, Any] = {}
        self._run: Any = None

    @property
    def run_id(self) -> str:
        """Id of the dashboard run; made on first use and kept in the run folder."""
        path = self.folder / "wandb_run_id"
        if not path.is_file():
            write_atomically(path, lambda file: file.write(uuid.uuid4().hex[:8].encode()))
        return path.read_text()

    def _write(self, metrics: dict[str, float], step: int) -> None:
        self._start().log({**metrics, "step": step})

    def _write_config(self, config: dict[str, Any]) -> None:
        self._config = config
        if self._run is not None:
            self._run.config.update(config, allow_val_change=True)

    def _write_predictions(self, items: Sequence[Mapping[str, Any]], folder: Path, step: int) -> None:
        if self.mode != "disabled":
            self._start().log({"predictions": _table(items, folder), "step": step})

    def _close(self, status: str) -> None:
        if self._run is not None:
            self._run.finish(exit_code=0 if status == "success" else 1)
            self._run = None

    def _start(self) -> Any:
        if self._run is None:
            self._run = self._init()
            # Benchmarks and training log in any order; the step is a value like the others, and the axis of all of them.
            self._run.define_metric("step")
            self._run.define_metric("*", step_metric="step")
        return self._run

    def _init(self) -> Any:
        import wandb  # slow to import

        arguments: dict[str, Any] = {
            "project": self.project,
            "entity": self.entity,
            "group": self.group,
            "name": self.run_name or self.folder.name,
            "job_type": self.job_type,
            "tags": self.tags,
            "id": self.run_id,
            "resume": "allow",
            "dir": str(self.folder),
            "config": {**self._config, "code": {"commit": git_commit(), **versions()}},
            "settings": wandb.Settings(init_timeout=self.timeout, finish_timeout=self.timeout, console="off", silent=True),
        }
        if self.mode != "online":
            return wandb.init(mode=self.mode, **arguments)
        try:
            return wandb.init(mode="online", **arguments)
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            warnings.warn(f"W&B cannot be reached, so this run is logged offline; send it later with `wandb sync` ({reason})", stacklevel=2)
            wandb.teardown()  # its service holds the id of the run that could not begin
            return wandb.init(mode="offline", **arguments)


def has_api_key() -> bool:
    """Whether an API key for W&B is set in the environment or stored by `wandb login`."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    file = os.environ.get("NETRC") or str(Path.home() / (".netrc" if os.name != "nt" else "_netrc"))
    try:
        return netrc.netrc(file).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _table(items: Sequence[Mapping[str, Any]], folder: Path) -> Any:
    """One row per prediction: the picture, what was asked, what is right, and the best answers with their scores."""
    import wandb

    def image(name: str | None) -> Any:
        return wandb.Image(str(folder / name)) if name is not None else None

    table = wandb.Table(columns=["task", "dataset", "image", "query", "truth", "correct", "answer", "answer_image", "score", "others"])
    for item in items:
        first, *others = item["top"]
        rest = ", ".join(f"{answer['label'] or answer['image']} ({answer['score']:.3f})" for answer in others)
        table.add_data(
            item["task"],
            item["dataset"],
            image(item["image"]),
            item["query"],
            " | ".join(item["truth"]),
            first["correct"],
            first["label"],
            image(first["image"]),
            first["score"],
            rest,
        )
    return table
