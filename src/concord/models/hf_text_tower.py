"""Text encoders of Hugging Face behind the interface of the text tower.

Dimensions: B captions, L positions, D width.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from concord.errors import ConfigError, MissingExtraError
from concord.types import Features, Tokens

HFTextPooling = Literal["first", "last", "mean", "max"]


class HFTextTower(nn.Module):
    """Any text encoder that transformers' AutoModel knows, by name or local folder; of a two-sided model, its text side.

    Args:
        name: name on the hub, or a folder with config.json (and weights).
        pretrained: whether to load the weights; False builds the architecture with fresh ones.
        pooling: "first" token (BERT), "last" real token (CLIP and other causal encoders), "mean" or "max" over real tokens
            (ConVIRT). Padding is masked throughout.
        context_length: the longest caption, in tokens; None for what the encoder's positions allow.

    Features: pooled [B, D]; tokens [B, L, D], the last hidden states, zero at padding; mask that of the input.

    Raises:
        MissingExtraError: transformers is not installed.
        ConfigError: no such encoder, or a context longer than its positions.
    """

    def __init__(self, name: str, pretrained: bool = True, pooling: HFTextPooling = "first", context_length: int | None = None) -> None:
        super().__init__()
        if pooling not in get_args(HFTextPooling):
            raise ValueError(f"pooling must be one of {', '.join(get_args(HFTextPooling))}, got {pooling!r}")
        self.name = name
        self.pooling = pooling
        self.encoder = _text_side(_load(name, pretrained))
        self.width: int = self.encoder.config.hidden_size
        self.vocab_size: int = self.encoder.config.vocab_size
        longest = _longest_caption(self.encoder)
        self.context_length = context_length if context_length is not None else longest
        if not 1 <= self.context_length <= longest:
            raise ConfigError(f"text.context_length must lie in [1, {longest}] for {name}, got {context_length}")

    def forward(self, tokens: Tokens) -> Features:
        """Encode captions.

        Raises:
            ValueError: captions longer than the context length.
        """
        length = tokens.ids.shape[-1]
        if length > self.context_length:
            raise ValueError(f"captions have {length} tokens and the text tower's context_length is {self.context_length}")
        hidden = self.encoder(input_ids=tokens.ids, attention_mask=tokens.mask.long()).last_hidden_state
        hidden = hidden * tokens.mask[..., None]
        return Features(self._pool(hidden, tokens), hidden, tokens.mask)

    def _pool(self, hidden: Tensor, tokens: Tokens) -> Tensor:
        if self.pooling == "first":
            return hidden[:, 0]
        if self.pooling == "last":
            return hidden[torch.arange(len(hidden), device=hidden.device), tokens.end]
        if self.pooling == "max":
            return hidden.masked_fill(~tokens.mask[..., None], float("-inf")).amax(dim=1)
        return hidden.sum(dim=1) / tokens.mask.sum(dim=1, keepdim=True)


def _load(name: str, pretrained: bool) -> Any:
    try:
        from transformers import AutoConfig, AutoModel
    except ImportError as error:
        raise MissingExtraError("transformers", "hf") from error
    try:
        if pretrained:
            return AutoModel.from_pretrained(name, dtype=torch.float32)
        return AutoModel.from_config(AutoConfig.from_pretrained(name), dtype=torch.float32)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"text.name={name} is no encoder that transformers can load: {reason}") from error


def _text_side(model: Any) -> Any:
    """The encoder of captions in an encoder-decoder or in a model of images and text; the model itself otherwise."""
    if model.config.is_encoder_decoder:
        return model.get_encoder()
    return getattr(model, "text_model", model)


def _longest_caption(encoder: nn.Module) -> int:
    """Positions that the encoder has; those of RoBERTa start behind the padding index."""
    config: Any = encoder.config
    positions: int = config.max_position_embeddings if hasattr(config, "max_position_embeddings") else getattr(config, "n_positions", 512)
    for name, module in encoder.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            return positions - module.padding_idx - 1
    return positions
