"""Every command in `docs/data_sets.md` composes and fits, with the files that the page tells to write."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from concord.tasks.assemble import check_config
from tests.composing import compose_config
from tests.conftest import ROOT

PAGE = (ROOT / "docs/data_sets.md").read_text()
FILES = re.findall(r"```yaml\n# file: (\S+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("python run.py")
]


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "conf", folder / "conf")
    for name, text in FILES:
        (folder / name).write_text(text)
    return folder / "conf"


def test_the_page_has_files_and_commands() -> None:
    assert len(FILES) == 3
    assert len(COMMANDS) >= 10


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_compose(command: str, conf: Path) -> None:
    check_config(compose_config(*shlex.split(command)[2:], conf_folder=conf))
