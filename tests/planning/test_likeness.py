"""Kernels that look the same to engines get the plan that each of them would get by itself, and no other does."""

import numpy as np
import pytest

import faltung as fa
import problems
from faltung.planning import planner
from faltung.planning.likeness import likeness
from faltung.planning.machine import current


def chosen(plan):
    """Return everything of a plan but its problem."""
    return tuple(getattr(plan, name) for name in sorted(planner._CHOSEN))


def test_a_shared_choice_is_the_choice_of_each_kernel():
    rng, shared = np.random.default_rng(5), 0
    for _ in range(60):
        case = problems.random_problem(rng)
        signs = rng.choice([-1.0, 1.0, 0.5], size=case.kernel.shape)
        kernels = [case.kernel, fa.Kernel(case.kernel.taps * signs, case.kernel.origin), case.kernel * 3.0]
        for kernel in kernels:
            plan = fa.plan(case.x, kernel, mode=case.mode, cval=case.cval, axes=case.axes, accuracy=case.accuracy)
            if not isinstance(plan, fa.Plan):
                continue
            shared += likeness(plan.problem) is not None
            assert chosen(plan) == chosen(planner._make(plan.problem, "auto", current()))
    assert shared > 40


@pytest.mark.parametrize(
    "other",
    [
        [[1, 2, 3], [4, 5, 0], [7, 8, 8]],  # a zero
        [[1, 2, 3], [2, 4, 6], [3, 6, 9]],  # an outer product
        [[1, 1, 1], [1, 1, 1], [1, 1, 1]],  # windows
        [[1, 2, 3], [4, 5, 6], [7, 8, 8j]],  # two real kernels
    ],
)
def test_other_kernels_look_different(other):
    looks = [likeness(fa.plan((9, 9), taps).problem) for taps in ([[1, 2, 3], [4, 5, 6], [7, 8, 8]], other)]
    assert looks[0] is not None
    assert looks[0] != looks[1]


@pytest.mark.parametrize("arguments", [{"nan": "ignore"}, {"dtype": "uint8", "result_dtype": "uint8"}])
def test_a_choice_by_the_values_of_taps_is_made_anew(arguments):
    assert likeness(fa.plan((9, 9), [[1, 2], [3, 5]], **arguments).problem) is None


def test_a_tap_that_is_zero_in_single_precision_counts_as_zero():
    kernel = [[1.0, 2.0], [3.0, 1e-60]]
    looks = [likeness(fa.plan((9, 9), kernel, dtype=dtype).problem) for dtype in ("f4", "f8")]
    assert [look[2][0][1] for look in looks] == [3, 4]
