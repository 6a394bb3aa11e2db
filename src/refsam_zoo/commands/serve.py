"""`refsam-zoo serve`: the web page."""

from __future__ import annotations

import secrets
from functools import partial
from pathlib import Path

from refsam_zoo.errors import InputError
from refsam_zoo.inference.interruption import leave_on_termination
from refsam_zoo.number_types import FiniteFloat, NonNegativeInt, PositiveFloat, PositiveInt
from refsam_zoo.precision import Precision, choose_device, computing_in
from refsam_zoo.systems.base import SystemOrMaker
from refsam_zoo.systems.choice import chosen_system, ready_system

SHORTEST_TOKEN = 16


def serve(
    *,
    checkpoint: Path | str | None = None,
    system: SystemOrMaker | None = None,
    device: str = "auto",
    precision: Precision | None = None,
    compile: bool = False,
    threshold: FiniteFloat = 0.0,
    host: str = "127.0.0.1",
    port: NonNegativeInt = 7860,
    token: str | None = None,
    max_upload_mb: PositiveInt = 200,
    max_seconds: PositiveFloat = 60.0,
    max_frames: PositiveInt = 1800,
    max_side: PositiveInt = 1280,
    max_sentences: PositiveInt = 8,
    max_clips: PositiveInt = 8,
    idle_minutes: PositiveFloat = 20.0,
) -> None:
    """Serves a web page: upload a clip, ask in words, watch masks appear, take results home.

    One clip is segmented at a time, the others wait in a queue. What visitors bring lies in a temporary folder and is
    deleted when they close the page, at the latest when the server ends.

    Args:
        checkpoint: A checkpoint of `refsam-zoo fit` or a folder of `refsam-zoo export`; short for the system `refsam`.
        system: A system by its name in `refsam-zoo list`, or a class by import path; `--system.help NAME` lists its
            options.
        device: "cpu", "cuda", "cuda:1", ...; "auto" takes a GPU where there is one.
        precision: "32-true" or "bf16-mixed"; if not given, bfloat16 where the hardware computes in it.
        compile: Compile the parts that take the time: the first frames take minutes, later ones less time.
        threshold: With a checkpoint, the logit above which a pixel belongs to the object.
        host: Address to listen at. Any but this machine's own needs a token, and is not encrypted.
        port: Port to listen at; 0 takes a free one.
        token: What visitors must know, 16 characters or more; one is made up where it is needed and not given.
        max_upload_mb: Size of a clip's file in megabytes, at most.
        max_seconds: Length of a clip in seconds, at most.
        max_frames: Frames of a clip, at most.
        max_side: Frames are shrunk so that their longer side has at most so many pixels; masks have that size, too.
        max_sentences: Sentences about a clip, at most.
        max_clips: Clips on the server at once, at most.
        idle_minutes: Minutes after which a clip is deleted whose page asks for nothing.

    Raises:
        InputError: No system or two, one without its weights, a port that is taken, or a token that can be guessed.
    """
    from refsam_zoo.serving.guard import is_loopback
    from refsam_zoo.serving.limits import Limits
    from refsam_zoo.serving.server import PageServer

    if token is not None and len(token) < SHORTEST_TOKEN:
        raise InputError(f"--token has {len(token)} characters; {SHORTEST_TOKEN} or more cannot be guessed")
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(24)
    target = choose_device(device)
    limits = Limits(max_upload_mb, max_seconds, max_frames, max_side, max_sentences, max_clips, idle_minutes)
    ready = ready_system(chosen_system(checkpoint, system, threshold), target, compile)
    with leave_on_termination():
        server = PageServer(ready, partial(computing_in, target, precision), limits, host, port, token)
        print(f"The page is at {server.url} (Ctrl-C ends it).", flush=True)
        server.run()
