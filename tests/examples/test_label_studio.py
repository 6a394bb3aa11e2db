"""The backend for Label Studio, asked over loopback what the client of Label Studio 1.23.2 asks (`MLApi`)."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
import uvicorn
from PIL import Image
from systems.builders import write_refsam

from refsam_zoo import InputError, create_system
from refsam_zoo.inference.overlay_video import OverlayVideoWriter

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "examples" / "label_studio"))
from backend import Backend, Files, application  # noqa: E402
from labelling import Labelling  # noqa: E402
from regions import brush_rle, video_region  # noqa: E402

VIDEO = """<View>
  <Labels name="label" toName="video"><Label value="the red square"/><Label value="the star"/></Labels>
  <Video name="video" value="$video" framerate="10"/>
  <VideoRectangle name="box" toName="video"/>
  <TextArea name="sentence" toName="video" value="$sentence"/>
</View>"""
IMAGE = """<View>
  <Image name="image" value="$image"/>
  <BrushLabels name="mask" toName="image"><Label value="target"/></BrushLabels>
  <TextArea name="sentence" toName="image" maxSubmissions="1"/>
</View>"""
SIZE = (36, 48)


class Server:
    """A server in a thread, and the requests of Label Studio to it."""

    def __init__(self, backend: Backend) -> None:
        self._server = uvicorn.Server(uvicorn.Config(application(backend), port=0, log_level="warning"))
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
        self.address = "http://{}:{}".format(*self._server.servers[0].sockets[0].getsockname())

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    def get(self, path: str) -> Any:
        with urlopen(f"{self.address}/{path}") as answer:
            return json.load(answer)

    def post(self, path: str, content: object) -> tuple[int, Any]:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = {"User-Agent": "heartex/", "Content-Type": "application/json"}
        try:
            with urlopen(Request(f"{self.address}/{path}", body, headers)) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            return error.code, json.load(error)

    def predict(self, configuration: str, *data: dict[str, Any], context: Any = None) -> tuple[int, Any]:
        tasks = [{"id": number, "data": one, "project": 7, "meta": {}} for number, one in enumerate(data, 1)]
        params = {"login": None, "password": None, "context": context}
        request = {"tasks": tasks, "project": "7.1764150000", "label_config": configuration, "params": params}
        return self.post("predict", request)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of local files, beside a file that is none of them."""
    folder = tmp_path_factory.mktemp("files") / "root"
    frames = np.random.default_rng(0).integers(0, 256, (5, *SIZE, 3), dtype=np.uint8)
    (folder / "clips").mkdir(parents=True)
    with OverlayVideoWriter(folder / "clips" / "a b.mp4", SIZE, 10) as video:
        for frame in frames:
            video.write(frame)
    Image.fromarray(frames[0]).save(folder / "picture.png")
    (folder.parent / "secret.png").write_bytes((folder / "picture.png").read_bytes())
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    return folder


@pytest.fixture(scope="module")
def backend(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Backend:
    system = create_system("refsam", **write_refsam(tmp_path_factory.mktemp("weights")))
    return Backend(system, "tiny 1", Files(root, None, ""))


@pytest.fixture(scope="module")
def server(backend: Backend) -> Iterator[Server]:
    server = Server(backend)
    yield server
    server.close()


def test_it_is_set_up_as_the_tool_does(server: Server) -> None:
    assert server.get("health")["status"] == "UP"
    common = {"project": "7.1764150000", "hostname": "http://localhost:8080", "access_token": "x", "extra_params": None}
    assert server.post("setup", {**common, "schema": VIDEO}) == (200, {"model_version": "tiny 1"})
    assert server.get("versions") == {"versions": ["tiny 1"]}
    assert server.post("webhook", {"action": "START_TRAINING", "project": {"id": 7}})[0] == 201
    code, answer = server.post("setup", {**common, "schema": "<View><Text name='t' value='$t'/></View>"})
    assert (code, "Video with VideoRectangle or Image with BrushLabels" in answer["error"]) == (400, True)


def test_boxes_in_a_video_for_the_labels_or_the_sentence_of_the_task(server: Server, backend: Backend) -> None:
    video = "/data/local-files/?d=clips/a%20b.mp4"
    code, answer = server.predict(VIDEO, {"video": video}, {"video": video, "sentence": "a small green circle"})
    assert code == 200
    by_labels, by_sentence = answer["results"]
    assert [region["value"]["labels"] for region in by_labels["result"]] == [["the red square"], ["the star"]]
    (region,) = by_sentence["result"]
    assert region["meta"] == {"text": ["a small green circle"]}
    assert (region["type"], region["from_name"], region["to_name"]) == ("videorectangle", "box", "video")
    assert region["value"]["framesCount"] == 5
    assert region["value"]["duration"] == pytest.approx(0.5)
    assert by_sentence["score"] == region["score"]
    assert by_sentence["model_version"] == "tiny 1"
    for key in region["value"]["sequence"]:
        assert key["time"] == pytest.approx((key["frame"] - 1) / 10)
        assert 0 <= key["x"] <= key["x"] + key["width"] <= 100.001
    assert len({other["id"] for one in answer["results"] for other in one["result"]}) == 3


def test_masks_in_a_picture_for_what_is_typed(server: Server, backend: Backend, root: Path) -> None:
    typed = {"type": "textarea", "from_name": "sentence", "to_name": "image", "value": {"text": ["the red square"]}}
    picture = "/data/local-files/?d=picture.png"
    code, answer = server.predict(IMAGE, {"image": picture}, context={"result": [typed]})
    assert code == 200
    (region,) = answer["results"][0]["result"]
    found = backend.system(Image.open(root / "picture.png"), "the red square")
    assert region["value"] == {"format": "rle", "rle": brush_rle(found.masks[0]), "brushlabels": ["target"]}
    assert (region["original_width"], region["original_height"], region["type"]) == (48, 36, "brushlabels")


def test_the_brush_format_is_that_of_the_tool() -> None:
    """Expected: `brush.mask2rle` of label-studio-sdk 2.1.2."""
    mask = np.array([[0, 1, 1], [0, 0, 0]], bool)
    assert brush_rle(mask) == EXPECTED_SMALL
    assert brush_rle(np.ones((300, 300), bool)) == EXPECTED_FULL


EXPECTED_SMALL = [0, 0, 0, 24, 57, 27, 252, 96, 19, 255, 219, 0, 0]
EXPECTED_FULL = list(bytes.fromhex("00057e40391bfffffffffffffffffffffffffffffffffffefc7ffe"))


def test_boxes_end_where_the_target_goes() -> None:
    boxes = [[0, 0, 10, 10], [4, 2, 10, 10], None, None, [20, 10, 5, 5]]
    frames = [
        {"time": 0.1 * n, "objects": [{"present": box is not None, "score": 0.5, "box": box}]}
        for n, box in enumerate(boxes)
    ]
    region = video_region(Labelling.parse(VIDEO), "x", {"height": 50, "width": 100, "frames": frames}, 1, 10)
    assert region is not None
    sequence = region["value"]["sequence"]
    assert [(key["frame"], key["enabled"]) for key in sequence] == [(1, True), (2, False), (5, True)]
    assert [sequence[2][name] for name in ("x", "y", "width", "height")] == [20, 20, 5, 10]
    slower = video_region(Labelling.parse(VIDEO), "x", {"height": 50, "width": 100, "frames": frames}, 1, 5)
    assert slower is not None
    assert [key["frame"] for key in slower["value"]["sequence"]] == [1, 3]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/data/local-files/?d=../secret.png", "not below the folder of --files"),
        ("/data/local-files/?d=/etc/passwd", "not below the folder of --files"),
        ("/data/local-files/?d=link.png", "not below the folder of --files"),
        ("/data/local-files/?d=%00", "not below the folder of --files"),
        ("/data/local-files/?d=none.png", "not in the folder of --files"),
        ("/data/upload/7/a.png", "need --label_studio"),
        ("http://127.0.0.1:1/data/local-files/?d=picture.png", "neither a local file nor uploaded"),
        ("file:///etc/passwd", "neither a local file nor uploaded"),
        ("//evil/data/local-files/?d=picture.png", "neither a local file nor uploaded"),
    ],
)
def test_files_elsewhere_are_refused_in_one_line(address: str, said: str, server: Server) -> None:
    code, answer = server.predict(IMAGE, {"image": address})
    assert code == 400
    assert said in answer["error"]
    assert "\n" not in answer["error"]


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("predict", b"{", "is JSON"),
        ("predict", [], "JSON object"),
        ("predict", {"tasks": 1}, "list of tasks"),
        ("predict", {"tasks": [], "label_config": '<!DOCTYPE x [<!ENTITY a "b">]><View/>'}, "document type"),
        ("predict", {"tasks": [{"data": {}}], "label_config": IMAGE}, "no 'image'"),
        ("setup", {}, "no XML"),
    ],
)
def test_wrong_requests_are_one_line(path: str, content: object, said: str, server: Server) -> None:
    if isinstance(content, dict) and "no 'image'" in said:
        content["tasks"][0]["id"] = 3
    code, answer = server.post(path, content)
    assert code == 400
    assert said in answer["error"]


def test_uploaded_files_come_from_the_one_label_studio(root: Path) -> None:
    asked: list[tuple[str, str | None]] = []

    class LabelStudio(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["Authorization"]))
            elsewhere = "moved" in self.path
            self.send_response(302 if elsewhere else 200)
            self.send_header("Location", "http://127.0.0.1:1/") if elsewhere else None
            self.end_headers()
            if not elsewhere:
                self.wfile.write((root / "picture.png").read_bytes())

        def log_message(self, *_: Any) -> None:
            """Keeps quiet."""

    studio = HTTPServer(("127.0.0.1", 0), LabelStudio)
    threading.Thread(target=studio.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{studio.server_port}"
    files = Files(None, f"{address}/", "secret")
    try:
        for place in ("/data/upload/7/a.png", f"{address}/data/upload/7/a.png"):
            with files.open(place) as path:
                assert path.read_bytes() == (root / "picture.png").read_bytes()
            assert not path.exists()
        assert asked == [("/data/upload/7/a.png", "Token secret")] * 2
        for place, said in (("/data/upload/7/moved", "302"), ("http://other/data/upload/7/a.png", "neither")):
            with pytest.raises(InputError, match=said), files.open(place):
                pass
    finally:
        studio.shutdown()
        studio.server_close()
