"""RoBERTa (arXiv 1907.11692), T5 (arXiv 1910.10683) and other encoders of the transformers package, always offline."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch

from refsam_zoo.errors import InputError
from refsam_zoo.model.text_encoders.base import TEXT_ENCODERS, TextEncoder
from refsam_zoo.number_types import Depth
from refsam_zoo.registry import ModelCard
from refsam_zoo.types import TextFeatures, Tokens
from refsam_zoo.weights.files import are_weights_to_follow, warn_random_weights
from refsam_zoo.weights.hub_folders import load_whole, read_config, read_processor

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase


class HuggingFaceTextEncoder(TextEncoder):
    """An encoder of the transformers package: the last hidden state of every token.

    Args:
        folder: A model as `save_pretrained` writes it: `config.json`, weights and tokenizer files; or the name of a
            model that Hugging Face's local cache holds, "FacebookAI/roberta-base". None means random weights and a
            byte-level tokenizer (UTF-8 bytes as ids 3 to 258, as in ByT5, arXiv 2105.13626), which need no file.
        layers: Keep only the first so many transformer layers; None keeps all.
        mask_padding: False reproduces the released RefSAM code, which passes no attention mask: padding is attended
            to, enters the sentence's mean and becomes prompt tokens. It matters in batches of unequal sentences.
    """

    architecture: ClassVar[str] = "bert"
    sizes: ClassVar[dict[str, int]] = {}

    def __init__(
        self, folder: str | Path | None = None, layers: Depth | None = None, mask_padding: bool = True
    ) -> None:
        super().__init__()
        from transformers import AutoModelForTextEncoding

        folder = None if folder is None else _local_folder(Path(folder))
        config = self._random_config() if folder is None else self._read_config(folder)
        if layers is not None:
            config.num_hidden_layers = layers
        self.width, self.pad_id, self.max_tokens = config.hidden_size, config.pad_token_id, 512
        self.mask_padding = mask_padding
        self.tokenizer: PreTrainedTokenizerBase | None = None
        self.special_ids = [getattr(config, name, None) for name in ("bos_token_id", "eos_token_id")]
        if folder is None:
            warn_random_weights(f"text encoder {type(self).__name__}")
        else:
            self.tokenizer = read_processor(folder, "AutoTokenizer")
            self.max_tokens = min(self.max_tokens, self.tokenizer.model_max_length)
        if folder is None or are_weights_to_follow():
            self.model = AutoModelForTextEncoding.from_config(config).to(torch.get_default_dtype())
        else:
            self.model = load_whole(AutoModelForTextEncoding, folder, config, may_lack="pooler.", may_exceed=True)
        if hasattr(self.model, "pooler"):
            self.model.pooler = None

    def tokenize(self, expressions: Sequence[str]) -> Tokens:
        """Tokenises sentences; see `TextEncoder.tokenize`. Without `mask_padding` the mask is all True."""
        tokens = super().tokenize(expressions)
        return tokens if self.mask_padding else Tokens(tokens.ids, torch.ones_like(tokens.mask))

    def token_ids(self, expression: str) -> list[int]:
        """Gives the ids of the folder's tokenizer, or of bytes."""
        if self.tokenizer is not None:
            return list(self.tokenizer(expression, verbose=False)["input_ids"])
        begin, end = ([] if token is None else [token] for token in self.special_ids)
        return [*begin, *(byte + 3 for byte in expression.encode()), *end]

    def save_vocabulary(self, folder: str | Path) -> None:
        """Writes configuration and tokenizer files; see `TextEncoder.save_vocabulary`."""
        if self.tokenizer is not None:
            config = copy.deepcopy(self.model.config)
            config.update(self.sizes)  # with all layers, whatever `layers` keeps
            config.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)

    def forward(self, tokens: Tokens) -> TextFeatures:
        """Encodes tokens; see `TextEncoder.forward`."""
        output = self.model(input_ids=tokens.ids, attention_mask=tokens.mask.long())
        return TextFeatures(output.last_hidden_state, tokens.mask)

    def _random_config(self) -> PretrainedConfig:
        from transformers import AutoConfig

        return AutoConfig.for_model(self.architecture, **self.sizes)

    def _read_config(self, folder: Path) -> PretrainedConfig:
        config = read_config(folder)
        if self.sizes:
            self._check_sizes(config, folder)
        return config

    def _check_sizes(self, config: PretrainedConfig, folder: Path) -> None:
        for key, value in {"model_type": self.architecture, **self.sizes}.items():
            found = getattr(config, key, None)
            if found != value:
                raise InputError(
                    f"{folder}: not a {type(self).__name__}: {key} is {found} instead of {value}; this looks like "
                    f"{_names_of(config)}"
                )


def _names_of(config: PretrainedConfig) -> str:
    """Names the entries of a model's architecture and sizes; `hugging_face` loads any."""
    entries = [cls for cls in map(TEXT_ENCODERS.get, TEXT_ENCODERS) if issubclass(cls, HuggingFaceTextEncoder)]
    wanted = {cls.__name__: {"model_type": cls.architecture, **cls.sizes} for cls in entries if cls.sizes}
    fitting = [name for name, keys in wanted.items() if all(getattr(config, k, None) == v for k, v in keys.items())]
    fitting = [name for name in fitting if not name.startswith("clip_")]  # those need another file too
    return " or ".join([*fitting, "a model for the entry hugging_face, which takes any"])


def _local_folder(folder: Path) -> Path:
    """Finds a model's folder, by its path or by its name in the local cache; never downloads."""
    if (folder / "config.json").is_file():
        return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(folder.as_posix(), local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError) as error:
        raise InputError(
            f"{folder}: no model folder with a 'config.json', as save_pretrained writes it, "
            "nor the name of a model in the local Hugging Face cache"
        ) from error


def _roberta(size: str) -> ModelCard:
    return ModelCard(f"RoBERTa {size}", f"FacebookAI/roberta-{size}, a local folder", "MIT", "1907.11692")


def _t5(size: str) -> ModelCard:
    return ModelCard(f"T5 {size}, encoder", f"google-t5/t5-{size}, a local folder", "Apache-2.0", "1910.10683")


def roberta_sizes(width: int, layers: int, heads: int) -> dict[str, int]:
    """Gives the configuration of a RoBERTa of some size, as transformers names it."""
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
    }


@TEXT_ENCODERS.register(ModelCard("any encoder of the transformers package", "a local folder"))
class hugging_face(HuggingFaceTextEncoder):
    """Any text encoder the transformers package knows (BERT, XLM-RoBERTa, DeBERTa, mT5, ...), by its local folder.

    Without a folder a BERT-base of random weights. Options as in `HuggingFaceTextEncoder`.
    """


@TEXT_ENCODERS.register(_roberta("base"))
class roberta_base(HuggingFaceTextEncoder):
    """RoBERTa-base: 12 layers of width 768. Options as in `HuggingFaceTextEncoder`."""

    architecture, sizes = "roberta", roberta_sizes(768, 12, 12)


@TEXT_ENCODERS.register(_roberta("large"))
class roberta_large(HuggingFaceTextEncoder):
    """RoBERTa-large: 24 layers of width 1024. Options as in `HuggingFaceTextEncoder`."""

    architecture, sizes = "roberta", roberta_sizes(1024, 24, 16)


@TEXT_ENCODERS.register(_t5("small"))
class t5_small(HuggingFaceTextEncoder):
    """T5-small's encoder: 6 layers of width 512. Options as in `HuggingFaceTextEncoder`."""

    architecture = "t5"
    sizes: ClassVar = {"d_model": 512, "d_kv": 64, "d_ff": 2048, "num_heads": 8, "num_layers": 6}


@TEXT_ENCODERS.register(_t5("base"))
class t5_base(HuggingFaceTextEncoder):
    """T5-base's encoder: 12 layers of width 768. Options as in `HuggingFaceTextEncoder`."""

    architecture = "t5"
    sizes: ClassVar = {"d_model": 768, "d_kv": 64, "d_ff": 3072, "num_heads": 12, "num_layers": 12}


@TEXT_ENCODERS.register(_t5("large"))
class t5_large(HuggingFaceTextEncoder):
    """T5-large's encoder: 24 layers of width 1024. Options as in `HuggingFaceTextEncoder`."""

    architecture = "t5"
    sizes: ClassVar = {"d_model": 1024, "d_kv": 64, "d_ff": 4096, "num_heads": 16, "num_layers": 24}


@TEXT_ENCODERS.register(_t5("3b"))
class t5_3b(HuggingFaceTextEncoder):
    """T5-3B's encoder: 24 layers of width 1024, RefSAM's choice. Options as in `HuggingFaceTextEncoder`."""

    architecture = "t5"
    sizes: ClassVar = {"d_model": 1024, "d_kv": 128, "d_ff": 16384, "num_heads": 32, "num_layers": 24}
