"""Peak memory and time of the tiled losses beside OpenCLIP's and Inf-CL's method, forward and backward.

    python tests/performance/tiled_loss.py                                             # the table for 4,096 to 65,536 pairs
    python tests/performance/tiled_loss.py --batches 8192 16384 --losses infonce --rounds 3
    python tests/performance/tiled_loss.py --device cuda

Each measurement has a process of its own, so that no loss can profit from another's memory. On the CPU memory is the peak of the
resident set above what stood there once the inputs were made; on a GPU it is PyTorch's peak of allocated memory above the same.
The order alternates from round to round; medians count. Where other work shares the cores, processor seconds tell more than
seconds. What would not fit into the memory that is free is left out, with a line that says so.

Exits with 0 if all losses agree in value and gradient and, at 32,768 pairs on the CPU, concord takes at most 1/30 of OpenCLIP's
memory and 0.8 of its time.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Of images, texts, scale and bias."""

BATCHES = (4096, 8192, 16384, 32768, 65536)
JUDGED, MEMORY_TARGET, TIME_TARGET = 32768, 1 / 30, 0.8
OF = {"infonce": ("open_clip", "inf_cl", "concord"), "sigmoid": ("open_clip", "concord")}
TABLES = {"infonce": 4.1, "sigmoid": 5.1}
"""How many tables of N x N float32 OpenCLIP's losses hold at a time, as measured, and a little more."""


class InfCL(torch.autograd.Function):
    """One direction of InfoNCE as Inf-CL computes it on one process (Cheng et al. 2024): log-sum-exps of tiles are merged one by
    one, and the tiles come again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, tile: int) -> Tensor:
        sums = []
        for rows in queries.split(tile):
            merged = None
            for columns in keys.split(tile):
                here = torch.logsumexp(rows @ columns.T, dim=1)
                merged = here if merged is None else merged - F.logsigmoid(merged - here)  # log(exp(merged) + exp(here))
            sums.append(merged)
        ctx.tile = tile
        ctx.save_for_backward(queries, keys, torch.cat(sums))
        return torch.cat(sums)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        queries, keys, sums = ctx.saved_tensors
        grad_queries, grad_keys = torch.zeros_like(queries), torch.zeros_like(keys)
        for row in range(0, len(queries), ctx.tile):
            rows = slice(row, row + ctx.tile)
            for column in range(0, len(keys), ctx.tile):
                columns = slice(column, column + ctx.tile)
                slope = (queries[rows] @ keys[columns].T - sums[rows, None]).exp() * grads[0][rows, None]
                grad_queries[rows] += slope @ keys[columns]
                grad_keys[columns] += slope.T @ queries[rows]
        return grad_queries, grad_keys, None


def inf_cl(images: Tensor, texts: Tensor, scale: Tensor, tile: int) -> Tensor:
    """Both directions, one after the other."""
    matches = scale * (images * texts).sum(dim=1)
    sums = InfCL.apply(scale * images, texts, tile) + InfCL.apply(scale * texts, images, tile)
    return (sums / 2 - matches).mean()


def loss_of(name: str, kind: str, tile: int) -> Loss:
    """The mean loss over the pairs."""
    if name == "inf_cl":
        return lambda images, texts, scale, bias: inf_cl(images, texts, scale, tile)
    if name == "open_clip":
        from open_clip.loss import ClipLoss, SigLipLoss

        if kind == "infonce":
            return lambda images, texts, scale, bias: ClipLoss()(images, texts, scale)
        return lambda images, texts, scale, bias: SigLipLoss()(images, texts, scale, bias)
    from concord.functional.sigmoid import tiled_pairwise_sigmoid
    from concord.functional.tiled import tiled_bidirectional_info_nce

    if kind == "infonce":
        return lambda images, texts, scale, bias: tiled_bidirectional_info_nce(images, texts, scale, tile)[0].mean()
    return lambda images, texts, scale, bias: tiled_pairwise_sigmoid(images, texts, scale, bias, tile).mean()


def features(batch: int, width: int, device: str) -> tuple[Tensor, ...]:
    """Noisy pairs of unit vectors, a log scale and a bias, all of which want gradients."""
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(batch, width, generator=generator)
    images, texts = (F.normalize(common + torch.randn(batch, width, generator=generator), dim=1) for _ in range(2))
    inputs = images, texts, torch.tensor(1 / 0.07).log(), torch.tensor(-10.0)
    return tuple(tensor.to(device).requires_grad_() for tensor in inputs)


def resident(field: str) -> int:
    """A line of /proc/self/status (VmRSS, VmHWM) in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def forget_peak(device: str) -> int:
    """Let the peak start again from what is held now, and say how much that is, in bytes. Without the right to do so, it counts
    from the start of the process."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        print("the peak cannot be reset here; it includes the making of the inputs", file=sys.stderr)
    return resident("VmRSS")


def peak(device: str) -> int:
    """The most that was held so far, in bytes."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    try:
        return resident("VmHWM")
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def step(loss: Loss, inputs: tuple[Tensor, ...], device: str) -> dict[str, float]:
    """One forward and backward pass: its loss, seconds and processor seconds."""
    images, texts, log_scale, bias = inputs
    start, worked = time.perf_counter(), time.process_time()
    value = loss(images, texts, log_scale.exp(), bias)
    value.backward()
    if device == "cuda":
        torch.cuda.synchronize()
    return {"seconds": time.perf_counter() - start, "worked": time.process_time() - worked, "loss": float(value.detach())}


def measure(name: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Run one loss in this process."""
    (kind,), (batch,), device = arguments.losses, arguments.batches, arguments.device
    torch.set_num_threads(arguments.threads)
    loss = loss_of(name, kind, arguments.tile)
    step(loss, features(256, arguments.width, device), device)  # libraries set up their threads and buffers
    inputs = features(batch, arguments.width, device)
    before = forget_peak(device)
    result = step(loss, inputs, device)
    gradient = inputs[0].grad
    assert gradient is not None
    return {**result, "gradient": float(gradient.norm()), "bytes": peak(device) - before}


def measure_apart(name: str, kind: str, batch: int, arguments: argparse.Namespace) -> dict[str, float]:
    """Run one loss in a process of its own."""
    command = [sys.executable, __file__, "--only", name, "--losses", kind, "--batches", str(batch)]
    for option in ("width", "tile", "threads", "device"):
        command += [f"--{option}", str(getattr(arguments, option))]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def free_memory(device: str) -> int:
    """What a process may take, in bytes."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def candidates(kind: str, batch: int, device: str) -> Iterator[str]:
    """The losses that fit into memory; a line for one that does not."""
    for name in OF[kind]:
        need, free = TABLES[kind] * 4 * batch**2, free_memory(device)
        if name == "open_clip" and need > free:
            print(f"{kind:<9}{batch:>7}  {name:<10} left out: it needs about {need / 2**30:.0f} GiB, and {free / 2**30:.0f} GiB are free")
        else:
            yield name


def compare(kind: str, batch: int, arguments: argparse.Namespace) -> bool:
    """Measure all losses of a kind at one batch and print their lines; whether they agree and meet the targets."""
    names = list(candidates(kind, batch, arguments.device))
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for index in range(arguments.rounds):
        for name in names[:: 1 if index % 2 == 0 else -1]:
            runs[name].append(measure_apart(name, kind, batch, arguments))
    medians = {name: {key: statistics.median(run[key] for run in done) for key in done[0]} for name, done in runs.items()}
    ours, theirs = medians["concord"], medians.get("open_clip")
    for name, middle in medians.items():
        line = f"{kind:<9}{batch:>7}  {name:<10}{middle['loss']:>11.6f}{middle['gradient']:>14.6e}{middle['bytes'] / 2**20:>11.1f}"
        line += f"{middle['seconds']:>10.2f}{middle['worked']:>10.2f}"
        print(line + (ratios(middle, theirs) if theirs is not None else ""), flush=True)
    agree = all(abs(ours[key] - other[key]) <= 1e-4 * abs(other[key]) for other in medians.values() for key in ("loss", "gradient"))
    if not agree:
        print(f"{kind:<9}{batch:>7}  values or gradients differ by more than 1e-4")
    return agree and judge(kind, batch, ours, theirs, arguments.device)


def ratios(middle: dict[str, float], theirs: dict[str, float]) -> str:
    """Memory, time and processor time over OpenCLIP's."""
    memory, *times = (middle[key] / theirs[key] for key in ("bytes", "seconds", "worked"))
    return f"   1/{1 / memory:<7.1f}" + "".join(f"{ratio:>8.2f}" for ratio in times)


def judge(kind: str, batch: int, ours: dict[str, float], theirs: dict[str, float] | None, device: str) -> bool:
    """Whether the targets are met, where they hold."""
    if batch != JUDGED or device != "cpu":
        return True
    if theirs is None:
        print(f"{kind:<9}{batch:>7}  the targets cannot be judged without OpenCLIP")
        return False
    memory, seconds = ours["bytes"] / theirs["bytes"], ours["seconds"] / theirs["seconds"]
    met = memory <= MEMORY_TARGET and seconds <= TIME_TARGET
    print(f"{kind:<9}{batch:>7}  memory 1/{1 / memory:.1f} (target 1/30), time {seconds:.2f} (target 0.8): {'met' if met else 'missed'}")
    return met


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, help="pairs")
    parser.add_argument("--losses", choices=list(OF), nargs="+", default=list(OF))
    parser.add_argument("--width", type=int, default=512, help="embedding width")
    parser.add_argument("--tile", type=int, default=1024, help="side of a tile")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--rounds", type=int, default=1, help="measurements of each loss")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--only", choices=OF["infonce"], help="measure one loss at one batch in this process and print JSON")
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    if arguments.only is not None:
        print(json.dumps(measure(arguments.only, arguments)))
        return 0
    print(f"{arguments.device}, width {arguments.width}, tiles of {arguments.tile}; ratios are over OpenCLIP's")
    columns = f"{'value':>11}{'|gradient|':>14}{'peak MiB':>11}{'seconds':>10}{'cpu s':>10}   {'memory':<9}{'time':>8}{'cpu':>8}"
    print(f"{'loss':<9}{'pairs':>7}  {'':<10}{columns}")
    met = [compare(kind, batch, arguments) for kind in arguments.losses for batch in arguments.batches]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
