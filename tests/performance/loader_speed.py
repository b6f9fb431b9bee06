"""Training images per second of concord's loader beside OpenCLIP's WebDataset pipeline, from the same shards, on CPU.

    python tests/performance/loader_speed.py
    python tests/performance/loader_speed.py --images FOLDER_OF_JPEGS --examples 4000

Without a folder it makes photograph-like JPEGs of about 100 kB itself. Both sides read the same tar files with the same number
of workers and the same batch size, take random crops of 0.9 to 1 of the area, and tokenise captions with CLIP's vocabulary:
OpenCLIP by its own `get_wds_dataset`, `image_transform` and tokenizer (bicubic by Pillow, normalised floats, 77 tokens), concord
by its data module (uint8, which the model normalises on its device, and captions as long as the longest of the batch).

Each measurement has processes of its own; the order alternates from round to round; medians count. The clock starts when every
worker has delivered a batch, so that neither start-up nor OpenCLIP's first filling of its buffer counts. The processors' seconds
per image, of all workers and the main process, say the same where other programs hold the processors. PSNR compares crops of
our path with the same crops of the wholly decoded picture, resized by Pillow.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import open_clip
import psutil
import torch
from photographs import Shards as Photographs
from photographs import make_photographs, read_folder, write_shards
from PIL import Image
from rich.console import Console
from rich.table import Table

RATIO_TARGET = 3.0
PSNR_TARGET = 35.0
SCALE = (0.9, 1.0)
"""OpenCLIP's default share of the area."""

SIDES = ("open_clip", "concord")
MERGES = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"


def open_clip_batches(folder: Path, arguments: argparse.Namespace) -> Iterable[Any]:
    """Normalised float images and padded ids, by OpenCLIP's own code and defaults."""
    from open_clip_train import data

    # Versions of webdataset above those that OpenCLIP 3.3 asks for (0.2.86) mark the end of a shard
    # by an empty dictionary unless told not to, which it does not expect.
    data.tar_file_expander = functools.partial(data.tar_file_expander, eof_value=None)
    options = SimpleNamespace(
        train_data=str(folder / f"{{00000..{arguments.shards - 1:05d}}}.tar"),
        train_num_samples=arguments.batch * (arguments.batches + 2 * arguments.workers),
        train_data_upsampling_factors=None,
        dataset_resampled=False,
        seed=0,
        batch_size=arguments.batch,
        workers=arguments.workers,
        world_size=1,
    )
    transform = open_clip.image_transform(arguments.size, is_train=True)
    return data.get_wds_dataset(options, transform, is_train=True, tokenizer=open_clip.SimpleTokenizer()).dataloader


def concord_batches(folder: Path, arguments: argparse.Namespace) -> Iterable[Any]:
    """uint8 images and ids, by the data module."""
    from concord.data import Augmentation, Shards, WebDataModule
    from concord.images import Preprocess
    from concord.tokenizers import CLIPTokenizer
    from concord.types import ImageView, TextView

    module = WebDataModule(Shards(str(folder)), {"weak": Augmentation(scale=SCALE)}, arguments.batch, arguments.workers)
    tokenizer, preprocess = CLIPTokenizer(MERGES), Preprocess(arguments.size)
    module.setup_views({"image": ImageView("weak")}, {"caption": TextView("caption")}, tokenizer, preprocess)
    return module.train_dataloader()


BATCHES: dict[str, Callable[[Path, argparse.Namespace], Iterable[Any]]] = {"open_clip": open_clip_batches, "concord": concord_batches}


def measure(batches: Iterator[Any], count: int, size: int, workers: int) -> dict[str, Any]:
    """Wall and processor seconds per image of `count` batches, and the memory of each worker in bytes."""
    for _ in range(workers):
        next(batches)
    processes = [psutil.Process(), *psutil.Process().children()]
    busy, start = processor_seconds(processes), time.perf_counter()
    for _ in range(count):
        next(batches)
    seconds, busy = time.perf_counter() - start, processor_seconds(processes) - busy
    peaks = [peak(process.pid) for process in processes[1:]]
    own = [process.memory_full_info().uss for process in processes[1:]]
    return {"seconds": seconds / (count * size), "busy": busy / (count * size), "peak": max(peaks), "own": max(own)}


def processor_seconds(processes: list[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return sum(each.user + each.system for each in times)


def peak(pid: int) -> int:
    """Largest resident set of a process so far, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def measure_apart(side: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--only", side, "--shard-folder", str(folder)]
    for option in ("batch", "batches", "workers", "size", "shards"):
        command += [f"--{option}", str(getattr(arguments, option))]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def psnr(images: Iterable[bytes], size: int) -> list[float]:
    """Of one random crop of each picture: the view of training against Pillow's crop and resize of the whole picture, in dB."""
    from concord.data import Augmentation
    from concord.images import Encoded, Preprocess, decode, to_tensor

    found = []
    for index, image in enumerate(images):
        encoded = Encoded(image)
        draw = Augmentation(scale=SCALE).draw(*encoded.size, size, Random(index))
        ours = draw(encoded.decode(draw.shrink), Preprocess(size))
        plain = to_tensor(decode(image).crop(draw.box).resize((size, size), Image.Resampling.BICUBIC))
        error = (ours.double() - plain.double()).square().mean().item()
        found.append(10 * math.log10(255**2 / error) if error > 0 else math.inf)
    return found


def report(results: dict[str, list[dict[str, Any]]], decibels: list[float]) -> bool:
    """Print the medians; whether both targets are met."""
    medians = {side: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for side, runs in results.items()}
    table = Table("", *SIDES, "ratio", title="Training images from shards")
    rows = (("images/s", lambda run: 1 / run["seconds"]), ("processor ms per image", lambda run: 1000 * run["busy"]))
    for name, value in rows:
        theirs, ours = (value(medians[side]) for side in SIDES)
        table.add_row(name, f"{theirs:.2f}", f"{ours:.2f}", f"{max(theirs, ours) / min(theirs, ours):.2f}")
    for name, key in (("peak memory of a worker, MiB", "peak"), ("its own at the end, MiB", "own")):
        table.add_row(name, *(f"{medians[side][key] / 2**20:.0f}" for side in SIDES), "")
    Console().print(table)
    for side in SIDES:
        print(f"{side}, images/s of each round: " + " ".join(f"{1 / run['seconds']:.0f}" for run in results[side]))
    ratio = medians["open_clip"]["seconds"] / medians["concord"]["seconds"]
    print(f"ratio {ratio:.2f} (target at least {RATIO_TARGET})")
    least, middle = min(decibels), statistics.median(decibels)
    print(f"PSNR of {len(decibels)} crops: least {least:.1f} dB (target at least {PSNR_TARGET:.0f}), median {middle:.1f} dB")
    return ratio >= RATIO_TARGET and min(decibels) >= PSNR_TARGET


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="a folder of JPEGs to make the shards from")
    parser.add_argument("--examples", type=int, default=2048, help="pairs in the shards")
    parser.add_argument("--distinct", type=int, default=256, help="different pictures among them")
    parser.add_argument("--shards", type=int, default=8, help="tar files")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each side")
    parser.add_argument("--batches", type=int, default=24, help="measured batches of a round")
    parser.add_argument("--workers", type=int, default=2, help="reading processes")
    parser.add_argument("--batch", type=int, default=64, help="pairs in a batch")
    parser.add_argument("--size", type=int, default=224, help="side of the images in pixels")
    parser.add_argument("--only", choices=SIDES, help="measure one side in this process and print JSON")
    parser.add_argument("--shard-folder", type=Path, help="with --only: where the shards lie")
    return parser.parse_args()


def run(folder: Path, arguments: argparse.Namespace) -> bool:
    given, distinct = arguments.images, arguments.distinct
    images = read_folder(given, distinct) if given is not None else list(make_photographs(distinct))
    photographs: Photographs = write_shards(folder, images, arguments.examples, arguments.shards)
    print(f"{arguments.examples} pairs in {arguments.shards} shards: {photographs.describe()}")
    print(f"{arguments.workers} workers, batches of {arguments.batch}, {arguments.size} pixels, torch {torch.__version__}")
    results: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for index in range(arguments.rounds):
        for side in SIDES[:: 1 if index % 2 == 0 else -1]:
            results[side].append(measure_apart(side, folder, arguments))
    return report(results, psnr(photographs.images, arguments.size))


def main() -> int:
    arguments = parse()
    torch.set_num_threads(1)
    if arguments.only is not None:
        batches = iter(BATCHES[arguments.only](arguments.shard_folder, arguments))
        print(json.dumps(measure(batches, arguments.batches, arguments.batch, arguments.workers)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return 0 if run(Path(folder), arguments) else 1


if __name__ == "__main__":
    sys.exit(main())
