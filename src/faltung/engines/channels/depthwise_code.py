"""Machine code for layers of single channels: every array is read and written in place, no plane is gathered.

Outputs and gradients read the samples of a block (`SamplesOfBlocks`) once, row after row, and use each for every
output and tap that it belongs to::

    outputs                 y[row, place] += w[i, j] * sample        sums are outputs
    gradient of the taps    v[i, j] += g[row, place] * sample        sums are taps, carried from block to block

No sum depends on the position of its block: the bits of a result do not depend on tiles and threads.
"""

from __future__ import annotations

from collections.abc import Callable

from faltung.engines.channels.channel_code import take_items
from faltung.engines.channels.single_samples import Depthwise, SamplesOfBlocks, SingleBlock
from faltung.jit.compile import compile_function, compiled_once, ctypes_of
from faltung.jit.ir import Function, Value, module, vector
from faltung.jit.samples import Sample, broadcast, store
from faltung.jit.target import Target

__all__ = ["depthwise_function"]


@compiled_once
def depthwise_function(code: Depthwise, target: Target) -> Callable[[int], int]:
    """Compile (or look up) the function for one description; it is called with the address of a board."""
    writer = _Writer(code)
    return compile_function(module(writer.written()), "depthwise", ctypes_of({"board": "ptr"}), target)


class _Writer(SamplesOfBlocks):
    """Writes the function; its methods emit one loop or one operation each."""

    def written(self) -> Function:
        take_items(self.f, self.board, self._gradient_item if self.code.gradient else self._outputs_item)
        return self.f

    # ---- loops

    def _each(self, start: Value | int, stop: Value, step: int, body: Callable[[Value], object]) -> None:
        def one(index: Value, _: list[Value]) -> list[Value]:
            body(index)
            return []

        self.f.loop(start, stop, step, one)

    def _channels(self, run: Value, body: Callable[[Value], object]) -> None:
        f, board = self.f, self.board
        first = f.multiply(run, board["run"])
        last = f.smaller(f.add(first, board["run"]), board["channels"])
        self._each(first, last, self.code.lanes if self.code.across else 1, body)

    def _strips(self, tile: Value, body: Callable[[Value, Value], object]) -> None:
        """Emit the body for each strip of rows of a tile; it gets the first row, and the end of the tile."""
        f, board = self.f, self.board
        first = f.multiply(tile, board["tile_height"])
        last = f.smaller(f.add(first, board["tile_height"]), board["height"])
        self._each(first, last, self.code.block[0], lambda row: body(row, last))

    def _image(self, image: Value, slice_: Value) -> tuple[Value, Value]:
        """Emit the addresses of an image of the source, and of a slice of an image of outputs."""
        f, board = self.f, self.board
        other = f.at(board["other"], f.multiply(image, board["other_image"]))
        source = f.at(board["source"], f.multiply(image, board["source_image"]))
        return source, f.at(other, f.multiply(slice_, board["other_slice"]))

    def _outputs_item(self, number: Value) -> None:
        f, board, code = self.f, self.board, self.code
        rest, tile = f.divide(number, board["tiles"])
        rest, slice_ = f.divide(rest, board["slices"])
        image, run = f.divide(rest, board["runs"])
        arrays = self._image(image, slice_)

        def sums(at: SingleBlock, channel: Value) -> None:
            self._of_block(at, channel, lambda at: self._outputs(at, slice_), [])

        def blocks(row: Value, last: Value, body: Callable[[SingleBlock], object]) -> None:
            self._each(0, board["width"], code.width, lambda column: body(self._block(arrays, row, last, column)))

        def by_channel(channel: Value) -> None:
            self._strips(tile, lambda row, last: blocks(row, last, lambda at: sums(at, channel)))

        def by_strip(row: Value, last: Value) -> None:
            blocks(row, last, lambda at: self._channels(run, lambda channel: sums(at, channel)))

        if code.across:
            self._strips(tile, by_strip)
        else:
            self._channels(run, by_channel)

    def _gradient_item(self, number: Value) -> None:
        f, board, code = self.f, self.board, self.code
        run, chunk = f.divide(number, board["chunks"])
        units = f.multiply(f.multiply(board["images"], board["slices"]), board["tiles"])
        first, _ = f.divide(f.multiply(chunk, units), board["chunks"])
        last, _ = f.divide(f.multiply(f.add(chunk, "1"), units), board["chunks"])
        chunk_target = f.at(board["target"], f.multiply(chunk, board["target_chunk"]))

        def totals(channel: Value) -> tuple[Value, Value]:
            place = f.at(chunk_target, f.multiply(channel, board["target_channel"]))
            return place, board["target_tap"]

        def strips(body: Callable[[tuple[Value, Value], Value, Value, Value], object]) -> None:
            def unit(number: Value) -> None:
                rest, tile = f.divide(number, board["tiles"])
                image, slice_ = f.divide(rest, board["slices"])
                arrays = self._image(image, slice_)
                self._strips(tile, lambda row, last: body(arrays, slice_, row, last))

            self._each(first, last, 1, unit)

        def by_channel(channel: Value) -> None:
            sums = board["scratch"], str(code.lanes * self.size)
            self._clear(*sums)
            strips(lambda arrays, slice_, row, last: self._sweep(arrays, slice_, channel, row, last, *sums))
            self._add_lanes(*sums, *totals(channel))

        if code.across:
            self._channels(run, lambda channel: self._clear(*totals(channel)))
            strips(
                lambda arrays, slice_, row, last: self._channels(
                    run, lambda channel: self._sweep(arrays, slice_, channel, row, last, *totals(channel))
                )
            )
        else:
            self._channels(run, by_channel)

    # ---- outputs

    def _of_channel(self, place: Value) -> Value:
        """Emit the number of a channel in every lane, or, if lanes are channels, that of each."""
        code = self.code
        if code.across:
            return self.f.value(f"load {self.type}, ptr {place}, align {self.size}, !invariant.load !0")
        return broadcast(self.f, place, code.number, code.lanes)

    def _outputs(self, at: SingleBlock, slice_: Value) -> list[Value]:
        """Emit the sums of a block of outputs, and store them."""
        f, board, code = self.f, self.board, self.code
        (rows, places), (down, columns) = code.block, code.size
        bias = self._of_channel(f.at(board["bias"], f.multiply(at.channel, self.size)))
        of_channel = f.at(board["taps"], f.multiply(at.channel, board["taps_channel"]))

        def one_slice(k: Value, sums: list[Value]) -> list[Value]:
            offset, present = self._slice(slice_, k)
            first = f.multiply(k, down * columns)

            def tap(i: int, j: int) -> Value:
                index = f.add(first, i * columns + j)
                return self._of_channel(f.at(of_channel, f.multiply(index, board["taps_tap"])))

            # Few taps stay in registers, where the compiler would not keep those that some rows need.
            held = {(i, j): tap(i, j) for i in range(down) for j in range(columns)} if code.held else {}

            def add(sums: list[Value], r: int, b: int, i: int, j: int, sample: Value) -> None:
                value = held[i, j] if code.held else tap(i, j)
                sums[r * places + b] = self._product(sample, value, sums[r * places + b])

            def there() -> list[Value]:
                return self._under(at, f.at(at.source, offset), 0, down, sums, add)

            return f.either(present, there, lambda: sums, [self.type] * len(sums))

        sums = f.loop(0, board["depth"], 1, one_slice, [(self.type, bias)] * (rows * places))
        for r in range(rows):
            for b in range(places):
                self._put(at, r, b, sums[r * places + b])
        return []

    def _put(self, at: SingleBlock, r: int, b: int, value: Value) -> None:
        f, code = self.f, self.code
        place = self._place(at, r, b)
        if not at.edge:
            store(f, code.number, value, place, Sample("f", self.size), code.lanes, code.streamed)
            return
        bits = vector("i1", code.lanes)
        name = f"llvm.masked.store.v{code.lanes}{self.short}.p0"
        f.declarations.setdefault(name, f"declare void @{name}({self.type}, ptr, i32 immarg, {bits})")
        with f.when(at.outputs[r, b]):
            arguments = f"{self.type} {value}, ptr {place}, i32 {self.size}, {bits} {at.output_lanes[b]}"
            f.do(f"call void @{name}({arguments})")

    # ---- the gradient with respect to the taps

    def _all_taps(self, body: Callable[[Value], object]) -> None:
        rows, columns = self.code.size
        self._each(0, self.f.multiply(self.board["depth"], rows * columns), 1, body)

    def _clear(self, totals: Value, pitch: Value) -> None:
        f = self.f

        def one(tap: Value) -> None:
            place = f.at(totals, f.multiply(tap, pitch))
            f.do(f"store {self.type} zeroinitializer, ptr {place}, align {self.size}")

        self._all_taps(one)

    def _sweep(
        self,
        arrays: tuple[Value, Value],
        slice_: Value,
        channel: Value,
        row: Value,
        last: Value,
        totals: Value,
        pitch: Value,
    ) -> None:
        """Emit the sums over a strip of rows, for all taps of a channel, and their addition to the totals."""
        f, board, code = self.f, self.board, self.code
        down, columns = code.size
        parts = -(-down // code.part)

        def some_taps(number: Value) -> None:
            k, part = f.divide(number, str(parts))
            first = f.smaller(f.multiply(part, code.part), str(down - code.part))
            offset, present = self._slice(slice_, k)
            types = [self.type] * (code.part * columns)

            def stretch(column: Value, sums: list[Value]) -> list[Value]:
                at = self._block(arrays, row, last, column)
                return self._of_block(
                    at, channel, lambda at: self._correlated(at, f.at(at.source, offset), first, sums), types
                )

            with f.when(present):
                sums = f.loop(0, board["width"], code.width, stretch, [(type_, "zeroinitializer") for type_ in types])
                index = f.add(f.multiply(k, down * columns), f.multiply(first, columns))
                for n, value in enumerate(sums):
                    self._add(f.at(totals, f.multiply(f.add(index, n), pitch)), value, (first, part, n // columns))

        self._each(0, f.multiply(board["depth"], parts), 1, some_taps)

    def _correlated(self, at: SingleBlock, start: Value, first: Value, sums: list[Value]) -> list[Value]:
        """Emit the sums of gradients times samples of a block."""
        code = self.code
        rows, places = code.block
        given = {}
        for r in range(rows):
            for b in range(places):
                place = self._place(at, r, b)
                place = self._or_zeros(at.outputs[r, b], place) if at.edge else place
                given[r, b] = self._load(place, code.lanes, at.output_lanes.get(b, ""))

        def add(sums: list[Value], r: int, b: int, i: int, j: int, sample: Value) -> None:
            k = i * code.size[1] + j
            sums[k] = self._product(sample, given[r, b], sums[k])

        return self._under(at, start, first, code.part, sums, add)

    def _add(self, place: Value, value: Value, row: tuple[Value, Value, int]) -> None:
        """Emit the addition to a total; rows of taps that the part before has summed are left out."""
        f, code = self.f, self.code
        first, part, i = row

        def add() -> None:
            total = f.value(f"load {self.type}, ptr {place}, align {self.size}")
            f.do(f"store {self.type} {f.value(f'fadd {self.type} {total}, {value}')}, ptr {place}, align {self.size}")

        if code.size[0] % code.part:
            with f.when(f.value(f"icmp sge i64 {f.add(first, i)}, {f.multiply(part, code.part)}")):
                add()
        else:
            add()

    def _add_lanes(self, sums: Value, pitch: Value, target: Value, target_pitch: Value) -> None:
        """Emit the sum over the lanes of each total: halves are added, and so on, so that errors are small."""
        f, code = self.f, self.code

        def one(tap: Value) -> None:
            value = self._load(f.at(sums, f.multiply(tap, pitch)), code.lanes)
            lanes = code.lanes
            while lanes > 1:
                have, lanes = f"<{lanes} x {code.number}>", lanes // 2
                parts = []
                for begin in (0, lanes):
                    mask = ", ".join(f"i32 {begin + lane}" for lane in range(lanes))
                    parts.append(f.value(f"shufflevector {have} {value}, {have} poison, <{lanes} x i32> <{mask}>"))
                value = f.value(f"fadd <{lanes} x {code.number}> {parts[0]}, {parts[1]}")
            scalar = f.value(f"extractelement <1 x {code.number}> {value}, i32 0")
            place = f.at(target, f.multiply(tap, target_pitch))
            f.do(f"store {code.number} {scalar}, ptr {place}, align {self.size}")

        self._all_taps(one)
