"""Damage: bytes that are changed, and structures that say something else, with checksums that are right."""

from __future__ import annotations

import copy
import gzip
import io
import json
import struct
import zipfile
import zlib

import numpy as np
import torch
from safetensors.torch import load, save

from faltung.files.directory import Structure
from faltung.learn import checkpoint
from faltung.networks.stored import tensor_digest

__all__ = ["damaged"]

#: What a value of JSON is replaced by.
_VALUES = [None, True, -1, 0, 1, 2, 99, 2**31, 2**64, 10**30, -0.5, 1e-300, 1e308, float("nan"), float("inf")]
_VALUES += ["", "x", "0", "x" * 5000, "\x1b[31m", "\ud800", "../../etc/passwd", [], {}, [0], [[1]], [0] * 2000]
_VALUES += [[None], {"x": 1}, [1, 8, 8], [2**40, 1, 1], [1, 70000, 70000], [1, 0, 0], [-1, 8, 8]]


def damaged(name, data, rng):
    """Return the bytes of a file of some kind, which its name tells, with damage."""
    suffix = name.rpartition(".")[2]
    if rng.random() < 0.6:
        for ending, change in _STRUCTURED.items():
            if name.endswith(ending):
                return change(data, rng)
    data = damaged_bytes(data, rng)
    if data[:2] in (b"II", b"MM") and rng.random() < 0.5:
        data = _with_another_tag(bytearray(data), rng)
    if rng.random() < 0.1:
        data = data[: int(rng.integers(0, len(data) + 1))]
    return _with_checksums(data) if suffix == "png" and rng.random() < 0.9 else bytes(data)


def damaged_bytes(data, rng):
    """Return data with some bytes changed, taken out, put in, or doubled."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 3)):
        at = int(rng.integers(0, max(1, len(data) if rng.random() < 0.5 else min(len(data), 200))))
        match rng.integers(0, 7):
            case 0:
                data[at : at + 1] = bytes([rng.integers(0, 256)])
            case 1:
                data[at : at + 4] = struct.pack(rng.choice(["<I", ">I"]), int(rng.integers(0, 2**32)))
            case 2:
                data[at : at + 2] = struct.pack("<H", int(rng.choice([0, 1, 255, 32767, 65535])))
            case 3:
                del data[at : at + int(rng.integers(1, 20))]
            case 4:
                data[at:at] = data[at : at + int(rng.integers(1, 20))]
            case 5 if at < len(data):
                data[at] ^= 1 << int(rng.integers(0, 8))
            case 6:
                data[at : at + 8] = struct.pack("<Q", int(rng.choice([0, 2**31, 2**40, 2**63])))
    return bytes(data)


def _with_another_tag(data, rng):
    """Return a TIFF in which one number of an entry of its first directory is another."""
    try:
        structure = Structure.of(bytes(data))
        entries = structure.entries(structure.first)
    except ValueError:
        return bytes(data)
    code = entries[int(rng.integers(0, len(entries)))].code if entries else 256
    at = structure.place(code) if entries else 8
    field = int(rng.choice([-8, -6, -4, 0])) if not structure.big else int(rng.choice([-12, -10, -8, 0]))
    size = {-8: 2, -6: 2, -12: 2, -10: 2}.get(field, 4)
    value = int(rng.choice([0, 1, 2, 7, 8, 17, 255, 4096, 65535, 10**6, 2**31 - 1, 2**32 - 1]))
    order = "little" if structure.order == "<" else "big"
    data[at + field : at + field + size] = (value % 256**size).to_bytes(size, order)
    return bytes(data)


def _with_checksums(data):
    """Return a PNG whose checksums are right, so that damage is not found by them."""
    data, at = bytearray(data), 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        end = at + 8 + length
        if end + 4 <= len(data):
            data[end : end + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(data)


def _places(value, place=()):
    """Yield where the values in a JSON value are."""
    yield place
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _places(value[key], (*place, key))


def damaged_value(value, rng):
    """Return a JSON value with another value somewhere in it, or without one, or with one more."""
    value = json.loads(json.dumps(value))
    for _ in range(rng.integers(1, 3)):
        places = [*_places(value)]
        *way, last = places[int(rng.integers(0, len(places)))] or (None,)
        if last is None:
            return copy.deepcopy(_VALUES[int(rng.integers(0, len(_VALUES)))])
        held = value
        for key in way:
            held = held[key]
        new = copy.deepcopy(_VALUES[int(rng.integers(0, len(_VALUES)))])
        match rng.integers(0, 8):
            case 0:
                del held[last]
            case 1 if isinstance(held, dict):
                held["another" if rng.random() < 0.5 else f"{last}x"] = held.pop(last)
            case 2 if isinstance(held[last], str | list):
                held[last] = held[last] * 2
            case 3 if isinstance(held[last], int | float) and not isinstance(held[last], bool):
                held[last] = held[last] * float(rng.choice([-1, 0, 0.5, 2, 1e6, 1e300]))
            case _:
                held[last] = new
    return value


def _json(data, rng):
    if rng.random() < 0.05:
        return b'{"a":' * 100_000 if rng.random() < 0.5 else b"[" * 100_000
    return json.dumps(damaged_value(json.loads(data), rng)).encode("utf-8", "surrogatepass")


def damaged_tensors(tensors, rng):
    """Return tensors of which one has another name, shape, dtype or value, or is not there."""
    tensors = dict(tensors)
    names = sorted(tensors)
    for _ in range(rng.integers(1, 3)):
        name = names[int(rng.integers(0, len(names)))]
        if name not in tensors:
            continue
        tensor = tensors[name]
        match rng.integers(0, 9):
            case 0:
                del tensors[name]
            case 1:
                tensors[name + "x"] = tensors.pop(name)
            case 2:
                tensors[name.replace(".0.", ".99.").replace("optimiser.", "optimiser.x")] = tensors.pop(name)
            case 3:
                tensors[name] = tensor.reshape(-1)
            case 4:
                tensors[name] = torch.zeros(int(rng.integers(0, 5)), *tensor.shape[1:])
            case 5:
                kinds = (torch.float64, torch.int64, torch.bool, torch.float16, torch.complex64)
                tensors[name] = tensor.to(kinds[int(rng.integers(0, len(kinds)))])
            case 6:
                tensors[name] = tensor * float(rng.choice([np.nan, np.inf, 0, 1e30]))
            case 7:
                tensors["unknown.part" if rng.random() < 0.5 else "optimiser.99.momentum_buffer"] = tensor.clone()
            case 8:
                tensors[name] = tensor[None]
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _safetensors(data, rng):
    (length,) = struct.unpack("<Q", data[:8])
    if rng.random() < 0.5:
        header = _json(data[8 : 8 + length], rng)
        return struct.pack("<Q", len(header)) + header + data[8 + length :]
    told = json.loads(data[8 : 8 + length]).get("__metadata__")
    return save(damaged_tensors(load(data), rng), told)


def _checkpoint(data, rng):
    """Return a checkpoint that says something else, with the digest of what it says."""
    if rng.random() < 0.2:
        return _safetensors(data, rng)
    (length,) = struct.unpack("<Q", data[:8])
    told, tensors = json.loads(data[8 : 8 + length])["__metadata__"], load(data)
    if rng.random() < 0.5:
        tensors = damaged_tensors(tensors, rng)
    else:
        told["facts"] = json.dumps(damaged_value(json.loads(told["facts"]), rng))
    return save(tensors, {**told, "digest": checkpoint._digest(tensors, told["facts"])})


def digest_of(data):
    """Return the digest of the weights in a safetensors file, or None if it is none."""
    try:
        return tensor_digest(load(data))
    except Exception:
        return None


def _npy(data, rng):
    """Return an array whose header says something else."""
    end = data.index(b"\n") + 1
    header = data[10:end].decode("latin-1")
    old, new = [
        ("'<u2'", "'|O'"),
        ("'<u2'", "'<f8'"),
        ("'<u2'", "'<c16'"),
        ("'<u2'", "'<M8[s]'"),
        ("'<u2'", "[('a', '<u2')]"),
        ("'<u2'", "'|V0'"),
        ("'<u2'", "'<U3'"),
        ("'<u2'", "'|b1'"),
        ("'<u2'", "'>f2'"),
        ("'<u2'", "('<u2', (2,))"),
        ("False", "True"),
        ("(24, 20)", "(24, 20000000000)"),
        ("(24, 20)", "(-24, 20)"),
        ("(24, 20)", "()"),
        ("(24, 20)", "(0, 99999999999)"),
        ("(24, 20)", "(99999999999999999999999,)"),
        ("(24, 20)", "(24.0, 20)"),
        ("(24, 20)", "(1, 1, 1, 1, 1, 1, 24, 20)"),
        ("(24, 20)", "(2,) * 3"),
        ("(24, 20)", "(480,)"),
        ("(24, 20)", f"({'1, ' * 70}24, 20)"),
        ("shape", "shapes"),
        ("{", "[" * 200),
    ][int(rng.integers(0, 23))]
    text = header.rstrip().replace(old, new) + "\n"
    return data[:8] + struct.pack("<H", len(text)) + text.encode("latin-1") + data[end:]


def _npz(data, rng):
    """Return an archive in which one array says something else, or whose directory does."""
    members = {}
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    name = sorted(members)[int(rng.integers(0, len(members)))]
    other = f"{name}x" if rng.random() < 0.1 else name
    if rng.random() < 0.1:
        content = members[name][:128] + bytes(int(rng.choice([10**6, 150 * 10**6])))
    else:
        content = damaged("a.npy", members[name], rng) if b"(24, 20)" in members[name] else None
        content = damaged_bytes(members[name], rng) if content is None else content
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for each, held in members.items():
            file.writestr(other if each == name else each, content if each == name else held)
    data = made.getvalue()
    return damaged_bytes(data, rng) if rng.random() < 0.2 else data


def _gz(data, rng):
    content = bytearray(gzip.decompress(data))
    if rng.random() < 0.2:
        large = int(rng.choice([10**7, 2**28]))
        content[4:16] = struct.pack(">III", large // 64 if rng.random() < 0.7 else 40, 8, 8)
        content += bytes(min(large, 200 * 2**20))
    return gzip.compress(damaged_bytes(content, rng) if rng.random() < 0.7 else bytes(content), 1)


_STRUCTURED = {
    ".json": _json,
    ".zarray": _json,
    ".zattrs": _json,
    ".zgroup": _json,
    ".checkpoint.safetensors": _checkpoint,
    ".safetensors": _safetensors,
    ".npy": _npy,
    ".npz": _npz,
    ".gz": _gz,
}
