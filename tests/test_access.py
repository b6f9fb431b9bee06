"""What says that data are guarded, and how errors are told then."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from concord.access import Access, access_of, guarding, is_guarded, place_of, strictest, without_values
from concord.data import Filtered, HashSplit, Joined, Mixture, Rewrites
from concord.data.filters import CaptionLength
from concord.data.wrapper import Selection, Wrapper
from concord.errors import DataError
from tests.data.test_source import Telling


class Told(Telling):
    def __init__(self, size: int, access: Access) -> None:
        super().__init__(size)
        self.access = access


def test_the_strictest_counts() -> None:
    assert strictest([]) == "open"
    assert strictest(["open", "credentialed", "restricted"]) == "credentialed"
    assert strictest(["restricted", "open"]) == "restricted"


def test_what_says_nothing_is_open() -> None:
    assert access_of(Telling(3)) == "open"
    assert not is_guarded(object())
    assert is_guarded(Told(3, "restricted"))


@pytest.mark.parametrize("access", ["open", "restricted", "credentialed"])
def test_every_wrapper_passes_it_on(access: Access, tmp_path: Any) -> None:
    source = Told(40, access)
    (tmp_path / "more.csv").write_text("key,caption\nkey 3,more\n")
    wrapped: list[Wrapper] = [
        Selection(source, np.array([1])),
        HashSplit(source, "train", 0.5),
        Filtered(source, {"words": CaptionLength()}),
        Rewrites(source, str(tmp_path / "more.csv"), key="key"),
        Joined({"a": Telling(3), "b": source}),
        Mixture({"a": source, "b": Telling(3)}),
        Mixture({"film": Joined({"a": Selection(source, np.array([1]))}), "b": Telling(3)}),
    ]
    assert [wrapper.access for wrapper in wrapped] == [access] * len(wrapped)


def test_of_guarded_captions_none_is_safe_where_the_source_does_not_say() -> None:
    for access, expected in (("open", ("caption 2",)), ("credentialed", ())):
        assert Selection(Told(4, access), np.array([2])).safe_captions(0) == expected  # type: ignore[arg-type]
    assert Joined({"a": Told(4, "credentialed"), "b": Told(4, "open")}).safe_captions(6) == ("caption 2",)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("/x/a.csv, row 3: 'age' must be a number, got 'John'", "/x/a.csv, row 3: '...' must be a number, got '...'"),
        ('the owner\'s list says "John \\" Smith" twice', "the owner's list says '...' twice"),
        ("got 'a long text that was cut...", "got '...'"),
        ("got b'John'; see the way out", "got '...'; see the way out"),
        ("/x/a.csv: file not found", "/x/a.csv: file not found"),
    ],
)
def test_messages_without_what_they_quote(message: str, told: str) -> None:
    assert without_values(message) == told


class Guarded:
    access: ClassVar[Access] = "credentialed"


def test_a_fault_over_guarded_data_tells_where_it_was_and_not_what_it_said() -> None:
    with pytest.raises(DataError) as error, guarding(Guarded()):
        raise KeyError("John")
    assert "a fault of the program over credentialed data: KeyError in test_access.py, line" in str(error.value)
    assert "John" not in str(error.value)
    with pytest.raises(KeyError, match="John"), guarding(object()):
        raise KeyError("John")
    with pytest.raises(DataError, match="as it is"), guarding(Guarded()):  # of the user's: it was written with care
        raise DataError("as it is")


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert place_of(KeyError("John")) == "KeyError"
