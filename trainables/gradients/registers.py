"""Inner loops written as vectors of LLVM, where numba's compiler does not find them in loops over numbers.

A sum of products that stays in registers, and the turning of a small square of a matrix. Every element of a vector is
a sum of its own, added up in the order of the positions, so that a processor with narrower registers, which takes
several for one vector, gives the same bits (as long as it fuses multiplication and addition).
"""

from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

WORD, LANE, DOUBLE = ir.IntType(64), ir.IntType(32), ir.DoubleType()

SQUARE = 8
"""Side of what `turn` turns."""


class Vectors(NamedTuple):
    """How to write vectors of a number type."""

    builder: Any
    number: Any
    size: int
    """Bytes of a number."""
    lanes: int

    @property
    def type(self) -> Any:
        """Of the vector."""
        return ir.VectorType(self.number, self.lanes)

    @property
    def zero(self) -> Any:
        """A vector of zeros."""
        return ir.Constant(self.type, [self.number(0.0)] * self.lanes)

    def load(self, place: Any) -> Any:
        """From a number's address on."""
        return self.builder.load(self.builder.bitcast(place, self.type.as_pointer()), align=self.size)

    def store(self, value: Any, place: Any) -> None:
        """To a number's address and on."""
        self.builder.store(value, self.builder.bitcast(place, self.type.as_pointer()), align=self.size)

    def spread(self, value: Any) -> Any:
        """A number in every lane."""
        nothing = ir.Constant(self.type, ir.Undefined)
        first = self.builder.insert_element(nothing, value, LANE(0))
        return self.builder.shuffle_vector(first, nothing, self.lanes_of([0] * self.lanes))

    def lanes_of(self, numbers: list[int]) -> Any:
        """Lanes that a shuffle takes."""
        return ir.Constant(ir.VectorType(LANE, self.lanes), numbers)

    def add_product(self, a: Any, b: Any, c: Any) -> Any:
        """a b + c, in one rounding where the processor can."""
        kind = ir.FunctionType(self.type, [self.type] * 3)
        name = f"llvm.fmuladd.v{self.lanes}f{8 * self.size}"
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), [a, b, c])


def _vectors(context: Any, builder: Any, array: Any, lanes: int) -> Vectors:
    number = context.get_data_type(array.dtype)
    return Vectors(builder, number, context.get_abi_sizeof(number), lanes)


def _data(context: Any, builder: Any, signature: Any, values: Any) -> list[Any]:
    """Addresses of the arrays among the arguments."""
    pairs = zip(signature.args, values, strict=True)
    return [context.make_array(t)(context, builder, v).data for t, v in pairs if isinstance(t, types.Array)]


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def add_products(
    typing: Any, x: Any, d: Any, starts: Any, lines: Any, keep: Any, total: Any, squares: Any, at: Any, tile: Any
) -> Any:
    """Form one tile of one example's gradient; add it to a sum and its squares to others.

    A tile has len(tile[0]) lines of len(tile[1]) taps, and len(tile[2]) outputs (tuples, for their lengths alone):
    row[l, k, o] = sum_t x[x_at + lines[line_at + l] + starts[t] + k] d[d_at + t d_step + o]
    total[total_at + (l, k, o)] += row[l, k, o]
    squares[square_at + o] += sum_l,k keep[(line_at + l) taps + k] row[l, k, o]^2

    starts [T], T > 0, and lines: int64; squares: float64; the others of one type; all contiguous.
    at: (x_at, d_at, d_step, line_at, total_at, square_at).
    """
    del typing
    shape = tuple(len(each) for each in tile)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = dict(zip(("x", "d", "starts", "lines", "keep", "total", "squares"), values, strict=False))
        count = context.make_array(signature.args[2])(context, builder, data["starts"]).nitems
        places = dict(zip(data, _data(context, builder, signature, values), strict=True))
        names = ("x_at", "d_at", "d_step", "line_at", "total_at", "square_at")
        numbers = {name: builder.extract_value(values[7], k) for k, name in enumerate(names)}
        vectors = _vectors(context, builder, signature.args[0], shape[2])
        rows = _sums(vectors, places, numbers, count, shape)
        _settle(vectors, places, numbers, rows, shape)
        return context.get_dummy_value()

    return types.void(x, d, starts, lines, keep, total, squares, at, tile), generate


def _sums(
    vectors: Vectors, places: dict[str, Any], at: dict[str, Any], count: Any, shape: tuple[int, ...]
) -> list[Any]:
    """Registers of the tile after the loop over positions."""
    builder, (lines, taps, _) = vectors.builder, shape
    first = builder.gep(places["x"], [at["x_at"]])
    row = builder.gep(places["d"], [at["d_at"]])
    heads = []
    for number in range(lines):
        line = builder.load(builder.gep(places["lines"], [builder.add(at["line_at"], WORD(number))]))
        heads.append(builder.gep(first, [line]))
    before, loop = builder.block, builder.append_basic_block("positions")
    after = builder.append_basic_block("summed")
    builder.branch(loop)
    builder.position_at_end(loop)
    t = builder.phi(WORD)
    sums = [builder.phi(vectors.type) for _ in range(lines * taps)]
    start = builder.load(builder.gep(places["starts"], [t]))
    outputs = vectors.load(builder.gep(row, [builder.mul(t, at["d_step"])]))
    added = []
    for number, head in enumerate(heads):
        window = builder.gep(head, [start])
        for k in range(taps):
            tap = vectors.spread(builder.load(builder.gep(window, [WORD(k)])))
            added.append(vectors.add_product(tap, outputs, sums[number * taps + k]))
    following = builder.add(t, WORD(1))
    t.add_incoming(WORD(0), before)
    t.add_incoming(following, loop)
    for each, new in zip(sums, added, strict=True):
        each.add_incoming(vectors.zero, before)
        each.add_incoming(new, loop)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, after)
    builder.position_at_end(after)
    return added


def _settle(
    vectors: Vectors, places: dict[str, Any], at: dict[str, Any], rows: list[Any], shape: tuple[int, ...]
) -> None:
    """Add the tile to the sum, and its squares: a few in single precision, then in double."""
    builder, (_, taps, lanes) = vectors.builder, shape
    total = builder.gep(places["total"], [at["total_at"]])
    keep = builder.gep(places["keep"], [builder.mul(at["line_at"], WORD(taps))])
    squares = [vectors.zero, vectors.zero]
    for number, row in enumerate(rows):
        place = builder.gep(total, [WORD(number * lanes)])
        vectors.store(builder.fadd(vectors.load(place), row), place)
        kept = builder.fmul(row, vectors.spread(builder.load(builder.gep(keep, [WORD(number)]))))
        squares[number % 2] = vectors.add_product(kept, row, squares[number % 2])
    found = builder.fadd(*squares)
    double = Vectors(builder, DOUBLE, 8, lanes)
    if vectors.size != double.size:
        found = builder.fpext(found, double.type)
    place = builder.gep(places["squares"], [at["square_at"]])
    double.store(builder.fadd(double.load(place), found), place)


@intrinsic  # type: ignore[untyped-decorator]
def turn(typing: Any, a: Any, out: Any, at: Any) -> Any:
    """out[out_at + t out_step + r] = a[a_at + r a_step + t] for t < SQUARE and r < rows; 0 for rows <= r < SQUARE.

    a, out: contiguous, of one type; at: (a_at, a_step, rows, out_at, out_step).
    """
    del typing

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vectors = _vectors(context, builder, signature.args[0], SQUARE)
        source, target = _data(context, builder, signature, values)
        a_at, a_step, rows, out_at, out_step = (builder.extract_value(values[2], k) for k in range(5))
        square = []
        for r in range(SQUARE):  # a row too many reads the first one
            real = builder.icmp_signed("<", WORD(r), rows)
            begin = builder.select(real, builder.mul(a_step, WORD(r)), WORD(0))
            row = vectors.load(builder.gep(source, [builder.add(a_at, begin)]))
            square.append(builder.select(real, row, vectors.zero))
        for t, column in enumerate(_turned(vectors, square)):
            vectors.store(column, builder.gep(target, [builder.add(out_at, builder.mul(out_step, WORD(t)))]))
        return context.get_dummy_value()

    return types.void(a, out, at), generate


def _turned(vectors: Vectors, square: list[Any]) -> list[Any]:
    """A square transposed: blocks of 1, 2, 4 numbers beside the diagonal change places."""
    lanes, block = range(SQUARE), 1
    while block < SQUARE:
        pairs = [(i, i | block) for i in lanes if not i & block]
        upper = vectors.lanes_of([k if not k & block else SQUARE + k - block for k in lanes])
        lower = vectors.lanes_of([k + block if not k & block else SQUARE + k for k in lanes])
        for i, j in pairs:
            a, b = square[i], square[j]
            square[i] = vectors.builder.shuffle_vector(a, b, upper)
            square[j] = vectors.builder.shuffle_vector(a, b, lower)
        block *= 2
    return square
