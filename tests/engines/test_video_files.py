"""Videos of every kind that people send, read frame by frame; and clips written for browsers."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from clips import grey, shade_of, write_clip
from PIL import Image

from engines.errors import MediaError
from engines.media import Limits, probe
from engines.progress import Cancelled, CancelToken
from engines.video.read import Video
from engines.video.write import ClipWriter

MEDIA = Path(__file__).parents[1] / "media"
RAMP = [grey(shade) for shade in range(10, 250, 6)]  # 40 frames, 4 s


@pytest.fixture(scope="module")
def ramp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("v") / "ramp.mp4", RAMP)


class TestFrames:
    def test_every_frame_with_its_time(self, ramp: Path) -> None:
        frames = list(Video(ramp).frames())
        assert [round(frame.seconds, 2) for frame in frames] == [number / 10 for number in range(40)]
        assert [shade_of(frame.image) for frame in frames] == pytest.approx(range(10, 250, 6), abs=3)

    def test_a_few_a_second(self, ramp: Path) -> None:
        frames = list(Video(ramp).frames(fps=2, longest_edge=32))
        assert [round(frame.seconds, 2) for frame in frames] == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]
        assert frames[0].image.size == (32, 24)

    def test_from_one_moment_to_another(self, ramp: Path) -> None:
        frames = list(Video(ramp).frames(start=1.15, end=1.5))
        assert [round(frame.seconds, 2) for frame in frames] == [1.2, 1.3, 1.4]

    @pytest.mark.parametrize(("seconds", "shown"), [(0, 0), (1.55, 15), (2.0, 20), (3.99, 39), (99, 39), (-1, 0)])
    def test_what_is_shown_at_a_moment(self, ramp: Path, seconds: float, shown: int) -> None:
        assert shade_of(Video(ramp).at(seconds).image) == pytest.approx(10 + 6 * shown, abs=3)

    def test_evenly_spaced_samples_are_distinct_even_if_there_are_too_few_frames(self, ramp: Path) -> None:
        assert [round(frame.seconds, 1) for frame in Video(ramp).sample(4)] == [0.5, 1.5, 2.5, 3.5]
        assert len(Video(ramp).sample(100)) == 40

    def test_far_jumps_are_as_exact_as_near_ones(self, tmp_path: Path) -> None:
        frames = [grey(20 + number) for number in range(200)]
        video = Video(write_clip(tmp_path / "v.mp4", frames, options={"g": "20", "bf": "3"}))
        found = video.at_each([0.05, 8.0, 8.1, 19.9])
        assert [round(frame.seconds, 1) for frame in found] == [0.0, 8.0, 8.1, 19.9]
        assert [shade_of(frame.image) for frame in found] == pytest.approx([20, 100, 101, 219], abs=3)

    def test_cancelled_midway(self, ramp: Path) -> None:
        cancel = CancelToken()
        frames = Video(ramp).frames(cancel=cancel)
        next(frames)
        cancel.set()
        with pytest.raises(Cancelled):
            list(frames)


class TestOddFiles:
    def test_uneven_times_are_kept(self, tmp_path: Path) -> None:
        times = [0.0, 0.04, 0.5, 0.54, 2.0]
        video = Video(write_clip(tmp_path / "v.mp4", RAMP[:5], times))
        assert [round(frame.seconds, 2) for frame in video.frames()] == times
        assert [round(frame.seconds, 2) for frame in video.frames(fps=4)] == [0.0, 0.5, 2.0]
        assert round(video.at(1.9).seconds, 2) == 0.54

    def test_a_file_that_does_not_begin_at_zero(self, tmp_path: Path) -> None:
        video = Video(write_clip(tmp_path / "v.mkv", RAMP[:5], [5.0, 5.1, 5.2, 5.3, 5.4]))
        assert [round(frame.seconds, 2) for frame in video.frames()] == [0.0, 0.1, 0.2, 0.3, 0.4]
        assert round(video.at(0.25).seconds, 2) == 0.2

    @pytest.mark.parametrize(
        ("rotation", "red_corner"), [(90, (5, 60)), (-90, (40, 5)), (180, (60, 40))], ids=["left", "right", "over"]
    )
    def test_held_sideways(self, tmp_path: Path, rotation: int, red_corner: tuple[int, int]) -> None:
        picture = Image.new("RGB", (64, 48), "blue")
        picture.paste((255, 0, 0), (0, 0, 16, 12))
        path = write_clip(tmp_path / "v.mp4", [picture] * 3, rotation=rotation)
        image = Video(path).at(0).image
        assert image.size == ((64, 48) if rotation == 180 else (48, 64))
        red, _, blue = image.getpixel(red_corner)
        assert red > 150 > blue
        info = probe(path)
        assert (info.width, info.height) == image.size

    @pytest.mark.parametrize(
        ("name", "codec", "pix_fmt"),
        [
            ("v.avi", "mpeg4", "yuv420p"),
            ("v.webm", "libvpx-vp9", "yuva420p"),
            ("v.mkv", "ffv1", "gray"),
            ("v.mp4", "libx264", "yuv444p10le"),
        ],
    )
    def test_formats(self, tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
        video = Video(write_clip(tmp_path / name, RAMP[:20], codec=codec, pix_fmt=pix_fmt))
        frames = list(video.frames())
        assert [shade_of(frame.image) for frame in frames] == pytest.approx(range(10, 130, 6), abs=6)
        assert shade_of(video.at(1.5).image) == pytest.approx(100, abs=6)
        assert {frame.image.mode for frame in frames} == {"RGB"}

    def test_a_single_frame(self, tmp_path: Path) -> None:
        video = Video(write_clip(tmp_path / "v.mp4", RAMP[:1]))
        assert len(list(video.frames(fps=1))) == len(video.sample(8)) == 1

    def test_without_sound_and_with(self, ramp: Path) -> None:
        assert not Video(ramp).info.has_sound
        assert Video(MEDIA / "nasa_13013.mp4").info.has_sound

    def test_cut_off_in_the_middle(self, tmp_path: Path) -> None:
        dice = np.random.default_rng(0)
        noise = [Image.fromarray(dice.integers(0, 255, (48, 64, 3), np.uint8)) for _ in range(40)]
        path = write_clip(tmp_path / "v.mp4", noise, muxing={"movflags": "faststart"}, options={"g": "5"})
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * 6 // 10])
        video = Video(path)
        frames = list(video.frames())
        assert 5 < len(frames) < 40
        assert any("v.mp4 is cut off" in note for note in video.notes)
        assert video.at(3.9).seconds == frames[-1].seconds

    def test_cut_off_before_anything_can_be_read(self, tmp_path: Path) -> None:
        path = write_clip(tmp_path / "v.mp4", RAMP)
        path.write_bytes(path.read_bytes()[:-200])
        for read in (Video, probe):
            with pytest.raises(MediaError, match=r"v\.mp4 is damaged, cut off"):
                read(path)

    @pytest.mark.parametrize(("name", "says"), [("jfk.flac", "holds sound"), ("astronaut.jpg", "holds a picture")])
    def test_no_video_at_all(self, name: str, says: str) -> None:
        with pytest.raises(MediaError, match=rf"{says}, not a video"):
            Video(MEDIA / name)

    def test_text_and_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").write_text("#EXTM3U\nhttp://127.0.0.1/x.mp4\n")
        (tmp_path / "b.mp4").write_bytes(b"")
        with pytest.raises(MediaError, match="holds text"):
            Video(tmp_path / "a.mp4")
        with pytest.raises(MediaError, match="has no bytes"):
            Video(tmp_path / "b.mp4")


class TestLimits:
    def test_frames_too_large(self, ramp: Path) -> None:
        with pytest.raises(MediaError, match="frames of 64 x 48 px"):
            Video(ramp, limits=Limits(max_pixels=1000))

    def test_too_long(self, ramp: Path) -> None:
        with pytest.raises(MediaError, match="the limit is 2 s"):
            Video(ramp, limits=Limits(max_audio_seconds=2))

    def test_a_header_that_promises_days_costs_nothing(self, tmp_path: Path) -> None:
        path = write_clip(tmp_path / "v.mp4", RAMP[:5])
        data = bytearray(path.read_bytes())
        for box in (b"mvhd", b"tkhd", b"mdhd"):
            at = data.index(box) + 4
            place = at + (20 if box == b"tkhd" else 16)
            data[place : place + 4] = struct.pack(">I", 0x7FFFFFFF)
        path.write_bytes(data)
        video = Video(path)
        assert len(list(video.frames())) == 5
        assert video.at(1e6).seconds == pytest.approx(0.4)

    def test_memory_does_not_grow_with_length(self, tmp_path: Path) -> None:
        def peak(count: int) -> int:
            path = write_clip(tmp_path / f"{count}.mp4", [grey(n % 250, (320, 240)) for n in range(count)])
            video = Video(path)
            tracemalloc.start()
            for _ in video.frames():
                pass
            found = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return found

        assert peak(300) < peak(30) * 1.5 + 500_000


class TestWriting:
    def test_times_and_length_are_kept(self, tmp_path: Path) -> None:
        times = [0.0, 0.2, 0.25, 1.0]
        with ClipWriter(tmp_path, "clip") as clip:
            for shade, seconds in zip((10, 80, 150, 220), times, strict=True):
                clip.add(grey(shade, (63, 49)), seconds)
            clip.close(2.0)
        video = Video(clip.path)
        assert (video.info.width, video.info.height) == (62, 48)
        assert video.info.seconds == pytest.approx(2.0, abs=0.05)
        assert [round(frame.seconds, 2) for frame in video.frames()][:4] == times
        assert probe(clip.path).mime in ("video/mp4", "video/webm")

    def test_a_frame_that_comes_no_later_is_left_out(self, tmp_path: Path) -> None:
        with ClipWriter(tmp_path, "clip") as clip:
            for seconds in (0.0, 0.1, 0.1, 0.05, 0.2):
                clip.add(grey(99), seconds)
        assert len(list(Video(clip.path).frames())) == 3

    def test_nothing_to_write_leaves_nothing(self, tmp_path: Path) -> None:
        with ClipWriter(tmp_path, "clip") as clip:
            pass
        assert not clip.path.exists()
