// In which directions does a symmetric matrix only stretch? Jacobi's method: rotate until nothing is left beside the diagonal.

const MOST_SWEEPS = 60;

// The eigenvalues of a symmetric matrix (an NdArray), and an eigenvector of length one for each.
export function eigen(matrix) {
  const size = matrix.shape[0];
  const a = Array.from({ length: size }, (_, row) => Float64Array.from(matrix.data.subarray(row * size, (row + 1) * size)));
  const vectors = Array.from({ length: size }, (_, row) => Float64Array.from({ length: size }, (_unused, column) => Number(row === column)));
  for (let sweep = 0; sweep < MOST_SWEEPS && besides(a) > 0; sweep += 1) {
    for (let p = 0; p < size; p += 1) {
      for (let q = p + 1; q < size; q += 1) rotate(a, vectors, p, q);
    }
  }
  return { values: a.map((row, index) => row[index]), vectors };
}

// Make the entry (p, q) zero. An entry too small to change the diagonal is dropped.
function rotate(a, vectors, p, q) {
  const entry = a[p][q];
  if (entry === 0) return;
  if (Math.abs(entry) < 2 ** -60 * Math.min(Math.abs(a[p][p]), Math.abs(a[q][q]))) {
    a[p][q] = 0;
    a[q][p] = 0;
    return;
  }
  const ratio = (a[q][q] - a[p][p]) / (2 * entry);
  const tangent = (ratio >= 0 ? 1 : -1) / (Math.abs(ratio) + Math.hypot(ratio, 1));
  const cosine = 1 / Math.hypot(tangent, 1);
  const sine = tangent * cosine;
  for (let index = 0; index < a.length; index += 1) {
    if (index !== p && index !== q) {
      const [first, second] = [a[index][p], a[index][q]];
      a[index][p] = cosine * first - sine * second;
      a[p][index] = a[index][p];
      a[index][q] = sine * first + cosine * second;
      a[q][index] = a[index][q];
    }
    const [left, right] = [vectors[p][index], vectors[q][index]];
    vectors[p][index] = cosine * left - sine * right;
    vectors[q][index] = sine * left + cosine * right;
  }
  a[p][p] -= tangent * entry;
  a[q][q] += tangent * entry;
  a[p][q] = 0;
  a[q][p] = 0;
}

// The sum of the squares of what is not on the diagonal.
function besides(a) {
  let sum = 0;
  for (let row = 0; row < a.length; row += 1) {
    for (let column = 0; column < row; column += 1) sum += a[row][column] ** 2;
  }
  return sum;
}
