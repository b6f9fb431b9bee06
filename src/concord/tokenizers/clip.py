"""The vocabulary of CLIP, from its file of merges."""

from __future__ import annotations

import gzip
from pathlib import Path

import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers

from concord.errors import DataError
from concord.tokenizers.base import Tokenizer
from concord.tokenizers.cleaning import Cleaning

MERGES = 49152 - 256 - 2
"""How many lines of the file CLIP reads, after its header."""

END_OF_WORD = "</w>"
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}\x{345}]+"
"""English clitics, runs of letters, single digits, runs of anything else but white space."""


class CLIPTokenizer(Tokenizer):
    """CLIP's byte-pair encoding with 49,408 ids (Radford et al. 2021).

    The ids are those of the original, with one exception: where a caption spells out the name of a special token, it is
    read as ordinary text, so that no caption can end itself. Padding has id 0, which also is "!"; the mask tells them apart.

    Args:
        path: the file of merges, `bpe_simple_vocab_16e6.txt`, as text or gzipped.
        context_length: the most tokens of a caption, start and end included.
        cleaning: what is done to a caption first; "clip" for CLIP's ids.

    Raises:
        DataError: where the file is missing or holds something else.
    """

    def __init__(self, path: Path, context_length: int = 77, cleaning: Cleaning = "clip") -> None:
        engine = _engine(_read_merges(Path(path)))
        size = engine.get_vocab_size()
        super().__init__(engine, prefix=[size - 2], suffix=[size - 1], pad_id=0, context_length=context_length, cleaning=cleaning)


def _read_merges(path: Path) -> list[tuple[str, str]]:
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        lines = content.decode("utf-8").split("\n")[1 : MERGES + 1]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the CLIP vocabulary {path}: {error}") from None
    merges = [tuple(line.split()) for line in lines if line]
    if not merges or any(len(merge) != 2 for merge in merges):
        raise DataError(f"{path} is not a CLIP vocabulary: after its first line, each must hold two symbols")
    return merges  # type: ignore[return-value]


def _engine(merges: list[tuple[str, str]]) -> tokenizers.Tokenizer:
    symbols = _byte_symbols()
    names = [*symbols, *(symbol + END_OF_WORD for symbol in symbols), *(left + right for left, right in merges)]
    names += ["<start_of_text>", "<end_of_text>"]
    vocab = {name: index for index, name in enumerate(names)}
    engine = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=merges, end_of_word_suffix=END_OF_WORD))
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    engine.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Replace(END_OF_WORD, " ")])
    return engine


def _byte_symbols() -> list[str]:
    """One visible character per byte in the order of CLIP's ids: first the bytes that are visible Latin-1 themselves."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = 256 - len(visible)
    return [chr(code) for code in visible] + [chr(256 + index) for index in range(hidden)]
