"""Guarded: nothing of an example's own leaves a source of general form."""

from __future__ import annotations

from pathlib import Path

import pytest

from concord.access import is_guarded
from concord.data.medical import Guarded
from concord.data.medical.keys import keyed
from concord.data.readers.shards import Shards
from concord.data.source import BadSample, KeyedSource
from tests.data.samples import Grey, encode, write_tar


def shards(path: Path) -> Shards:
    document = {"captions": ["A sentence."], "report": "Mr Nobody has a cough.", "modality": "radiograph", "patient": "p10000099"}
    members = [("p10000099_s50000111.jpg", encode(1)), ("p10000099_s50000111.json", document)]
    write_tar(path / "p10.tar", [*members, ("p10000098.jpg", b""), ("p10000098.json", document), ("p10000097.jpg", encode(2))])
    return Shards(str(path), {"label": "json:captions", "report": "json:report"}, "mimic")


def test_it_renames_and_says_nothing(tmp_path: Path) -> None:
    source = Guarded(shards(tmp_path), "credentialed", metadata=["modality"], safe_roles=["label"])
    assert isinstance(source, KeyedSource)
    assert is_guarded(source)
    pair = source[0]
    assert pair.key == source.key(0) == keyed("mimic/p10000099_s50000111")
    assert pair.source == source.location(0) == "mimic"
    assert pair.metadata == source.metadata(0) == {"modality": "radiograph"}
    assert pair.captions == source.captions(0) == ("A sentence.", "Mr Nobody has a cough.")
    assert source.safe_captions(0) == ("A sentence.",)
    assert source.safe_captions(2) == ()
    assert source.block_sizes == [3]
    assert source.fingerprint() == source.source.fingerprint()  # type: ignore[attr-defined]
    assert Guarded(shards(tmp_path), "restricted").safe_captions(0) == ()


def test_errors_name_no_file(tmp_path: Path) -> None:
    source = Guarded(shards(tmp_path), "restricted")
    for index, cause in ((1, "zero bytes"), (2, "no caption")):
        with pytest.raises(BadSample, match=cause) as bad:
            source[index]
        assert "p100000" not in str(bad.value)
        assert bad.value.key == source.key(index)
    (tmp_path / "p10.tar").unlink()
    with pytest.raises(BadSample, match="shard cannot be read") as gone:
        source[0]
    assert "p10" not in str(gone.value)


def test_it_needs_keys() -> None:
    with pytest.raises(ValueError, match="source must give keys"):
        Guarded(Grey(3), "restricted")  # type: ignore[arg-type]
