"""What a rehearsal in shapes says, against the real step: arithmetic, memory, and what is sent."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch.distributed as dist
from torch.utils.flop_counter import FlopCounterMode

from concord.planning.flops import OWN_FORMULAS
from concord.planning.memory import AVERAGES, memory_of
from concord.planning.rehearsal import GRADIENTS, WEIGHTS, Trace
from concord.planning.tracing import OPTIMIZER
from tests.composing import SMALL, compose_config, options
from tests.conftest import ROOT
from tests.planning.subjects import real_subject, shapes
from tests.processes import run_on_ranks

SMALL_B_32 = ("model=vit_b_32", "model.image.depth=2", "model.text.depth=2", "tokenizer.vocab_size=320", "tokenizer.context_length=77")


@pytest.mark.parametrize("method", options("method"))
def test_flops_are_those_of_the_real_step(method: str) -> None:
    cfg = compose_config(*SMALL, f"method={method}")
    subject = real_subject(cfg)
    with FlopCounterMode(display=False, custom_mapping=dict(OWN_FORMULAS)) as counter:
        subject.step(subject.batch(8)).backward()
    assert shapes(cfg).run(8).flops() == counter.get_total_flops() > 0


def transformer(tokens: int, width: int, depth: int) -> int:
    """FLOPs of a forward pass by hand: 12 D^2 weights per block and token, and two products of N x N x D in attention."""
    return depth * (2 * tokens * 12 * width**2 + 4 * tokens**2 * width)


def test_flops_are_those_of_the_formula() -> None:
    trace = shapes(compose_config(*SMALL_B_32), accelerator=True).run(4)
    image = transformer(50, 768, 2) + 2 * 49 * 3 * 32**2 * 768
    text = transformer(77, 512, 2)
    assert trace.flops("image", backward=False) == 4 * image
    assert trace.flops("text", backward=False) == 4 * text
    # Backward, a product becomes two, but for the pixels, which need no gradient; attention computes its weights once more.
    assert trace.flops("image", backward=True) == 4 * (2 * image - 2 * 49 * 3 * 32**2 * 768 + 2 * 2 * 50**2 * 768)
    assert trace.flops("text", backward=True) == 4 * (2 * text + 2 * 2 * 77**2 * 512)
    assert trace.flops("image_projection") == 4 * 3 * 2 * 768 * 512
    assert trace.flops("objectives.clip") == 2 * 3 * 2 * 4 * 4 * 512  # two tables of logits


def test_a_second_pass_through_a_tower_counts_as_the_objectives_own() -> None:
    rehearsal = shapes(compose_config(*SMALL_B_32, "method=mae_clip"), accelerator=True)
    whole = rehearsal.run(4)
    with rehearsal.without("mae"):
        without = rehearsal.run(4)
    assert set(rehearsal.subject.objectives) == {"clip", "mae"}
    assert without.flops("text") == whole.flops("text")
    # A quarter of 49 patches and the class token go through the blocks; all patches are embedded.
    spared = transformer(13, 768, 2) + 2 * 49 * 3 * 32**2 * 768
    assert whole.flops("image", backward=False) - without.flops("image", backward=False) == 4 * spared
    assert whole.flops("objectives.mae") > 0 == without.flops("objectives.mae")


def test_the_teacher_is_frozen_and_has_no_backward_pass() -> None:
    rehearsal = shapes(compose_config(*SMALL, "method=silc"))
    own = [rehearsal.run(8).flops("objectives.self_distillation", backward) for backward in (False, True)]
    with rehearsal.without("self_distillation"):
        tower = rehearsal.run(8).flops("image", backward=False)
    # What is trained costs twice as much backward; what is left is the teacher's: the whole image through its tower and head.
    assert own[0] - own[1] / 2 > tower


@pytest.mark.parametrize(("precision", "overrides"), [("32", ()), ("bf16", ("method=mae_clip",))])
def test_memory_is_that_of_the_real_step(precision: str, overrides: tuple[str, ...]) -> None:
    pairs, overrides = 24, (*SMALL_B_32, *overrides)
    command = [sys.executable, "-m", "tests.planning.peak_of_step", str(pairs), precision, *overrides]
    exact = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}  # what is freed goes back at once
    environment = {**os.environ, **exact, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=ROOT)
    measured = int(done.stdout.splitlines()[-1])
    trace = shapes(compose_config(*overrides), precision).run(pairs)  # type: ignore[arg-type]
    stood = trace.most[WEIGHTS] + trace.most[OPTIMIZER] + trace.most[GRADIENTS] + trace.most["batch"]
    planned = sum(trace.peak.values()) - stood
    assert measured > 150e6
    assert planned == pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize(
    ("name", "per_weight"), [("adamw", 2.0), ("lion", 1.0), ("lamb", 2.0), ("adafactor", 0.5), ("muon", 1.0)], ids=lambda value: str(value)
)
def test_weights_gradients_and_optimizer_are_exact(name: str, per_weight: float) -> None:
    cfg = compose_config(*SMALL, f"optimizer={name}")
    trace, subject = shapes(cfg).run(4), real_subject(cfg)
    weights = sum(tensor.nbytes for tensor in (*subject.module.parameters(), *subject.module.buffers()))
    trained = sum(parameter.nbytes for parameter in subject.module.parameters() if parameter.requires_grad)
    assert trace.peak[WEIGHTS] == weights
    assert trace.most[GRADIENTS] == trained
    optimizer = subject.optimizer()
    for parameter in subject.module.parameters():
        parameter.grad = parameter.detach().clone()
    optimizer.step()
    state = sum(value.nbytes for found in optimizer.state.values() for value in found.values() if hasattr(value, "nbytes"))
    assert trace.state == state
    assert trace.most[OPTIMIZER] >= state
    assert state / trained == pytest.approx(per_weight, abs=0.51)


def test_frozen_weights_have_neither_gradients_nor_state() -> None:
    trace = shapes(compose_config(*SMALL, "method=lit")).run(8)
    subject = real_subject(compose_config(*SMALL, "method=lit"))
    trained = sum(parameter.nbytes for parameter in subject.module.parameters() if parameter.requires_grad)
    assert trace.most[GRADIENTS] == trained < trace.peak[WEIGHTS]
    assert trace.flops("image", backward=True) == 0 < trace.flops("image", backward=False)


SENDING = {name: (*SMALL, f"method={name}") for name in ("clip", "siglip", "slip", "silc", "filip", "neg_clip")}
SENDING["rings of tokens"] = (*SENDING["filip"], "+objective@method.objectives.siglip=siglip", "+model.similarity.init_bias=-10")


def test_what_is_sent_is_what_two_processes_send(tmp_path: Path) -> None:
    first, second = run_on_ranks(_sent, 2, tmp_path)
    assert first == second
    for name, overrides in SENDING.items():
        planned = shapes(compose_config(*overrides)).run(4, world=2)
        assert Counter((one.kind, one.bytes) for one in planned.transfers) == first[name], name


def test_groups_talk_to_their_own_members_alone() -> None:
    whole, groups = (shapes(compose_config(*SMALL, f"method.objectives.clip.group={size}")) for size in ("null", 8))
    two, four = whole.run(4, world=2), groups.run(4, world=4)
    assert [(one.kind, one.bytes, one.world) for one in four.transfers] == [(one.kind, one.bytes, 2) for one in two.transfers]
    assert sum(one.sent for one in four.transfers) == sum(one.sent for one in two.transfers) > 0
    assert groups.run(8, world=4).transfers == []  # each process holds a whole group


def test_an_average_of_the_weights_is_as_large_as_what_is_trained() -> None:
    cfg = compose_config(*SMALL, "tuning=locked_image")
    trace = shapes(cfg).run(4, world=2)
    module = real_subject(cfg).module
    trained = sum(parameter.nbytes for parameter in module.parameters() if parameter.requires_grad)
    assert 0 < trained < sum(parameter.nbytes for parameter in module.parameters())
    for spread, share in {"ddp": 1, "fsdp": 2}.items():
        with_average, without = (memory_of(trace, spread, trained, 0, averaged) for averaged in (True, False))  # type: ignore[arg-type]
        assert with_average == without | {AVERAGES: -(-trained // share)}


def _sent() -> dict[str, Counter[tuple[str, int]]]:
    """What this process hands to the collectives in one step of each method."""
    found: dict[str, Counter[tuple[str, int]]] = {}
    now: Counter[tuple[str, int]] = Counter()

    def counted(function: Any, kind: str, size: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            now[kind, size(*args)] += 1
            return function(*args, **kwargs)

        return call

    dist.all_gather = counted(dist.all_gather, "gather", lambda parts, *_: sum(part.nbytes for part in parts))
    dist.all_reduce = counted(dist.all_reduce, "sum", lambda tensor, *_: tensor.nbytes)
    dist.batch_isend_irecv = counted(dist.batch_isend_irecv, "shift", lambda operations: operations[0].tensor.nbytes)
    for name, overrides in SENDING.items():
        subject = real_subject(compose_config(*overrides))
        now.clear()
        subject.step(subject.batch(4)).backward()
        found[name] = Counter(now)
    return found


def test_parts_of_a_step_add_up() -> None:
    trace: Trace = shapes(compose_config(*SMALL, "method=slip"), "bf16", accelerator=True).run(4, world=2)
    parts = {operation.part for operation in trace.operations}
    assert {"image", "text", "objectives.clip", "objectives.simclr", OPTIMIZER} <= parts
    assert sum(trace.flops(part) for part in parts) == trace.flops()
    assert any(operation.dtype == "bfloat16" for operation in trace.operations)
