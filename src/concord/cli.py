"""Between the command line and the tasks: Hydra composes, mistakes become one line, exit codes say what happened.

Exit codes: 0 done, 1 a fault of the program, 2 a mistake that the user can mend, 75 stopped by SIGUSR1 and to be started again,
130 interrupted, 143 stopped by SIGTERM.
"""

from __future__ import annotations

import logging
import math
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException

from concord import config_errors, signals
from concord.errors import ConcordError, ConfigError, Preempted
from concord.launching import LAUNCHED, Run, job_script, process_index, submit

log = logging.getLogger(__name__)

RANGE = re.compile(r"\{\d+\.\.\d+\}")
_UNQUOTED = re.compile(r"[\w./:+@%-]+")
_OF_THE_SWEEP = ("hydra.run.dir=", "hydra.mode=", "hydra.sweep.", "hydra.sweeper", "hydra/sweeper", "hydra.launcher", "hydra/launcher")


def main(conf_folder: Path) -> int:
    """Run what the command line asks for.

    Args:
        conf_folder: the folder of `config.yaml`.

    Returns:
        The exit code.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to us as exceptions instead of as printed stack traces
    # Threads that spin long while they wait take the cores from the loader's workers, and a step takes ten times as long.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    logging.raiseExceptions = False  # a log file on a full disk is no reason for a stack trace at every line
    if LAUNCHED in os.environ:
        signals.listen(signals.GO_ON_LATER)  # SLURM may send it before training begins
    register_resolvers()
    mistakes: list[ConcordError] = []
    job = _Job(mistakes)
    resumed: _Resumed | None = None
    try:
        sys.argv[1:] = [with_quoted_range(argument) for argument in sys.argv[1:]]
        resumed = _Resumed.of(sys.argv[1:])
        if resumed is not None:
            sys.argv[1:] = resumed.arguments
        sys.argv += for_this_process()
        hydra.main(config_path=str(conf_folder), config_name="config", version_base="1.3")(job)()
        if job.runs and not mistakes:
            launch(job.runs, job.dry_run)
    except ConcordError as error:
        mistakes.append(error)
    except Preempted as stop:
        if stop.first:
            print(f"concord: {stop}", file=sys.stderr)
            return stop.code
        sys.stdout.flush()
        os._exit(stop.code)  # at once: when the first process ends, whoever started them kills those that are left
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        # Before a job begins, only the command line and the configuration files can be at fault.
        if job.begun and not isinstance(error, HydraException | OmegaConfBaseException):
            raise
        mistakes.append(ConfigError(config_errors.explain(error, conf_folder, sys.argv[1:])))
    if mistakes and resumed is not None:
        resumed.restore()
    for mistake in mistakes:
        print(f"concord: {mistake}", file=sys.stderr)
    return 2 if mistakes else 0


def register_resolvers() -> None:
    """What the configuration files use beside OmegaConf's own.

    `${or:FIRST,SECOND}` is FIRST unless that is null; `${match_log_odds:N}` is -ln(N - 1), the log odds that one cell of a
    batch of N pairs is a match.
    """
    OmegaConf.register_new_resolver("or", lambda first, second: second if first in (None, "", "null") else first, replace=True)
    OmegaConf.register_new_resolver("match_log_odds", lambda pairs: -math.log(max(2, int(pairs)) - 1), replace=True)


def for_this_process() -> list[str]:
    """Further arguments of a process that is not the first of its run: the run folder's records are written by the first."""
    return ["hydra.output_subdir=null", "hydra.job_logging.root.handlers=[console]"] if process_index() > 0 else []


def launch(runs: list[Run], dry_run: bool) -> None:
    """Send runs to the cluster, or show what would be sent."""
    text = job_script(runs, Path(sys.argv[0]).resolve())
    print(text if dry_run else submit(text, runs).describe())


def arguments_of_job() -> list[str]:
    """The arguments that make the configuration of the current job again, but for its folder."""
    composed = HydraConfig.get()
    kept = [text for text in composed.overrides.hydra if not text.startswith(_OF_THE_SWEEP)]
    folders = [f"--config-dir={source.path}" for source in composed.runtime.config_sources if source.provider == "command-line"]
    name = [] if composed.job.config_name == "config" else [f"--config-name={composed.job.config_name}"]
    folder = composed.runtime.output_dir
    plain_folder = folder if _UNQUOTED.fullmatch(folder) else "'" + folder.replace("'", "\\'") + "'"
    return [*folders, *name, *composed.overrides.task, *kept, f"hydra.run.dir={plain_folder}"]


class SweepNames(Callback):
    """Lets the folder of a sweep be named after the chosen options, as that of a run is: Hydra asks for it before it knows them."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        HydraConfig.instance().set_config(config)


class _Job:
    """What Hydra calls for each job. A user's mistake is kept for `main`, so that Hydra does not print its own story about it."""

    def __init__(self, mistakes: list[ConcordError]) -> None:
        self.mistakes = mistakes
        self.begun = False
        self.runs: list[Run] = []
        self.dry_run = False

    def __call__(self, cfg: DictConfig) -> Any:
        self.begun = True
        folder = Path(HydraConfig.get().runtime.output_dir)
        try:
            values = plain(cfg)
            # Brings in PyTorch, which takes seconds: not for a misspelt key. timm imports wandb where it can and never uses it here.
            with hidden("wandb"):
                from concord import tasks

            run = tasks.to_launch(values, folder, arguments_of_job())
            if run is None:
                return tasks.run(values, folder)
            self.runs.append(run)
            self.dry_run = values["dry_run"]
            return None
        except ConcordError as error:
            log.debug("stopped by a mistake", exc_info=True)
            self.mistakes.append(error)
            return None


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The configuration as plain Python values, interpolations resolved.

    Raises:
        ConfigError: for values still marked `???`, and for interpolations that point nowhere.
    """
    try:
        missing = sorted(OmegaConf.missing_keys(cfg))
    except InterpolationToMissingValueError as error:  # its first line ends in the key that others refer to
        missing = [str(error).splitlines()[0].rpartition(" ")[2]]
    if missing:
        raise ConfigError(f"{missing[0]} has no value; give one, as in {missing[0]}=VALUE")
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]


@contextmanager
def hidden(name: str) -> Iterator[None]:
    """A package that is not imported yet cannot be imported inside, as if it were not installed."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # Python's own way to say so
    try:
        yield
    finally:
        del sys.modules[name]


def with_quoted_range(argument: str) -> str:
    """`data.path=a-{000..331}.tar` as Hydra's grammar wants it: with quotes, which the shell took away."""
    key, equals, value = argument.partition("=")
    if not equals or value[:1] in "'\"[{" or not RANGE.search(value):
        return argument
    escaped = value.replace("'", "\\'")
    return f"{key}='{escaped}'"


class _Resumed:
    """`resume=FOLDER` stands for the command that made FOLDER, continued in FOLDER; further overrides are added to it.

    Args:
        folder: of the run.
        added: the other overrides that were given.

    Raises:
        ConfigError: when no run was recorded there.
    """

    def __init__(self, folder: Path, added: list[str]) -> None:
        self._record = folder / ".hydra" / "overrides.yaml"
        if not self._record.is_file():
            raise ConfigError(f"resume: {folder} is not a run folder (no .hydra/overrides.yaml in it)")
        self._before = self._record.read_text()
        overrides = [str(override) for override in OmegaConf.create(self._before)]
        self.arguments = [*overrides, *added, f"hydra.run.dir={folder}", f"resume={folder}"]

    @staticmethod
    def of(arguments: list[str]) -> _Resumed | None:
        """What a command line resumes, if anything; `resume=auto` means the folder that the command itself names."""
        given = [argument for argument in arguments if argument.startswith("resume=")]
        if not given or given[-1] == "resume=auto":
            return None
        return _Resumed(Path(given[-1].removeprefix("resume=")), [a for a in arguments if not a.startswith("resume=")])

    def restore(self) -> None:
        """Forget overrides that were refused: Hydra has recorded them by then, and the next resumption would add them again."""
        self._record.write_text(self._before)
