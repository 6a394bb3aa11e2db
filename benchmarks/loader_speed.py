"""Clips per second of the training loader, against the decoder alone and against a plain loader.

The files are generated: 480p videos as JPEG folders and as H.264 with an indexed mask per frame. Three loaders give
clips of five frames with one mask, with one and two workers, interleaved:

- ours: reading, masks, mirroring, crop, colours, collation;
- alone: as many frames and masks through the same decoder, handed over as they are;
- plain: one frame after the other as in the official code, PIL for pictures and OpenCV for videos, then mirroring,
  crop and colours on PIL pictures, tensors and normalisation by torchvision.

Medians over rounds and their ratios are printed and written as JSON.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import measure
import numpy as np
import simplejpeg
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import ColorJitter
from torchvision.transforms import functional as transforms

from refsam_zoo.clips.augmentation import ClipAugmentation
from refsam_zoo.clips.clip_sampling import NeighbourSampling
from refsam_zoo.clips.clips import TrainingClips
from refsam_zoo.clips.loading import TrainingLoader
from refsam_zoo.clips.samplers import TrainingSampler
from refsam_zoo.types import Referral, VideoSource
from refsam_zoo.video.masks import PaletteMasks
from refsam_zoo.video.readers import VideoOpener, open_video

HEIGHT, WIDTH, FRAMES, CLIP = 480, 854, 60, 5
PEERS = {"alone": "the back end alone", "plain": "a plain loader"}
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def pictures(seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """A disc that crosses a moving texture: frames, uint8 `[H, W, 3]`, and their masks."""
    random = np.random.default_rng(seed)
    texture = cv2.resize(random.integers(0, 256, (80, 140, 3), dtype=np.uint8), (WIDTH + 120, HEIGHT + 120))
    for number in range(FRAMES):
        picture = texture[number : number + HEIGHT, 2 * number : 2 * number + WIDTH].copy()
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.circle(mask, (100 + 10 * number, 240), 90, 1, -1)
        picture[mask > 0] = (230, 40, 40)
        yield picture, mask


def write_videos(root: Path, count: int) -> dict[str, list[Referral]]:
    """Writes each video as pictures and as a file; gives the referrals to both."""
    names = tuple(f"{number:05d}" for number in range(FRAMES))
    found: dict[str, list[Referral]] = {"JPEG": [], "mp4": []}
    for seed in range(count):
        folder, masks, film = root / f"{seed}", root / f"masks{seed}", root / f"{seed}.mp4"
        folder.mkdir()
        masks.mkdir()
        with av.open(str(film), "w") as container:
            stream = container.add_stream("libx264", rate=24, options={"g": "12", "preset": "veryfast"})
            stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
            for name, (picture, mask) in zip(names, pictures(seed), strict=True):
                (folder / f"{name}.jpg").write_bytes(simplejpeg.encode_jpeg(picture, quality=90))
                Image.fromarray(mask, "P").save(masks / f"{name}.png")
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        for kind, path in (("JPEG", folder), ("mp4", film)):
            labels = PaletteMasks(masks, names, (1,))
            found[kind].append(Referral(str(seed), "0", "the red disc", (1,), names, VideoSource(path), labels))
    return found


def ours(referrals: list[Referral], clips: int, workers: int) -> TrainingLoader:
    videos = [(referral,) for referral in referrals]
    sampling, augmentation = NeighbourSampling(), ClipAugmentation()
    dataset = TrainingClips(videos, VideoOpener(), "video", [CLIP], 1, sampling, augmentation, seed=0)
    return TrainingLoader(dataset, TrainingSampler(len(dataset), clips, seed=0), workers=workers)


class Alone(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Reads the frames and masks of random clips, and nothing else."""

    def __init__(self, referrals: list[Referral], clips: int) -> None:
        self.referrals = referrals
        self.clips = clips

    def __len__(self) -> int:
        return self.clips

    def draw(self, item: int) -> tuple[Referral, list[int]]:
        random = np.random.default_rng(item)
        referral = self.referrals[int(random.integers(len(self.referrals)))]
        return referral, NeighbourSampling().sample(int(random.integers(FRAMES)), FRAMES, CLIP, random)

    def __getitem__(self, item: int) -> tuple[torch.Tensor, torch.Tensor]:
        referral, positions = self.draw(item)
        with open_video(referral.source, referral.frames, time_limit=None) as reader:
            frames = torch.from_numpy(reader.read(positions))
        assert referral.masks is not None
        return frames, torch.from_numpy(referral.masks.read(positions, (HEIGHT, WIDTH)))


class Plain(Alone):
    """What is usually written: PIL or OpenCV, frame by frame, transforms on PIL pictures."""

    def __getitem__(self, item: int) -> tuple[torch.Tensor, torch.Tensor]:
        referral, positions = self.draw(item)
        frames = read_plainly(referral, positions)
        masks = [Image.open(referral.masks.folder / f"{referral.frames[place]}.png") for place in positions]  # type: ignore[union-attr]
        random = np.random.default_rng(item)
        if random.random() < 0.5:
            frames, masks = [transforms.hflip(frame) for frame in frames], [transforms.hflip(mask) for mask in masks]
        if random.random() < 0.5:
            window = (20, 20, int(HEIGHT * random.uniform(0.6, 0.9)), int(WIDTH * random.uniform(0.6, 0.9)))
            size, nearest = [HEIGHT, WIDTH], transforms.InterpolationMode.NEAREST
            frames = [transforms.resized_crop(frame, *window, size) for frame in frames]
            masks = [transforms.resized_crop(mask, *window, size, nearest) for mask in masks]
        if random.random() < 0.7:
            _, *changes = ColorJitter.get_params([0.7, 1.3], [0.7, 1.3], [0.7, 1.3], None)
            frames = [change_colours(frame, *changes) for frame in frames]
        tensors = [transforms.normalize(transforms.to_tensor(frame), MEAN, DEVIATION) for frame in frames]
        return torch.stack(tensors), torch.stack([torch.from_numpy(np.array(mask) == 1) for mask in masks])


def change_colours(frame: Image.Image, brightness: float, contrast: float, saturation: float, _: None) -> Image.Image:
    frame = transforms.adjust_contrast(transforms.adjust_brightness(frame, brightness), contrast)
    return transforms.adjust_saturation(frame, saturation)


def read_plainly(referral: Referral, positions: list[int]) -> list[Image.Image]:
    path = referral.source.path
    if path.is_dir():
        return [Image.open(path / f"{referral.frames[place]}.jpg").convert("RGB") for place in positions]
    capture, frames = cv2.VideoCapture(str(path)), []
    for place in positions:
        capture.set(cv2.CAP_PROP_POS_FRAMES, place)
        frames.append(Image.fromarray(cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)))
    capture.release()
    return frames


def clips_per_second(loader: Iterable[object], clips: int) -> float:
    start = time.perf_counter()
    for _ in loader:
        pass
    return clips / (time.perf_counter() - start)


def compare(referrals: list[Referral], clips: int, workers: int, rounds: int) -> dict[str, float]:
    """Medians of clips per second, and medians of the ratios within each round."""
    options: dict[str, Any] = {"batch_size": None, "num_workers": workers, "persistent_workers": True}
    loaders: dict[str, Iterable[object]] = {
        "ours": ours(referrals, clips, workers),
        "alone": DataLoader(Alone(referrals, clips), **options),
        "plain": DataLoader(Plain(referrals, clips), **options),
    }
    for loader in loaders.values():  # starts the workers, fills the page cache
        clips_per_second(loader, clips)
    speeds = [{name: clips_per_second(loader, clips) for name, loader in loaders.items()} for _ in range(rounds)]
    found = {name: statistics.median(speed[name] for speed in speeds) for name in loaders}
    for peer in ("alone", "plain"):
        found[f"ours / {peer}"] = statistics.median(speed["ours"] / speed[peer] for speed in speeds)
    return found


def main() -> None:
    arguments = measure.parser(__doc__)
    arguments.add_argument("--videos", type=int, default=6)
    arguments.add_argument("--clips", type=int, default=16)
    options = arguments.parse_args()
    cv2.setNumThreads(0)  # a worker would wait for threads that a fork leaves behind
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, referrals in write_videos(Path(folder), options.videos).items():
            for workers in (1, 2):
                found = compare(referrals, options.clips, workers, options.rounds)
                for peer, goal in (("alone", 0.8), ("plain", 2.0)):
                    label = f"{kind}, {workers} workers, against {PEERS[peer]}"
                    rows.append({"label": label, "ours": found["ours"], "peer": found[peer]})
                    rows[-1] |= {"ratio": found[f"ours / {peer}"], "goal": goal}
    measure.report("loader_speed", "training loader, clips per second: ours / peer", options, rows)


if __name__ == "__main__":
    main()
