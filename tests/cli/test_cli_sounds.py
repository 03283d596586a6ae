"""The command `apply` on sound files, as a user calls it."""

from __future__ import annotations

import os
import struct
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import faltung as fa
from faltung.cli import sound
from faltung.files import sound_files
from faltung.files.sound_chunks import other_chunks

soundfile = pytest.importorskip("soundfile")
RATE = 48000


@pytest.fixture
def rng():
    return np.random.default_rng(2)


def make(name, samples, rate=RATE, subtype=None, **texts):
    with soundfile.SoundFile(name, "w", rate, np.shape(samples)[1] if np.ndim(samples) > 1 else 1, subtype) as file:
        for text, value in texts.items():
            setattr(file, text, value)
        file.write(samples)


def noise(rng, *shape):
    return 0.1 * rng.standard_normal(shape)


def opened(name):
    samples, rate = soundfile.read(name, always_2d=True)
    return samples, rate


def convolved(x, h):
    return np.stack([np.convolve(x[:, c], h[:, c % h.shape[1]]) for c in range(x.shape[1])], 1)


@pytest.mark.parametrize("channels", [(1, 1), (2, 1), (2, 2)], ids=str)
@pytest.mark.parametrize("tail", [False, True])
@pytest.mark.parametrize("length", [1, 100, 40_000])
def test_an_impulse_response_is_applied(command, rng, channels, tail, length):
    x, h = noise(rng, length, channels[0]), noise(rng, 3000, channels[1])
    make("in.wav", x, subtype="DOUBLE")
    make("hall.wav", h, subtype="DOUBLE")
    arguments = ["apply", "in.wav", "-k", "hall.wav", "-o", "out.wav", *(["--tail"] if tail else [])]
    code, out, err = command(*arguments)
    assert (code, err) == (0, "")
    assert "WAV DOUBLE" in out
    y, rate = opened("out.wav")
    assert rate == RATE
    expected = convolved(x, h)
    assert_allclose(y, expected if tail else expected[:length], atol=1e-12)


def test_a_mono_sound_gets_the_channels_of_the_response(command, rng):
    x, h = noise(rng, 2000, 1), noise(rng, 500, 2)
    make("in.wav", x, subtype="DOUBLE")
    make("hall.wav", h, subtype="DOUBLE")
    assert command("apply", "in.wav", "-k", "hall.wav", "-o", "out.wav")[0] == 0
    assert_allclose(opened("out.wav")[0], convolved(np.repeat(x, 2, 1), h)[:2000], atol=1e-12)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_a_delta_keeps_every_sample(command, rng, subtype):
    x = rng.integers(-(1 << 31), 1 << 31, (5000, 2), dtype=np.int64).astype(np.int32)
    x[:4, 0] = -(1 << 31), (1 << 31) - 1, 0, -1
    make("in.wav", x if subtype.startswith("PCM") else x / 2.0**31, subtype=subtype)
    code, _, err = command("apply", "in.wav", "-k", "delta(ndim=1)", "-o", "out.wav")
    assert (code, err) == (0, "")
    kind = "int32" if subtype.startswith("PCM") else "float64"
    assert_array_equal(soundfile.read("out.wav", dtype=kind)[0], soundfile.read("in.wav", dtype=kind)[0])


def test_integers_are_rounded_half_to_even_and_cut_off(command):
    x = np.array([1, 3, 5, -1, -3, 30000, -30000, 32767], np.int16)
    make("in.wav", x, subtype="PCM_16")
    code, _, err = command("apply", "in.wav", "-k", "0.5 * delta(ndim=1)", "-o", "half.wav")
    assert (code, err) == (0, "")
    assert soundfile.read("half.wav", dtype="int16")[0].tolist() == [0, 2, 2, 0, -2, 15000, -15000, 16384]
    code, _, err = command("apply", "in.wav", "-k", "2 * delta(ndim=1)", "-o", "loud.wav")
    assert code == 0
    assert "3 samples were out of range, the largest by 6.0 dB, and were cut off. --subtype FLOAT" in err
    assert soundfile.read("loud.wav", dtype="int16")[0].tolist()[-3:] == [32767, -32768, 32767]
    code, _, err = command("apply", "in.wav", "-k", "2 * delta(ndim=1)", "-o", "float.wav", "--subtype", "float")
    assert (code, err) == (0, "")
    assert_allclose(soundfile.read("float.wav")[0], x / 2**14)


def test_an_expression_is_centred(command, rng):
    x = noise(rng, 3000, 2)
    make("in.wav", x, subtype="DOUBLE")
    assert command("apply", "in.wav", "-k", "gaussian(20, ndim=1)", "-o", "out.wav")[0] == 0
    expected = fa.convolve(x, fa.gaussian(20, ndim=1), "constant", axes=0)
    assert_allclose(opened("out.wav")[0], expected, atol=1e-14)


def test_taps_from_a_file(command, rng):
    x, taps = noise(rng, 500), rng.standard_normal(5)
    make("in.wav", x, subtype="DOUBLE")
    np.save("taps.npy", taps)
    assert command("apply", "in.wav", "-k", "taps.npy", "-o", "out.wav")[0] == 0
    assert_allclose(opened("out.wav")[0][:, 0], fa.convolve(x, taps, "constant"), atol=1e-14)


@pytest.mark.parametrize(
    ("source", "target", "subtype"),
    [("in.wav", "out.flac", "PCM_16"), ("in.flac", "out.wav", "PCM_16"), ("in.wav", "out.ogg", "VORBIS")],
)
def test_formats_change_by_name(command, rng, source, target, subtype):
    make(source, noise(rng, 4800), subtype="PCM_16")
    code, out, err = command("apply", source, "-k", "delta(ndim=1)", "-o", target)
    assert code == 0
    assert subtype in out
    assert ("in place of PCM_16" in err) == (subtype == "VORBIS")
    assert soundfile.info(target).subtype == subtype
    assert soundfile.info(target).frames == 4800


def test_floats_become_what_the_format_has(command, rng):
    make("in.wav", noise(rng, 4800), subtype="FLOAT")
    _, _, err = command("apply", "in.wav", "-k", "delta(ndim=1)", "-o", "out.flac")
    assert "the coding is PCM_24, in place of FLOAT" in err


def test_texts_are_kept_or_named(command, rng):
    make("in.flac", noise(rng, 480), title="Sinfonia", artist="J. S. Bach", genre="Baroque")
    assert command("apply", "in.flac", "-k", "delta(ndim=1)", "-o", "out.flac")[2] == ""
    with soundfile.SoundFile("out.flac") as file:
        assert (file.title, file.artist, file.genre) == ("Sinfonia", "J. S. Bach", "Baroque")
    _, _, err = command("apply", "in.flac", "-k", "delta(ndim=1)", "-o", "out.w64")
    assert "not kept: title, artist, genre" in err
    command("apply", "in.flac", "-k", "delta(ndim=1)", "-o", "plain.flac", "--no-metadata")
    with soundfile.SoundFile("plain.flac") as file:
        assert file.title == ""


def test_another_rate_is_refused_or_converted(command, rng):
    x = np.zeros((9600, 1))
    x[100] = 0.5
    make("in.wav", x, rate=48000, subtype="DOUBLE")
    t = np.arange(4410) / 44100
    make("hall.wav", np.sin(2 * np.pi * 500 * t) * np.exp(-t * 60), rate=44100, subtype="DOUBLE")
    code, _, err = command("apply", "in.wav", "-k", "hall.wav", "-o", "out.wav")
    assert code == 1
    assert "--kernel: expected an impulse response of 48000 Hz, got 'hall.wav' of 44100 Hz. Add --resample" in err
    assert command("apply", "in.wav", "-k", "hall.wav", "-o", "out.wav", "--resample", "--tail")[0] == 0
    y = opened("out.wav")[0][100:, 0]
    t = np.arange(4800) / 48000
    expected = 0.5 * np.sin(2 * np.pi * 500 * t) * np.exp(-t * 60) * 44100 / 48000
    assert_allclose(y[60:4700], expected[60:4700], atol=2e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-k", "gaussian(2)"], "a filter with one axis, got one with 2 axes. Add ndim=1"),
        (["-k", "box(3, ndim=1)", "--mode", "mirror"], "--mode: expected a picture as input"),
        (["-k", "box(3, ndim=1)", "--tail"], "--tail: expected a sound file as --kernel"),
        (["-k", "box(3, ndim=1)", "--subtype", "PCM_7"], "--subtype: expected a coding of WAV files, got 'PCM_7'"),
        (["-k", "none.wav"], "--kernel: expected a sound file, got 'none.wav', which does not exist"),
        (["-k", "three.wav"], "an impulse response with 1 or 2 channels, got 'three.wav' with 3 channels"),
        (["-k", "text.wav"], "--kernel: expected a sound file that can be read"),
        (["-k", "empty.wav"], "an impulse response with samples"),
        (["-k", "box(3, ndim=1)", "-o", "out.png"], "--output: expected a file named .wav"),
        (["-k", "box(3, ndim=1)", "-o", "in.wav"], "--output: expected a file other than the input"),
        (["-k", "one.wav", "-o", "one.wav", "--overwrite"], "--output: expected a file other than the input"),
        (["-k", "box(3, ndim=1)", "-o", "one.wav"], "Add --overwrite"),
        (["-k", "box(3, ndim=1)", "-o", "out.opus"], "--output: expected a format that holds this sound"),
    ],
)
def test_what_cannot_be_done_is_refused(command, rng, arguments, message, tmp_path):
    make(tmp_path / "in.wav", noise(rng, 100, 2), rate=44100)
    make(tmp_path / "one.wav", noise(rng, 100), rate=44100)
    make(tmp_path / "three.wav", noise(rng, 100, 3), rate=44100)
    make(tmp_path / "empty.wav", noise(rng, 0), rate=44100)
    (tmp_path / "text.wav").write_text("no sound")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    rest = [] if "-o" in arguments else ["-o", "out.wav"]
    code, _, err = command("apply", "in.wav", *arguments, *rest)
    assert code == (2 if "other than the input" in message else 1)
    assert message in err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_options_of_sounds_are_refused_for_pictures(command):
    np.save("a.npy", np.ones((4, 4)))
    code, _, err = command("apply", "a.npy", "-k", "box(3)", "-o", "b.npy", "--tail")
    assert code == 1
    assert "--tail: expected a sound file as input, got 'a.npy'" in err


def test_several_sounds_are_refused(command, rng):
    make("a.wav", noise(rng, 10))
    make("b.wav", noise(rng, 10))
    code, _, err = command("apply", "a.wav", "b.wav", "-k", "box(3, ndim=1)", "-o", "out/")
    assert code == 1
    assert "Run the command once for each" in err


def test_an_interrupt_leaves_nothing(command, rng, monkeypatch, tmp_path):
    make("in.wav", noise(rng, 100_000))

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sound_files.SoundTarget, "write", interrupted)
    code, _, _ = command("apply", "in.wav", "-k", "box(3, ndim=1)", "-o", "out.wav")
    assert code == 130
    assert [path.name for path in tmp_path.iterdir()] == ["in.wav"]


def test_without_the_library_the_extra_is_named(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    code, _, err = command("apply", "in.wav", "-k", "box(3, ndim=1)", "-o", "out.wav")
    assert code == 1
    assert 'pip install ".[audio]"' in err


def test_a_sound_is_read_in_blocks(command, rng, monkeypatch):
    """No block is longer than its limit, whatever the length of the file."""
    make("in.wav", noise(rng, 3 * sound._BLOCK + 7))
    read, lengths = sound_files.SoundSource.read, []

    def noted(self, count):
        samples = read(self, count)
        lengths.append(len(samples))
        return samples

    monkeypatch.setattr(sound_files.SoundSource, "read", noted)
    assert command("apply", "in.wav", "-k", "box(3, ndim=1)", "-o", "out.wav")[0] == 0
    assert lengths == [*[sound._BLOCK] * 3, 7, 0]


def test_not_a_number_is_counted_in_integers(command):
    make("in.wav", np.array([0.5, np.nan, 0.25]), subtype="FLOAT")
    _, _, err = command("apply", "in.wav", "-k", "delta(ndim=1)", "-o", "out.flac")
    assert "1 samples were out of range" in err
    assert soundfile.read("out.flac")[0].tolist() == [0.5, 0.0, 0.25]


def with_chunk(path, name, content):
    """Add a chunk to a WAV file."""
    data = path.read_bytes() + name + len(content).to_bytes(4, "little") + content
    path.write_bytes(data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:])


def test_what_else_a_file_holds_is_named(command, rng, tmp_path):
    make("in.wav", noise(rng, 100), title="A")
    with_chunk(tmp_path / "in.wav", b"cue ", bytes(4))
    with_chunk(tmp_path / "in.wav", b"abcd", b"something.")
    code, _, err = command("apply", "in.wav", "-k", "delta(ndim=1)", "-o", "out.wav")
    assert code == 0
    assert "out.wav: not kept: markers, the chunk 'abcd'." in err
    assert command("apply", "in.wav", "-k", "delta(ndim=1)", "-o", "b.wav", "--no-metadata")[2] == ""


def test_pictures_of_a_flac_file_are_named(command, rng, tmp_path):
    make("in.flac", noise(rng, 100))
    data = (tmp_path / "in.flac").read_bytes()
    picture = bytes([6]) + (32).to_bytes(3, "big") + bytes(32)  # behind the first block, which describes the stream
    (tmp_path / "in.flac").write_bytes(data[:42] + picture + data[42:])
    code, _, err = command("apply", "in.flac", "-k", "delta(ndim=1)", "-o", "out.flac")
    assert code == 0
    assert "not kept: pictures" in err


def test_a_sound_that_a_format_cannot_count_is_refused(command, rng, monkeypatch):
    make("in.wav", noise(rng, 100))
    monkeypatch.setattr(sound, "_MOST_BYTES", 100)
    code, _, err = command("apply", "in.wav", "-k", "delta(ndim=1)", "-o", "out.wav")
    assert code == 1
    assert "Name it .w64, .rf64 or .flac." in err
    assert command("apply", "in.wav", "-k", "delta(ndim=1)", "-o", "out.w64")[0] == 0


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff"])
def test_a_coding_that_the_output_cannot_have_is_replaced(command, rng, suffix):
    soundfile.write("a.mp3", noise(rng, RATE), RATE)
    code, out, said = command("apply", "a.mp3", "-k", "gaussian(2, ndim=1)", "-o", f"b.{suffix}")
    assert (code, "PCM_24" in out, "the coding is PCM_24, in place of MPEG_LAYER_III" in said) == (0, True, True)
    expected = fa.convolve(opened("a.mp3")[0][:, 0], fa.gaussian(2.0, ndim=1), "constant")
    assert_allclose(opened(f"b.{suffix}")[0][:, 0], expected, atol=1e-5)


def test_a_column_of_taps_is_a_filter_with_one_axis(command, rng):
    make("a.wav", noise(rng, 500), subtype="FLOAT")
    with open("taps.csv", "w") as file:
        file.write("0.5\n0.25\n-1\n")
    assert command("apply", "a.wav", "-k", "taps.csv", "-o", "b.wav")[0] == 0
    expected = fa.convolve(opened("a.wav")[0][:, 0], [0.5, 0.25, -1.0], "constant")
    assert_allclose(opened("b.wav")[0][:, 0], expected, atol=1e-6)


def test_options_of_pictures_are_named_as_they_are_typed(command, rng):
    make("a.wav", noise(rng, 50))
    code, _, said = command("apply", "a.wav", "-k", "gaussian(2, ndim=1)", "-o", "b.wav", "--correlate")
    assert (code, "--correlate: expected a picture as input" in said) == (1, True)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("lacking", [1, 500])
def test_a_sound_for_which_the_disk_has_no_room_is_not_written(command, rng, suffix, lacking):
    resource = pytest.importorskip("resource")
    soundfile.write("a.wav", noise(rng, 9000), 8000)
    options = "apply", "a.wav", "-k", "[1, 2]", "-o"
    assert command(*options, f"b.{suffix}")[0] == 0
    size, before = os.path.getsize(f"b.{suffix}") - lacking, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))  # Python ignores the signal
    try:
        code, out, said = command(*options, f"c.{suffix}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (code, "Traceback" in said, sorted(os.listdir())) == (1, False, ["a.wav", f"b.{suffix}"]), (out, said)
    assert f"a file that can be written, got 'c.{suffix}'" in said


@pytest.mark.skipif(sys.platform != "linux", reason="names are text there")
def test_names_of_sounds_that_are_no_utf8(command, rng):
    odd = os.fsdecode(b"caf\xe9\xff.wav")
    os.mkdir(odd[:-4])
    make("a.wav", noise(rng, 50))
    os.rename("a.wav", os.path.join(odd[:-4], odd))
    assert command("apply", os.path.join(odd[:-4], odd), "-k", "delta(ndim=1)", "-o", f"{odd[:-4]}/b.flac")[0] == 0
    assert command("apply", f"{odd[:-4]}/b.flac", "-k", os.path.join(odd[:-4], odd), "-o", "c.wav")[0] == 0


def test_lengths_of_chunks_are_not_believed(tmp_path):
    table = struct.pack("<QQQI", 2**63, 2**64 - 2, 1000, 0)
    parts = [(b"ds64", table), (b"cue ", b"\0\0\0\0")]
    head = b"".join(name + struct.pack("<I", len(content)) + content for name, content in parts)
    (tmp_path / "a.wav").write_bytes(b"RF64\xff\xff\xff\xffWAVE" + head + b"data\xff\xff\xff\xff" + bytes(40))
    assert other_chunks(tmp_path / "a.wav") == ["markers"]


def test_rates_without_a_common_measure_are_refused():
    with pytest.raises(fa.ArgumentError, match="--kernel: expected a sample rate that has a larger common divisor"):
        sound._at_rate(np.ones((4, 1)), 2**31 - 1, 44_100)
