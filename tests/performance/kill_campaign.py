"""Kill a run again and again, resume it each time, and compare its end with that of a run that was never killed: bit for bit.

    python tests/performance/kill_campaign.py --kills 30
    python tests/performance/kill_campaign.py --kills 10 --processes 2

The run is SILC (an EMA teacher and a centre beside the weights) on a tiny model with drop path, reading WebDataset shards with
worker processes, by `run.py` as a user starts it; a life goes on with `resume=FOLDER`. Each life is ended by SIGKILL to its whole
process group, at a random moment; every third while a checkpoint is being written, which is seen by its temporary file. At the
end all that the last checkpoints hold is compared (weights, buffers, optimizer, schedule, loops, random states, data position,
callbacks), and all rows of metrics.csv but for what is measured by the clock. The exit code is 0 where nothing differs.

`--forked` imports everything once and forks the lives from there, which saves the seconds of importing; the first life is
started afresh all the same.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

EVERY = 7  # steps between two checkpoints
LIFE = 14  # steps that a life may last about
CLOCKED = ("samples_per_second", "data_wait", "data/")
ELAPSED = ("RunRecord",)  # callbacks whose state is the time that went by
ARGUMENTS = (
    "method=silc",
    "method.objectives.self_distillation.local_crops=2",
    "method.objectives.self_distillation.prototypes=4096",
    "method.objectives.self_distillation.hidden_width=64",
    "model.image.drop_path=0.2",
    "model.embed_dim=32",
    "model.image.image_size=32",
    "model.image.patch_size=8",
    "model.image.width=32",
    "model.image.heads=2",
    "model.text.width=32",
    "model.text.depth=1",
    "model.text.heads=2",
    "tokenizer.vocab_size=320",
    "data=shards",
    "data.batch_size=16",
    "benchmark=off",
    "trainer.accelerator=cpu",
    "trainer.log_every=1",
    f"callbacks.checkpoints.every_n_steps={EVERY}",
)


@dataclass
class Death:
    """Where a life ended."""

    step: int
    saved: int
    inside: bool


class Life:
    """One start of `run.py`, in a process group of its own."""

    def __init__(self, folder: Path, arguments: Sequence[str], forked: bool) -> None:
        self.folder = folder
        self.log = folder.parent / f"{folder.name}.txt"
        self.code: int | None = None
        log = self.log.open("a")
        if forked:
            self.pid = _fork(arguments, log.fileno(), folder.parent)
        else:
            command = [sys.executable, str(ROOT / "run.py"), *arguments]
            self.pid = subprocess.Popen(command, cwd=folder.parent, stdout=log, stderr=log, start_new_session=True).pid
        log.close()

    def is_over(self) -> bool:
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def kill(self) -> None:
        os.killpg(self.pid, signal.SIGKILL)
        while not self.is_over():
            time.sleep(0.01)

    def wait(self) -> int:
        while not self.is_over():
            time.sleep(0.05)
        assert self.code is not None
        return self.code

    def step(self) -> int:
        """The last step in metrics.csv."""
        try:
            lines = (self.folder / "metrics.csv").read_bytes().rsplit(b"\n", 2)
        except OSError:
            return 0
        first = lines[-2].split(b",")[0] if len(lines) > 1 else b""
        return int(first) if first.isdigit() else 0

    def records(self) -> int:
        """Which file metrics.csv is: the first row of every life makes a new one, without the rows that are to be repeated."""
        try:
            return (self.folder / "metrics.csv").stat().st_ino
        except OSError:
            return 0

    def saved(self) -> int:
        """The step of the last checkpoint."""
        steps = [int(path.stem.removeprefix("step_")) for path in (self.folder / "checkpoints").glob("step_*.ckpt")]
        return max(steps, default=0)

    def is_writing(self) -> bool:
        return any((self.folder / "checkpoints").glob(".last.ckpt.*.part"))


def _fork(arguments: Sequence[str], log: int, folder: Path) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(folder)
        sys.argv = [str(ROOT / "run.py"), *arguments]
        from concord.cli import main

        code = main(ROOT / "conf")
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def end_life(life: Life, inside: bool, draw: random.Random) -> Death | None:
    """Kill a life at a random moment; None where it came to its end before."""
    resumed, begun_in = life.saved(), life.records()
    target, awaited, moment = draw.randint(1, LIFE), draw.randint(1, LIFE // EVERY), draw.random()
    writings, was_writing = 0, False
    while not life.is_over():
        if inside:
            writing = life.is_writing()
            writings += writing and not was_writing
            was_writing = writing
            if writing and writings == awaited:
                time.sleep(moment * 0.02)
                break
        elif life.records() != begun_in and life.step() >= resumed + target:
            time.sleep(moment * 0.2)
            break
        time.sleep(0.0005 if inside else 0.005)
    if life.is_over():
        return None
    life.kill()
    return Death(life.step(), life.saved(), life.is_writing())


def write_shards(folder: Path) -> None:
    """Two hundred small coloured pictures with captions of two words."""
    from tests.data.samples import WORDS, write_tar

    draw = random.Random(0)
    for shard in range(4):
        members: list[tuple[str, Any]] = []
        for key in range(shard * 50, shard * 50 + 50):
            members += [(f"{key}.png", _picture(draw)), (f"{key}.txt", f"{draw.choice(WORDS)} {draw.choice(WORDS)} {key}")]
        write_tar(folder / f"{shard:05d}.tar", members)


def _picture(draw: random.Random) -> bytes:
    import io

    import numpy as np
    from PIL import Image

    pixels = np.random.default_rng(draw.randrange(2**32)).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def differences(first: Any, second: Any, path: str = "") -> Iterator[str]:
    """Every place in which two nested values differ; tensors are compared bit for bit."""
    import torch

    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        alike = first.dtype == second.dtype and first.shape == second.shape
        if not alike or not torch.equal(_bits(first), _bits(second)):
            yield path
    elif isinstance(first, dict) and isinstance(second, dict):
        for key in sorted({*first, *second}, key=str):
            if str(key).startswith(ELAPSED):
                continue
            if key not in first or key not in second:
                yield f"{path}.{key} is in one alone"
            else:
                yield from differences(first[key], second[key], f"{path}.{key}")
    elif isinstance(first, list | tuple) and isinstance(second, list | tuple) and len(first) == len(second):
        for index, (one, other) in enumerate(zip(first, second, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif first != second and not (isinstance(first, float) and isinstance(second, float) and math.isnan(first) and math.isnan(second)):
        yield f"{path}: {first!r} and {second!r}"


def _bits(tensor: Any) -> Any:
    import torch

    return tensor.contiguous().flatten().view(torch.uint8)


def compare(whole: Path, killed: Path) -> list[str]:
    """In what the ends of two runs differ."""
    import torch

    from concord.training.loggers.csv import read_rows

    ends = [torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True) for folder in (whole, killed)]
    found = list(differences(ends[0], ends[1], "last.ckpt"))
    rows = [
        [{name: value for name, value in row.items() if not name.startswith(CLOCKED)} for row in read_rows(folder / "metrics.csv")]
        for folder in (whole, killed)
    ]
    return found + list(differences(rows[0], rows[1], "metrics.csv"))


def campaign(folder: Path, kills: int, processes: int, forked: bool, seed: int) -> tuple[list[Death], list[str]]:
    """The deaths of a run, and in what its end differs from that of one that never died.

    Raises:
        RuntimeError: when a run fails by itself, or ends before it was killed often enough.
    """
    steps = EVERY * (kills + 4)
    write_shards(folder / "shards")
    arguments = [*ARGUMENTS, f"data.path={folder / 'shards'}", f"data.workers={2 if processes == 1 else 1}", f"trainer.max_steps={steps}"]
    if processes > 1:
        arguments += ["trainer.strategy=ddp", f"trainer.devices={processes}"]
    whole = Life(folder / "whole", [*arguments, f"hydra.run.dir={folder / 'whole'}"], forked)
    if whole.wait() != 0:
        raise RuntimeError(f"the undisturbed run failed; see {whole.log}")
    draw = random.Random(seed)
    deaths: list[Death] = []
    killed = folder / "killed"
    life = Life(killed, [*arguments, f"hydra.run.dir={killed}"], forked=False)
    while len(deaths) < kills:
        death = end_life(life, inside=len(deaths) % 3 == 1, draw=draw)
        if death is None:
            raise RuntimeError(f"the run ended with code {life.code} after {len(deaths)} kills; see {life.log}")
        deaths.append(death)
        where = "while a checkpoint was written" if death.inside else "between checkpoints"
        lost = death.step - death.saved
        print(f"{len(deaths):3d}  step {death.step:4d}  {where:31s} last saved {death.saved:4d}, lost {lost}", flush=True)
        life = Life(killed, [f"resume={killed}"], forked)
    if life.wait() != 0:
        raise RuntimeError(f"the last life failed; see {life.log}")
    return deaths, compare(folder / "whole", killed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--forked", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if options.forked:
        import concord.tasks  # noqa: F401
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kill-campaign-") as name:
        try:
            deaths, found = campaign(Path(name), options.kills, options.processes, options.forked, options.seed)
        except RuntimeError as error:
            print(error)
            for log in sorted(Path(name).glob("*.txt")):
                print(f"--- {log.name}\n{log.read_text()[-3000:]}")
            return 1
    inside = sum(death.inside for death in deaths)
    lost = sum(death.step - death.saved for death in deaths)
    print(f"{len(deaths)} kills, {inside} of them while a checkpoint was written, {lost} steps lost and made again")
    print(f"{len(found)} differences{': ' + '; '.join(found[:5]) if found else ''}; {time.monotonic() - started:.0f} s")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
