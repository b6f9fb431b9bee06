"""One line that says on what a measurement was made; the scripts beside this one print it above their tables.

python tests/performance/machine.py
"""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("torch", "lightning", "numpy")


def describe() -> str:
    """Processor, cores that may be used, memory, Python and the versions that speed depends on, and the load at this moment."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = [f"{_processor()}, {cores} of {os.cpu_count()} cores", f"{_gibibytes():.0f} GiB", f"Python {platform.python_version()}"]
    parts += [f"{name} {found}" for name in PACKAGES if (found := _version(name)) is not None]
    return ", ".join(parts) + f"; load {os.getloadavg()[0]:.1f}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _gibibytes() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    print(describe())
