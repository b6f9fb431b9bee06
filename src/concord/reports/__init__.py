"""Pages and tables that compare runs."""

from concord.reports.page import write_page
from concord.reports.runs import Run, find_runs
from concord.reports.table import leaderboard

__all__ = ["Run", "find_runs", "leaderboard", "write_page"]
