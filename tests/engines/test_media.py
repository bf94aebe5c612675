"""What a file is, read from its bytes; and what is refused before it can do harm."""

import io
import struct
import wave
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from engines.audio.read import read_audio, resample, write_wav
from engines.errors import MediaError
from engines.image.read import read_image
from engines.media import Limits, MediaInfo, open_container, probe
from engines.progress import Cancelled, CancelToken
from engines.protocols import Audio

MEDIA = Path(__file__).parents[1] / "media"


def tone(seconds: float = 1.0, rate: int = 48_000, hertz: float = 440.0) -> Audio:
    time = np.arange(int(seconds * rate)) / rate
    return Audio((0.5 * np.sin(2 * np.pi * hertz * time)).astype(np.float32), rate)


def loudest_hertz(audio: Audio) -> float:
    spectrum = np.abs(np.fft.rfft(audio.samples))
    return float(np.fft.rfftfreq(len(audio.samples), 1 / audio.rate)[spectrum.argmax()])


def encode_sound(path: Path, codec: str, audio: Audio, *, container: str | None = None, **options: str) -> Path:
    with av.open(str(path), "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=audio.rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(audio.samples[None], "fltp", "mono")
        frame.sample_rate = audio.rate
        fifo = av.AudioFifo()
        fifo.write(frame)
        while piece := fifo.read(stream.codec_context.frame_size or 1024, partial=True):
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return path


def encode_video(path: Path, *, sound: Audio | None = None, frames: int = 12) -> Path:
    with av.open(str(path), "w") as output:
        video = output.add_stream("mpeg4", rate=12)
        video.width, video.height = 160, 96
        audio = output.add_stream("aac", rate=sound.rate, layout="mono") if sound else None
        for shade in range(frames):
            picture = av.VideoFrame.from_ndarray(np.full((96, 160, 3), shade * 9, np.uint8), format="rgb24")
            output.mux(video.encode(picture))
        output.mux(video.encode(None))
        if sound and audio:
            frame = av.AudioFrame.from_ndarray(sound.samples[None], "fltp", "mono")
            frame.sample_rate = sound.rate
            output.mux(audio.encode(frame))
            output.mux(audio.encode(None))
    return path


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(b"\0" * (height * (1 + (width + 7) // 8)) if width < 100 else b"\0" * 99))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + body + png_chunk(b"IEND", b"")


class TestProbe:
    def test_a_picture_is_known_by_its_bytes_whatever_its_name(self, tmp_path: Path) -> None:
        path = tmp_path / "voice.wav"
        path.write_bytes((MEDIA / "astronaut.jpg").read_bytes())
        assert probe(path) == MediaInfo("image", "image/jpeg", 512, 512)

    @pytest.mark.parametrize(
        ("format_name", "mime"),
        [
            ("PNG", "image/png"),
            ("WEBP", "image/webp"),
            ("GIF", "image/gif"),
            ("BMP", "image/bmp"),
            ("TIFF", "image/tiff"),
        ],
    )
    def test_pictures(self, tmp_path: Path, format_name: str, mime: str) -> None:
        Image.new("RGB", (30, 20), "red").save(tmp_path / "p", format_name)
        assert probe(tmp_path / "p") == MediaInfo("image", mime, 30, 20)

    def test_a_photo_taken_sideways_is_measured_as_it_is_shown(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (30, 20)).save(tmp_path / "p.jpg", exif=exif)
        info = probe(tmp_path / "p.jpg")
        assert (info.width, info.height) == (20, 30)

    def test_sound(self) -> None:
        assert probe(MEDIA / "jfk.flac") == MediaInfo("audio", "audio/flac", seconds=11.0)
        info = probe(MEDIA / "LJ001-0002.wav")
        assert (info.kind, info.mime, info.seconds) == ("audio", "audio/wav", pytest.approx(1.9, abs=0.01))

    @pytest.mark.parametrize(
        ("name", "codec", "mime"),
        [("a.mp4", "aac", "audio/mp4"), ("a.webm", "libopus", "audio/webm"), ("a.ogg", "libopus", "audio/ogg")],
    )
    def test_a_container_with_only_a_sound_stream_is_sound(
        self, tmp_path: Path, name: str, codec: str, mime: str
    ) -> None:
        info = probe(encode_sound(tmp_path / name, codec, tone()))
        assert (info.kind, info.mime, info.seconds) == ("audio", mime, pytest.approx(1.0, abs=0.1))

    def test_cover_art_does_not_make_a_song_a_video(self, tmp_path: Path) -> None:
        song = encode_sound(tmp_path / "song.mp3", "libmp3lame", tone())
        cover = io.BytesIO()
        Image.new("RGB", (64, 64), "blue").save(cover, "JPEG")
        picture = b"\0image/jpeg\0\x03\0" + cover.getvalue()  # ID3v2.3: encoding, MIME, "front cover", no description
        frame = b"APIC" + struct.pack(">IH", len(picture), 0) + picture
        size = bytes((len(frame) >> shift) & 0x7F for shift in (21, 14, 7, 0))
        song.write_bytes(b"ID3\x03\0\0" + size + frame + song.read_bytes())
        with av.open(str(song)) as container:
            assert container.streams.video, "the fixture must have a picture in it"
        assert probe(song).kind == "audio"

    def test_video(self, tmp_path: Path) -> None:
        info = probe(encode_video(tmp_path / "v.mp4"))
        assert info == MediaInfo("video", "video/mp4", 160, 96, 1.0)

    def test_a_browsers_recording_without_a_length_in_its_header_is_measured(self, tmp_path: Path) -> None:
        path = encode_sound(tmp_path / "a.webm", "libopus", tone(2.0), live="1")
        with av.open(str(path)) as container:
            assert container.duration is None, "the fixture must not say its length"
        assert probe(path).seconds == pytest.approx(2.0, abs=0.1)

    def test_text(self, tmp_path: Path) -> None:
        (tmp_path / "letter").write_text("Grüße, 世界\n", "utf-8")
        assert probe(tmp_path / "letter") == MediaInfo("text", "text/plain")

    def test_text_under_the_name_of_a_picture_is_the_wrong_file(self, tmp_path: Path) -> None:
        (tmp_path / "photo.jpg").write_text("Grüße, 世界\n", "utf-8")
        with pytest.raises(MediaError, match=r"photo\.jpg holds text, not a picture"):
            probe(tmp_path / "photo.jpg")

    def test_text_is_valid_to_its_last_byte(self, tmp_path: Path) -> None:
        (tmp_path / "t").write_bytes(b"a" * 100_000 + b"\xe4")
        with pytest.raises(MediaError, match="format that isn't known"):
            probe(tmp_path / "t")


class TestRefusal:
    def test_an_empty_file_has_no_bytes(self, tmp_path: Path) -> None:
        (tmp_path / "photo.jpg").touch()
        for read in (probe, read_image, read_audio):
            with pytest.raises(MediaError, match=r"photo\.jpg has no bytes"):
                read(tmp_path / "photo.jpg")

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        for read in (probe, read_image, read_audio):
            with pytest.raises(MediaError, match=r"gone\.png can't be opened: No such file"):
                read(tmp_path / "gone.png")

    def test_the_user_sees_the_name_that_the_user_gave(self, tmp_path: Path) -> None:
        (tmp_path / "3fa9").touch()
        with pytest.raises(MediaError, match=r"^holiday\.jpg has no bytes"):
            probe(tmp_path / "3fa9", name="holiday.jpg")

    def test_noise_is_of_no_known_format(self, tmp_path: Path) -> None:
        (tmp_path / "n.bin").write_bytes(np.random.default_rng(0).bytes(50_000))
        with pytest.raises(MediaError, match="format that isn't known"):
            probe(tmp_path / "n.bin")

    @pytest.mark.parametrize("keep", [12, 3_000, 40_000])
    def test_a_photo_that_is_cut_off(self, tmp_path: Path, keep: int) -> None:
        (tmp_path / "p.jpg").write_bytes((MEDIA / "astronaut.jpg").read_bytes()[:keep])
        for read in (probe, read_image):
            with pytest.raises(MediaError, match=r"p\.jpg is (a picture whose beginning is damaged or )?cut off"):
                read(tmp_path / "p.jpg")

    @pytest.mark.parametrize("format_name", ["PNG", "WEBP", "GIF", "TIFF", "BMP"])
    def test_other_pictures_that_are_cut_off(self, tmp_path: Path, format_name: str) -> None:
        whole = io.BytesIO()
        Image.open(MEDIA / "chelsea.jpg").save(whole, format_name)
        (tmp_path / "p").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
        with pytest.raises(MediaError, match=r"cut off|damaged"):
            read_image(tmp_path / "p")

    def test_a_wave_file_without_samples(self, tmp_path: Path) -> None:
        write_wav(Audio(np.zeros(0, np.float32), 16_000), tmp_path / "a.wav")
        with pytest.raises(MediaError, match="no sound in it"):
            probe(tmp_path / "a.wav")

    def test_a_video_whose_index_is_cut_off(self, tmp_path: Path) -> None:
        path = encode_video(tmp_path / "v.mp4")
        path.write_bytes(path.read_bytes()[:-400])
        with pytest.raises(MediaError, match=r"v\.mp4 is damaged, cut off"):
            probe(path)

    def test_a_postscript_file_is_never_run(self, tmp_path: Path) -> None:
        (tmp_path / "p.eps").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
        assert probe(tmp_path / "p.eps").kind == "text"
        with pytest.raises(MediaError, match="holds text, not a picture"):
            read_image(tmp_path / "p.eps")

    def test_a_playlist_opens_no_other_file(self, tmp_path: Path) -> None:
        write_wav(tone(), tmp_path / "other.wav")
        playlist = tmp_path / "list.wav"
        playlist.write_bytes(b"ffconcat version 1.0\nfile other.wav\n")
        with av.open(str(playlist)) as container:
            assert container.streams.audio, "without our list of formats, FFmpeg follows the playlist"
        with pytest.raises(MediaError), open_container(playlist, name="list.wav"):
            pass
        with pytest.raises(MediaError, match="holds text, not sound"):
            read_audio(playlist)


class TestLimits:
    @pytest.mark.parametrize(
        "bomb",
        [
            png(60_000, 60_000),
            png(9_000, 9_000),
            b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0) + b",\0\0\0\0\1\0\1\0\0\2\2D\1\0;",
            b"BM" + struct.pack("<IHHIIiiHHIIiiII", 62, 0, 0, 54, 40, 40_000, 40_000, 1, 24, 0, 0, 0, 0, 0, 0),
        ],
        ids=["png", "smaller png", "gif", "bmp"],
    )
    def test_a_picture_bomb_is_refused_by_its_header(self, tmp_path: Path, bomb: bytes) -> None:
        (tmp_path / "bomb").write_bytes(bomb)
        for read in (probe, read_image):
            with pytest.raises(MediaError, match=r"pixels|px; the limit is 50 million"):
                read(tmp_path / "bomb")

    def test_a_text_chunk_that_unpacks_to_a_hundred_megabytes(self, tmp_path: Path) -> None:
        packed = zlib.compress(b"\0" * 100_000_000)
        (tmp_path / "p.png").write_bytes(png(8, 8, png_chunk(b"zTXt", b"Comment\0\0" + packed)))
        with pytest.raises(MediaError, match="can't be decoded"):
            read_image(tmp_path / "p.png")

    def test_four_hours_of_silence_are_refused_by_the_header(self, tmp_path: Path) -> None:
        path = tmp_path / "silence.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 1, 8_000, 0, "NONE", ""))
            file.writeframes(b"")
        seconds = 4 * 3600
        header = bytearray(path.read_bytes())
        header[4:8] = struct.pack("<I", 36 + seconds * 8_000)
        header[40:44] = struct.pack("<I", seconds * 8_000)
        with path.open("r+b") as file:
            file.write(header)
            file.truncate(44 + seconds * 8_000)  # a sparse file
        for read in (probe, read_audio):
            with pytest.raises(MediaError, match=r"silence\.wav is 4 h long; the limit is 2 h"):
                read(path)

    def test_decoding_stops_at_the_limit_when_the_header_does_not_say_a_length(self, tmp_path: Path) -> None:
        path = encode_sound(tmp_path / "a.webm", "libopus", tone(3.0), live="1")
        with pytest.raises(MediaError, match="more than"):
            read_audio(path, limits=Limits(max_audio_seconds=2.0))

    def test_a_header_that_promises_far_too_much_sound_costs_nothing(self, tmp_path: Path) -> None:
        write_wav(tone(), tmp_path / "a.wav")
        data = bytearray((tmp_path / "a.wav").read_bytes())
        data[40:44] = struct.pack("<I", 0xFFFFFFFF)  # as written by programs that stream
        (tmp_path / "a.wav").write_bytes(data)
        assert read_audio(tmp_path / "a.wav").seconds == pytest.approx(1.0, abs=0.01)

    def test_a_file_larger_than_the_limit(self) -> None:
        for read in (probe, read_audio):
            with pytest.raises(MediaError, match=r"jfk\.flac has 1 MB; the limit is 0 MB"):
                read(MEDIA / "jfk.flac", limits=Limits(max_bytes=1000))

    def test_a_video_with_huge_frames(self, tmp_path: Path) -> None:
        with pytest.raises(MediaError, match="frames of 160 x 96 px"):
            probe(encode_video(tmp_path / "v.mp4"), limits=Limits(max_pixels=10_000))


class TestReadImage:
    def test_the_exif_orientation_is_applied(self, tmp_path: Path) -> None:
        upright = Image.new("RGB", (40, 20), "red")
        upright.paste("blue", (0, 0, 20, 20))
        for orientation, stored in {
            1: upright,
            3: upright.transpose(Image.Transpose.ROTATE_180),
            6: upright.transpose(Image.Transpose.ROTATE_90),
            8: upright.transpose(Image.Transpose.ROTATE_270),
            2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
            5: upright.transpose(Image.Transpose.TRANSPOSE),
            7: upright.transpose(Image.Transpose.TRANSVERSE),
        }.items():
            exif = Image.Exif()
            exif[0x0112] = orientation
            stored.save(tmp_path / "p.png", exif=exif)
            assert read_image(tmp_path / "p.png").tobytes() == upright.tobytes(), orientation

    @pytest.mark.filterwarnings("ignore:Corrupt EXIF")
    def test_broken_exif_spoils_no_photo(self, tmp_path: Path) -> None:
        Image.new("RGB", (8, 8)).save(tmp_path / "p.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
        assert read_image(tmp_path / "p.jpg").size == (8, 8)

    @pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
    def test_transparency_becomes_white(self, tmp_path: Path, mode: str) -> None:
        Image.new("RGBA", (4, 4), (255, 0, 0, 0)).convert(mode).save(tmp_path / "p", "TIFF" if mode == "PA" else "PNG")
        assert read_image(tmp_path / "p").getpixel((0, 0)) == (255, 255, 255)

    def test_a_transparent_palette_colour_becomes_white(self, tmp_path: Path) -> None:
        image = Image.new("P", (4, 4), 1)
        image.putpalette([9, 9, 9, 200, 0, 0])
        image.save(tmp_path / "p.gif", transparency=1)
        assert read_image(tmp_path / "p.gif").getpixel((0, 0)) == (255, 255, 255)

    def test_print_colours(self, tmp_path: Path) -> None:
        Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "p.jpg", quality=100)
        red, green, blue = read_image(tmp_path / "p.jpg").getpixel((1, 1))
        assert red > 200
        assert green < 60
        assert blue < 60

    def test_sixteen_bits_keep_their_shades(self, tmp_path: Path) -> None:
        shades = np.linspace(0, 65_535, 64, dtype=np.uint16)[None].repeat(4, 0)
        Image.fromarray(shades).save(tmp_path / "p.png")
        read = np.asarray(read_image(tmp_path / "p.png"))[0, :, 0]
        assert read[0] == 0
        assert read[32] == pytest.approx(130, abs=2)
        assert read[-1] == 255

    def test_the_first_frame_of_an_animation(self, tmp_path: Path) -> None:
        frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
        frames[0].save(tmp_path / "p.gif", save_all=True, append_images=frames[1:])
        assert read_image(tmp_path / "p.gif").getpixel((0, 0)) == (255, 0, 0)

    def test_what_is_no_picture_says_what_it_is(self, tmp_path: Path) -> None:
        (tmp_path / "photo.jpg").write_text("hello")
        with pytest.raises(MediaError, match=r"photo\.jpg holds text, not a picture"):
            read_image(tmp_path / "photo.jpg")
        with pytest.raises(MediaError, match="holds sound, not a picture"):
            read_image(MEDIA / "jfk.flac")


class TestReadAudio:
    @pytest.mark.parametrize(
        ("name", "codec"),
        [
            ("a.wav", "pcm_s16le"),
            ("a.wav", "pcm_f32le"),
            ("a.mp3", "libmp3lame"),
            ("a.flac", "flac"),
            ("a.ogg", "libopus"),
            ("a.m4a", "aac"),
            ("a.webm", "libopus"),
        ],
    )
    def test_every_common_format(self, tmp_path: Path, name: str, codec: str) -> None:
        audio = read_audio(encode_sound(tmp_path / name, codec, tone(2.0)))
        assert audio.rate == 16_000
        assert audio.samples.dtype == np.float32
        assert audio.seconds == pytest.approx(2.0, abs=0.1)
        assert loudest_hertz(audio) == pytest.approx(440, abs=2)
        assert np.std(audio.samples) == pytest.approx(0.5 / np.sqrt(2), abs=0.03)

    def test_the_sound_of_a_video(self, tmp_path: Path) -> None:
        audio = read_audio(encode_video(tmp_path / "v.mp4", sound=tone(1.0)), rate=8_000)
        assert audio.rate == 8_000
        assert loudest_hertz(audio) == pytest.approx(440, abs=5)

    def test_a_silent_film_has_no_sound(self, tmp_path: Path) -> None:
        with pytest.raises(MediaError, match=r"v\.mp4 has no sound"):
            read_audio(encode_video(tmp_path / "v.mp4"))

    def test_loud_stereo_is_mixed_without_clipping(self, tmp_path: Path) -> None:
        loud = (tone().samples * 1.9 * 32_767).astype("<i2")
        with wave.open(str(tmp_path / "a.wav"), "wb") as file:
            file.setparams((2, 2, 48_000, 0, "NONE", ""))
            file.writeframes(np.stack([loud, loud], 1).tobytes())
        samples = read_audio(tmp_path / "a.wav", rate=48_000).samples
        assert np.abs(samples).max() == pytest.approx(0.95, abs=0.01)

    def test_what_is_no_sound_says_what_it_is(self) -> None:
        with pytest.raises(MediaError, match="holds a picture, not sound"):
            read_audio(MEDIA / "astronaut.jpg")

    def test_a_recording_that_is_cut_off_is_read_to_where_it_ends(self, tmp_path: Path) -> None:
        data = (MEDIA / "jfk.flac").read_bytes()
        (tmp_path / "a.flac").write_bytes(data[: len(data) // 2])
        assert 4 < read_audio(tmp_path / "a.flac").seconds < 8

    def test_reading_stops_when_nobody_waits(self) -> None:
        cancel = CancelToken()
        cancel.set()
        with pytest.raises(Cancelled):
            read_audio(MEDIA / "jfk.flac", cancel=cancel)

    def test_what_is_written_is_read_back(self, tmp_path: Path) -> None:
        sound = tone(0.5, rate=22_050)
        write_wav(sound, tmp_path / "a.wav")
        again = read_audio(tmp_path / "a.wav", rate=22_050)
        np.testing.assert_allclose(again.samples, sound.samples, atol=1e-4)

    def test_samples_outside_the_range_are_clipped_not_wrapped(self, tmp_path: Path) -> None:
        write_wav(Audio(np.array([2.0, -3.0], np.float32), 8_000), tmp_path / "a.wav")
        np.testing.assert_allclose(read_audio(tmp_path / "a.wav", rate=8_000).samples, [1.0, -1.0], atol=1e-4)

    def test_resampling_keeps_length_and_pitch(self) -> None:
        slower = resample(tone(1.0, rate=48_000), 16_000)
        assert slower.seconds == pytest.approx(1.0, abs=0.01)
        assert loudest_hertz(slower) == pytest.approx(440, abs=2)
