"""How reading the list of a data set grows with its videos, as files and as shards, and how well each is shuffled.

Frames are empty files of which nothing is read; only their names, and the places of those in shards, are there.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import webdataset
from measure import memory_and_time, parser, report

from refsam_zoo.clips.reading import group_by_video
from refsam_zoo.clips.samplers import TrainingSampler
from refsam_zoo.data_modules.refer_youtube_vos import expressions_file, parse_refer_youtube_vos
from refsam_zoo.data_modules.shards import INDEX, parse_shards

FRAMES = [f"{5 * number:05d}" for number in range(5)]
SENTENCE = "a brown dog running to the left behind a person in a red jacket"
IN_A_SHARD = 64
KINDS = {"files": parse_refer_youtube_vos, "shards": parse_shards}


def write_files(root: Path, videos: int) -> None:
    """Writes videos as folders of frames, in the layout of Ref-YouTube-VOS."""
    listed = {}
    for number in range(videos):
        folder = root / "train" / "JPEGImages" / f"{number:010x}"
        folder.mkdir(parents=True)
        for frame in FRAMES:
            (folder / f"{frame}.jpg").touch()
        listed[folder.name] = {"frames": FRAMES, "expressions": {"0": {"exp": SENTENCE, "obj_id": "1"}}}
    file = expressions_file(root, "train")
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"videos": listed}))


def write_shards(root: Path, videos: int) -> None:
    """Writes the index of as many videos in shards, of 100 kB for a frame."""
    said = {"expression_id": "0", "expression": SENTENCE, "object_ids": [1], "labels": [1], "tags": {}}
    places = [[100_000 * number, 98_765] for number in range(len(FRAMES))]
    listed = [
        {
            "shard": f"{number // IN_A_SHARD:06d}.tar", "video_id": f"{number:010x}", "frames": FRAMES,
            "expressions": [said], "pictures": places, "masks": places,
        }
        for number in range(videos)
    ]  # fmt: skip
    (root / "train").mkdir(parents=True)
    (root / "train" / INDEX).write_text(json.dumps({"data_set": "ReferYouTubeVOS", "protocol": None, "videos": listed}))


def first_draw(kind: str, root: str) -> Callable[[], object]:
    """Makes what stands between a start and the first clip to read."""

    def run() -> object:
        videos = group_by_video(KINDS[kind](root, "train"))
        return videos[next(iter(TrainingSampler(len(videos), len(videos), seed=0))).item]

    return run


def growth(counts: Sequence[int], rounds: int) -> Iterator[dict[str, object]]:
    """Measures each kind at each number of videos."""
    for kind, write in {"files": write_files, "shards": write_shards}.items():
        first: tuple[float, float] | None = None
        for count in counts:
            with tempfile.TemporaryDirectory() as folder:
                write(Path(folder) / "data", count)
                root = str(Path(folder) / "data")
                memory, seconds = memory_and_time(rounds, first_draw, kind, root, clock=time.process_time)
            first = first or (seconds, memory)
            yield {
                "label": f"{kind}, {count} videos",
                "series": f"videos as {kind}",
                "x": count,
                "seconds": seconds,
                "peak_MiB": memory,
                "ratio": seconds / first[0],
                "memory_ratio": memory / first[1],
            }


def streamed(videos: int, buffer: int) -> list[int]:
    """Draws as a reader of whole tar files does: these in a random order, and a buffer from which samples are drawn."""
    order = np.random.default_rng(0).permutation(-(-videos // IN_A_SHARD))
    samples = (int(shard) * IN_A_SHARD + place for shard in order for place in range(IN_A_SHARD))
    return list(webdataset.detshuffle(buffer).run(sample for sample in samples if sample < videos))


def quality(draws: Sequence[int]) -> tuple[float, float]:
    """Says how well an epoch is shuffled.

    Returns:
        How far apart videos that are neighbours in a shard come, as a share of a third of the epoch, which is what
        chance gives; and from how many shards 64 draws in a row are.
    """
    assert sorted(draws) == list(range(len(draws)))
    place = np.argsort(draws)
    apart = np.abs(np.diff(place)).mean() / (len(draws) / 3)
    rows = np.asarray(draws)[: len(draws) // 64 * 64].reshape(-1, 64) // IN_A_SHARD
    return float(apart), float(np.mean([len(np.unique(row)) for row in rows]))


def shuffles(videos: int) -> Iterator[dict[str, object]]:
    """Says of each way to shuffle how near it comes to chance."""
    orders = {
        "all samples (here)": [draw.item for draw in TrainingSampler(videos, videos, seed=0)],
        "shards, then a buffer of 1 000": streamed(videos, 1_000),
        "shards, then a buffer of 10 000": streamed(videos, 10_000),
    }
    for label, draws in orders.items():
        apart, shards = quality(draws)
        yield {"label": label, "ratio": apart, "shards_in_64_draws": shards}


def main() -> None:
    arguments = parser(__doc__, rounds=3)
    arguments.add_argument("--videos", type=int, default=10_000)
    options = arguments.parse_args()
    claim = f"{options.videos} videos in shards of {IN_A_SHARD}: how far apart neighbours are drawn, 1 is chance"
    report("shuffle_quality", claim, options, list(shuffles(options.videos)))
    counts = [options.videos // 100, options.videos // 10, options.videos]
    claim = "from the start to the first clip to read: processor time and peak memory"
    report("index_growth", claim, options, list(growth(counts, options.rounds)))


if __name__ == "__main__":
    main()
