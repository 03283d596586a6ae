"""Machine code for a layer of 3 x 3 kernels in Winograd's tiles, block by block in the cache.

One function serves all threads. An item is a block of tiles of one group of channels, and a part of the channels
out::

    transform the samples of every tile and channel in:     V[point, tile, in]
    for each pass of channels out:
        for each point: M[point, tile, out] = V[point] U[point]   (`point_products`; U: the transformed taps)
        transform M back, add the bias, store

Tiles are numbered along rows, then from row to row, then from image to image, and a block is a range of numbers. If
a thread's next item is another part of the channels out of the same block, V is still there.

The first items compare digests of the taps with those of the taps that were transformed. If they differ, the status
says so, and the tiles are left out. The next items find out how far apart the samples are (`sample_sizes`).
"""

from __future__ import annotations

from collections.abc import Callable

from faltung.engines.channels.channel_code import take_items
from faltung.engines.channels.gathered_planes import first_lanes, load_some
from faltung.engines.winograd import channels_first, channels_last
from faltung.engines.winograd.point_products import AHEAD, emit_product
from faltung.engines.winograd.sample_sizes import emit_sizes
from faltung.engines.winograd.tile_writer import CHANGED, CHECKED, DIGEST, TileCode, TileWriter
from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import Function, Value, module
from faltung.jit.samples import splat
from faltung.jit.target import Target

__all__ = ["tile_function"]

#: By how many bits a digest is turned, and the odd number by which it is multiplied, at each step.
_TURNED, _FACTOR = 29, 0x1E3779B97F4A7C15


@compiled_once
def tile_function(code: TileCode, target: Target) -> Callable[[int], int]:
    """Compile (or look up) the function for one description; it is called with the address of a board."""
    return compile_function(module(_emit(code)), "fill", ctypes_of({"board": "ptr"}), target)


def _emit(code: TileCode) -> Function:
    writer = TileWriter(code)
    f, board = writer.f, writer.board
    kept = f.value("alloca i64")
    f.do(f"store i64 -1, ptr {kept}")
    read = (channels_first if code.planes[0] else channels_last).emit_values
    write = (channels_first if code.planes[1] else channels_last).emit_outputs

    def item(number: Value) -> None:
        checked = f.value(f"icmp slt i64 {number}, {board['checks']}")
        f.either(checked, lambda: _check(writer, number), lambda: of_samples(f.subtract(number, board["checks"])))

    def of_samples(number: Value) -> None:
        surveyed = f.value(f"icmp slt i64 {number}, {board['surveys']}")
        rest = f.subtract(number, board["surveys"])
        f.either(surveyed, lambda: emit_sizes(writer, number), lambda: unless_changed(rest))

    def unless_changed(number: Value) -> None:
        status = f.value(f"load atomic i64, ptr {f.at(board['claims'], 16)} monotonic, align 8")
        with f.when(f.value(f"icmp ult i64 {status}, {CHANGED}")):
            block_of_tiles(number)

    def block_of_tiles(number: Value) -> None:
        rest, part = f.divide(number, board["parts"])
        block, group = f.divide(rest, board["groups"])
        first = f.multiply(block, board["block"])
        count = f.smaller(board["block"], f.subtract(board["tiles"], first))
        before = f.value(f"load i64, ptr {kept}")
        with f.when(f.value(f"icmp ne i64 {before}, {rest}")):
            read(writer, group, first, count)
            f.do(f"store i64 {rest}, ptr {kept}")
        begin = f.multiply(part, board["part_panels"])
        end = f.smaller(f.add(begin, board["part_panels"]), board["all_panels"])

        def one_pass(panel: Value, _: list[Value]) -> list[Value]:
            panels = f.smaller(board["pass_panels"], f.subtract(end, panel))
            _products(writer, f.add(f.multiply(group, board["all_panels"]), panel), panels, count)
            write(writer, group, panel, panels, first, count)
            return []

        f.loop(begin, end, board["pass_panels"], one_pass)

    take_items(f, board, item, writer.guard)
    return f


def _check(writer: TileWriter, number: Value) -> None:
    """Emit the digest of some bytes of the taps, and its comparison with that of those that were transformed.

    Four chains of eight numbers each go over every fourth line of 64 bytes: ``h = (rotated h ^ line) * odd number``.
    A single change always changes the digest; several ones leave it as it was with a probability of 2 to the power
    -64. A copy of the taps would have to be read beside them, from memory where there are many.
    """
    f, board, wide = writer.f, writer.board, "<8 x i64>"
    start = f.multiply(number, CHECKED)
    stop = f.smaller(f.add(start, CHECKED), board["raw_bytes"])
    raw, known, found = (f.value(f"inttoptr i64 {board[name]} to ptr") for name in ("raw", "digests", "new_digests"))
    factor, turned = splat(f, str(_FACTOR), "i64", 8), splat(f, str(_TURNED), "i64", 8)

    def next_of(chain: Value, line: Value) -> Value:
        chain = f.call("llvm.fshl.v8i64", wide, (wide, chain), (wide, chain), (wide, turned))
        return f.value(f"mul {wide} {f.value(f'xor {wide} {chain}, {line}')}, {factor}")

    def whole(k: Value, chains: list[Value]) -> list[Value]:
        for n in range(4 if writer.code.far else 0):
            f.prefetch(f.at(raw, f.add(k, AHEAD + 64 * n)))
        lines = [f.value(f"load {wide}, ptr {f.at(raw, f.add(k, 64 * n))}, align 1") for n in range(4)]
        return [next_of(chain, line) for chain, line in zip(chains, lines, strict=True)]

    def some(k: Value, chains: list[Value]) -> list[Value]:
        mask = first_lanes(f, f.value(f"sdiv i64 {f.subtract(stop, k)}, 4"), 16)
        line = load_some(f, "float", f.at(raw, k), mask, "zeroinitializer", 16)
        return [next_of(chains[0], f.value(f"bitcast <16 x float> {line} to {wide}")), *chains[1:]]

    middle = f.add(start, f.value(f"and i64 {f.subtract(stop, start)}, -256"))
    chains = f.loop(start, middle, 256, whole, [(wide, "zeroinitializer")] * 4)
    chains = f.loop(middle, stop, 64, some, [(wide, chain) for chain in chains])
    place, different = f.multiply(number, DIGEST), "zeroinitializer"
    for n, chain in enumerate(chains):
        before = f.value(f"load {wide}, ptr {f.at(known, f.add(place, 64 * n))}, align 8")
        f.do(f"store {wide} {chain}, ptr {f.at(found, f.add(place, 64 * n))}, align 8")
        different = f.value(f"or {wide} {different}, {f.value(f'xor {wide} {before}, {chain}')}")
    some_bits = f.value(f"bitcast <8 x i1> {f.value(f'icmp ne {wide} {different}, zeroinitializer')} to i8")
    changed = f.value(f"icmp ne i8 {some_bits}, 0")
    bit = f.value(f"select i1 {changed}, i64 {CHANGED}, i64 0")
    f.value(f"atomicrmw or ptr {f.at(board['claims'], 16)}, i64 {bit} monotonic")


def _products(writer: TileWriter, first: Value, panels: Value, count: Value) -> None:
    """Emit the products of all points for some panels, of which the first has this number in U."""
    f, board, code = writer.f, writer.board, writer.code
    tiles, vectors = code.block

    def one_point(point: Value, _: list[Value]) -> list[Value]:
        v = f.at(board["scratch"], f.multiply(point, board["v_point"]))
        u = f.at(board["taps"], f.multiply(point, board["point_bytes"]))
        m = f.at(writer.m_place("0", "0", "0"), f.multiply(point, board["m_point"]))

        def one_panel(panel: Value, _: list[Value]) -> list[Value]:
            u_panel = f.at(u, f.multiply(f.add(first, panel), board["panel_bytes"]))
            m_panel = f.at(m, f.multiply(panel, board["m_panel"]))

            def some_tiles(tile: Value, _: list[Value]) -> list[Value]:
                v_tile = f.at(v, f.multiply(tile, code.depth * writer.size))
                m_tile = f.at(m_panel, f.multiply(tile, vectors * writer.vector_bytes))
                emit_product(
                    f,
                    code.number,
                    code.lanes,
                    code.block,
                    code.depth,
                    board["ins"],
                    v_tile,
                    board["v_block"],
                    u_panel,
                    m_tile,
                    code.far,
                )
                return []

            f.loop(0, count, tiles, some_tiles)
            return []

        f.loop(0, panels, 1, one_panel)
        return []

    f.loop(0, writer.filter.points**2, 1, one_point)
