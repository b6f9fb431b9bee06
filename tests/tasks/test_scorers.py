"""Ways to score, from the command line: a similarity that is trained, and likelihoods that are chosen afterwards."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml
from tests.commands import run_command
from tests.composing import SMALL_DATA, SMALL_MODEL, compose_config, options
from tests.conftest import RunPy

import concord
from concord.config import check
from concord.errors import IncompatibleError
from concord.models import TextConditioned
from concord.tasks.assemble import check_config
from concord.tasks.measure import SCORER_INJECTED

TINY = (*SMALL_MODEL, *SMALL_DATA, "trainer.accelerator=cpu")
BENCH = ("benchmark.tasks.compositional.reader.source.size=16", "benchmark.bootstrap=100", "~benchmark.tasks.zero_shot")
BENCH += ("~benchmark.tasks.retrieval", "~benchmark.tasks.diagnostics")
CONDITIONED = ("head@model=text_conditioned", "model.similarity.mixtures=4", "model.similarity.heads=2")


def done(result: object) -> None:
    assert result.returncode == 0, result.stderr[-3000:]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", options("scorer"))
def test_every_scorer_fits(name: str) -> None:
    check(compose_config(f"scorer={name}")["scorer"], "scorer", SCORER_INJECTED)


def test_text_conditioned_images_are_learned_by_either_loss() -> None:
    check_config(compose_config("method=siglip", *CONDITIONED, *SMALL_MODEL))
    check_config(compose_config("method=clip", *CONDITIONED, *SMALL_MODEL, "model.similarity.init_bias=null"))


def test_text_conditioned_images_are_trained_measured_and_loaded(run_py: RunPy, tmp_path: Path) -> None:
    steps = ("trainer.max_steps=80", "trainer.log_every=1", "optimizer.lr=3e-3", "schedule=constant", "data.batch_size=16")
    done(run_py("method=siglip", *CONDITIONED, *TINY, *BENCH, *steps, "hydra.run.dir=run"))
    with (tmp_path / "run" / "metrics.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file) if row.get("loss")]
    assert sum(losses[-10:]) < 0.95 * sum(losses[:10])
    scorer = concord.load(tmp_path / "run")
    assert isinstance(scorer.model.similarity, TextConditioned)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert 0 <= metrics["compositional/shapes/swap_attributes/accuracy"] <= 1


@pytest.fixture(scope="module")
def captioner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run of CoCa that was not measured."""
    folder = tmp_path_factory.mktemp("captioner")
    tiny = ("model.image.caption_queries=4", *TINY, "benchmark=off", "trainer.max_steps=2", f"hydra.run.dir={folder}")
    done(run_command("method=coca", *tiny, folder=folder))
    return folder


def test_the_scorer_is_chosen_when_a_model_is_measured(run_py: RunPy, captioner: Path, tmp_path: Path) -> None:
    """What is the first score of one run is the second of another; the prior may come from a data set."""
    found = {}
    bank = ("+source@scorer.bank=shapes", "scorer.bank.size=9", "scorer.alpha=0.5")
    for name, options_of_it in {"similarity": (), "debiased_likelihood": (), "with a bank": bank}.items():
        scorer = f"scorer={'debiased_likelihood' if options_of_it else name}"
        done(run_py("task=evaluate", f"checkpoint={captioner}", scorer, *options_of_it, *BENCH, f"hydra.run.dir={tmp_path / name}"))
        found[name] = json.loads((tmp_path / name / "metrics.json").read_text())
    for kind in ("swap_attributes", "swap_relation"):
        names = f"compositional/shapes/{{}}{kind}/accuracy"
        for first, second in (("similarity", "debiased_likelihood"), ("debiased_likelihood", "similarity")):
            assert found[first][names.format(f"{second}/")] == found[second][names.format("")]
        assert {names.format(f"{other}/") for other in ("similarity", "likelihood")} <= found["with a bank"].keys()
    assert yaml.safe_load((tmp_path / "with a bank" / "config.yaml").read_text())["scorer"]["bank"]["size"] == 9


@pytest.mark.parametrize("name", ["likelihood", "debiased_likelihood"])
def test_a_likelihood_without_a_decoder_is_refused_before_any_data_is_read(name: str) -> None:
    check_config(compose_config(f"scorer={name}", "method=coca", *SMALL_MODEL))
    with pytest.raises(IncompatibleError, match="a caption likelihood needs a model with a decoder"):
        check_config(compose_config(f"scorer={name}", *SMALL_MODEL))
