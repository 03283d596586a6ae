"""LLVM IR as text: values, vectors, loops and conditionals, no more than the engines need.

A `Function` collects the lines of one LLVM function. Every method that computes returns the name of the new value, so
the code of an engine looks like the arithmetic that it emits. Vectors of one lane are written as scalars; so the same
code emits the main loop and the rest that no vector fits into.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CACHE_LINE", "Function", "module", "vector"]

#: Bytes of a cache line.
CACHE_LINE = 64

Value = str
Carried = Sequence[tuple[str, Value]]


def vector(element: str, lanes: int) -> str:
    """Return the type of `lanes` elements: for a single lane, the element itself."""
    return element if lanes == 1 else f"<{lanes} x {element}>"


def module(*functions: Function) -> str:
    """Return the LLVM assembly of some functions, of which later ones may call earlier ones."""
    declarations = {name: text for function in functions for name, text in function.declarations.items()}
    metadata = ["!0 = !{}", "!1 = !{i32 1}"]
    return "\n".join([*(function.text() for function in functions), *declarations.values(), *metadata, ""])


class Function:
    """Writer of one LLVM function whose parameters are 64-bit integers and pointers.

    Parameters
    ----------
    name : str
        The symbol of the function.
    parameters : dict
        For each name, in order, the LLVM type with attributes.
    internal : bool
        Whether only functions of the same module call it.
    """

    def __init__(self, name: str, parameters: dict[str, str], internal: bool = False) -> None:
        self.name = name
        self._linkage = "internal " if internal else ""
        self._header = ", ".join(f"{type_} %{key}" for key, type_ in parameters.items())
        self._lines: list[str] = ["entry:"]
        self.declarations: dict[str, str] = {}
        self._count = 0
        self._block = "entry"

    def text(self) -> str:
        """Return the definition as LLVM assembly."""
        body = "\n".join(self._lines)
        return f"define {self._linkage}i32 @{self.name}({self._header}) nounwind {{\n{body}\n}}\n"

    # ---- plain instructions

    def value(self, instruction: str) -> Value:
        """Emit one instruction that has a result."""
        self._count += 1
        name = f"%v{self._count}"
        self._lines.append(f"  {name} = {instruction}")
        return name

    def do(self, instruction: str) -> None:
        """Emit one instruction that has none."""
        self._lines.append(f"  {instruction}")

    def call(self, intrinsic: str, type_: str, *arguments: tuple[str, Value]) -> Value:
        """Emit a call of an LLVM intrinsic, which is declared at its first use."""
        types = ", ".join(kind for kind, _ in arguments)
        self.declarations.setdefault(intrinsic, f"declare {type_} @{intrinsic}({types})")
        values = ", ".join(f"{kind} {value}" for kind, value in arguments)
        return self.value(f"call {type_} @{intrinsic}({values})")

    def prefetch(self, place: Value) -> None:
        """Emit a hint that a cache line will be read soon; any address will do, also one outside the array."""
        self.declarations.setdefault("llvm.prefetch.p0", "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self.do(f"call void @llvm.prefetch.p0(ptr {place}, i32 0, i32 2, i32 1)")  # a read, into the second level

    def keep_order(self) -> None:
        """Emit no instruction: loads and stores before it stay before it, and those behind it behind it."""
        self.do('fence syncscope("singlethread") seq_cst')

    def fence(self) -> None:
        """Emit a fence: a thread that learns that a block is done must see what was written past the cache, too."""
        self.do("fence seq_cst")

    # ---- integers and addresses

    def add(self, a: Value, b: Value | int) -> Value:
        """Sum of two 64-bit integers."""
        return a if b == 0 else self.value(f"add i64 {a}, {b}")

    def subtract(self, a: Value, b: Value | int) -> Value:
        """Difference of two 64-bit integers."""
        return self.value(f"sub i64 {a}, {b}")

    def multiply(self, a: Value, b: Value | int) -> Value:
        """Product of two 64-bit integers."""
        return a if b == 1 else self.value(f"mul i64 {a}, {b}")

    def smaller(self, a: Value, b: Value) -> Value:
        """Minimum of two signed 64-bit integers."""
        return self.call("llvm.smin.i64", "i64", ("i64", a), ("i64", b))

    def larger(self, a: Value, b: Value) -> Value:
        """Maximum of two signed 64-bit integers."""
        return self.call("llvm.smax.i64", "i64", ("i64", a), ("i64", b))

    def divide(self, a: Value, b: Value) -> tuple[Value, Value]:
        """Quotient and remainder of two 64-bit integers, which are not negative."""
        return self.value(f"udiv i64 {a}, {b}"), self.value(f"urem i64 {a}, {b}")

    def at(self, pointer: Value, offset: Value | int) -> Value:
        """Pointer moved on by `offset` bytes."""
        return pointer if offset == 0 else self.value(f"getelementptr i8, ptr {pointer}, i64 {offset}")

    def entry(self, table: Value, index: Value) -> Value:
        """Entry of a table of 64-bit integers that does not change while the function runs."""
        slot = self.value(f"getelementptr i64, ptr {table}, i64 {index}")
        return self.value(f"load i64, ptr {slot}, align 8, !invariant.load !0")

    # ---- control flow

    def loop(
        self,
        start: Value | int,
        stop: Value | int,
        step: Value | int,
        body: Callable[[Value, list[Value]], list[Value]],
        carried: Carried = (),
    ) -> list[Value]:
        """Emit ``for index in range(start, stop, step)``; `body` maps the carried values to the next ones."""
        self._count += 1
        label = f"loop{self._count}"
        index = f"%{label}.index"
        before = self._block
        current = [f"%{label}.carried{k}" for k in range(len(carried))]
        self.do(f"br label %{label}")
        self._open(label)
        head = len(self._lines)
        more = self.value(f"icmp slt i64 {index}, {stop}")
        self.do(f"br i1 {more}, label %{label}.body, label %{label}.exit")
        self._open(f"{label}.body")
        following = body(index, current)
        self.do(f"{index}.next = add nsw i64 {index}, {step}")
        self.do(f"br label %{label}")
        # The phis at the head name the block in which the body ended, which is known only now.
        phis = [f"  {index} = phi i64 [ {start}, %{before} ], [ {index}.next, %{self._block} ]"]
        phis += [
            f"  {name} = phi {type_} [ {first}, %{before} ], [ {next_}, %{self._block} ]"
            for name, (type_, first), next_ in zip(current, carried, following, strict=True)
        ]
        self._lines[head:head] = phis
        self._open(f"{label}.exit")
        return current

    def claimed(self, counter: Value, count: Value, body: Callable[[Value], None]) -> None:
        """Emit `body` for every number below `count` that this thread takes from a counter shared by all threads."""
        self._count += 1
        label = f"claim{self._count}"
        self.do(f"br label %{label}")
        self._open(label)
        index = self.value(f"atomicrmw add ptr {counter}, i64 1 monotonic")
        more = self.value(f"icmp slt i64 {index}, {count}")
        self.do(f"br i1 {more}, label %{label}.body, label %{label}.exit")
        self._open(f"{label}.body")
        body(index)
        self.do(f"br label %{label}")
        self._open(f"{label}.exit")

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Emit the contents of the ``with`` block so that they run only if `condition` (an i1) holds."""
        self._count += 1
        label = f"when{self._count}"
        self.do(f"br i1 {condition}, label %{label}, label %{label}.end")
        self._open(label)
        yield
        self.do(f"br label %{label}.end")
        self._open(f"{label}.end")

    def either(
        self,
        condition: Value,
        yes: Callable[[], list[Value] | None],
        no: Callable[[], list[Value] | None],
        types: Sequence[str] = (),
    ) -> list[Value]:
        """Emit ``yes() if condition else no()``; both branches return values of these types."""
        self._count += 1
        label = f"if{self._count}"
        self.do(f"br i1 {condition}, label %{label}.yes, label %{label}.no")
        found = []
        for branch, write in (("yes", yes), ("no", no)):
            self._open(f"{label}.{branch}")
            values = write() or []
            found.append([(value, self._block) for value in values])  # in the block that the branch ended in
            self.do(f"br label %{label}.end")
        self._open(f"{label}.end")
        both = zip(types, *found, strict=True)
        return [self.value(f"phi {type_} [ {a}, %{one} ], [ {b}, %{other} ]") for type_, (a, one), (b, other) in both]

    def _open(self, label: str) -> None:
        self._lines.append(f"{label}:")
        self._block = label
