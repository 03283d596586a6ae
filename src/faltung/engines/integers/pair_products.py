"""Products of pairs: lanes of 32 bits hold two samples of 16 bits, and a lane of a sum gets both times their taps.

Processors have one instruction for that (``vpdpwssd``, or ``vpmaddwd`` and an addition), which does twice the work of
a fused multiply-add. Where there is none, it is written as what it means. Whole numbers are added exactly, so the
order of the sums, and the width of vectors, change nothing.
"""

from __future__ import annotations

from faltung.jit.ir import Function, Value
from faltung.jit.target import Target

__all__ = [
    "fixed",
    "instruction_for",
    "joined",
    "lane_shift",
    "pair_product",
    "pairs_of_bytes",
    "picked",
    "splat_word",
]

#: The instruction for some lanes, and the extension that it belongs to.
_INSTRUCTIONS = {
    16: ("llvm.x86.avx512.pmaddw.d.512", "avx512bw"),
    8: ("llvm.x86.avx2.pmadd.wd", "avx2"),
    4: ("llvm.x86.sse2.pmadd.wd", "sse2"),
}


def instruction_for(lanes: int, target: Target) -> str:
    """Return the name of the instruction for a pair product, or an empty string if the processor has none."""
    name, extension = _INSTRUCTIONS.get(lanes, ("", ""))
    return name if name and extension in target.identity.partition(":")[2].split(",") else ""


def fixed(element: str, lanes: int) -> str:
    """Return the type of a vector, also of a single lane."""
    return f"<{lanes} x {element}>"


def picked(f: Function, kind: str, first: Value, second: Value, places: list[int]) -> Value:
    """Emit the lanes at some places of two vectors, one behind the other."""
    mask = ", ".join(f"i32 {place}" for place in places)
    return f.value(f"shufflevector {kind} {first}, {kind} {second}, <{len(places)} x i32> <{mask}>")


def splat_word(f: Function, place: Value, lanes: int, anew: bool = False) -> Value:
    """Emit a vector with the 32-bit word at an address in every lane; `anew`: it is read again each time."""
    kind = fixed("i32", lanes)
    word = f.value(f"load i32, ptr {place}, align 4{'' if anew else ', !invariant.load !0'}")
    return picked(f, kind, f.value(f"insertelement {kind} poison, i32 {word}, i32 0"), "poison", [0] * lanes)


def pair_product(f: Function, total: Value, pairs: Value, taps: Value, lanes: int, instruction: str) -> Value:
    """Emit ``total + pairs[0] * taps[0] + pairs[1] * taps[1]`` in each lane, by an instruction if there is one."""
    both, half, word = fixed("i16", 2 * lanes), fixed("i16", lanes), fixed("i32", lanes)
    halves = [f.value(f"bitcast {word} {value} to {both}") for value in (pairs, taps)]
    if instruction:
        product = f.call(instruction, word, *((both, value) for value in halves))
        return f.value(f"add {word} {total}, {product}")
    parts = []
    for which in (0, 1):
        places = list(range(which, 2 * lanes, 2))
        wide = [f.value(f"sext {half} {picked(f, both, value, 'poison', places)} to {word}") for value in halves]
        parts.append(f.value(f"mul {word} {wide[0]}, {wide[1]}"))
    return f.value(f"add {word} {total}, {f.value(f'add {word} {parts[0]}, {parts[1]}')}")


def pairs_of_bytes(f: Function, upper: Value, lower: Value, lanes: int) -> Value:
    """Emit the pairs of two rows of bytes; where a row has no address, zeros are in its place."""
    kind, both = fixed("i8", lanes), fixed("i8", 2 * lanes)
    rows = [f.value(f"load {kind}, ptr {place}, align 1") if place else "zeroinitializer" for place in (upper, lower)]
    mixed = picked(f, kind, rows[0], rows[1], [lane // 2 + lanes * (lane % 2) for lane in range(2 * lanes)])
    wide = f.value(f"zext {both} {mixed} to {fixed('i16', 2 * lanes)}")
    return f.value(f"bitcast {fixed('i16', 2 * lanes)} {wide} to {fixed('i32', lanes)}")


def joined(f: Function, first: Value, second: Value, lanes: int) -> Value:
    """Emit the pairs of 16-bit samples at two addresses."""
    kind = fixed("i16", lanes)
    parts = [f.value(f"load {kind}, ptr {place}, align 1") for place in (first, second)]
    mixed = picked(f, kind, parts[0], parts[1], [lane // 2 + lanes * (lane % 2) for lane in range(2 * lanes)])
    return f.value(f"bitcast {fixed('i16', 2 * lanes)} {mixed} to {fixed('i32', lanes)}")


def lane_shift(f: Function, first: Value, second: Value, lanes: int, by: int, word: str = "i32") -> Value:
    """Emit the lanes from `by` on of two vectors, one behind the other."""
    return picked(f, fixed(word, lanes), first, second, [lane + by for lane in range(lanes)])
