"""What a training run takes on several GPUs, reckoned from a few of its steps on the machine at hand."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, pairwise
from tempfile import TemporaryDirectory
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from refsam_zoo.errors import InputError
from refsam_zoo.number_types import NonNegativeFloat, PositiveFloat, PositiveInt
from refsam_zoo.text_tables import format_table
from refsam_zoo.training.cli import RefSAMCLI, run_trainer

GIGABYTE = 1e9


@dataclass(frozen=True)
class Machines:
    """What is planned for."""

    gpus: PositiveInt = 8
    """Number of GPUs, one process each."""
    speed: PositiveFloat = 1.0
    """How many times faster a GPU takes a step than the machine at hand; 1 if this is one of them."""
    network: PositiveFloat = 10.0
    """Gigabytes a second between the GPUs."""
    price: NonNegativeFloat = 0.0
    """Price of one GPU for an hour, in any currency."""
    steps: PositiveInt = 5
    """Batches that are timed, after a first one whose memory and products are counted."""


@dataclass(frozen=True)
class Measured:
    """What the batches of a run showed on one device.

    Attributes:
        device: Its kind, and the run's precision.
        seconds: Median time from batch to batch.
        waiting: Median of the part of it that was spent waiting for data.
        weights: Bytes of all weights.
        learned: Parameters that learn.
        state: Bytes of their gradients, and of what the optimiser keeps.
        activations: Bytes kept for the backward pass of a batch, without weights.
        batch: Bytes of a batch.
        products: Floating-point operations of a batch, forwards and backwards.
        batches: Of an epoch, for one process; with an endless run, of what is asked for.
        epochs: How many.
        accumulated: Batches to a step of the optimiser.
        most_steps: Steps of the optimiser after which the run ends; -1 means no limit.
    """

    device: str
    seconds: float
    waiting: float
    weights: int
    learned: int
    state: int
    activations: int
    batch: int
    products: int
    batches: int
    epochs: int
    accumulated: int
    most_steps: int

    @property
    def memory(self) -> int:
        """Bytes that a process needs on its GPU, but for what the driver and the libraries take."""
        return self.weights + self.state + self.activations + self.batch


@dataclass(frozen=True)
class Plan:
    """A run on so many GPUs.

    Attributes:
        gpus: How many.
        steps: Steps of the optimiser.
        exchanged: Bytes that each GPU sends in a step.
        hours: Without validation; the exchange is counted as if nothing hid it.
        price: Of all hours of all GPUs.
    """

    gpus: int
    steps: int
    exchanged: float
    hours: float
    price: float


def plan_for(measured: Measured, machines: Machines, gpus: int) -> Plan:
    """Reckons a run whose batches are spread over GPUs."""
    batches = math.ceil(measured.batches / gpus)
    steps = measured.epochs * math.ceil(batches / measured.accumulated)
    if 0 <= measured.most_steps < steps:
        steps = measured.most_steps
    # gradients in float32, by a ring: each GPU sends nearly all of them twice
    exchanged = 2 * (gpus - 1) / gpus * 4 * measured.learned
    computing = min(steps * measured.accumulated, measured.epochs * batches) * measured.seconds / machines.speed
    hours = (computing + steps * exchanged / (machines.network * GIGABYTE)) / 3600
    return Plan(gpus, steps, exchanged, hours, hours * gpus * machines.price)


class Calibration(Callback):
    """Measures the first batches of a run, prints what is planned, and ends the run.

    Args:
        machines: What is planned for.
    """

    def __init__(self, machines: Machines) -> None:
        self.machines = machines
        self.saved: dict[int, int] = {}
        self.begins: list[float] = []
        self.ends: list[float] = []
        self._watching = ExitStack()
        self._products = FlopCounterMode(display=False)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Watches the first batch, and notes when the others begin."""
        if batch_idx == 0:
            known = {part.untyped_storage().data_ptr() for part in pl_module.parameters()}
            watched = saved_tensors_hooks(lambda tensor: self._keep(tensor, known), lambda kept: kept)
            self._watching.enter_context(watched)
            self._watching.enter_context(self._products)
        self.begins.append(time.perf_counter())

    def _keep(self, tensor: Tensor, known: set[int]) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            self.saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Ends the watching, and after the last batch that is timed the run."""
        self._watching.close()
        self.ends.append(time.perf_counter())
        if len(self.ends) > self.machines.steps:
            print(report(measured_of(self, trainer, pl_module, batch), self.machines), flush=True)
            raise _Planned

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Says so where there are too few batches."""
        raise InputError(
            f"an epoch has {len(self.ends)} batches, but a first one and --steps {self.machines.steps} more are "
            "measured; give fewer steps"
        )

    @property
    def products(self) -> int:
        """Floating-point operations of the first batch."""
        return self._products.get_total_flops()


class _Planned(Exception):
    """Ends a run of which enough was seen; it leaves nothing behind."""


def measured_of(calibration: Calibration, trainer: Trainer, module: LightningModule, batch: Any) -> Measured:
    """Puts together what a calibration saw."""
    begins, ends = calibration.begins, calibration.ends
    if math.isinf(trainer.num_training_batches) or (trainer.max_epochs or -1) < 0:
        batches, epochs = max(trainer.max_steps, 1) * trainer.accumulate_grad_batches, 1
    else:
        batches, epochs = int(trainer.num_training_batches), trainer.max_epochs or 1
    learned = [part for part in module.parameters() if part.requires_grad]
    kept = [value for optimizer in trainer.optimizers for state in optimizer.state.values() for value in state.values()]
    tensors = [value for value in vars(batch).values() if isinstance(value, Tensor)]
    return Measured(
        device=f"{trainer.strategy.root_device.type}, precision {trainer.precision}",
        seconds=statistics.median(end - before for before, end in pairwise(ends)),
        waiting=statistics.median(begin - end for end, begin in zip(ends[:-1], begins[1:], strict=True)),
        weights=_bytes(chain(module.parameters(), module.buffers())),
        learned=sum(part.numel() for part in learned),
        state=_bytes(learned) + _bytes(value for value in kept if isinstance(value, Tensor)),
        activations=sum(calibration.saved.values()),
        batch=_bytes(tensors),
        products=calibration.products,
        batches=batches,
        epochs=epochs,
        accumulated=trainer.accumulate_grad_batches,
        most_steps=trainer.max_steps,
    )


def _bytes(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def report(measured: Measured, machines: Machines) -> str:
    """Writes what was measured and what is planned, as text for a terminal."""
    gigabytes = {
        "weights": measured.weights,
        "gradients and optimiser": measured.state,
        "activations of a batch": measured.activations,
        "batch": measured.batch,
        "together": measured.memory,
    }
    memory = [["memory of a GPU", "GB"], *([name, f"{size / GIGABYTE:.2f}"] for name, size in gigabytes.items())]
    plans = [plan_for(measured, machines, gpus) for gpus in sorted({1, machines.gpus})]
    runs = [["GPUs", "steps", "MB sent a step", "hours", "price"], *map(_row, plans)]
    rate = measured.products / measured.seconds
    return "\n\n".join(
        [
            f"a batch took {measured.seconds:.3g} s here ({measured.device}), {measured.waiting:.2g} s of it for data; "
            f"{measured.products / 1e9:.4g} GFLOP forwards and backwards, {rate / 1e9:.4g} GFLOP/s; "
            f"{measured.learned / 1e6:.2f} M parameters learn",
            format_table(memory, markdown=False),
            format_table(runs, markdown=False),
            f"Without validation, and what driver and libraries take of a GPU. A GPU is taken to be {machines.speed:g} "
            f"times as fast as this machine (--speed), the network to carry {machines.network:g} GB/s (--network).",
        ]
    )


def _row(plan: Plan) -> Sequence[str]:
    return [str(plan.gpus), str(plan.steps), f"{plan.exchanged / 1e6:.1f}", f"{plan.hours:.2f}", f"{plan.price:.2f}"]


def print_plan(options: list[str], cli: type[RefSAMCLI] = RefSAMCLI) -> None:
    """Runs a few batches as `fit` would, on one device and in a temporary folder, and prints the plan.

    Args:
        options: Those of `fit`, and those of `Machines`.
        cli: Whose options they are.

    Raises:
        InputError: Something the user gave is wrong, or an epoch has too few batches.
    """

    class PlanCLI(cli):  # type: ignore[valid-type,misc]
        """As `fit`, with what is planned for."""

        def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
            """Adds the machines."""
            super().add_arguments_to_parser(parser)
            parser.add_class_arguments(Machines)

        def instantiate_trainer(self, **kwargs: Any) -> Trainer:
            """Adds the calibration."""
            trainer: Trainer = super().instantiate_trainer(**kwargs)
            config = self.config_init[self.subcommand]
            machines = Machines(**{name: config[name] for name in Machines.__dataclass_fields__})
            trainer.callbacks.append(Calibration(machines))  # type: ignore[attr-defined]
            return trainer

    with TemporaryDirectory() as folder:
        alone = ["--trainer.devices=1", "--trainer.num_nodes=1", "--trainer.strategy=auto", "--trainer.logger=false"]
        more = [f"--trainer.default_root_dir={folder}", "--trainer.num_sanity_val_steps=0"]
        try:
            run_trainer(["fit", *options, *alone, *more], PlanCLI)
        except _Planned:
            return
