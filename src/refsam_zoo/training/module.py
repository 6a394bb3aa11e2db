"""The LightningModule: composes RefSAM of its parts, trains it on clips and runs it over videos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim import Optimizer
from typing_extensions import Self

import refsam_zoo.systems.released  # noqa: F401  makes its short names known
from refsam_zoo.caching.entries import EntryFolder
from refsam_zoo.caching.features import CacheOptions, FeatureCache, require_frozen
from refsam_zoo.checkpoints.restoring import read_checkpoint
from refsam_zoo.errors import InputError
from refsam_zoo.former_names import with_present_names
from refsam_zoo.model.composition import compose
from refsam_zoo.model.preprocessing import pad_to_square, rows_of, shrink_masks
from refsam_zoo.model.refsam import RefSAM, SegmentedClips
from refsam_zoo.number_types import NonNegativeFloat
from refsam_zoo.recipes import recipes
from refsam_zoo.systems.predictor import Predictor
from refsam_zoo.training.losses import AlignmentLoss, MaskLoss
from refsam_zoo.training.object_loss import ObjectLoss, objects_and_meant
from refsam_zoo.training.optimizer import LearningRates, Schedule, build_optimizer, build_schedule
from refsam_zoo.training.sharding import gather_once, shard
from refsam_zoo.training.system_module import SystemModule
from refsam_zoo.types import ClipBatch
from refsam_zoo.weights.files import check_fit

_INSTANTIATOR = "lightning.pytorch.cli.instantiate_module"
TRAINING_LOSS = "train/loss"
"""Name under which the loss of a step is logged."""


class ReferringSegmentation(SystemModule):
    """RefSAM under Lightning.

    Args:
        loss: Loss of the masks.
        alignment: Loss of the similarity of pixels and sentences.
        learning_rates: Learning rate of each part.
        schedule: Learning-rate schedule.
        weight_decay: AdamW's weight decay of matrices.
        predictor: Turns the model's logits into masks, in validation, test and prediction.
        feature_cache: Where features of frozen encoders are kept over epochs and runs. Training clips must not be
            augmented at random then: each would be a new image.
        objects: Loss of a tracker that follows all objects, in the place of that of masks; None means `ObjectLoss()`.
        parts: What `model.composition.compose` puts together: `image_encoder`, `text_encoder`, `tuner` and so on.
    """

    model: RefSAM

    def __init__(
        self,
        loss: MaskLoss,
        alignment: AlignmentLoss,
        learning_rates: LearningRates = LearningRates(),  # noqa: B008  a dataclass default shows in --help
        schedule: Schedule = Schedule(),  # noqa: B008
        weight_decay: NonNegativeFloat = 0.01,
        predictor: Callable[[RefSAM], Predictor] = Predictor,
        feature_cache: CacheOptions = CacheOptions(),  # noqa: B008
        objects: ObjectLoss | None = None,
        **parts: Any,
    ) -> None:
        options = {name: value for name, value in locals().items() if name not in ("self", "__class__", "parts")}
        model = compose(**parts)
        super().__init__(predictor(model))
        # as classes and arguments, whether from a configuration file or made by a program; Lightning makes them again
        self.save_hyperparameters({**recipes(options | parts), "_instantiator": _INSTANTIATOR}, logger=False)
        if feature_cache.folder is not None:
            require_frozen(self.model.image_encoder)
            self.model.features = FeatureCache(EntryFolder(feature_cache.folder, feature_cache.gigabytes))
        self.loss = loss
        self.alignment = alignment
        self.objects = objects or ObjectLoss()
        self.learning_rates = learning_rates
        self.schedule = schedule
        self.weight_decay = weight_decay
        self._seed = torch.initial_seed()
        self._gradients_pending = False
        self._resumed_gradients: dict[str, Tensor] = {}

    @classmethod
    def load_from_checkpoint(
        cls,
        checkpoint_path: str | Path | IO[bytes],
        map_location: Any = None,
        hparams_file: str | Path | None = None,
        strict: bool | None = None,
        weights_only: bool | None = None,
        **options: Any,
    ) -> Self:
        """Loads a file as Lightning does, one made before classes moved too.

        Args:
            checkpoint_path: A `.ckpt` file of `Trainer` or of `refsam-zoo fit`.
            map_location: Device for the weights, as in `torch.load`.
            hparams_file: Hyper-parameters to take instead of those in the file.
            strict: Whether the file must have exactly the weights of the model.
            weights_only: As in `torch.load`.
            options: Arguments of `__init__` that replace those in the file.

        Raises:
            InputError: No such file, not a checkpoint, or one of another model.
        """
        if hparams_file is None and isinstance(checkpoint_path, str | Path):
            # Lightning makes the parts from what the file says unless it is given something else
            options = {**with_present_names(read_checkpoint(checkpoint_path)["hyper_parameters"]), **options}
        return super().load_from_checkpoint(
            checkpoint_path, map_location, hparams_file, strict, weights_only, **options
        )

    def configure_model(self) -> None:
        """Spreads the weights over the processes where the strategy is to do that (`ModelParallelStrategy`)."""
        if self.device_mesh is not None:
            encoders = (self.model.image_encoder, self.model.text_encoder)
            shard(self, encoders, self.device_mesh["data_parallel"])

    def on_fit_start(self) -> None:
        """Makes room for weights that are to be gathered."""
        if self.device_mesh is not None:
            gather_once(self)

    def on_train_start(self) -> None:
        """Puts the gradients of a step under way where they were; Lightning has dropped earlier ones by now."""
        for name, gradient in self._resumed_gradients.items():
            parameter = self.get_parameter(name)
            parameter.grad = gradient.to(parameter)
        self._gradients_pending = bool(self._resumed_gradients)
        self._resumed_gradients = {}

    def on_train_batch_start(self, batch: ClipBatch, batch_idx: int) -> None:
        """Makes the chance of a step (dropout) depend on seed, epoch, batch and process alone, as that of its clips.

        A resumed run then goes on exactly, whatever was drawn before it.
        """
        place = (self._seed, self.current_epoch, batch_idx, self.global_rank)
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0]))

    def training_step(self, batch: ClipBatch, batch_index: int) -> Tensor:
        """Segments clips and compares every frame; the gradient flows back through the track token."""
        if batch.masks is None:
            raise InputError(f"video '{batch.clips[0].referrals[0].video_id}' has no masks to train on")
        segmented = self.model(batch)
        if segmented.choices:
            loss = self._object_loss(segmented, batch)
        else:
            loss = self._by_size(batch, lambda rows, size: self._mask_loss(segmented, batch, rows, size))
        if self.alignment.weight > 0:
            loss = loss + self._by_size(batch, lambda rows, size: self._alignment_loss(segmented, batch, rows, size))
        # DDP wants every parameter in the graph: the tracker's where a clip has one frame, those of prompts and of the
        # decoder's scores where a tracker chooses
        rarely = (self.model.sparse_prompt, self.model.dense_prompt, self.model.mask_decoder, self.model.tracker)
        loss = loss + 0.0 * sum(one.sum() for part in rarely for one in part.parameters() if one.requires_grad)
        self.log(TRAINING_LOSS, loss, prog_bar=True, batch_size=len(batch.expressions), sync_dist=True)
        return loss

    def _by_size(self, batch: ClipBatch, loss_of: Callable[[Tensor | slice, tuple[int, int]], Tensor]) -> Tensor:
        """Averages a loss over expressions, those whose frames have the same size together."""
        sizes = batch.expression_sizes()
        loss = torch.zeros((), device=self.device)
        for size in sorted(set(sizes)):
            loss = loss + loss_of(rows_of(size, sizes, self.device), size) * sizes.count(size) / len(sizes)
        return loss

    def _mask_loss(
        self, segmented: SegmentedClips, batch: ClipBatch, rows: Tensor | slice, size: tuple[int, int]
    ) -> Tensor:
        assert batch.masks is not None
        logits = segmented.low_res_logits[rows]
        compared = (max(1, size[0] // self.loss.stride), max(1, size[1] // self.loss.stride))
        restored = self.model.restore(logits.flatten(0, 1), compared).unflatten(0, logits.shape[:2])
        return self.loss(restored, shrink_masks(batch.masks[rows, :, : size[0], : size[1]], compared))

    def _alignment_loss(
        self, segmented: SegmentedClips, batch: ClipBatch, rows: Tensor | slice, size: tuple[int, int]
    ) -> Tensor:
        assert batch.masks is not None
        clips = batch.clip_index[rows]
        frames = segmented.frames.image.unflatten(0, (-1, batch.masks.shape[1]))[clips]
        masks = pad_to_square(batch.masks[rows, :, : size[0], : size[1]])
        cells = shrink_masks(masks, (frames.shape[-2], frames.shape[-1]))
        return self.alignment(frames, segmented.language.sentence[rows], cells, clips)

    def _object_loss(self, segmented: SegmentedClips, batch: ClipBatch) -> Tensor:
        if batch.objects is None:
            raise InputError(
                f"tracker {type(self.model.tracker).__name__} learns from the masks of all objects: set "
                "--data.all_objects true"
            )
        found = segmented.frames.seen
        objects, meant = objects_and_meant(batch, found.logits.shape[-1])
        return self.objects(found, segmented.choices, objects, meant, batch.clip_index)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Makes AdamW with a group per part, and the schedule.

        Raises:
            InputError: The rates should fall to zero at the end of a run that has none.
        """
        optimizer = build_optimizer(self.model, self.alignment, self.learning_rates, self.weight_decay)
        if self.schedule.kind == "cosine" and self.trainer.max_epochs == self.trainer.max_steps == -1:
            raise InputError(
                "a cosine schedule must know how long the run is: give --trainer.max_epochs or --trainer.max_steps "
                "(--trainer.max_time may end it earlier), or take --model.schedule.kind constant"
            )
        # Asking now would set up the data before a resumed run is told which batches are done.
        scheduler = build_schedule(optimizer, self.schedule, lambda: self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_after_backward(self) -> None:
        """Notes that gradients wait for a step, or for those of further batches."""
        self._gradients_pending = True

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Notes that they are used."""
        self._gradients_pending = False

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the gradients of a step that is made of several batches, where some are done.

        In several processes these are the first one's, and none where they are spread: exact is then only a checkpoint
        between steps.
        """
        if self._gradients_pending and self.device_mesh is None:
            gradients = {name: part.grad for name, part in self.named_parameters() if part.grad is not None}
            checkpoint["gradients"] = gradients

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes up a step under way; refuses the checkpoint of another model.

        Raises:
            InputError: Keys or shapes differ; the message lists them.
        """
        if "state_dict" in checkpoint:  # a strategy that shards has taken the weights out by now
            check_fit(self.state_dict(), checkpoint["state_dict"], "the checkpoint is of another model")
        self._resumed_gradients = checkpoint.get("gradients", {})
