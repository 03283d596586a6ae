"""Machine code: conversions at every vector width, both loaders, the object cache, and other processors."""

from __future__ import annotations

import os
import re
import stat
import struct
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import faltung as fa
import reference
from faltung import ArgumentError
from faltung.jit import compile as compiler
from faltung.jit import loader as load
from faltung.jit import object_cache
from faltung.jit.target import Target, host
from faltung.planning import kept

SIGNED, UNSIGNED = ("i1", "i2", "i4", "i8"), ("u1", "u2", "u4", "u8")

rng = np.random.default_rng(7)


def forget():
    """Forget all machine code that this process has loaded."""
    kept.forget()
    compiler.forget_code()


# ---- conversions -------------------------------------------------------------------------------------------


def through(x, dtype, width):
    """Samples converted from `x` to `dtype` by a kernel of one tap, in rows of `width` that tails end."""
    rows = -(-x.size // width)
    padded = np.resize(x, rows * width).reshape(rows, width)
    got = fa.convolve(padded, [[1.0]], dtype=dtype)
    whole = fa.convolve(np.resize(x, 3 * x.size), [1.0], dtype=dtype)
    assert_array_equal(got.ravel()[: x.size], whole[: x.size])
    return got.ravel()[: x.size]


@pytest.mark.parametrize("source", ["<f2", ">f2"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2"])
def test_every_half_float(vector_bits, source, dtype):
    halves = np.arange(65536, dtype="u2").view("f2").astype(source)
    expected = halves.astype(dtype)
    for width in (3, 37, 65536):
        got = through(halves, dtype, width)
        assert_array_equal(got, expected)  # NaN equals NaN here
        assert_array_equal(np.signbit(got), np.signbit(expected))


def extremes(dtype):
    """Samples at the limits of a dtype, and some between them."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return np.array([True, False, False, True])
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        some = [limits.min, limits.min + 1, 0, 1, limits.max // 2, limits.max - 1, limits.max]
        some += rng.integers(limits.min, limits.max, 30, dtype.newbyteorder("=")).tolist()
        return np.array(some, dtype)
    limits = np.finfo(dtype)
    some = [
        0.0,
        -0.0,
        limits.tiny,
        limits.smallest_subnormal,
        limits.max,
        limits.min,
        np.inf,
        -np.inf,
        np.nan,
    ]
    return np.array([*some, *rng.standard_normal(30)]).astype(dtype)


@pytest.mark.parametrize("source", ["?", *SIGNED, *UNSIGNED, "f2", "f4", "f8", ">i2", ">u4", ">i8", ">f4", ">f8"])
def test_loads_convert_as_numpy_does(vector_bits, source):
    x = extremes(source)
    single = x.dtype.kind == "b" or x.dtype.itemsize <= (4 if x.dtype.kind == "f" else 2)
    for dtype in ("f4", "f8") if single else ("f8",):
        expected = x.astype(dtype)
        for width in (3, 37):
            got = through(x, dtype, width)
            assert_array_equal(got, expected)
            assert_array_equal(np.signbit(got), np.signbit(expected))


def halfway(dtype, source):
    """Values next to and half between integers of `dtype`, next to its limits, and far beyond them."""
    limits = np.iinfo(dtype)
    places = [limits.min, -3, -2, -1, 0, 1, 2, 3, limits.max, limits.max // 2]
    values = np.array([place + shift for place in map(float, places) for shift in (-1, -0.5, 0, 0.5, 1)], source)
    values = np.concatenate([values, np.nextafter(values, source(np.inf)), np.nextafter(values, source(-np.inf))])
    return np.concatenate([values, np.array([np.nan, np.inf, -np.inf, -0.0, 3e38, -3e38, 1e-40], source)])


@pytest.mark.parametrize("dtype", [*SIGNED, *UNSIGNED, ">i2", ">u8"])
@pytest.mark.parametrize("source", [np.float32, np.float64])
def test_stores_round_half_to_even_and_saturate(vector_bits, dtype, source):
    values = halfway(dtype, source)
    for width in (3, 37):
        assert_array_equal(through(values, dtype, width), reference.stored(values, dtype))


@pytest.mark.parametrize("bits", ["64", "1024", "wide"])
def test_a_vector_width_that_does_not_exist(monkeypatch, bits):
    monkeypatch.setenv("FALTUNG_VECTOR_BITS", bits)
    with pytest.raises(ArgumentError) as caught:
        host()
    assert str(caught.value) == f"FALTUNG_VECTOR_BITS: expected 128, 256 or 512, got {bits!r}. Unset it."


def test_lanes_of_a_register():
    target = Target("any", 32, 16)
    assert (target.lanes("float"), target.lanes("double")) == (8, 4)
    assert host().vector_bytes in (16, 32, 64)
    assert host().identity.count(":") == 1


# ---- loading -----------------------------------------------------------------------------------------------

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere LLVM loads all objects")


def assorted():
    """Results of problems that between them use every kind of code that is emitted."""
    own = np.random.default_rng(3)
    image, small = own.standard_normal((300, 500)), own.standard_normal((9, 11))
    dense, large = own.standard_normal((3, 3)), own.standard_normal((17, 19))
    disk = (np.hypot(*np.mgrid[-12:13, -12:13]) <= 12) * 1.0
    yield fa.convolve(image, dense)
    yield fa.convolve(image, fa.gaussian(2.0))
    yield fa.convolve(image.astype("f4"), large)
    yield fa.convolve(image.astype("f2"), disk, dtype="f2")
    yield fa.convolve((image * 50 + 128).astype("u1"), dense, dtype="u1")
    yield fa.convolve((image * 50 + 128).astype("u1"), large, dtype="i2")
    yield fa.convolve(small.astype(">f8"), large * (own.random((17, 19)) < 0.1), "constant", 0.3, dtype="i8")
    yield fa.convolve(small.astype("u4"), dense, dtype="u8")
    yield fa.convolve(np.stack([image] * 3, -1), dense + 1j * dense.T, axes=(0, 1))
    yield fa.convolve(image.reshape(50, 30, 100), own.standard_normal((3, 3, 3)))


@linux_only
def test_both_loaders_give_the_same_results(monkeypatch):
    forget()
    by_llvm = []
    loaded_by_llvm = load._load_by_llvm
    monkeypatch.setattr(load, "_load_by_llvm", lambda code, name: by_llvm.append(name) or loaded_by_llvm(code, name))
    own = [result.tobytes() for result in assorted()]
    assert not by_llvm

    def refuse(*_):
        raise load._NotUnderstood

    for step in ("_link", "_map"):
        with monkeypatch.context() as patch:
            patch.setattr(load, step, refuse)
            by_llvm.clear()
            forget()
            assert [result.tobytes() for result in assorted()] == own
            assert {*by_llvm} >= {"correlate", "gather"}
    forget()


CONSTANTS = """
define double @total(ptr %p) nounwind {
  store <4 x i32> <i32 12345, i32 777, i32 -5, i32 99>, ptr %p, align 4
  %v = load double, ptr %p, align 4
  %w = fadd double %v, 1.23456
  ret double %w
}
"""
OUTSIDE = """
declare double @llvm.sin.f64(double)
define double @total(double %x) nounwind {
  %y = call double @llvm.sin.f64(double %x)
  ret double %y
}
"""


def relocations(code):
    """Places in an object file where the kind of a relocation stands, with the kind."""
    (table,) = struct.unpack_from("<Q", code, 40)
    size, count = struct.unpack_from("<HH", code, 58)
    for header in range(table, table + size * count, size):
        _, kind, _, _, offset, length = struct.unpack_from("<IIQQQQ", code, header)
        if kind == 4:
            for place in range(offset + 8, offset + length, 24):
                yield place, struct.unpack_from("<I", code, place)[0]


@linux_only
def test_what_cannot_be_linked_here_is_left_to_llvm(monkeypatch):
    left = []
    monkeypatch.setattr(load, "_load_by_llvm", lambda code, name: left.append(name) or 42)
    good = compiler._compile(CONSTANTS)
    assert load.load(good, "total") != 42
    found = dict(relocations(good))
    assert found  # the constants are somewhere else than the code
    strange = bytearray(good)
    struct.pack_into("<I", strange, min(found), 250)
    other_machine, not_elf = bytearray(good), bytearray(good)
    struct.pack_into("<H", other_machine, 18, 243)
    not_elf[:4] = b"\xcf\xfa\xed\xfe"
    for code, name in (
        (strange, "total"),
        (other_machine, "total"),
        (not_elf, "total"),
        (compiler._compile(OUTSIDE), "total"),
        (good, "another"),
    ):
        assert load.load(bytes(code), name) == 42
    assert left == ["total"] * 4 + ["another"]


def test_a_function_that_calls_out_is_loaded_by_llvm():
    import ctypes
    import math

    code = load.load(compiler._compile(OUTSIDE), "total")
    assert ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(code.address)(0.5) == math.sin(0.5)


@linux_only
def test_code_cannot_be_written():
    code = load.load(compiler._compile(CONSTANTS), "total")
    with open("/proc/self/maps", encoding="ascii") as file:
        for line in file:
            first, last = (int(edge, 16) for edge in line.split()[0].split("-"))
            if first <= code.address < last:
                assert line.split()[1] == "r-xp"
                return
    pytest.fail("the code is not where it was said to be")


# ---- objects on disk ---------------------------------------------------------------------------------------


class Spy:
    """A cache folder of its own, what was compiled, and what was loaded into memory."""

    def __init__(self, folder):
        self.folder = folder
        self.compiled = 0
        self.loaded = []
        self.good = set()

    def solve(self):
        """Solve problems as a new process would; return how many objects had to be compiled."""
        forget()
        self.compiled = 0
        self.loaded.clear()
        x = np.arange(12.0).reshape(3, 4)
        assert fa.convolve(x, [[1.0, 2.0]]).tolist() == [[1, 4, 7, 9], [13, 16, 19, 21], [25, 28, 31, 33]]
        assert fa.convolve(x.astype("f2"), [[0.5]]).tolist() == (x / 2).tolist()
        assert not [name for name in self.files() if not name.endswith(".o")]
        return self.compiled

    def files(self):
        return sorted({*os.listdir(self.folder)} - {".pruned"}) if self.folder.is_dir() else []


@pytest.fixture
def spy(tmp_path, monkeypatch):
    found = Spy(tmp_path / "objects")
    monkeypatch.setenv("FALTUNG_CACHE", str(found.folder))
    compiled, loaded = compiler._compile, load.load

    def count(text):
        found.compiled += 1
        code = compiled(text)
        found.good.add(code)
        return code

    def record(code, name):
        found.loaded.append(code)
        assert code in found.good, "code that nobody compiled here would have been run"
        return loaded(code, name)

    monkeypatch.setattr(compiler, "_compile", count)
    monkeypatch.setattr(load, "load", record)
    yield found
    forget()


def test_objects_are_compiled_once(spy):
    count = spy.solve()
    assert count == len(spy.files()) > 2
    assert spy.solve() == 0
    assert len(spy.loaded) == count


def test_objects_are_private(spy):
    spy.solve()
    assert stat.S_IMODE(spy.folder.stat().st_mode) == 0o700
    for name in spy.files():
        assert stat.S_IMODE((spy.folder / name).stat().st_mode) == 0o600


def flip(place):
    def damage(path):
        content = bytearray(path.read_bytes())
        content[place if place >= 0 else len(content) + place] ^= 1
        path.write_bytes(content)

    return damage


def cut(length):
    return lambda path: path.write_bytes(path.read_bytes()[:length])


def lengthen(path):
    path.write_bytes(path.read_bytes() + b"\0")


def strip_digest(path):
    path.write_bytes(path.read_bytes()[len(object_cache._FORMAT) + 32 :])


def link_elsewhere(path):
    elsewhere = path.parent.parent / path.name
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def give_away(path):
    os.chown(path, 12345, -1)


DAMAGE = {
    "first byte": flip(0),
    "digest": flip(20),
    "first byte of code": flip(49),
    "byte of code": flip(300),
    "last byte": flip(-1),
    "empty": cut(0),
    "header alone": cut(49),
    "half a header": cut(30),
    "cut short": cut(-100),
    "longer": lengthen,
    "bare object": strip_digest,
    "symbolic link": link_elsewhere,
    "writable by the group": lambda path: path.chmod(0o620),
    "writable by all": lambda path: path.chmod(0o602),
    "of another user": give_away,
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_objects_are_compiled_again(spy, name):
    if name == "of another user" and os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    count = spy.solve()
    for file in spy.files():
        DAMAGE[name](spy.folder / file)
    assert spy.solve() == count
    assert spy.solve() == 0  # what was damaged has been replaced


def test_an_object_under_the_name_of_another_is_compiled_again(spy):
    count = spy.solve()
    paths = [spy.folder / file for file in spy.files()]
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, contents[1:] + contents[:1], strict=True):
        path.write_bytes(content)
    assert spy.solve() == count
    assert spy.solve() == 0


def test_a_folder_in_the_place_of_an_object(spy):
    count = spy.solve()
    for file in spy.files():
        (spy.folder / file).unlink()
        (spy.folder / file).mkdir()
    open_before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert spy.solve() == count
    assert spy.solve() == count
    if open_before:
        assert len(os.listdir("/proc/self/fd")) <= open_before


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722])
def test_a_folder_that_others_can_write_is_not_trusted(spy, mode):
    count = spy.solve()
    before = {file: (spy.folder / file).stat().st_mtime_ns for file in spy.files()}
    spy.folder.chmod(mode)
    assert spy.solve() == count
    assert spy.solve() == count
    assert {file: (spy.folder / file).stat().st_mtime_ns for file in spy.files()} == before


def test_a_folder_of_another_user_is_not_trusted(spy, monkeypatch):
    count = spy.solve()
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    assert spy.solve() == count


@pytest.fixture
def nothing_can_be_created(monkeypatch):
    # Permissions alone would not stop root.
    really = os.open

    def refuse(path, flags, *rest, **named):
        if flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied", path)
        return really(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", refuse)


def test_nothing_is_kept_where_nothing_can_be_written(spy, nothing_can_be_created):
    spy.folder.mkdir(mode=0o700)
    count = spy.solve()
    assert spy.solve() == count > 2
    assert spy.files() == []


def test_a_folder_that_can_no_longer_be_written_is_read(spy, request):
    count = spy.solve()
    request.getfixturevalue("nothing_can_be_created")
    assert spy.solve() == 0
    flip(300)(spy.folder / spy.files()[0])
    assert spy.solve() == 1
    assert spy.solve() == 1
    assert len(spy.files()) == count


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_nothing_behind(spy, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(os, "replace", fail)
    if isinstance(error, OSError):
        assert spy.solve() > 2
    else:
        with pytest.raises(KeyboardInterrupt):
            spy.solve()
    assert spy.files() == []


def test_the_cache_is_a_file(spy):
    spy.folder.write_text("precious")
    assert spy.solve() > 2
    assert spy.folder.read_text() == "precious"


def test_the_cache_lies_below_a_file(spy, monkeypatch):
    spy.folder.write_text("precious")
    monkeypatch.setenv("FALTUNG_CACHE", str(spy.folder / "below"))
    assert spy.solve() > 2
    assert spy.folder.read_text() == "precious"


def test_a_home_that_does_not_exist(spy, monkeypatch, tmp_path):
    monkeypatch.delenv("FALTUNG_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/proc/nowhere")  # where not even root can make a folder
    assert spy.solve() > 2


@pytest.mark.skipif(sys.platform == "win32", reason="users without a home are found on Unix")
def test_a_user_without_a_home(spy, monkeypatch, tmp_path):
    import pwd

    def unknown(user):
        raise KeyError(user)

    monkeypatch.delenv("FALTUNG_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.chdir(tmp_path)
    assert spy.solve() > 2
    assert os.listdir(tmp_path) == []  # in particular no folder named "~"


@pytest.mark.parametrize(
    ("setting", "value", "folder"),
    [
        ("FALTUNG_CACHE", "/some/where", "/some/where"),
        ("XDG_CACHE_HOME", "/some/where", "/some/where/faltung"),
        ("HOME", "/some/where", "/some/where/.cache/faltung"),
    ],
)
@linux_only
def test_where_objects_are_kept(monkeypatch, setting, value, folder):
    for name in ("FALTUNG_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(setting, value)
    assert object_cache.folder() == folder


def test_a_key_depends_on_source_processor_and_compiler(monkeypatch):
    import llvmlite

    keys = {object_cache.key(text, machine) for text in ("a", "b") for machine in ("x", "y")}
    monkeypatch.setattr(llvmlite, "__version__", "0.0.0")
    keys.add(object_cache.key("a", "x"))
    monkeypatch.setattr(sys, "platform", "another")
    keys.add(object_cache.key("a", "x"))
    assert len(keys) == 6
    assert object_cache.key("a", "xy") != object_cache.key("ax", "y")


USE = """
import sys
import numpy as np
import faltung as fa

x = np.arange(12.0).reshape(3, 4)
assert fa.convolve(x, [[1.0, 2.0]]).tolist() == [[1, 4, 7, 9], [13, 16, 19, 21], [25, 28, 31, 33]]
for size in range(1, 6):
    assert fa.convolve(np.ones(50, "f4"), np.ones(size), "wrap").tolist() == [size] * 50
print("llvmlite.binding" in sys.modules)
"""


def test_a_warm_cache_saves_loading_llvm(tmp_path):
    environment = os.environ | {"FALTUNG_CACHE": str(tmp_path / "objects")}
    outputs = [
        subprocess.run(
            [sys.executable, "-c", USE], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert outputs[0] == "True\n"
    if sys.platform.startswith("linux"):
        assert outputs[1] == "False\n"


def test_many_processes_write_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("FALTUNG_CACHE", str(tmp_path / "objects"))
    command = [sys.executable, "-c", USE]
    crowd = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(5)]
    for process in crowd:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    files = {*os.listdir(tmp_path / "objects")} - {".pruned"}
    assert len(files) >= 6
    assert all(re.fullmatch(r"[0-9a-f]{64}\.o", file) for file in files)
    assert all(object_cache.read(file) for file in files)


# ---- other processors --------------------------------------------------------------------------------------


def emitted(bits):
    """All the assembly that assorted problems need at one vector width."""
    texts = []
    compiled = compiler._compile
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FALTUNG_VECTOR_BITS", str(bits))
        patch.setattr(object_cache, "read", lambda key: None)
        patch.setattr(compiler, "_compile", lambda text: texts.append(text) or compiled(text))
        forget()
        list(assorted())
        patch.setattr(sys.modules["faltung.planning.problem"], "STREAMED_BYTES", 0)
        forget()
        list(assorted())
        for source in ("f2", ">f4", ">u2", "u8", ">i8", "?"):
            fa.convolve(np.ones((3, 40), source), [[1.0, 2.0, 3.0]])
        for number, dtype in (
            ("f4", "u2"),
            ("f8", "u4"),
            ("f8", "i4"),
            ("f8", "u8"),
            ("f8", "f4"),
            ("f4", "i1"),
        ):
            fa.convolve(np.ones((3, 40), number), [[1.0, 2.0, 3.0]], dtype=dtype)
    forget()
    return texts


@pytest.fixture(scope="module")
def assembly():
    return {bits: emitted(bits) for bits in (128, 256)}


PROCESSORS = {
    "64-bit Arm, Linux": (128, "aarch64-unknown-linux-gnu", "generic"),
    "64-bit Arm, macOS": (128, "arm64-apple-macosx11", "apple-m1"),
    "x86-64 of 2003, Linux": (128, "x86_64-unknown-linux-gnu", "x86-64"),
    "x86-64 of 2009, Linux": (128, "x86_64-unknown-linux-gnu", "x86-64-v2"),
    "x86-64 of 2013, Linux": (256, "x86_64-unknown-linux-gnu", "x86-64-v3"),
    "x86-64 of 2013, Windows": (256, "x86_64-pc-windows-msvc", "x86-64-v3"),
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_the_code_is_complete_on_every_processor(assembly, name):
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    bits, triple, processor = PROCESSORS[name]
    machine = llvm.Target.from_triple(triple).create_target_machine(
        cpu=processor, opt=3, reloc="pic", codemodel="small"
    )
    for text in assembly[bits]:
        function = re.search(r"^define +i32 @(\w+)", text, re.MULTILINE)[1]
        module = llvm.parse_assembly(text)
        called = re.findall(r"^\s*(?:callq?|bl)\s+_?([^*\s]\S*)", machine.emit_assembly(module), re.MULTILINE)
        assert {*called} <= {*re.findall(r"^define internal .*?@(\w+)", text, re.MULTILINE)}
        if "linux" in triple:
            image, entry = load._link(bytes(machine.emit_object(module)), function)
            assert 0 <= entry < len(image)


def test_references_on_arm_lead_to_their_constants():
    # What an Arm processor would compute from the instructions that were filled in.
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple("aarch64-unknown-linux-gnu").create_target_machine(
        reloc="pic", codemodel="small"
    )
    # So much code that the constants lie on another page.
    far = "\n".join(f"  store volatile i64 {k}, ptr %p, align 4" for k in range(3000))
    text = CONSTANTS.replace("  ret", f"{far}\n  ret")
    code = bytes(machine.emit_object(llvm.parse_assembly(text)))
    image, entry = load._link(code, "total")
    pages, read = {}, set()
    for place in range(entry, len(image) - 16, 4):
        (word,) = struct.unpack_from("<I", image, place)
        if word & 0x9F000000 == 0x90000000:  # ADRP: page of the place plus an immediate
            immediate = (word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3
            pages[word & 31] = (place >> 12) + immediate
        for load_, size in (
            (0x3DC00000, 16),
            (0xFD400000, 8),
        ):  # LDR of a vector or double at page plus offset
            if word & 0xFFC00000 == load_ and word >> 5 & 31 in pages:
                address = (pages[word >> 5 & 31] << 12) + (word >> 10 & 0xFFF) * size
                read.add(bytes(image[address : address + size]))
    assert struct.pack("<4i", 12345, 777, -5, 99) in read
    assert struct.pack("<d", 1.23456) in read
    assert len(image) > 4096
