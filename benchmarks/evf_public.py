"""EVF-SAM over SAM at full size against its authors' code: the same weights, one frame, one sentence after the other.

`--public` names a checkout of their repository, whose code is imported; BEiT-3 comes from the package torchscale 0.2.0,
which must be importable. What that wants of fairscale for training in pieces is stood in for by nothing.
"""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import timm.layers
import torch
from encode_once import SENTENCES
from measure import interleaved, parser, report
from torch import Tensor

from refsam_zoo.model.beit3 import Beit3Size
from refsam_zoo.systems.evf_sam import evf_sam

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # random weights are drawn there
from systems.tiny_evf_sam import VOCABULARY, drawn, published_name, shapes

HEIGHT, WIDTH = 480, 854
LARGE = Beit3Size(width=1024, layers=24, hidden=4096, side=224, patch=16, words=64010, positions=1024)


def write(folder: Path) -> None:
    """Writes a folder of the published size, with random weights in half precision."""
    found = shapes(evf_sam.kind, evf_sam.encoders["huge"], LARGE)
    torch.save({name: drawn(name, shape).half() for name, shape in found.items()}, folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps({"model_type": "evf", "sam_scale": "huge"}))
    shutil.copy(VOCABULARY, folder / "sentencepiece.bpe.model")


def empty(path: str, **content: object) -> None:
    """Puts a module in the place of one that is not needed."""
    sys.modules[path] = ModuleType(path)
    vars(sys.modules[path]).update(content)


def theirs(system: evf_sam, public: Path, frame: Tensor, sentences: int) -> Callable[[], list[Tensor]]:
    """Makes the run of the authors' code, which has our weights, not a copy."""
    sys.path.insert(0, str(public))
    empty("fairscale")
    empty("fairscale.nn", checkpoint_wrapper=lambda module, **_: module, wrap=lambda module, **_: module)
    sys.modules["timm.models.layers"] = timm.layers  # by its present name
    module = importlib.import_module("model.evf_sam")
    with torch.device("meta"):
        config = module.EvfConfig(hidden_size=1024, out_dim=256, sam_scale="huge", mm_extractor_scale="large")
        model = module.EvfSamModel(config).eval()
    state = {published_name(name): tensor for name, tensor in system.model.state_dict().items()}
    missing, unknown = model.load_state_dict(state, strict=False, assign=True)
    if lost := [name for name in (*missing, *unknown) if "mask_token" not in name]:
        raise ValueError(f"{public}: not the layers known here, which differ in {', '.join(lost[:5])}")
    scale = system.model.image_encoder.image_size / max(frame.shape[-2:])
    resized = [int(side * scale + 0.5) for side in frame.shape[-2:]]

    @torch.inference_mode()
    def run() -> list[Tensor]:
        masks = []
        for said in SENTENCES[:sentences]:
            read = system.start([said]).sentences
            assert read is not None
            pixels, small = system.model.pixels(frame), system.model.small_pixels(frame)
            masks.append(model.inference(pixels, small, read.ids, [resized], [frame.shape[-2:]])[0] > 0)
        return masks

    return run


def ours(system: evf_sam, frame: Tensor, sentences: int) -> Callable[[], list[Tensor]]:
    """Makes the run of the system, the frame encoded once for all sentences."""
    picture = frame[0].permute(1, 2, 0).numpy()
    return lambda: list(torch.from_numpy(system(picture, SENTENCES[:sentences]).masks))


def kept(found: dict[str, Tensor], label: str, run: Callable[[], list[Tensor]]) -> None:
    """Runs, and keeps the masks."""
    found[label] = torch.stack(run())


def main() -> None:
    options = parser(__doc__, rounds=3)
    options.add_argument("--public", type=Path, help="checkout of the authors' repository")
    options.add_argument("--sentences", type=int, nargs="+", default=[1, 4])
    options = options.parse_args()
    if options.public is None or not (options.public / "model/evf_sam.py").is_file():
        print("left out, as --public names no checkout of EVF-SAM's repository")
        return
    torch.set_num_threads(options.threads)
    blocks = torch.randint(0, 256, (1, 3, 30, 61), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    frame, rows = blocks.repeat_interleave(16, 2).repeat_interleave(14, 3), []
    with TemporaryDirectory() as name:
        write(Path(name))
        system = evf_sam(weights=Path(name))
        for count in options.sentences:
            variants = {
                "authors' code": theirs(system, options.public, frame, count),
                "evf_sam": ours(system, frame, count),
            }
            found: dict[str, Tensor] = {}
            runs = {label: partial(kept, found, label, run) for label, run in variants.items()}
            # processor time: others at work on the machine then cost less
            seconds = interleaved(runs, options.rounds, warm=True, clock=time.process_time)
            different = (found["authors' code"] != found["evf_sam"]).float().mean().item()
            for label, taken in seconds.items():
                row = {"label": f"{label}, {count} sentence{'s' if count > 1 else ''}", "processor_seconds": taken}
                rows.append(row | {"ratio": taken / seconds["authors' code"], "pixels_that_differ": different})
    report("evf_public", f"processor time for a frame of {HEIGHT} x {WIDTH} against the authors' code", options, rows)


if __name__ == "__main__":
    main()
