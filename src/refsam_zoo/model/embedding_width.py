"""The one width that all parts of RefSAM share: that of the image encoder's embedding, unless a part names its own."""

from __future__ import annotations

from refsam_zoo.number_types import Width


class FollowsEmbedding:
    """Mixed into a module whose layers are made as soon as the width of the embedding is known.

    A constructor that is given a width makes them at once, by `take_width`; otherwise `RefSAM` does, with the width of
    the image encoder's embedding.

    Attributes:
        width: Channels of the embedding space; None until it is known.
    """

    width: int | None = None

    def take_width(self, width: Width | None) -> None:
        """Makes the layers, unless there are some already or nothing is known yet.

        Raises:
            InputError: The part cannot have this width.
        """
        if self.width is None and width is not None:
            self.width = width
            self.make_layers(width)

    def make_layers(self, width: int) -> None:
        """Makes the layers that depend on the width; by default there are none.

        Raises:
            InputError: The part cannot have this width.
        """
