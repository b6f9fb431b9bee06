from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tests.models.interop.open_clip_models import CONFIGS, TEXTS, embed, make_folder, pictures

import concord
from concord.models.checkpoint import export
from concord.models.likelihood import CaptionLikelihood
from concord.models.scorer import Scorer, evaluating
from concord.types import VIEW_POSITIONS

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("open_clip")
    return {name: make_folder(name, root / name) for name in CONFIGS}


def ours(scorer: Scorer) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    images, texts = scorer.embed_images(pictures()), scorer.embed_texts(TEXTS)
    return images.vectors, texts.vectors, scorer.logits(scorer.score(images, texts))


def assert_equal_models(found: tuple[torch.Tensor, ...], expected: tuple[torch.Tensor, ...]) -> None:
    for mine, theirs in zip(found[:2], expected[:2], strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=0)
        assert theirs.std(dim=0).max() > 1e-3, "all rows are alike, so that their equality says little"
    # The scale is 110 here: errors of embeddings grow with it.
    torch.testing.assert_close(found[2], expected[2], atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_pictures_and_captions_are_embedded_as_open_clip_does(name: str, folders: dict[str, Path]) -> None:
    assert_equal_models(ours(concord.load(folders[name])), embed(folders[name], TEXTS))


@pytest.mark.parametrize("name", CONFIGS)
def test_an_export_is_what_open_clip_reads(name: str, folders: dict[str, Path], tmp_path: Path) -> None:
    written = export(folders[name], tmp_path / "export", "open_clip")
    before = ours(concord.load(folders[name]))
    assert_equal_models(before, embed(written, TEXTS))
    for mine, again in zip(before, ours(concord.load(written)), strict=True):
        assert torch.equal(mine, again)


def test_a_view_embedding_is_left_out_which_changes_nothing(folders: dict[str, Path], tmp_path: Path) -> None:
    mine = export(folders["clip"], tmp_path / "mine")
    config = json.loads((mine / "config.json").read_text())
    config["model"]["view_embedding"] = True
    (mine / "config.json").write_text(json.dumps(config))
    vectors = torch.randn(len(VIEW_POSITIONS), config["model"]["image"]["width"])
    vectors[0] = 0
    save_file(load_file(mine / "model.safetensors") | {"view_embedding.vectors.weight": vectors}, mine / "model.safetensors")

    written = export(mine, tmp_path / "theirs", "open_clip")

    assert_equal_models(ours(concord.load(mine)), embed(written, TEXTS))


@pytest.mark.parametrize("exported", [False, True])
@pytest.mark.parametrize("name", ["coca", "coca_same_width"])
def test_coca_says_what_open_clips_coca_says(name: str, exported: bool, folders: dict[str, Path], tmp_path: Path) -> None:
    scorer = concord.load(folders[name])
    theirs_at = export(folders[name], tmp_path, "open_clip") if exported else folders[name]
    created = open_clip.create_model_and_transforms(f"local-dir:{theirs_at}")
    model: Any = created[0].eval()
    transform: Any = created[2]
    picture = pictures()[0]
    tokenize = open_clip.get_tokenizer(f"local-dir:{theirs_at}")
    tokens = scorer.tokenizer(TEXTS)
    with evaluating(scorer.model):
        image = scorer.model.image(torch.stack([scorer.preprocess(picture)] * len(TEXTS)))
        logits = scorer.model.caption_logits(image, scorer.model.text(tokens), tokens)
        expected = model(torch.stack([transform(picture)] * len(TEXTS)), tokenize(TEXTS), output_labels=False)["logits"]
    for mine, theirs, mask in zip(logits, expected, tokens.mask, strict=True):
        torch.testing.assert_close(mine[mask], theirs[: len(mask)][mask], atol=1e-4, rtol=1e-5)


def test_likelihood_of_a_loaded_coca_is_that_of_open_clip(folders: dict[str, Path]) -> None:
    scorer = concord.load(folders["coca"])
    likelihood = CaptionLikelihood(scorer.model, scorer.preprocess, scorer.tokenizer)
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folders['coca']}")
    model.eval()
    ids = open_clip.get_tokenizer(f"local-dir:{folders['coca']}")([TEXTS[0]])
    length = int(scorer.tokenizer([TEXTS[0]]).mask.sum())
    with torch.no_grad():
        logits = model(transform(pictures()[1])[None], ids)["logits"]  # type: ignore[misc]
    expected = -F.cross_entropy(logits[0, : length - 1], ids[0, 1:length], reduction="sum")
    found = likelihood.score([pictures()[1]], [TEXTS[0]])
    torch.testing.assert_close(found[0, 0], expected, atol=1e-4, rtol=1e-5)


def test_the_loaded_model_goes_on_in_our_own_format(folders: dict[str, Path], tmp_path: Path) -> None:
    first = ours(concord.load(folders["siglip"]))
    for mine, again in zip(first, ours(concord.load(export(folders["siglip"], tmp_path / "ours"))), strict=True):
        assert torch.equal(mine, again)
