"""Every command on the pages of `docs/` composes and fits, with the files that the pages tell to write."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from concord.cli import with_quoted_range
from concord.tasks.assemble import check_config
from tests.bert import write_bert
from tests.composing import compose_config
from tests.conftest import ROOT

PAGE = "\n".join((ROOT / "docs" / name).read_text() for name in ("data_sets.md", "data.md", "medical.md", "benchmarks.md"))
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
    write_bert(folder / "pubmedbert")
    return folder / "conf"


def test_the_pages_have_files_and_commands() -> None:
    assert len(FILES) == 3
    assert len(COMMANDS) >= 10


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_compose(command: str, conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(conf.parent)  # where the text encoder is that they name
    overrides = [with_quoted_range(argument) for argument in shlex.split(command, comments=True)[2:]]
    check_config(compose_config(*overrides, conf_folder=conf))
