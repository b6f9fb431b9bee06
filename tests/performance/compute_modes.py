"""Memory and time of a training step by how it is computed: plain, with layers that run again, compiled.

    python tests/performance/compute_modes.py [--width 384 --depth 12 --pairs 16 --steps 5] [--modes plain checkpoint compile both]

Prints for each mode the bytes that the graph keeps for the backward pass (parameters aside) and the median seconds of a step,
after two that are not counted and of which the first compiles.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch import Tensor

from concord.models import Cosine, DualEncoder, ImageTower, TextTower
from concord.training import Compute
from concord.types import Tokens

MODES = {
    "plain": Compute(),
    "checkpoint": Compute(checkpoint_activations=True),
    "compile": Compute(compile=True),
    "both": Compute(compile=True, checkpoint_activations=True),
}


def build(width: int, depth: int, compute: Compute, device: torch.device) -> DualEncoder:
    torch.manual_seed(0)
    heads = width // 64
    image = ImageTower("vit_small_patch16_224", image_size=224, patch_size=16, width=width, depth=depth, heads=heads)
    model = DualEncoder(image, TextTower(49408, 77, width=width, depth=depth, heads=heads), Cosine(), 512).to(device)
    compute.apply(model)
    return model


def loss_of(model: DualEncoder, images: Tensor, texts: Tokens) -> Tensor:
    image = model.embed_image(model.image(images)).vectors
    text = model.embed_text(model.text(texts)).vectors
    return torch.nn.functional.cross_entropy(model.similarity.scale * image @ text.T, torch.arange(len(images), device=image.device))


def kept_bytes(model: DualEncoder, images: Tensor, texts: Tokens) -> int:
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = loss_of(model, images, texts)
    loss.backward()
    return sum(kept.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"width": 384, "depth": 12, "pairs": 16, "steps": 5}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    chosen = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images = torch.randint(0, 256, (chosen.pairs, 3, 224, 224), dtype=torch.uint8, device=device)
    ids = torch.randint(1, 49408, (chosen.pairs, 64), device=device)
    texts = Tokens(ids, torch.ones_like(ids, dtype=torch.bool))
    for name in chosen.modes:
        model = build(chosen.width, chosen.depth, MODES[name], device).train()
        kept = kept_bytes(model, images, texts)
        seconds = []
        for _ in range(chosen.steps + 2):
            started = time.perf_counter()
            loss_of(model, images, texts).backward()
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - started)
        print(f"{name:<10} {kept / 2**20:9.1f} MiB kept  {statistics.median(seconds[2:]):7.3f} s per step  (first {seconds[0]:.1f} s)")


if __name__ == "__main__":
    main()
