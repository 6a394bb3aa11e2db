"""J and F of 480p label maps: ours against vos-benchmark and against evaluating frame by frame as davis2017 does.

All of them read the same generated PNG files, or hold the same arrays, in one interleaved run; scores are compared
before anything is timed. Medians of wall time and of CPU time, their ratios and the peak memory over video length are
printed and written as JSON; on a machine that others use at the same time, only the ratios of CPU time mean something.
With a GPU, masks that are there already are counted there too. Needs `pip install vos-benchmark`; that and
scikit-image are not needed otherwise.
"""

from __future__ import annotations

import contextlib
import resource
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import measure
import numpy as np
import torch
from PIL import Image
from skimage.morphology import disk
from vos_benchmark.benchmark import benchmark
from vos_benchmark.evaluator import Evaluator
from vos_benchmark.utils import _seg2bmap

from refsam_zoo import evaluate
from refsam_zoo.evaluation.counts import contour_accuracy, count_pixels, region_similarity
from refsam_zoo.evaluation.tensor_counts import count_tensors

SIZE = (480, 854)
OBJECTS = 3


def blobs(video: int, frames: int, wobble: float) -> Iterator[np.ndarray]:
    """Moving blobs with uneven outlines, uint8 `[H, W]`; another wobble gives what a model might have predicted."""
    random = np.random.default_rng(video)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    places, speeds = random.uniform(0.2, 0.8, (OBJECTS, 2)) * SIZE, random.uniform(-2, 2, (OBJECTS, 2))
    sizes, phases = random.uniform(25, 70, OBJECTS), random.uniform(0, 6, OBJECTS)
    for frame in range(frames):
        labels = np.zeros(SIZE, np.uint8)
        for number in range(OBJECTS):
            y, x = rows - places[number, 0] - frame * speeds[number, 0], columns - places[number, 1]
            x = x - frame * speeds[number, 1] - 4 * wobble
            angle = np.arctan2(y, x)
            outline = 1 + 0.2 * np.sin(5 * angle + phases[number]) + 0.05 * np.sin(17 * angle + frame + 9 * wobble)
            labels[np.hypot(y, x) < sizes[number] * outline] = number + 1
        yield labels


def write(root: Path, videos: int, frames: int) -> None:
    for folder, wobble in (("Annotations/480p", 0.0), ("results", 1.0)):
        for video in range(videos):
            target = root / folder / f"v{video}"
            target.mkdir(parents=True)
            for number, labels in enumerate(blobs(video, frames, wobble)):
                image = Image.fromarray(labels)
                image.putpalette(list(range(256)) * 3)  # 8 bits per pixel, as DAVIS has
                image.save(target / f"{number:05d}.png")


def read_video(folder: Path) -> np.ndarray:
    return np.stack([np.array(Image.open(path)) for path in sorted(folder.glob("*.png"))])


def frame_by_frame(predicted: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """The definition frame by frame at full size, with OpenCV: what davis2017 does to a pair of masks `[T, H, W]`."""
    radius = int(np.ceil(0.008 * np.linalg.norm(true.shape[1:])))
    union = np.logical_or(predicted, true).sum((1, 2))
    j = np.where(union == 0, 1.0, np.logical_and(predicted, true).sum((1, 2)) / np.maximum(union, 1))
    f = [boundary_f(*pair, radius) for pair in zip(predicted, true, strict=True)]
    return float(np.mean(j)), float(np.mean(f))


def boundary_f(predicted: np.ndarray, true: np.ndarray, radius: int) -> float:
    """F of one frame; the boundary map is the one that davis2017 and vos-benchmark share."""
    edges = [_seg2bmap(mask) for mask in (predicted, true)]
    grown = [cv2.dilate(edge.astype(np.uint8), disk(radius)) for edge in edges]
    totals = [int(edge.sum()) for edge in edges]
    if not all(totals):
        return float(totals[0] == totals[1])
    precision = float((edges[0] * grown[1]).sum()) / totals[0]
    recall = float((edges[1] * grown[0]).sum()) / totals[1]
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def one_hot(labels: np.ndarray) -> np.ndarray:
    """Masks bool `[N, T, H, W]` by way of stacks of float64, as davis2017 makes them."""
    numbers = np.arange(1, OBJECTS + 1, dtype=float)[:, None, None, None]
    return np.ones((OBJECTS, *labels.shape)) * numbers == labels.astype(float)[None]


def davis_style(root: Path) -> list[tuple[float, float]]:
    scores = []
    for folder in sorted((root / "Annotations/480p").iterdir()):
        true, predicted = (one_hot(read_video(path)) for path in (folder, root / "results" / folder.name))
        scores += [frame_by_frame(*pair) for pair in zip(predicted[:, 1:-1], true[:, 1:-1], strict=True)]
    return scores


def vos(root: Path, processes: int) -> list[tuple[float, float]]:
    with contextlib.redirect_stdout(None):
        truth, results = str(root / "Annotations/480p"), str(root / "results")
        *_, (found,) = benchmark([truth], [results], num_processes=processes, verbose=False)
    return [
        (j / 100, f / 100) for video in found.values() for j, f in zip(*(part.values() for part in video), strict=True)
    ]


def ours(root: Path, threads: int) -> list[tuple[float, float]]:
    rows = evaluate(root / "results", "vos_benchmark", root, on_incomplete="empty", threads=threads).rows
    return [(float(str(row["j"])), float(str(row["f"]))) for row in rows]


def arrays_ours(predicted: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    counts = count_pixels(predicted, true)
    return float(region_similarity(counts).mean()), float(contour_accuracy(counts).mean())


def tensors_ours(predicted: torch.Tensor, true: torch.Tensor) -> tuple[float, float]:
    counts = count_tensors(predicted, true).cpu().numpy()
    return float(region_similarity(counts).mean()), float(contour_accuracy(counts).mean())


def arrays_vos(predicted: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    evaluator = Evaluator()
    for pair in zip(predicted.astype(np.uint8), true.astype(np.uint8), strict=True):
        evaluator.feed_frame(*pair)
    j, f = evaluator.conclude()
    return float(j[1]) / 100, float(f[1]) / 100


def cpu_seconds() -> float:
    """CPU time of this process and of the children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def timed(runs: dict[str, Callable[[], object]], rounds: int, items: int) -> dict[str, dict[str, float]]:
    """Medians of interleaved runs, in milliseconds of wall time and of CPU time per item."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter(), cpu_seconds()
            run()
            times[name].append((time.perf_counter() - start[0], cpu_seconds() - start[1]))
    medians = {name: [statistics.median(part) for part in zip(*pairs, strict=True)] for name, pairs in times.items()}
    return {name: {"wall": 1e3 * wall / items, "cpu": 1e3 * cpu / items} for name, (wall, cpu) in medians.items()}


def peak_memory(frames: int) -> float:
    """Python's peak allocation, in MB, while scoring one video of some length."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), 1, frames)
        tracemalloc.start()
        ours(Path(folder), 1)
        peak = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
    return peak


def check(found: list[tuple[float, float]], expected: list[tuple[float, float]]) -> None:
    # vos-benchmark multiplies by 100 and back again, which costs the last bit.
    if not np.allclose(found, expected, rtol=0, atol=1e-15):
        raise SystemExit("the scores differ: nothing to compare")


def main() -> None:
    arguments = measure.parser(__doc__)
    arguments.add_argument("--videos", type=int, default=3)
    arguments.add_argument("--frames", type=int, default=20)
    options = arguments.parse_args()
    cv2.setNumThreads(1)
    count = options.videos * OBJECTS
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root, options.videos, options.frames)
        check(ours(root, 1), davis_style(root))
        check(ours(root, 1), vos(root, 1))
        files = timed(
            {
                "davis2017 style": lambda: davis_style(root),
                "vos-benchmark, 1 process": lambda: vos(root, 1),
                "vos-benchmark, 2 processes": lambda: vos(root, 2),
                "ours, 1 thread": lambda: ours(root, 1),
                "ours, 2 threads": lambda: ours(root, 2),
            },
            options.rounds,
            count * (options.frames - 2),
        )
        pairs = [
            (read_video(root / "results" / name) == label, read_video(root / "Annotations/480p" / name) == label)
            for name in sorted(path.name for path in (root / "results").iterdir() if path.is_dir())
            for label in range(1, OBJECTS + 1)
        ]
        runs: dict[str, Callable[[], object]] = {
            "davis2017 style": lambda: [frame_by_frame(*pair) for pair in pairs],
            "vos-benchmark": lambda: [arrays_vos(*pair) for pair in pairs],
            "ours": lambda: [arrays_ours(*pair) for pair in pairs],
        }
        if torch.cuda.is_available():
            tensors = [tuple(torch.from_numpy(part).cuda() for part in pair) for pair in pairs]
            check([tensors_ours(*pair) for pair in tensors], [arrays_ours(*pair) for pair in pairs])
            runs["ours, on the GPU"] = lambda: [tensors_ours(*pair) for pair in tensors]
        held = timed(runs, options.rounds, count * options.frames)
    memory = {frames: peak_memory(frames) for frames in (20, 80)}
    rows = [
        *compared("PNG files", files, "ours, 1 thread"),
        *compared("arrays", held, "ours"),
        {"label": "peak memory, 80 frames / 20 frames", "peak_MB": memory[80], "ratio": memory[80] / memory[20]},
    ]
    measure.report("evaluation_speed", "J and F per frame and object: times the time of ours", options, rows)


def compared(source: str, times: dict[str, dict[str, float]], base: str) -> list[dict[str, Any]]:
    """Rows of milliseconds and of how much longer each takes than `base`, for wall and CPU time."""
    return [
        {
            "label": f"{name}, {source}",
            "ms": taken["wall"],
            "cpu_ms": taken["cpu"],
            "ratio": taken["wall"] / times[base]["wall"],
            "cpu_ratio": taken["cpu"] / times[base]["cpu"],
        }
        for name, taken in times.items()
    ]


if __name__ == "__main__":
    main()
