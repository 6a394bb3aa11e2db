"""SAMWISE trained: what it starts from, what learns, and what comes out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from systems.tiny_samwise import (
    SIDE,
    SIZE,
    SmallHiera,
    tiny_roberta_tokenizer,
    tiny_state,
    write_tiny_samwise,
)
from systems.windows import make_batch
from torch import Tensor
from training.learned_alike import assert_learned_alike, distance, weights
from transformers import RobertaForMaskedLM
from warm_process import WarmProcess, as_torchrun

from refsam_zoo.cli import main
from refsam_zoo.errors import InputError
from refsam_zoo.systems.samwise import samwise
from refsam_zoo.training.losses import MaskLoss
from refsam_zoo.training.samwise_module import SamwiseTraining, switch_labels
from refsam_zoo.weights.files import load_state_dict

CONFIG = Path(__file__).parents[2] / "configs" / "samwise.yaml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SAM 2 and RoBERTa as they are published, and SAMWISE of single pictures."""
    folder = tmp_path_factory.mktemp("samwise")
    state = {name.removeprefix("sam."): part for name, part in tiny_state().items() if name.startswith("sam.")}
    sam2 = {name: part for name, part in state.items() if "project_text" not in name}
    torch.save({"model": sam2}, folder / "sam2_tiny.pt")
    tiny_roberta_tokenizer(folder / "roberta")
    torch.manual_seed(0)
    words = RobertaForMaskedLM(SIZE.text_config()).state_dict()
    save_file({name: part.contiguous().clone() for name, part in words.items()}, folder / "roberta/model.safetensors")
    write_tiny_samwise(folder / "pictures.pth", SIZE.on_pictures())
    return folder


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SamwiseTraining, "encoder", lambda: SmallHiera(image_size=SIDE))
    monkeypatch.setattr(SamwiseTraining, "size", SIZE)


def training(folder: Path, **options: object) -> SamwiseTraining:
    return SamwiseTraining(MaskLoss(), folder / "sam2_tiny.pt", folder / "roberta", **options)  # type: ignore[arg-type]


def test_it_starts_from_published_parts(folder: Path) -> None:
    model = training(folder).model
    published = tiny_state()
    assert torch.equal(model.memory.no_object_pointer, published["sam.no_obj_ptr"])
    words = load_state_dict(folder / "roberta/model.safetensors")["roberta.encoder.layer.3.output.dense.weight"]
    assert torch.equal(model.text_encoder.encoder.layer[3].output.dense.weight, words)
    learning = {name.partition(".")[0] for name, part in model.named_parameters() if part.requires_grad}
    assert learning == set(SamwiseTraining.trained)


def test_from_the_model_of_pictures_only_what_videos_train_is_new(folder: Path) -> None:
    model = training(folder, weights=folder / "pictures.pth").model
    published = tiny_state()
    name = "cmt_adapters.1.proj_vis_down.0.weight"
    assert torch.equal(model.state_dict()[name], published[name])
    assert not torch.equal(model.state_dict()["cmt_adapters.1.hsa.linear.weight"],
                           published["cmt_adapters.1.hsa.linear.weight"])  # fmt: skip
    pictures = SamwiseTraining(MaskLoss(), folder / "sam2_tiny.pt", folder / "roberta", folder / "pictures.pth", True)
    assert pictures.model.size == SIZE.on_pictures()


def test_another_file_is_refused_in_a_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no weights of SAM 2"):
        SamwiseTraining(MaskLoss(), folder / "pictures.pth", folder / "roberta")
    state = tiny_state()
    del state["sam.maskmem_tpos_enc"]
    torch.save(state, tmp_path / "damaged.pth")
    with pytest.raises(InputError, match=r"1 missing: memory\.memory_temporal_positional_encoding"):
        training(folder, weights=tmp_path / "damaged.pth")


def losses(module: SamwiseTraining, steps: int) -> list[float]:
    """Trains on one clip of six frames, whose target is its bright box."""
    torch.manual_seed(0)
    video = np.random.default_rng(0).integers(0, 100, (6, 32, 40, 3), dtype=np.uint8)
    video[:, 8:20, 10:26] = 255
    batch = make_batch([video], [["the square"]])
    batch.masks = torch.zeros(1, 6, 32, 40, dtype=torch.bool)
    batch.masks[:, :, 8:20, 10:26] = True
    module.log = lambda *_, **__: None  # type: ignore[method-assign]
    module.learning_rate = 3e-3
    optimizer, found = module.configure_optimizers(), []
    for _ in range(steps):
        loss = module.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(float(loss.detach()))
    return found


def test_it_learns_a_clip_and_every_trained_part_gets_a_gradient(folder: Path) -> None:
    module = training(folder).train()
    module.model.mask_decoder.pred_obj_score_head.layers[-1].bias.data += 5  # there is a target, says SAM 2
    first, *_, last = losses(module, 4)
    assert last < 0.9 * first
    for name, part in module.model.named_parameters():
        assert (part.grad is not None) == part.requires_grad, name
    for name in SamwiseTraining.trained:
        assert any(part.grad is not None and part.grad.any() for part in getattr(module.model, name).parameters())


@pytest.mark.parametrize(
    ("mine", "other", "score", "expected"),
    [
        (slice(0, 4), slice(0, 4), 1.0, 0),
        (slice(0, 4), slice(4, 8), 1.0, 1),
        (slice(0, 4), slice(0, 0), 1.0, 1),
        (slice(0, 0), slice(0, 0), 1.0, -1),
        (slice(0, 4), slice(4, 8), -1.0, -1),
    ],
    ids=["same", "another", "only one", "neither", "absent"],
)
def test_memories_are_judged_by_overlap(mine: slice, other: slice, score: float, expected: int) -> None:
    def logits(rows: slice) -> Tensor:
        made = torch.full((1, 8, 8), -1.0)
        made[:, rows] = 1
        return made

    assert switch_labels(logits(mine), logits(other), torch.tensor([score])).tolist() == [expected]


@pytest.fixture
def arguments(folder: Path, ref_shapes: Path, tmp_path: Path) -> list[str]:
    return [
        f"--config={CONFIG}",
        f"--config={CONFIG.parent / 'data/ref_shapes.yaml'}",
        f"--samwise.sam2={folder / 'sam2_tiny.pt'}",
        f"--samwise.text_encoder={folder / 'roberta'}",
        f"--data.root={ref_shapes}",
        "--data.synthesis=null",
        "--data.clip_frames=2",
        "--data.batch_size=2",
        "--data.epoch_length=4",
        "--data.workers=0",
        "--trainer.accelerator=cpu",
        "--trainer.limit_val_batches=0",
        "--trainer.num_sanity_val_steps=0",
        "--trainer.enable_model_summary=false",
        f"--trainer.default_root_dir={tmp_path / 'run'}",
    ]


def test_fit_trains_it_and_the_system_reads_its_checkpoint(folder: Path, arguments: list[str], tmp_path: Path) -> None:
    assert main(["fit", *arguments]) == 0
    checkpoint = next((tmp_path / "run").rglob("last.ckpt"))
    trained, start = samwise(checkpoint, folder / "roberta").model.state_dict(), training(folder).model.state_dict()
    changed = {name.partition(".")[0] for name, part in trained.items() if not torch.equal(part, start[name])}
    assert changed <= set(SamwiseTraining.trained)
    assert main(["test", *arguments]) == 2
    assert main(["fit", *arguments, "--system=clipseg"]) == 2


TINY_FIT = """
import sys
from systems.tiny_samwise import SIDE, SIZE, SmallHiera
from refsam_zoo.cli import main
from refsam_zoo.training.samwise_module import SamwiseTraining

SamwiseTraining.encoder, SamwiseTraining.size = (lambda: SmallHiera(image_size=SIDE)), SIZE
sys.exit(main(["fit", *sys.argv[1:]]))
"""


@pytest.mark.slow
def test_two_processes_learn_as_one(
    folder: Path, arguments: list[str], tmp_path: Path, warm_process: WarmProcess
) -> None:
    """Clips of six frames, at whose last the memory is judged."""
    more = (
        "--data.clip_frames=6",
        "--data.epoch_length=12",
        "--samwise.learning_rate=1e-3",
        "--trainer.log_every_n_steps=1",
        "--trainer.callbacks+=training.own_parts.WithoutChance",
    )
    processes = {"alone": ("--data.batch_size=4",), "two": ("--trainer.strategy=ddp", "--trainer.devices=2")}
    for name, options in processes.items():
        where = (*options, f"--trainer.default_root_dir={tmp_path / name}")
        surroundings = as_torchrun(2) if name == "two" else [{}]
        done = warm_process.run("-c", TINY_FIT, *arguments, *more, *where, surroundings=surroundings)
        assert done.returncode == 0, done.stderr
    assert_learned_alike(tmp_path / "alone", tmp_path / "two", steps=3)
    start = training(folder).state_dict()
    for part in SamwiseTraining.trained:
        learned = {name: end for name, end in weights(tmp_path / "two").items() if name.startswith(f"model.{part}.")}
        assert distance(learned, {name: start[name] for name in learned}) > 1e-3, part
