"""SAM's image encoder: ours against segment_anything's, time, error and peak memory of one image.

On a GPU the same script measures frames per second of both there (`--device cuda`), with torch.compile as an option.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from measure import interleaved, parser, peak_memory, report
from official import SIZES, package_vit

from refsam_zoo.private_parts.pytorch import has_matrix_tiles


def encode(
    kind: str, size: str, image_size: int, dtype: str, device: str, compiled: bool
) -> Callable[[], torch.Tensor]:
    """Makes the function to measure; `kind` is "package" or "ours"."""
    vit = package_vit(SIZES[size], image_size)
    model: torch.nn.Module = vit
    if kind == "ours":
        model = SIZES[size](image_size=image_size).eval()
        model.vit.load_state_dict(vit.state_dict())
    model = model.to(device, getattr(torch, dtype)).requires_grad_(False)
    if compiled:
        model = torch.compile(model)
    images = torch.randn(1, 3, image_size, image_size, generator=torch.Generator().manual_seed(1))
    images = images.to(device, getattr(torch, dtype))

    def run() -> torch.Tensor:
        with torch.no_grad():
            encoded = model(images)
        if device != "cpu":
            torch.cuda.synchronize()
        return encoded if kind == "package" else encoded.final

    return run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--size", choices=list(SIZES), default="vit_b")
    arguments.add_argument("--image_size", type=int, default=384)
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--compile", action="store_true")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    variants = {"segment_anything float32": ("package", "float32"), "refsam-zoo float32": ("ours", "float32")}
    if options.device != "cpu" or has_matrix_tiles():
        variants |= {"segment_anything bfloat16": ("package", "bfloat16"), "refsam-zoo bfloat16": ("ours", "bfloat16")}
    more = (options.device, options.compile)
    runs = {
        name: encode(kind, options.size, options.image_size, dtype, *more) for name, (kind, dtype) in variants.items()
    }
    expected = runs["segment_anything float32"]().float()
    errors = {name: (run().float() - expected).abs().max().item() for name, run in runs.items()}
    seconds = interleaved(runs, options.rounds)
    rows = []
    for name, (kind, dtype) in variants.items():
        row = {"label": name, "seconds": seconds[name], "ratio": seconds["segment_anything float32"] / seconds[name]}
        row["max_error"] = errors[name]
        if options.device == "cpu":
            row["peak_MiB"] = peak_memory(encode, kind, options.size, options.image_size, dtype, *more)
            row["memory_ratio"] = rows[0]["peak_MiB"] / row["peak_MiB"] if rows else 1.0
        rows.append(row)
    claim = f"{options.size} {options.image_size}: times as fast as segment_anything"
    report(f"encoder_{options.size}_{options.image_size}", claim, options, rows)


if __name__ == "__main__":
    main()
