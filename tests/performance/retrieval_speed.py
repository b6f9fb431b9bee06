"""Time and peak memory of retrieval beside CLIP_benchmark's own metric code, both ways, on the same embeddings on CPU.

    python tests/performance/retrieval_speed.py --images 5000 --captions 5 --width 512 --threads 2

CLIP_benchmark (pip install clip_benchmark) gets its own way: its `evaluate` with a model that hands out embeddings made
before, in batches of 64 as its command line does. concord finds the places of all right candidates, of which recall, median
rank, mean reciprocal rank, mAP@R and R-precision follow; CLIP_benchmark finds recall at three cuts. Each measurement has a
process of its own. Memory is the peak of the resident set above what stood there once the embeddings were made; it does not
depend on what else the machine does. The order alternates from round to round; medians count.

The embeddings are random with planted pairs, so that some queries succeed. The recalls of both are printed: they differ only
where a wrong candidate comes closer to a right one than rounding allows to tell, which concord counts as a miss.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

CUTS = (1, 5, 10)
BATCH = 64
TIME_TARGET = 1 / 6
MEMORY_TARGET = 1 / 10
Recalls = dict[str, float]


def embeddings(images: int, captions: int, width: int) -> tuple[Tensor, Tensor]:
    """Unit vectors of images, and of so many captions for each, in the order of the images."""
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(images, width, generator=generator)
    image = F.normalize(common + 1.5 * torch.randn(images, width, generator=generator), dim=1)
    noise = torch.randn(images * captions, width, generator=generator)
    return image, F.normalize(common.repeat_interleave(captions, 0) + 6 * noise, dim=1)


def with_clip_benchmark(images: Tensor, texts: Tensor) -> Callable[[], Recalls]:
    """Its `evaluate`, whose images are places to look up and whose texts are numbers."""
    try:
        from clip_benchmark.metrics.zeroshot_retrieval import evaluate
    except ImportError:
        sys.exit("CLIP_benchmark is not installed; install it with: pip install clip_benchmark")
    captions = len(texts) // len(images)

    class Model:
        def encode_image(self, places: Tensor) -> Tensor:
            return images[places]

        def encode_text(self, places: Tensor) -> Tensor:
            return texts[places]

    def batches() -> list[tuple[Tensor, list[list[int]]]]:
        parts = torch.arange(len(images)).split(BATCH)
        return [(part, [list(range(i * captions, (i + 1) * captions)) for i in part.tolist()]) for part in parts]

    def run() -> Recalls:
        found = evaluate(Model(), batches(), torch.tensor, "cpu", amp=False, recall_k_list=list(CUTS))
        names = {"text_retrieval": "image_to_text", "image_retrieval": "text_to_image"}
        return {f"{ours}/r{k}": found[f"{theirs}_recall@{k}"] for theirs, ours in names.items() for k in CUTS}

    return run


def with_concord(images: Tensor, texts: Tensor) -> Callable[[], Recalls]:
    """The places of all right candidates, both ways, as the retrieval task finds them."""
    from concord.benchmarks.retrieval.matching import Matches, match_both
    from concord.distributed import Ranks

    owner = torch.arange(len(texts)) // (len(texts) // len(images))
    matches = Matches(torch.stack([owner, torch.arange(len(texts))], dim=1), len(images), len(texts))

    def run() -> Recalls:
        by_image, by_text = match_both(lambda image, text: images[image] @ texts[text].T, matches, Ranks())
        by_image.average_precision(), by_text.average_precision()
        sides = {"image_to_text": by_image, "text_to_image": by_text}
        return {f"{name}/r{k}": float(side.hits(k).mean()) for name, side in sides.items() for k in CUTS}

    return run


def resident(field: str) -> int:
    """A line of /proc/self/status (VmRSS, VmHWM) in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def measure(name: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Run one of the two in this process."""
    torch.set_num_threads(arguments.threads)
    warnings.filterwarnings("ignore")
    make = with_clip_benchmark if name == "clip_benchmark" else with_concord
    make(*embeddings(20, 2, arguments.width))()  # libraries set up their threads and buffers
    run = make(*embeddings(arguments.images, arguments.captions, arguments.width))
    Path("/proc/self/clear_refs").write_text("5")  # let VmHWM start again from what is resident now
    before = resident("VmRSS")
    start = time.perf_counter()
    recalls = run()
    return {"seconds": time.perf_counter() - start, "bytes": resident("VmHWM") - before, **recalls}


def measure_apart(name: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Run one of the two in a process of its own."""
    command = [sys.executable, __file__, "--only", name]
    for option in ("images", "captions", "width", "threads"):
        command += [f"--{option}", str(getattr(arguments, option))]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(result.stderr.strip())
    return json.loads(result.stdout.splitlines()[-1])


def table(results: dict[str, list[dict[str, float]]]) -> None:
    """Print the medians and the ratios, concord over CLIP_benchmark."""
    medians = {name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in results.items()}
    print(f"{'code':<16}{'seconds':>9}{'peak MiB':>10}   recall at 1, 5, 10 (image to text; text to image); seconds of each round")
    for name, middle in medians.items():
        recalls = "; ".join(", ".join(f"{middle[f'{way}/r{k}']:.5f}" for k in CUTS) for way in ("image_to_text", "text_to_image"))
        rounds = " ".join(f"{run['seconds']:.2f}" for run in results[name])
        print(f"{name:<16}{middle['seconds']:>9.2f}{middle['bytes'] / 2**20:>10.1f}   {recalls}; {rounds}")
    ours, theirs = medians["concord"], medians["clip_benchmark"]
    for quantity, key, target in (("time", "seconds", TIME_TARGET), ("memory", "bytes", MEMORY_TARGET)):
        print(f"{quantity} 1/{theirs[key] / ours[key]:.1f} (target at most 1/{1 / target:.0f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--captions", type=int, default=5, help="per image")
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("clip_benchmark", "concord"), help="measure one of the two in this process")
    arguments = parser.parse_args()
    if arguments.only is not None:
        print(json.dumps(measure(arguments.only, arguments)))
        return
    results: dict[str, list[dict[str, float]]] = {"clip_benchmark": [], "concord": []}
    for number in range(arguments.rounds):
        for name in ("clip_benchmark", "concord") if number % 2 == 0 else ("concord", "clip_benchmark"):
            results[name].append(measure_apart(name, arguments))
    table(results)


if __name__ == "__main__":
    main()
