"""Peak memory and time of the tiled contrastive loss beside OpenCLIP's ClipLoss, forward and backward on CPU.

    python tests/performance/tiled_loss.py --batch 16384 --width 512 --threads 2

Each measurement has a process of its own, so that one loss cannot profit from the other's memory. Memory is the peak of the
resident set above what stood there once the inputs were made. The order alternates from round to round; medians count.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
MEMORY_TARGET = 1 / 12
TIME_TARGET = 0.8


def open_clip_loss() -> Loss:
    from open_clip.loss import ClipLoss

    return ClipLoss()


def concord_loss(tile: int) -> Loss:
    from concord.functional.tiled import tiled_bidirectional_info_nce

    return lambda images, texts, scale: tiled_bidirectional_info_nce(images, texts, scale, tile)[0].mean()


def features(batch: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Noisy pairs of unit vectors and a log scale, all of which want gradients."""
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(batch, width, generator=generator)
    images, texts = (F.normalize(common + torch.randn(batch, width, generator=generator), dim=1) for _ in range(2))
    return images.requires_grad_(), texts.requires_grad_(), torch.tensor(1 / 0.07).log().requires_grad_()


def resident(field: str) -> int:
    """A line of /proc/self/status (VmRSS, VmHWM) in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def forget_peak() -> None:
    """Let VmHWM start again from what is resident now; without the right to do so, it counts from the start of the process."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        print("the peak cannot be reset here; it includes the making of the inputs", file=sys.stderr)


def peak() -> int:
    """The highest resident set so far, in bytes."""
    try:
        return resident("VmHWM")
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def step(loss: Loss, inputs: tuple[Tensor, Tensor, Tensor]) -> tuple[float, float]:
    """One forward and backward pass: its loss and its seconds."""
    images, texts, log_scale = inputs
    start = time.perf_counter()
    value = loss(images, texts, log_scale.exp())
    value.backward()
    return float(value.detach()), time.perf_counter() - start


def measure(name: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Run one loss in this process."""
    torch.set_num_threads(arguments.threads)
    loss = open_clip_loss() if name == "open_clip" else concord_loss(arguments.tile)
    step(loss, features(256, arguments.width))  # libraries set up their threads and buffers
    inputs = features(arguments.batch, arguments.width)
    forget_peak()
    before = resident("VmRSS")
    value, seconds = step(loss, inputs)
    gradient = inputs[0].grad
    assert gradient is not None
    return {"loss": value, "gradient": float(gradient.norm()), "seconds": seconds, "bytes": peak() - before}


def measure_apart(name: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Run one loss in a process of its own."""
    command = [sys.executable, __file__, "--only", name]
    for option in ("batch", "width", "tile", "threads"):
        command += [f"--{option}", str(getattr(arguments, option))]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def table(results: dict[str, list[dict[str, float]]]) -> tuple[float, float]:
    """Print the medians; return the ratios of memory and of time, concord over OpenCLIP."""
    print(f"{'loss':<12}{'value':>12}{'|gradient|':>14}{'peak MiB':>12}{'seconds':>10}   seconds of each round")
    medians = {}
    for name, runs in results.items():
        middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        medians[name] = middle
        size, rounds = middle["bytes"] / 2**20, " ".join(f"{run['seconds']:.2f}" for run in runs)
        print(f"{name:<12}{middle['loss']:>12.6f}{middle['gradient']:>14.6e}{size:>12.1f}{middle['seconds']:>10.2f}   {rounds}")
    memory = medians["concord"]["bytes"] / medians["open_clip"]["bytes"]
    seconds = medians["concord"]["seconds"] / medians["open_clip"]["seconds"]
    print(f"memory ratio {memory:.4f} = 1/{1 / memory:.1f} (target at most 1/12), time ratio {seconds:.3f} (target at most {TIME_TARGET})")
    return memory, seconds


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16384, help="pairs")
    parser.add_argument("--width", type=int, default=512, help="embedding width")
    parser.add_argument("--tile", type=int, default=2048, help="side of a tile")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each loss")
    parser.add_argument("--only", choices=["open_clip", "concord"], help="measure one loss in this process and print JSON")
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    if arguments.only is not None:
        print(json.dumps(measure(arguments.only, arguments)))
        return 0
    results: dict[str, list[dict[str, float]]] = {"open_clip": [], "concord": []}
    for index in range(arguments.rounds):
        for name in list(results)[:: 1 if index % 2 == 0 else -1]:
            results[name].append(measure_apart(name, arguments))
    memory, seconds = table(results)
    return 0 if memory <= MEMORY_TARGET and seconds <= TIME_TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
