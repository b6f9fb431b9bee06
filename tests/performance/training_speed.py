"""Training speed of a dual encoder beside OpenCLIP's, the same architecture, batch, captions and optimizer settings, on CPU.

    python tests/performance/training_speed.py --arch b32 --precision bf16 --batch 64 --threads 2

A step is the forward pass, the contrastive loss, the backward pass and the AdamW step, as a user of each project runs them:
OpenCLIP's model and ClipLoss on normalised images and captions padded to 77, with the parameter groups of its trainer; ours on
uint8 images and captions padded to the longest of the batch, with our InfoNCE objective and default optimizer. Captions are
10 to 15 common words, tokenised by OpenCLIP for both. Both models take turns, step by step, on the same batches; medians
count. Before that, OpenCLIP's weights are copied into our model and the embeddings of both are compared.

It wants an idle machine. Where another process holds a core, threads spin while they wait for one another, steps take several
times longer at random, and the median says little; OMP_WAIT_POLICY=passive tempers that. Look at the columns min and max.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.loss import ClipLoss
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.models.openclip_weights import copy_dual_encoder

from concord.distributed import Ranks
from concord.models import Cosine, DualEncoder, ImageTower, TextTower
from concord.objectives.base import Step
from concord.objectives.clip import InfoNCE
from concord.training import AdamW
from concord.types import Batch, Tokens

TARGET = 1.8
COMMON_WORDS = " ".join(
    (
        "a the of on in with and near under behind man woman child dog cat horse bird car train street house tree river table plate",
        "red blue green white black small large old young wooden standing sitting walking holding looking playing riding eating",
        "photo picture sky beach snow field kitchen window bicycle boat umbrella ball shirt hat two three some next front",
    )
).split()


@dataclass(frozen=True)
class Architecture:
    """Widths and heads of the towers; both have 12 blocks, the image tower patches of 32 at 224 pixels."""

    open_clip_name: str
    image_width: int
    image_heads: int
    text_width: int
    text_heads: int
    embed_dim: int

    def build(self) -> DualEncoder:
        image = ImageTower("vit_base_patch32_clip_224", width=self.image_width, heads=self.image_heads)
        text = TextTower(width=self.text_width, heads=self.text_heads)
        return DualEncoder(image, text, Cosine(), self.embed_dim)


ARCHITECTURES = {
    "s32": Architecture("ViT-S-32", 384, 6, 384, 6, 384),
    "b32": Architecture("ViT-B-32", 768, 12, 512, 8, 512),
}


@dataclass(frozen=True)
class Example:
    """One batch as each side takes it."""

    pixels: Tensor
    normalized: Tensor
    padded: Tensor
    tokens: Tokens


def make_example(batch: int, model: DualEncoder, tokenizer: Any, generator: torch.Generator) -> Example:
    """Noise images and captions of 10 to 15 words."""
    pixels = torch.randint(0, 256, (batch, 3, 224, 224), generator=generator, dtype=torch.uint8)
    counts = torch.randint(10, 16, (batch,), generator=generator).tolist()
    chosen = [torch.randint(0, len(COMMON_WORDS), (count,), generator=generator).tolist() for count in counts]
    padded = tokenizer([" ".join(COMMON_WORDS[i] for i in words) for words in chosen])
    lengths = padded.argmax(dim=1) + 1
    longest = math.ceil(int(lengths.max()) / 8) * 8
    tokens = Tokens(padded[:, :longest], torch.arange(longest) < lengths[:, None])
    return Example(pixels, model.image.normalize(pixels), padded, tokens)


def embedding_difference(theirs: Any, ours: DualEncoder, example: Example) -> float:
    """Largest difference of an embedding's coordinate, in single precision."""
    with torch.inference_mode():
        images, texts = ours.embed_image(ours.image(example.pixels)), ours.embed_text(ours.text(example.tokens))
        expected = theirs.encode_image(example.normalized, normalize=True), theirs.encode_text(example.padded, normalize=True)
    return max(float((a.vectors - b).abs().max()) for a, b in zip((images, texts), expected, strict=True))


def open_clip_step(model: Any, precision: str) -> Callable[[Example], Tensor]:
    """A training step as OpenCLIP's trainer does it."""

    def exempt(name: str, parameter: Tensor) -> bool:
        return parameter.ndim < 2 or any(part in name for part in ("bn", "ln", "bias", "logit_scale"))

    named = list(model.named_parameters())
    groups = [
        {"params": [parameter for name, parameter in named if exempt(name, parameter)], "weight_decay": 0.0},
        {"params": [parameter for name, parameter in named if not exempt(name, parameter)], "weight_decay": 0.2},
    ]
    optimizer = torch.optim.AdamW(groups, lr=5e-4, betas=(0.9, 0.98), eps=1e-6)
    criterion = ClipLoss()

    def step(example: Example) -> Tensor:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            image_features, text_features, scale = model(example.normalized, example.padded)[:3]
            loss: Tensor = criterion(image_features, text_features, scale)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        return loss.detach()

    return step


def concord_step(model: DualEncoder, precision: str) -> Callable[[Example], Tensor]:
    optimizer = AdamW().build(model)
    objective = InfoNCE()

    def step(example: Example) -> Tensor:
        optimizer.zero_grad()
        batch = Batch([str(i) for i in range(len(example.pixels))], {"image": example.pixels}, {"caption": example.tokens})
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss: Tensor = objective(Step(model, batch, Ranks())).loss
        loss.backward()
        optimizer.step()
        model.similarity.clamp_()
        return loss.detach()

    return step


def measure(steps: dict[str, Callable[[Example], Tensor]], examples: list[Example]) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Seconds of each step, after one to warm up, and the loss of the first; the models take turns to go first."""
    losses = {name: float(step(examples[0])) for name, step in steps.items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number, example in enumerate(examples):
        order = list(steps) if number % 2 == 0 else list(reversed(steps))
        for name in order:
            start = time.perf_counter()
            steps[name](example)
            seconds[name].append(time.perf_counter() - start)
    return seconds, losses


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=sorted(ARCHITECTURES), default="s32")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=7, help="measured steps of each model")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    architecture = ARCHITECTURES[arguments.arch]
    theirs: Any = open_clip.create_model(architecture.open_clip_name).train()
    ours = architecture.build().train()
    copy_dual_encoder(theirs, ours)
    generator = torch.Generator().manual_seed(0)
    tokenizer = open_clip.get_tokenizer(architecture.open_clip_name)
    examples = [make_example(arguments.batch, ours, tokenizer, generator) for _ in range(arguments.steps)]
    difference = embedding_difference(theirs, ours, examples[0])
    print(f"{arguments.arch} {arguments.precision}, batch {arguments.batch}, {arguments.threads} threads, torch {torch.__version__}")
    print(f"same weights, largest difference of an embedding: {difference:.1e}")

    steps = {"open_clip": open_clip_step(theirs, arguments.precision), "concord": concord_step(ours, arguments.precision)}
    seconds, losses = measure(steps, examples)
    print(f"first loss: open_clip {losses['open_clip']:.5f}, concord {losses['concord']:.5f}")
    print(f"{'':12s}{'s/step':>10s}{'min':>10s}{'max':>10s}{'samples/s':>12s}")
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"{name:12s}{median:10.3f}{min(times):10.3f}{max(times):10.3f}{arguments.batch / median:12.2f}")
    ratio = statistics.median(seconds["open_clip"]) / statistics.median(seconds["concord"])
    print(f"ratio {ratio:.2f} (target {TARGET})")
    return 0 if ratio >= TARGET and difference < 1e-4 else 1


if __name__ == "__main__":
    sys.exit(main())
