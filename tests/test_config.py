"""The strict builder: what fits is built, what does not is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.config import build, check, fits, locate, nodes
from concord.errors import ConfigError


class Part:
    def __init__(self, width: int, rate: float = 0.5, kind: Literal["a", "b"] = "a", names: list[str] | None = None) -> None:
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        self.width, self.rate, self.kind, self.names = width, rate, kind, names


class Whole:
    def __init__(self, part: Part, parts: dict[str, Part], folder: Path, extra: int) -> None:
        self.part, self.parts, self.folder, self.extra = part, parts, folder, extra


@pytest.fixture(autouse=True)
def _parts_in_concord(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the parts above reachable under a name that the builder allows."""
    import concord.config

    monkeypatch.setattr(concord.config, "Part", Part, raising=False)
    monkeypatch.setattr(concord.config, "Whole", Whole, raising=False)


def part(**values: Any) -> dict[str, Any]:
    return {"_target_": "concord.config.Part", **values}


def test_builds_nested_parts_with_injected_arguments() -> None:
    node = {"_target_": "concord.config.Whole", "part": part(width=2, rate=1), "parts": {"x": part(width=3)}, "folder": "here"}
    whole = build(node, "whole", extra=7)
    assert (whole.part.width, whole.parts["x"].width, whole.extra) == (2, 3, 7)
    assert isinstance(whole.part.rate, float)
    assert whole.folder == Path("here")
    assert [path for path, _ in nodes(node, "whole")] == ["whole", "whole.part", "whole.parts.x"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 2, "raet": 1.0}, "thing.raet: no such key; did you mean rate?"),
        ({"width": "two"}, "thing.width: expected int, got 'two'"),
        ({"width": True}, "thing.width: expected int, got True"),
        ({"width": 2, "kind": "c"}, "thing.kind: expected one of a, b, got 'c'"),
        ({"width": 2, "names": ["a", 1]}, "thing.names: expected list[str] or null, got ['a', 1]"),
        ({}, "thing.width is required by concord.config.Part"),
        ({"width": 0}, "thing: width must be at least 1, got 0"),
    ],
)
def test_names_the_key_and_the_way_out(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        build(part(**values), "thing")
    assert str(error.value) == message


def test_check_reaches_nested_nodes_without_building() -> None:
    with pytest.raises(ConfigError, match=r"whole\.parts\.x\.widht: no such key; did you mean width\?"):
        check(
            {"_target_": "concord.config.Whole", "part": part(width=0), "parts": {"x": part(widht=3)}, "folder": "f", "extra": 1}, "whole"
        )


def test_targets_stay_inside_the_allowed_packages() -> None:
    with pytest.raises(ConfigError, match=r"os\.system lies outside"):
        locate("os.system", "thing")
    with pytest.raises(ConfigError, match="did you mean build"):
        locate("concord.config.biuld", "thing")


def test_injected_keys_may_not_be_configured() -> None:
    with pytest.raises(ConfigError, match=r"thing\.width is set by concord itself"):
        build(part(width=1), "thing", width=2)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())))
def test_every_plain_value_fits_exactly_its_own_type(value: Any) -> None:
    expected = {type(None): value is None, bool: isinstance(value, bool), str: isinstance(value, str)}
    for kind, fitting in expected.items():
        assert fits(value, kind) is fitting
    assert fits(value, int) is (type(value) is int)
    assert fits(value, float) is (type(value) in (int, float))
    assert fits(value, list[int]) is isinstance(value, list)
    assert fits(value, int | None) is (value is None or type(value) is int)
