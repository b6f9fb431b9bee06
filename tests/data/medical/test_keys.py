from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from concord.data.medical.keys import keyed, secret
from concord.errors import DataError
from tests.forked import SERVER, start_afresh


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No secret but what the test makes."""
    monkeypatch.delenv("CONCORD_SECRET", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    secret.cache_clear()
    yield tmp_path
    secret.cache_clear()


def test_a_name_is_an_hmac_under_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCORD_SECRET", " sixteen letters! ")
    expected = hmac.new(b"sixteen letters!", b"clinic/10000099", hashlib.sha256).hexdigest()[:20]
    assert keyed("clinic/10000099") == expected
    assert keyed("clinic/10000098") != expected
    assert re.fullmatch("[0-9a-f]{20}", keyed("half a \ud800 pair"))


def test_another_secret_gives_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for own in ("the secret of one person", "the secret of another"):
        monkeypatch.setenv("CONCORD_SECRET", own)
        secret.cache_clear()
        found.append(keyed("10000099"))
    assert found[0] != found[1]
    assert hashlib.sha256(b"10000099").hexdigest()[:20] not in found  # what anybody could compute


def test_it_is_made_once_for_its_owner_alone(home: Path) -> None:
    first = keyed("a")
    file = home / "config" / "concord" / "secret"
    assert len(file.read_text()) == 64
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    secret.cache_clear()
    assert keyed("a") == first


def _leave_a_name(environment: dict[str, str], file: Path) -> None:
    start_afresh(environment)
    file.write_text(keyed("a"))


def test_processes_that_make_it_at_once_get_the_same(home: Path) -> None:
    files = [home / str(index) for index in range(3)]
    running = [SERVER.Process(target=_leave_a_name, args=(dict(os.environ), file)) for file in files]
    for process in running:
        process.start()
    for process in running:
        process.join(60)
    assert len({file.read_text() for file in files}) == 1
    assert [path.name for path in (home / "config" / "concord").iterdir()] == ["secret"]


@pytest.mark.parametrize("content", ["", "\n", "short"])
def test_a_secret_that_can_be_guessed_is_refused(home: Path, content: str) -> None:
    file = home / "config" / "concord" / "secret"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(DataError, match=re.escape(f"{file}: a secret must have at least 16 characters, this has {len(content.strip())}")):
        keyed("a")


def test_so_is_one_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCORD_SECRET", "short")
    with pytest.raises(DataError, match="CONCORD_SECRET: a secret must have"):
        keyed("a")


def test_a_file_that_others_can_read_is_refused(home: Path) -> None:
    keyed("a")
    file = home / "config" / "concord" / "secret"
    file.chmod(0o644)
    secret.cache_clear()
    with pytest.raises(DataError, match=re.escape(f"chmod 600 {file}")):
        keyed("a")


def test_a_folder_that_cannot_be_written_tells_the_way_out(home: Path) -> None:
    (home / "config").write_text("no folder")
    with pytest.raises(DataError, match="set CONCORD_SECRET to a secret of your own"):
        keyed("a")


def test_so_does_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    with pytest.raises(DataError, match="there is no home folder to keep a secret in; set CONCORD_SECRET"):
        keyed("a")
