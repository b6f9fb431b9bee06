"""What a training run need not wait for: large packages that it does not use are not imported before it has trained."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.composing import SMALL
from tests.conftest import ROOT

UNUSED = (
    "boto3",
    "datasets",
    "faiss",
    "h5py",
    "nibabel",
    "onnx",
    "onnxruntime",
    "open_clip",
    "pandas",  # of the report, which comes after the training
    "pydicom",
    "skimage",
    "sklearn",
    "tensorboard",
    "wandb",
    "webdataset",
)
"""Not among them is what torchmetrics imports, which Lightning brings in: SciPy, Matplotlib, torchvision and transformers."""

CODE = """
import sys
from pathlib import Path

from concord import cli

with cli.hidden("wandb"):
    from concord import tasks

sys.modules["concord.tasks.train"]._show = lambda folder, bad: print(*sorted({name.partition(".")[0] for name in sys.modules}))
sys.exit(cli.main(Path(sys.argv.pop(1))))
"""


def test_a_training_run_imports_no_large_package_that_it_does_not_use(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CODE, str(ROOT / "conf"), *SMALL, f"hydra.run.dir={tmp_path / 'run'}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.splitlines()[-1].split())
    assert {"concord", "torch", "lightning", "timm"} <= loaded
    assert loaded.isdisjoint(UNUSED), sorted(loaded & set(UNUSED))
