from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from refsam_zoo.errors import InputError
from refsam_zoo.video.base import VideoReader
from refsam_zoo.video.time_limit import TimeLimitError, within


def test_results_and_errors_come_through() -> None:
    assert within(5, lambda: 7, "it") == 7
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 // 0, "it")


def test_without_a_limit_no_thread_is_started() -> None:
    assert within(None, threading.current_thread, "it") is threading.current_thread()


def test_progress_extends_the_limit() -> None:
    done: list[int] = []

    def slowly() -> int:
        for number in range(8):
            time.sleep(0.1)
            done.append(number)
        return len(done)

    assert within(0.5, slowly, "it", lambda: len(done)) == 8


STOPPED = """
import time
from refsam_zoo.video.time_limit import within
def read():
    print("begun", flush=True)
    for _ in range(6):
        time.sleep(0.1)
    return "read"
print(within(2, read, "it"))
"""


def test_a_pause_of_the_whole_process_does_not_count() -> None:
    with subprocess.Popen([sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(2.5)
        process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=60)[0] == "read\n"


class HangingReader(VideoReader):
    """Hangs on its second frame until told to go on."""

    def __init__(self) -> None:
        self.path, self.fps, self.time_limit = Path("v.mp4"), 1.0, 0.2
        self.go_on = threading.Event()
        self.closed = False

    def __len__(self) -> int:
        return 2

    def _decode(self, positions: list[int]) -> np.ndarray:
        if 1 in positions:
            self.go_on.wait(30)
        return np.zeros((len(positions), 4, 4, 3), np.uint8)

    def _close(self) -> None:
        self.closed = True


def test_a_reader_that_hangs_is_named_and_left_alone_afterwards() -> None:
    with HangingReader() as reader:
        assert reader.size == (4, 4)
        with pytest.raises(TimeLimitError, match=r"v\.mp4: frames 1 to 1: no answer within 0.2 seconds"):
            reader.read([1])
        with pytest.raises(InputError, match="made its decoder hang before"):
            reader.read([0])
    assert not reader.closed
    reader.go_on.set()
