"""Whether choosing among true tracks can be learned: looks, boxes and offsets of every object in, the object out.

A small network is told the colour and shape of every object and its true box in every frame, reads the sentence, and
learns which object is meant from RefShapes' train split. What it reaches on the tests is what explicit tracks are
worth; what a model of pixels lacks beside it is the tracks. It is not an entry of the zoo: it reads the annotations.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from ceilings import SPLITS, questions
from measure import parser, report
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.model.choosing import GEOMETRY, OFFSETS, geometry, offsets
from refsam_zoo.synthesis import SynthesisOptions
from refsam_zoo.synthesis.shapes import COLOURS, SHAPES
from refsam_zoo.synthesis.videos import Video

OBJECTS, WORDS, WIDTH, BATCH = 8, 16, 128, 96
LOOKS = (*COLOURS, *SHAPES)
FRAMES_SEEN = (1, 2, 4, 6, 12)
TRAINED_FRAMES = (12, 12, 12, 8, 4)


class Questions(NamedTuple):
    """N sentences about one object each.

    Attributes:
        words: int64 `[N, 16]`, 0 is no word.
        looks: Which words for looks hold, float `[N, 8, L]`.
        boxes: x and y of the centroid, width and height as shares of the image, float `[N, 8, T, 4]`.
        seen: bool `[N, 8, T]`.
        target: Place of the object, int64 `[N]`.
    """

    words: Tensor
    looks: Tensor
    boxes: Tensor
    seen: Tensor
    target: Tensor


def tracks(video: Video) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gives looks, boxes and visibility of a video's objects; see `Questions`."""
    frames, size = video.labels.shape[:2]
    looks = np.zeros((OBJECTS, len(LOOKS)), np.float32)
    boxes, seen = np.zeros((OBJECTS, frames, 4), np.float32), np.zeros((OBJECTS, frames), bool)
    for index, look in enumerate(video.looks):
        looks[index] = [word in (look.colour, look.shape) for word in LOOKS]
        for frame, label in enumerate(video.labels):
            rows, columns = np.nonzero(label == index + 1)
            if len(rows):
                seen[index, frame] = True
                extent = (np.ptp(columns) + 1, np.ptp(rows) + 1)
                boxes[index, frame] = np.array([columns.mean(), rows.mean(), *extent]) / size
    return looks, boxes, seen


def gather(split: str, videos: int, synthesis: SynthesisOptions, vocabulary: dict[str, int]) -> Questions:
    """Makes every sentence of a split about one object; a vocabulary that is empty is filled."""
    fill = not vocabulary
    rows, known = [], {}
    for item, video in questions(split, videos, synthesis):
        if len(item.object_ids) != 1:
            continue
        if video.name not in known:
            known[video.name] = tracks(video)
        words = item.sentence.split()[:WORDS]
        places = [
            vocabulary.setdefault(word, len(vocabulary) + 1) if fill else vocabulary.get(word, 0) for word in words
        ]
        places += [0] * (WORDS - len(places))
        rows.append((np.array(places), *known[video.name], np.array(item.object_ids[0] - 1)))
    return Questions(*(torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True)))


class Chooser(nn.Module):
    """Scores each object by itself and beside each other object, both in the light of the sentence."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        half, facts = WIDTH // 2, len(LOOKS) + GEOMETRY
        self.words = nn.Embedding(vocabulary + 1, half)
        self.places = nn.Parameter(torch.randn(WORDS, half) * 0.02)
        convolutions = [nn.Conv1d(half, half, 3, padding=1) for _ in range(2)]
        self.mix = nn.Sequential(convolutions[0], nn.GELU(), convolutions[1], nn.GELU())
        self.attention, self.sentence = nn.Linear(half, 4), nn.Linear(4 * half, WIDTH)
        self.subject, self.other, self.offset = (
            nn.Linear(facts, WIDTH),
            nn.Linear(facts, WIDTH),
            nn.Linear(OFFSETS, WIDTH),
        )
        self.gates = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(2))
        self.scores = nn.ModuleList(
            nn.Sequential(nn.GELU(), nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, 1)) for _ in range(2)
        )

    def read(self, words: Tensor) -> Tensor:
        """Encodes sentences by four weighted means of their words, float `[N, 128]`."""
        tokens = self.words(words) + self.places
        tokens = tokens + self.mix(tokens.transpose(1, 2)).transpose(1, 2)
        logits = self.attention(tokens).masked_fill((words == 0)[..., None], -1e9)
        return self.sentence(torch.einsum("nld,nlk->nkd", tokens, logits.softmax(1)).flatten(1))

    def forward(self, asked: Questions) -> Tensor:
        """Gives the logit of each object, float `[N, 8]`."""
        there = asked.seen.any(-1)
        sentence = self.read(asked.words)
        facts = torch.cat([asked.looks, geometry(asked.boxes, asked.seen)], dim=-1)
        alone = self.subject(facts)
        pairs = alone[:, :, None] + self.other(facts)[:, None] + self.offset(offsets(asked.boxes, asked.seen))
        gates = [2 * gate(sentence).sigmoid() for gate in self.gates]
        own = self.scores[0](alone * gates[0][:, None] + sentence[:, None])[..., 0]
        beside = self.scores[1](pairs * gates[1][:, None, None] + sentence[:, None, None])[..., 0]
        nobody = ~there[:, None] | torch.eye(OBJECTS, dtype=torch.bool)
        return (own + beside.masked_fill(nobody, -1e9).logsumexp(2)).masked_fill(~there, -1e9)


def beginning(asked: Questions, frames: int) -> Questions:
    """Keeps the first frames only."""
    return asked._replace(boxes=asked.boxes[:, :, :frames], seen=asked.seen[:, :, :frames])


def train(asked: Questions, vocabulary: int, steps: int, seed: int) -> Chooser:
    """Trains by cross-entropy, objects in random order, on the whole video or its beginning."""
    torch.manual_seed(seed)
    model = Chooser(vocabulary)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps, pct_start=0.1)
    for _ in range(steps):
        rows, order = torch.randint(len(asked.target), (BATCH,)), torch.randperm(OBJECTS)
        batch = Questions(*(part[rows] for part in asked))
        looks, boxes, seen = (part[:, order] for part in (batch.looks, batch.boxes, batch.seen))
        batch = Questions(batch.words, looks, boxes, seen, order.argsort()[batch.target])
        batch = beginning(batch, TRAINED_FRAMES[int(torch.randint(len(TRAINED_FRAMES), ()))])
        loss = F.cross_entropy(model(batch), batch.target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


@torch.no_grad()
def accuracy(model: Chooser, asked: Questions, frames: int) -> float:
    """Gives the percentage of sentences whose object is chosen, after so many frames."""
    return 100 * float((model(beginning(asked, frames)).argmax(1) == asked.target).float().mean())


def main() -> None:
    """Prints how often the object is chosen, after how many frames, and without the sentence."""
    options = parser(__doc__)
    options.add_argument("--train-videos", type=int, default=1000)
    options.add_argument("--videos", type=int, default=24, help="of each test")
    options.add_argument("--steps", type=int, default=400)
    options.add_argument("--seeds", type=int, default=1)
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    vocabulary: dict[str, int] = {}
    trained = gather("train", chosen.train_videos, SynthesisOptions(), vocabulary)
    tests = {split: gather(split, chosen.videos, SynthesisOptions(), vocabulary) for split in SPLITS}
    rows = []
    for seed, blind in ((seed, blind) for seed in range(chosen.seeds) for blind in (False, True)):
        silent = {True: trained._replace(words=torch.ones_like(trained.words)), False: trained}[blind]
        model = train(silent, len(vocabulary), chosen.steps, seed)
        for frames in FRAMES_SEEN[-1:] if blind else FRAMES_SEEN:
            found = {
                split: accuracy(model, asked._replace(words=torch.ones_like(asked.words)) if blind else asked, frames)
                for split, asked in tests.items()
            }
            label = f"seed {seed}, {'no sentence' if blind else f'{frames} frames'}"
            rows.append({"label": label, "ratio": found["motion"] / 100, **{k: f"{v:.1f}" for k, v in found.items()}})
    report("choosing", "share of motion's sentences whose object is chosen, of true tracks", chosen, rows)


if __name__ == "__main__":
    main()
