"""Every objective in the catalog has one meaning: processes, micro-batches and tiles change neither its value nor its gradients.

Objectives are found by listing `conf/objective`. One process with the whole batch is compared with two and three processes, each
by itself, in micro-batches that do not divide its pairs, in tiles, and in both.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.composing import options
from tests.objectives.carriers import carry
from tests.objectives.steps import PAIRS, TOLERANCES, Case, Found, Values, Way, learn_all
from tests.processes import run_on_ranks

NAMES = options("objective")


@pytest.fixture(scope="module")
def built() -> dict[str, Case | str]:
    """Of each objective a case, or why there is none."""
    found: dict[str, Case | str] = {}
    for name in NAMES:
        try:
            found[name] = carry(name, PAIRS)
        except LookupError as error:
            found[name] = str(error)
    return found


@pytest.fixture(scope="module")
def file(built: dict[str, Case | str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exactness") / "cases.pt"
    torch.save({name: case for name, case in built.items() if isinstance(case, Case)}, path)
    return path


@pytest.fixture(scope="module")
def alone(file: Path) -> Found:
    return learn_all(file)


@pytest.fixture(scope="module", params=[2, 3])
def together(request: pytest.FixtureRequest, file: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    return run_on_ranks(learn_all, request.param, tmp_path_factory.mktemp("ranks"), file)


@pytest.mark.parametrize("name", NAMES)
def test_can_be_built(name: str, built: dict[str, Case | str]) -> None:
    case = built[name]
    assert isinstance(case, Case), case


def check(found: dict[Way, Values], expected: dict[Way, Values]) -> None:
    """Everything equals the plain way of one process in the same precision; gradients relative to the largest of them."""
    assert found.keys() == expected.keys()
    for dtype, tolerance in TOLERANCES.items():
        plain = expected[dtype, None, None]
        largest = max(gradient.abs().max() for name, gradient in plain.items() if name.startswith(("model.", "head.")))
        assert largest > 1e-3
        for way, values in found.items():
            if way[0] != dtype:
                continue
            assert values.keys() == plain.keys(), way
            for name, value in values.items():
                scale = plain[name].abs().max() if name == "loss" or name.startswith("state.") else largest
                difference = (value - plain[name]).abs().max()
                assert difference <= tolerance * scale, f"{way}: {name} differs by {difference:.1e} of {scale:.1e}"


@pytest.mark.parametrize("name", NAMES)
def test_one_process_in_pieces_and_tiles(name: str, alone: Found) -> None:
    if name in alone:
        check(alone[name], alone[name])


@pytest.mark.parametrize("name", NAMES)
def test_many_processes_equal_one(name: str, alone: Found, together: list[Found]) -> None:
    if name in alone:
        for found in together:
            check(found[name], alone[name])


def test_the_comparison_covers_what_it_says(built: dict[str, Case | str], alone: Found) -> None:
    """Towers, projections, scale, bias, heads and state take part; ranks hold captions of unequal length."""
    plain = torch.float64, None, None
    changing = {name for found in alone.values() for name, value in found[plain].items() if value.abs().max() > 1e-6}
    for part in ("image.", "text.", "image_projection", "text_projection", "similarity.logit_scale", "similarity.logit_bias", "decoder."):
        assert any(name.startswith(f"model.{part}") for name in changing), part
    for part in ("head.decoder.mask_token", "head.projector", "head.head.prototypes", "state.centre"):
        assert any(name.startswith(part) for name in changing), part
    batches = [case.batch for case in built.values() if isinstance(case, Case)]
    assert all(len(batch) == PAIRS for batch in batches)
    lengths = batches[0].texts["caption"].mask.sum(dim=1)
    assert len({int(part.max()) for part in lengths.chunk(3)}) > 1
