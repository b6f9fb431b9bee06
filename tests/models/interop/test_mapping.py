from __future__ import annotations

import pytest
import torch
from torch import Tensor

from concord.errors import CheckpointError, IncompatibleError
from concord.models.interop.mapping import Rule, export_weights, import_weights, rule, under

RULES = [
    *under("blocks.*.", "layers.*.", [rule("qkv.*", ("q.*", "k.*", "v.*")), rule("norm.**", "ln.**")]),
    rule(("pool.q", "pool.kv"), "pool.in_proj"),
    rule("head", "head", "transposed"),
    rule("places", "places", "reshaped"),
    rule("scale", "scale", "reshaped"),
    Rule(("bias",), (), "zero"),
    Rule(("mean",), (), "own"),
]


def weights() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "blocks.0.qkv.1": (6, 4),
        "blocks.12.qkv.1": (6, 4),
        "blocks.0.norm.a.weight": (4,),
        "pool.q": (2, 3),
        "pool.kv": (4, 3),
        "head": (5, 2),
        "places": (1, 7, 3),
        "scale": (),
        "mean": (3, 1, 1),
    }
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()} | {"bias": torch.zeros(4)}


def test_the_table_reads_in_both_directions() -> None:
    ours = weights()
    theirs = export_weights(RULES, ours)
    assert set(theirs) == {
        *(f"layers.{layer}.{part}.1" for layer in (0, 12) for part in "qkv"),
        *("layers.0.ln.a.weight", "pool.in_proj", "head", "places", "scale"),
    }
    assert torch.equal(theirs["layers.12.k.1"], ours["blocks.12.qkv.1"][2:4])
    assert torch.equal(theirs["pool.in_proj"], torch.cat([ours["pool.q"], ours["pool.kv"]]))
    assert torch.equal(theirs["head"], ours["head"].T)
    assert theirs["places"].shape == (7, 3)
    fresh = {name: torch.full_like(value, 9.0) for name, value in ours.items()}
    again = import_weights(RULES, theirs, fresh)
    assert set(again) == set(ours)
    for name in set(ours) - {"mean"}:
        assert torch.equal(again[name], ours[name])
    assert torch.equal(again["mean"], fresh["mean"])


def test_a_scalar_may_be_a_vector_of_one_there() -> None:
    theirs = export_weights(RULES, weights())
    theirs["scale"] = theirs["scale"][None]
    assert import_weights(RULES, theirs, weights())["scale"].shape == ()


def test_exports_share_no_memory() -> None:
    ours = weights()
    export_weights(RULES, ours)["scale"].add_(1)
    assert torch.equal(ours["scale"], weights()["scale"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers.0.q.1": None}, r"layers\.0\.q\.1 are missing"),
        ({"more": torch.ones(1)}, "more belong nowhere"),
        ({"head": torch.ones(3, 5)}, r"head has shape \[3, 5\], and \[5, 2\] is wanted"),
        ({"head": torch.ones(3)}, r"head has shape \[3\], and \[5, 2\] is wanted"),
        ({"pool.in_proj": torch.ones(7, 3)}, r"pool\.in_proj has shape \[7, 3\], and \[2, 3\] and \[4, 3\] is wanted"),
        ({"pool.in_proj": torch.ones(6, 2)}, r"pool\.in_proj has shape \[6, 2\], and"),
        ({"places": torch.ones(5, 2)}, r"places has shape \[5, 2\], and \[1, 7, 3\] is wanted"),
        ({"layers.0.q.1": torch.ones(2, 9)}, r"shape \[2, 9\] and \[2, 4\] and \[2, 4\], and \[6, 4\] is wanted"),
    ],
)
def test_weights_that_do_not_fit_are_named(change: dict[str, Tensor | None], message: str) -> None:
    theirs = {name: value for name, value in {**export_weights(RULES, weights()), **change}.items() if value is not None}
    with pytest.raises(CheckpointError, match=message):
        import_weights(RULES, theirs, weights())


def test_a_weight_without_a_counterpart_is_refused() -> None:
    with pytest.raises(IncompatibleError, match=r"weight blocks\.0\.gate has no counterpart"):
        export_weights(RULES, {"blocks.0.gate": torch.ones(1)})
    with pytest.raises(IncompatibleError, match="weight bias is not zero"):
        export_weights(RULES, {"bias": torch.ones(1)})


def test_a_missing_count_of_batches_is_no_fault() -> None:
    table = [rule("bn.**", "norm.**")]
    model = {"bn.weight": torch.ones(2), "bn.num_batches_tracked": torch.tensor(3)}
    found = import_weights(table, {"norm.weight": torch.zeros(2)}, model)
    assert found["bn.num_batches_tracked"] == 3
    assert torch.equal(found["bn.weight"], torch.zeros(2))
