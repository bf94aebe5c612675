"""Media over HTTP: in, out, small, and nothing that could harm whoever looks at it."""

from __future__ import annotations

import http.client
import io
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from live_server import MEDIA, Api
from PIL import Image


def test_what_comes_out_is_what_went_in(api: Api) -> None:
    artifact = api.upload("astronaut.jpg")
    assert (artifact["kind"], artifact["mime"], artifact["width"]) == ("image", "image/jpeg", 512)
    content = api.http.get(f"/api/artifacts/{artifact['id']}/content")
    assert content.content == (MEDIA / "astronaut.jpg").read_bytes()
    assert content.headers["content-type"] == "image/jpeg"
    assert content.headers["content-disposition"] == 'inline; filename="astronaut.jpg"'
    assert api.http.get(f"/api/artifacts/{artifact['id']}").json() == artifact
    (node,) = api.http.get(f"/api/artifacts/{artifact['id']}/lineage").json()["artifacts"]
    assert (node["origin"], node["artifact"]) == ("upload", artifact)


def test_lineage_is_a_graph_of_artifacts_and_calls(api: Api) -> None:
    photo = api.upload("astronaut.jpg")
    called = api.http.post("/api/tools/detect_objects", json={"image": photo["id"]}).json()
    (shown,) = called["artifacts"]
    graph = api.http.get(f"/api/artifacts/{shown['id']}/lineage").json()
    assert [node["id"] for node in graph["artifacts"]] == [shown["id"], photo["id"]]
    (call,) = graph["calls"]
    assert (call["tool"], call["args"], call["replay_of"]) == ("detect_objects", {"image": photo["id"]}, None)
    assert [model["sha256"] for model in call["models"]] == [called["receipts"][0]["sha256"]]
    assert graph["edges"] == [
        {"source": photo["id"], "target": call["id"]},
        {"source": call["id"], "target": shown["id"]},
    ]
    below = api.http.get(f"/api/artifacts/{photo['id']}/lineage", params={"depth": 1}).json()
    assert [node["id"] for node in below["artifacts"]] == [photo["id"], shown["id"]]
    assert api.http.get(f"/api/artifacts/{photo['id']}/lineage", params={"depth": 0}).status_code == 422
    assert api.http.get(f"/api/artifacts/{'0' * 32}/lineage").status_code == 404


def test_an_artifact_is_made_again_and_compared(api: Api) -> None:
    photo = api.upload("astronaut.jpg")
    (shown,) = api.http.post("/api/tools/detect_objects", json={"image": photo["id"]}).json()["artifacts"]
    plan = api.http.get(f"/api/artifacts/{shown['id']}/replay").json()
    assert (plan["tool"], plan["problems"], plan["models"][0]["state"]) == ("detect_objects", [], "same")
    answer = api.http.post(f"/api/artifacts/{shown['id']}/replay")
    assert (answer.status_code, answer.json()["comparison"]["identical"]) == (201, True)
    assert answer.json()["artifact"]["id"] != shown["id"]
    refused = api.http.post(f"/api/artifacts/{photo['id']}/replay")
    assert (refused.status_code, refused.json()["detail"]) == (422, "astronaut.jpg was uploaded; no tool made it.")


def test_sound_and_text_are_recognised_by_what_they_hold(api: Api) -> None:
    sound = api.upload("song.txt", (MEDIA / "jfk.flac").read_bytes(), "text/plain")
    assert (sound["kind"], sound["mime"], round(sound["seconds"])) == ("audio", "audio/flac", 11)
    assert api.upload("notes.md", b"Only words", "image/jpeg")["mime"] == "text/plain"


def test_a_player_can_seek(api: Api) -> None:
    data = (MEDIA / "jfk.flac").read_bytes()
    url = f"/api/artifacts/{api.upload('jfk.flac')['id']}/content"
    part = api.http.get(url, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, data[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(data)}"
    assert api.http.get(url, headers={"Range": "bytes=-10"}).content == data[-10:]
    assert api.http.get(url, headers={"Range": f"bytes={len(data)}-"}).status_code == 416


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\evil.txt", "evil.txt"),
        ("gpj.\u202etxt.exe", "gpj.txt.exe"),
        ("a\r\nSet-Cookie: x=1.txt", "a%0D%0ASet-Cookie_ x=1.txt"),
        ("naïve 写真 фото.txt", "naïve 写真 фото.txt"),
        ("x" * 300 + ".txt", "x" * 116 + ".txt"),
        ("..", "file"),
    ],
)
def test_a_hostile_name_is_harmless_and_a_foreign_one_survives(api: Api, given: str, kept: str) -> None:
    artifact = _upload_raw(api, given)
    assert artifact["name"] == kept
    headers = api.http.get(f"/api/artifacts/{artifact['id']}/content").headers
    assert "set-cookie" not in headers
    expected = f'filename="{kept}"' if kept.isascii() and " " not in kept else f"filename*=utf-8''{quote(kept)}"
    assert headers["content-disposition"] in {f"inline; {expected}", f'inline; filename="{kept}"'}


def _upload_raw(api: Api, name: str) -> dict[str, str]:
    """As a client that does not clean what it sends; line breaks are sent percent-encoded, as browsers do."""
    sent = name.replace("\\", "\\\\").replace("\r", "%0D").replace("\n", "%0A")
    body = (f'--B\r\nContent-Disposition: form-data; name="file"; filename="{sent}"\r\n\r\nwords\r\n--B--\r\n').encode()
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    answer: dict[str, str] = api.http.post("/api/artifacts", content=body, headers=headers).raise_for_status().json()
    return answer


@pytest.mark.parametrize(
    "markup", [b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", b"<html><script>1"]
)
def test_what_could_run_in_a_browser_is_served_as_plain_text_in_a_sandbox(api: Api, markup: bytes) -> None:
    artifact = api.upload("evil.svg", markup, "image/svg+xml")
    content = api.http.get(f"/api/artifacts/{artifact['id']}/content")
    assert content.headers["content-type"].partition(";")[0] == "text/plain"
    assert content.headers["x-content-type-options"] == "nosniff"
    assert content.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert content.headers["cross-origin-resource-policy"] == "same-site"


def test_damaged_media_are_refused_with_a_reason(api: Api) -> None:
    answer = api.http.post("/api/artifacts", files={"file": ("half.jpg", (MEDIA / "astronaut.jpg").read_bytes()[:900])})
    assert (answer.status_code, answer.json()["code"]) == (422, "unreadable-media")
    assert "half.jpg" in answer.json()["detail"]


def test_a_file_over_the_limit_is_refused_by_its_announced_size(api: Api) -> None:
    address = urlsplit(api.address)
    connection = http.client.HTTPConnection(address.netloc, timeout=30)
    connection.putrequest("POST", "/api/artifacts")
    connection.putheader("Content-Type", "multipart/form-data; boundary=B")
    connection.putheader("Content-Length", "3000000000")
    connection.endheaders()  # and not one byte of the body
    answer = connection.getresponse()
    assert answer.status == 413
    assert answer.getheader("Content-Type") == "application/problem+json"
    connection.close()


def test_a_file_over_the_limit_is_refused_while_it_comes_in(api: Api) -> None:
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="big"\r\n\r\n'
        for _ in range(50):
            sent += 100_000
            yield b"\0" * 100_000
        yield b"\r\n--B--\r\n"

    answer = api.http.post(
        "/api/artifacts", content=body(), headers={"Content-Type": "multipart/form-data; boundary=B"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert "2 MB" in answer.json()["detail"]


def test_a_file_just_over_the_limit_is_refused_too(api: Api) -> None:
    answer = api.http.post("/api/artifacts", files={"file": ("big", b"x" * 2_000_001)})
    assert answer.status_code == 413
    assert api.upload("fits.txt", b"x" * 2_000_000)["bytes"] == 2_000_000


def test_a_refused_file_leaves_nothing_behind(api: Api, tmp_path: Path) -> None:
    api.http.post("/api/artifacts", files={"file": ("big", b"x" * 2_000_001)})
    api.http.post("/api/artifacts", files={"file": ("half.jpg", b"\xff\xd8\xff" + b"x" * 99)})
    assert [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "multipart/form-data; boundary=B"),
        (b"--B\r\nnonsense", "multipart/form-data; boundary=B"),
        (b"{}", "application/json"),
        (b"file=x", "application/x-www-form-urlencoded"),
        (
            b'--B\r\nContent-Disposition: form-data; name="file"\r\n\r\nno file\r\n--B--\r\n',
            "multipart/form-data; boundary=B",
        ),
        (b"x", "multipart/form-data"),
    ],
)
def test_another_body_than_a_form_with_a_file_is_refused(api: Api, body: bytes, kind: str) -> None:
    answer = api.http.post("/api/artifacts", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")


def test_a_thumbnail_is_small_upright_and_kept(api: Api, tmp_path: Path) -> None:
    lying = Image.new("RGB", (800, 400), "red")
    exif = lying.getexif()
    exif[0x0112] = 6  # shown turned by 90 degrees
    data = io.BytesIO()
    lying.save(data, "JPEG", exif=exif)
    artifact = api.upload("phone.jpg", data.getvalue())
    url = f"/api/artifacts/{artifact['id']}/thumbnail"
    small = api.http.get(url, params={"size": 200})
    assert small.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(small.content)).size == (128, 256)
    assert api.http.get(url, params={"size": 256}).content == small.content
    assert len(list((tmp_path / "cache" / "thumbnails").iterdir())) == 1


def test_a_thumbnail_keeps_transparency(api: Api) -> None:
    data = io.BytesIO()
    Image.new("RGBA", (300, 300), (255, 0, 0, 0)).save(data, "PNG")
    small = api.http.get(f"/api/artifacts/{api.upload('glass.png', data.getvalue())['id']}/thumbnail")
    picture = Image.open(io.BytesIO(small.content))
    assert (small.headers["content-type"], picture.mode, picture.size) == ("image/png", "RGBA", (256, 256))


def test_sound_has_no_thumbnail(api: Api) -> None:
    answer = api.http.get(f"/api/artifacts/{api.upload('jfk.flac')['id']}/thumbnail")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")


def test_an_unknown_artifact_is_not_found_over_every_route(api: Api) -> None:
    for path in ("", "/content", "/lineage", "/thumbnail"):
        answer = api.http.get(f"/api/artifacts/nope{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found"), path
