"""Zero-shot classification and retrieval of one OpenCLIP model on the same shards, end to end: concord beside CLIP_benchmark, on CPU.

    python tests/performance/benchmark_speed.py
    python tests/performance/benchmark_speed.py --images 500 --pairs 200 --rounds 1

CLIP_benchmark (pip install clip-benchmark) does what its command line does: `build_dataset` on the `wds` layout, a DataLoader of
`dataset.batched`, and its `evaluate` of both tasks, in fp32; the number of its workers is tried first and the fastest one taken.
concord builds a bench of both tasks and runs it, with and without the bootstrap and the gallery, which CLIP_benchmark does not
have, and once more with the embeddings that a run before it kept.

The model has OpenCLIP's architecture and is made small, with random weights; both sides read the same folder that OpenCLIP wrote.
So do the data: JPEGs of the form of ImageNet's after CLIP_benchmark's export, 20 classes with 7 templates, and 5 captions for each
image of the retrieval. Each measurement has a process of its own; the order alternates; medians count. The clock starts when the
model is loaded. The processors' seconds, of all workers and the main process, say the same where other programs hold the
processors. Memory is the peak of the process, workers not counted, over what was resident when the clock started.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import torch
from photographs import WORDS, make_photographs
from PIL import Image

TIME_TARGET = 2.0
CLASSES = 20
TEMPLATES = ("a photo of a {c}.", "a bad photo of a {c}.", "a blurry photo of the {c}.", "art of a {c}.", "a drawing of the {c}.",
             "a close-up photo of a {c}.", "itap of my {c}.")  # fmt: skip
WORKERS = (0, 1, 2, 4)
VALUES = ("top1", "image_to_text/r10", "text_to_image/r10")
SIDES = ("clip_benchmark", "concord", "concord, plain", "concord, kept")
CONFIG = {
    "embed_dim": 256,
    "vision_cfg": {"image_size": 224, "layers": 4, "width": 256, "head_width": 64, "patch_size": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 256, "heads": 4, "layers": 4},
}
"""ViT-B-32 with a third of the layers and a third to a half of the width."""

Numbers = dict[str, float]


def write_model(folder: Path) -> None:
    """A random model as OpenCLIP publishes one."""
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.CLIP(**CONFIG)
    folder.mkdir()
    mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
    preprocess = {"mean": mean, "std": std, "interpolation": "bicubic", "resize_mode": "shortest"}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": preprocess}))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")


def write_data(folder: Path, kind: str, images: int, shards: int = 4) -> None:
    """`images` examples in CLIP_benchmark's layout; pictures come round again when there are fewer."""
    rng = random.Random(1)
    pictures = [_smaller(picture) for picture in make_photographs(min(images, 200))]
    (folder / "test").mkdir(parents=True)
    (folder / "test" / "nshards.txt").write_text(str(shards))
    (folder / "dataset_type.txt").write_text(kind)
    if kind == "classification":
        (folder / "classnames.txt").write_text("\n".join(rng.sample(WORDS, CLASSES)))
        (folder / "zeroshot_classification_templates.txt").write_text("\n".join(TEMPLATES))
    for shard in range(shards):
        with tarfile.open(folder / "test" / f"{shard}.tar", "w") as tar:
            for index in range(images * shard // shards, images * (shard + 1) // shards):
                captions = "\n".join(" ".join(rng.choices(WORDS, k=rng.randint(6, 18))) for _ in range(5))
                answer = ("cls", str(rng.randrange(CLASSES))) if kind == "classification" else ("txt", captions)
                for suffix, content in (("jpg", pictures[index % len(pictures)]), (answer[0], answer[1].encode())):
                    member = tarfile.TarInfo(f"s{index:07d}.{suffix}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))


def _smaller(picture: bytes) -> bytes:
    """About 300 x 250 pixels."""
    with Image.open(io.BytesIO(picture)) as image:
        image.thumbnail((320, 320))
        buffer = io.BytesIO()
        image.save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()


def with_clip_benchmark(folder: Path, workers: int) -> Callable[[], Numbers]:
    """Its command line's steps, after the model was loaded."""
    import open_clip
    from clip_benchmark.datasets.builder import build_dataset
    from clip_benchmark.metrics import zeroshot_classification, zeroshot_retrieval

    name = f"local-dir:{folder / 'model'}"
    model, transform = open_clip.create_model_from_pretrained(name)
    tokenizer = open_clip.get_tokenizer(name)
    model.eval()
    zeroshot_classification.accuracy = accuracy

    def loader(task: str) -> tuple[Any, Any]:
        dataset = build_dataset(f"wds/{task}", root=str(folder / task), transform=transform, split="test", task=f"zeroshot_{task}")
        return dataset, torch.utils.data.DataLoader(dataset.batched(64), batch_size=None, shuffle=False, num_workers=workers)

    def run() -> Numbers:
        dataset, batches = loader("classification")
        one = zeroshot_classification.evaluate(model, batches, tokenizer, dataset.classes, dataset.templates, device="cpu", amp=False)
        _, batches = loader("retrieval")
        two = zeroshot_retrieval.evaluate(model, batches, tokenizer, device="cpu", amp=False, recall_k_list=[1, 5, 10])
        found = one["acc1"], two["text_retrieval_recall@10"], two["image_retrieval_recall@10"]
        return dict(zip(VALUES, found, strict=True))

    return run


def accuracy(output: torch.Tensor, target: torch.Tensor, topk: tuple[int, ...] = (1,)) -> list[float]:
    """In the place of CLIP_benchmark's own, which newer versions of NumPy refuse: it makes a number of an array of one."""
    hits = output.topk(max(topk), dim=1).indices == target[:, None]
    return [hits[:, :k].any(dim=1).double().mean().item() for k in topk]


def with_concord(folder: Path, extras: bool, cache: Path | None = None) -> Callable[[], Numbers]:
    """The bench after the model was loaded; with what it has beyond CLIP_benchmark or without."""
    import concord
    from concord.benchmarks import Bench, EmbeddingCache, Retrieval, ZeroShotClassification
    from concord.data.benchmarks.classification import WebDatasetCaptions, WebDatasetLayout

    scorer = concord.load(folder / "model")
    kept = None if cache is None else EmbeddingCache(cache)

    def run() -> Numbers:
        tasks = {
            "zero_shot": ZeroShotClassification(WebDatasetLayout(str(folder / "classification"), name="a"), templates=None),
            "retrieval": Retrieval(WebDatasetCaptions(str(folder / "retrieval"), name="b")),
        }
        bench = Bench(tasks, bootstrap=1000 if extras else 100, gallery=16 if extras else 0)
        values = bench.run(scorer, cache=kept).values()
        found = values["zero_shot/a/top1"], *(values[f"retrieval/b/{value}"] for value in VALUES[1:])
        return dict(zip(VALUES, found, strict=True))

    return run


def resident(field: str) -> int:
    """A line of /proc/self/status (VmRSS, VmHWM) in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def processor_seconds() -> float:
    """Of this process and of the workers that it had."""
    own, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + workers.ru_utime + workers.ru_stime


def measure(side: str, folder: Path, workers: int, threads: int) -> Numbers:
    """Run one side in this process."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(threads)
    if side == "clip_benchmark":
        run = with_clip_benchmark(folder, workers)
    else:
        run = with_concord(folder, side != "concord, plain", folder / "cache" if side == "concord, kept" else None)
    if side == "concord, kept":
        run()
    Path("/proc/self/clear_refs").write_text("5")  # let VmHWM start again from what is resident now
    before, busy, start = resident("VmRSS"), processor_seconds(), time.perf_counter()
    values = run()
    seconds, busy = time.perf_counter() - start, processor_seconds() - busy
    return {"seconds": seconds, "busy": busy, "bytes": resident("VmHWM") - before, **values}


def measure_apart(side: str, folder: Path, workers: int, threads: int) -> Numbers:
    """Run one side in a process of its own."""
    command = [sys.executable, __file__, "--only", side, "--folder", str(folder), "--workers", str(workers), "--threads", str(threads)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(result.stderr.strip())
    return json.loads(result.stdout.splitlines()[-1])


def show(results: dict[str, list[Numbers]]) -> None:
    """Print the medians and the ratios, CLIP_benchmark over concord."""
    medians = {side: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for side, runs in results.items()}
    theirs = medians["clip_benchmark"]
    print(f"{'code':<18}{'seconds':>9}{'ratio':>7}{'processor s':>13}{'ratio':>7}{'peak MiB':>10}   {', '.join(VALUES)}; every round")
    for side, middle in medians.items():
        clock, busy = (f"{middle[key]:.1f} {theirs[key] / middle[key]:>6.2f}" for key in ("seconds", "busy"))
        speed = f"{clock:>16}{busy:>20}{middle['bytes'] / 2**20:>10.0f}"
        values, rounds = ", ".join(f"{middle[key]:.4f}" for key in VALUES), " ".join(f"{run['seconds']:.1f}" for run in results[side])
        print(f"{side:<18}{speed}   {values}; {rounds}")
    print(f"target: concord at least {TIME_TARGET:.0f} times as fast")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000, help="of the classification")
    parser.add_argument("--pairs", type=int, default=1000, help="images of the retrieval, with 5 captions each")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=SIDES, help="measure one side in this process")
    parser.add_argument("--folder", type=Path, help="data and model that are there already, for --only")
    parser.add_argument("--workers", type=int, default=0, help="of CLIP_benchmark, for --only")
    arguments = parser.parse_args()
    if arguments.only is not None:
        print(json.dumps(measure(arguments.only, arguments.folder, arguments.workers, arguments.threads)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(folder / "model")
        write_data(folder / "classification", "classification", arguments.images)
        write_data(folder / "retrieval", "retrieval", arguments.pairs)
        tried = {workers: measure_apart("clip_benchmark", folder, workers, arguments.threads)["seconds"] for workers in WORKERS}
        workers = min(tried, key=tried.__getitem__)
        print("CLIP_benchmark by workers:", ", ".join(f"{count}: {seconds:.1f} s" for count, seconds in tried.items()))
        results: dict[str, list[Numbers]] = {side: [] for side in SIDES}
        for number in range(arguments.rounds):
            for side in SIDES if number % 2 == 0 else reversed(SIDES):
                results[side].append(measure_apart(side, folder, workers, arguments.threads))
    show(results)


if __name__ == "__main__":
    main()
