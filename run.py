"""The one entry: `python run.py method=siglip data=shapes trainer.max_steps=500`. `python run.py --help` shows the choices."""

import sys
from pathlib import Path

from concord.cli import main

if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent / "conf"))
