#!/usr/bin/env bash
# The tests for CUDA, then the benchmark of a GPU, within eight minutes, without a network.
#
#     OUT=results tools/gpu_check.sh       # PYTHON=... names another interpreter
#
# It needs a GPU, and Python with torch for CUDA, NumPy, llvmlite and pytest; triton and CuPy take part if they are there.
# What was measured before a limit is kept: $OUT has tests.txt, gpu.txt (a line for each cell as soon as it is done) and,
# when the benchmark came to its end, gpu.md and gpu.json.
set -u
cd "$(dirname "$0")/.."
out=$(mkdir -p "${OUT:-build/gpu}" && cd "${OUT:-build/gpu}" && pwd)
python=${PYTHON:-python3}
export PYTHONPATH="$PWD/src:$PWD/tests${PYTHONPATH:+:$PYTHONPATH}"
export FALTUNG_CACHE="${FALTUNG_CACHE:-$out/cache}"

for package in torch numpy llvmlite pytest; do
    if ! "$python" -c "import $package" 2> /dev/null; then
        echo "gpu_check: $python has no package $package. Install it, or set PYTHON to an interpreter that has it." >&2
        exit 2
    fi
done
if ! "$python" -c "import sys, torch; sys.exit(not torch.cuda.is_available())"; then
    echo "gpu_check: torch sees no GPU. This script needs CUDA and a build of torch for it." >&2
    exit 2
fi

started=$SECONDS
# Without what the other tests need: their fixtures, plugins, and the versions of torch that warn of nothing.
timeout 210 "$python" -m pytest --noconftest -p no:cacheprovider -o addopts= -o filterwarnings=default \
    -q -rs --tb=short --durations=10 tests/tensors/test_cuda.py > "$out/tests.txt" 2>&1
tests=$?
tail -n 3 "$out/tests.txt"

left=$((460 - (SECONDS - started)))
timeout "$left" "$python" benchmarks/gpu.py > "$out/gpu.txt" 2> "$out/gpu-errors.txt"
benchmark=$?
[ "$benchmark" = 0 ] && cp -f benchmarks/results/gpu.md benchmarks/results/gpu.json "$out/"
tail -n 3 "$out/gpu.txt" "$out/gpu-errors.txt"

echo "tests: exit $tests; benchmark: exit $benchmark (124: stopped at its limit); results in $out; $((SECONDS - started)) s"
exit $((tests != 0 || benchmark != 0))
