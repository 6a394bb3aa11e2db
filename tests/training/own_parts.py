"""Parts as a user writes them, in a module of the user's own."""

from __future__ import annotations

from refsam_zoo.model.image_encoders.vit_tiny import vit_tiny
from refsam_zoo.model.trackers.track_mlp import track_mlp


class SmallerEncoder(vit_tiny):
    """Passes options on."""

    def __init__(self, image_size: int = 64) -> None:
        super().__init__(image_size=image_size)


class WithObject(track_mlp):
    """Takes what no checkpoint can describe."""

    def __init__(self, thing: object) -> None:
        super().__init__()
        self.thing = str(thing)
