"""SAMWISE learns RefShapes from scratch: a small one, of which every part is trained, through `refsam-zoo fit`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, RobertaForMaskedLM

from refsam_zoo.cli import main as run
from refsam_zoo.model.image_encoders.sam2 import Sam2ImageEncoder
from refsam_zoo.model.samwise import SamwiseSize
from refsam_zoo.synthesis import synthesize
from refsam_zoo.synthesis.options import SynthesisOptions
from refsam_zoo.systems.samwise import samwise
from refsam_zoo.training.samwise_module import SamwiseTraining

SIDE = 128
DATA = SynthesisOptions(
    train_videos=1000, val_videos=8, test_videos=20, motion_videos=2, relation_videos=2, occlusion_videos=2,
    unseen_videos=2, image_size=128, objects_max=4, pan_probability=0.0, mp4="none",
)  # fmt: skip
CONFIGS = Path(__file__).parents[1] / "configs"


class SmallHiera(Sam2ImageEncoder):
    """Hiera with six blocks."""

    channels, heads, blocks, global_blocks, embedding_width = 24, 1, (1, 2, 2, 1), (4,), 64


def write_roberta(folder: Path, sentences: list[str]) -> SamwiseSize:
    """Writes a small RoBERTa with random weights and a token to a word, and gives the size of the model."""
    folder.mkdir(parents=True, exist_ok=True)
    said = sorted({word for sentence in sentences for word in sentence.lower().split()})
    words = {word: index for index, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", *said])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    size = SamwiseSize(64, (8, 4, 2), True, 64, 4, 128, (1, 2, 3, 4), len(words), 64)
    torch.manual_seed(0)
    state = RobertaForMaskedLM(size.text_config()).state_dict()
    save_file({name: part.contiguous().clone() for name, part in state.items()}, folder / "model.safetensors")
    special = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "roberta"}))
    return size


def train(folder: Path, minutes: int) -> Path:
    """Trains for so long and gives the last checkpoint."""
    SamwiseTraining.trained = ("image_encoder", "text_encoder", "cmt_adapters", "project_text", "prompt_encoder",
                               "mask_decoder", "memory", "conditional_memory_encoder")  # fmt: skip
    failed = run(
        [
            "fit",
            f"--config={CONFIGS / 'samwise.yaml'}",
            f"--config={CONFIGS / 'data/ref_shapes.yaml'}",
            f"--samwise.text_encoder={folder / 'roberta'}",
            "--samwise.learning_rate=5e-4",
            "--samwise.loss.init_args.stride=2",
            "--samwise.loss.init_args.focal_weight=5",
            f"--data.root={folder / 'data'}",
            "--data.synthesis=null",
            "--data.kinds=[attribute]",
            "--data.clip_frames=[1,1,1,1,2]",
            "--data.expressions_per_clip=4",
            "--data.batch_size=4",
            "--data.epoch_length=1000",
            "--data.workers=1",
            "--trainer.accelerator=cpu",
            "--trainer.max_epochs=1000",
            f"--trainer.max_time=00:00:{minutes:02d}:00",
            "--trainer.limit_val_batches=4",
            "--trainer.num_sanity_val_steps=0",
            "--trainer.log_every_n_steps=25",
            f"--trainer.default_root_dir={folder / 'run'}",
        ]
    )
    assert not failed
    return max((folder / "run").rglob("last.ckpt"), key=lambda path: path.stat().st_mtime)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path, default=Path("runs/samwise_learning"))
    options.add_argument("--minutes", type=int, default=20)
    options.add_argument("--threads", type=int, default=2)
    options = options.parse_args()
    torch.set_num_threads(options.threads)
    folder = options.folder
    synthesize(folder / "data", DATA)
    spoken = json.loads((folder / "data/meta_expressions/train/meta_expressions.json").read_text())["videos"].values()
    size = write_roberta(
        folder / "roberta", [said["exp"] for video in spoken for said in video["expressions"].values()]
    )
    SamwiseTraining.encoder, SamwiseTraining.size = lambda: SmallHiera(image_size=SIDE), size
    samwise.kinds[24, 6] = (SamwiseTraining.encoder, size)
    checkpoint = train(folder, options.minutes)
    run(
        [
            "test",
            f"--config={CONFIGS / 'systems/samwise.yaml'}",
            f"--config={CONFIGS / 'data/ref_shapes.yaml'}",
            f"--system.weights={checkpoint}",
            f"--system.tokenizer={folder / 'roberta'}",
            f"--data.root={folder / 'data'}",
            "--data.synthesis=null",
            "--data.kinds=[attribute]",
            "--trainer.accelerator=cpu",
            f"--trainer.default_root_dir={folder / 'test'}",
        ]
    )


if __name__ == "__main__":
    main()
