"""How a video file wants its pictures to be turned and mirrored: its display matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import av
    from av.video.reformatter import VideoReformatter


class Orientation(NamedTuple):
    """One of the eight ways to put a picture into a rectangle.

    Attributes:
        transposed: Rows become columns, before anything else.
        upside_down: The rows are reversed.
        mirrored: The columns are reversed.
    """

    transposed: bool = False
    upside_down: bool = False
    mirrored: bool = False

    def apply(self, picture: np.ndarray) -> np.ndarray:
        """Turns a picture `[H, W, C]` as stored into one as displayed, contiguous in memory."""
        stored = picture.swapaxes(0, 1) if self.transposed else picture
        return np.ascontiguousarray(stored[:: -1 if self.upside_down else 1, :: -1 if self.mirrored else 1])


UPRIGHT = Orientation()


def nearest_orientation(matrix: np.ndarray) -> Orientation:
    """Gives the orientation that is nearest to a display matrix, which may turn by any angle.

    Args:
        matrix: The rows a, b, u; c, d, v; x, y, w of ISO/IEC 14496-12: a point (p, q) of the picture is shown at
            (a p + c q + x, b p + d q + y), `[3, 3]`.
    """
    (a, b), (c, d) = matrix[:2, :2].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, upside_down=d < 0, mirrored=a < 0)
    return Orientation(True, upside_down=b < 0, mirrored=c < 0)


def frame_orientation(frame: av.VideoFrame) -> Orientation:
    """Reads how a decoded frame is to be displayed; `frame.rotation` of PyAV knows nothing of mirrors."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    return UPRIGHT if matrix is None else nearest_orientation(np.frombuffer(bytes(matrix), "=i4").reshape(3, 3))


def upright(frame: av.VideoFrame, converter: VideoReformatter) -> np.ndarray:
    """Makes RGB, uint8 `[H, W, 3]`, of a decoded frame, turned as players do; the converter is one per video."""
    picture = converter.reformat(frame, format="rgb24").to_ndarray()
    return frame_orientation(frame).apply(picture)
