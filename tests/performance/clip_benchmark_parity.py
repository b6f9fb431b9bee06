"""The numbers of this bench beside those of CLIP_benchmark's own code, for one OpenCLIP model on the same shards.

    python tests/performance/clip_benchmark_parity.py
    python tests/performance/clip_benchmark_parity.py --model FOLDER

CLIP_benchmark must be installed (pip install clip-benchmark). Without a model, one with random weights from a seed is measured;
FOLDER is what `task=export task.format=open_clip` wrote. The pictures are painted from a seed: 12 classes, 7 findings of which
an image shows two, and one to three captions an image, in JPEG, PNG and WebP of many sizes. The exit code is 1 where a number
differs by more than the rounding of theirs, which are in single precision.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks.walks.parity import different, ours, theirs  # noqa: E402
from tests.benchmarks.walks.parity_data import write_data, write_random_model  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of an OpenCLIP model")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        data = write_data(Path(name) / "data")
        model = write_random_model(Path(name) / "model") if arguments.model is None else arguments.model
        try:
            said = theirs(model, data)
        except ImportError:
            sys.exit("CLIP_benchmark is not installed; install it with: pip install clip-benchmark")
        found = ours(model, data)
    print(f"{'':28}{'CLIP_benchmark':>22}{'concord':>22}  ties")
    for metric, value in said.items():
        print(f"{metric:28}{value!r:>22}{found[metric].value!r:>22}{found[metric].ties:6}")
    wrong = different(found, said)
    print(f"different: {', '.join(wrong)}" if wrong else "the same numbers")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
