"""A planned step beside the real one on this machine's CPU: seconds by a measured profile, and memory.

    python tests/performance/planned_step.py --pairs 32 --threads 2 method=clip model=vit_s_32

The share of the profile's figures is measured with another model than the one that is predicted (`--learn`), as else the
prediction would be what was measured. Seconds are medians; without a quiet machine they say little.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

import torch
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.composing import compose_config
from tests.conftest import ROOT
from tests.planning.subjects import real_subject, shapes

from concord.config import build
from concord.planning import measure_steps, with_measured_share
from concord.planning.timing import step_time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--learn", default="vit_s_16", help="model that the share is measured with")
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    profile = build(yaml.safe_load((ROOT / "conf" / "device" / "cpu_2_cores.yaml").read_text()), "device")
    cpu, pairs = torch.device("cpu"), arguments.pairs
    learned = compose_config(f"model={arguments.learn}")
    seconds = measure_steps(real_subject(learned), cpu, "32", pairs, arguments.steps)
    profile = with_measured_share(profile, shapes(learned), pairs, seconds)
    cfg = compose_config(*arguments.overrides)
    planned = step_time(shapes(cfg).run(pairs), profile, "single", []).total
    measured = statistics.median(measure_steps(real_subject(cfg), cpu, "32", pairs, arguments.steps))
    print(f"share of the figures, measured with {arguments.learn}: {profile.achievable:.2f}")
    print(f"step of {pairs} pairs: planned {planned:.3f} s, measured {measured:.3f} s, ratio {planned / measured:.2f}")


if __name__ == "__main__":
    main()
