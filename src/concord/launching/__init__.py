"""From a command line to a job of a cluster: what is asked for, the script that says it, and its submission."""

from concord.launching.environment import LAUNCHED, is_launched, process_index
from concord.launching.script import Run, job_script
from concord.launching.settings import Local, Slurm
from concord.launching.submission import Submitted, submit

__all__ = ["LAUNCHED", "Local", "Run", "Slurm", "Submitted", "is_launched", "job_script", "process_index", "submit"]
