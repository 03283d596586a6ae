"""How is a plan called? The arguments of a call are checked here, for every kind of plan, and nowhere else."""

from __future__ import annotations

from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from faltung.engines.calls.array_call import FILLED, WRONG, ArrayCall
from faltung.engines.calls.team import ROOM, most_helpers, team
from faltung.errors import ArgumentError, ArgumentTypeError
from faltung.ground.arrays import as_array, carried, is_masked_array
from faltung.ground.result_memory import empty
from faltung.ground.scratch import take
from faltung.ground.threads import worker_count
from faltung.planning.axis_plan import AxisPlan
from faltung.planning.bank_plan import BankPlan
from faltung.planning.channel_plan import ChannelPlan
from faltung.planning.missing_rule import NOTHING_MISSING, MissingRule
from faltung.planning.phase_plan import PhasePlan
from faltung.planning.planned import Planned
from faltung.planning.planner import Plan
from faltung.planning.statistic_plan import StatisticPlan
from faltung.run.bank_run import BankRunner
from faltung.run.kernel_run import KernelRunner
from faltung.run.validity import keep_missing, valid_samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Runner", "execute"]

#: Seconds after the end of a call in which another one is taken for one of many.
_SOON = 1e-4
#: Predicted seconds on one core from which a thread is worth waking while the process is at work.
_WORTH = 1.5e-4


class Runner(Protocol):
    """The machine code of a plan, and the tables that stay the same from call to call."""

    @property
    def ready(self) -> ArrayCall | None:
        """A call of machine code that checks both arrays and does everything, for small ones; or None."""

    def run(self, x: NDArray[Any], out: NDArray[Any], workers: int | None, valid: NDArray[Any] | None) -> None:
        """Fill `out`, which does not overlap `x`; `valid` is False where a sample is missing, or its weight."""


def execute(
    plan: Planned, x: Any, out: Any = None, workers: int | None = None, mask: Any = None, weights: Any = None
) -> NDArray[Any]:
    """Check the arguments of a call, and run the plan; the parameters are those of calling it."""
    ready = plan.ready
    if ready is None or mask is not None or weights is not None or workers is not None:
        return _checked(plan, x, out, workers, mask, weights)
    if ready.shared:
        return _shared(plan, ready, x, out)
    result = np.empty(ready.shape, ready.dtype) if out is None else out
    if ready.run(x, result, take("ready", ready.room)[0]) == FILLED:  # an array like the one before
        return result
    return _checked(plan, x, out, workers, mask, weights)


def _shared(plan: Planned, ready: ArrayCall, x: Any, out: Any) -> NDArray[Any]:
    """Fill the result of an array like the one before, with a team where that is worth it."""
    result = empty(ready.shape, ready.dtype) if out is None else out
    helpers = most_helpers()  # a wrong setting is an error, whether threads are worth it or not
    if helpers and (ready.long or _pace.allows(ready.seconds)):
        wrong = np.empty(ready.count, np.uint8)
        answer = ready.run(x, result, take("team", ROOM)[0], team(helpers).board(ready.count), wrong)
        if answer == WRONG:
            _again(plan, x, result, wrong)
            answer = FILLED
    else:
        answer = ready.run(x, result, take("ready", ready.room)[0])
    if answer != FILLED:
        result = _checked(plan, x, out, None, None, None)
    _pace.note()
    return result


@np.errstate(all="ignore")
def _again(plan: Planned, x: NDArray[Any], result: NDArray[Any], wrong: NDArray[Any]) -> None:
    plan.runner.again(x, result, wrong)
    plan.keep_ready(plan.runner)


class _Pace:
    """Whether this process was at work since the last call, so that a second thread is worth having.

    Where the process slept, so did the other cores, and the deeper, the later they wake up: on the virtual machines
    measured, a small image is filtered before.
    """

    def __init__(self) -> None:
        self._last = self._worked = 0.0

    def note(self) -> None:
        """Note the end of a call."""
        self._last, self._worked = perf_counter(), process_time()

    def allows(self, seconds: float) -> bool:
        """Return whether a call of so many seconds gets a second thread: one is awake, or it wakes up soon enough."""
        since = perf_counter() - self._last
        return since < _SOON or (seconds > _WORTH and process_time() - self._worked > since / 2)


_pace = _Pace()


@np.errstate(all="ignore")  # of samples that are out of range, results are what floats make of them
def _checked(plan: Planned, x: Any, out: Any, workers: int | None, mask: Any, weights: Any) -> NDArray[Any]:
    """Check the arguments one by one, and fill the result tile by tile."""
    problem = plan.problem
    if type(x) is not np.ndarray or x.shape != problem.shape or x.dtype != problem.dtype:
        if is_masked_array(x):
            from faltung.run.masked_arrays import run_masked  # seldom used, and an import should cost little

            return run_masked(plan, x, out, workers, mask, weights)  # type: ignore[no-any-return]
        x = _check_input(x, plan)
    everything = mask is None and weights is None and problem.missing is NOTHING_MISSING
    valid = None if everything else valid_samples(plan, mask, weights)
    shape = plan.result_shape
    result = empty(shape, problem.result) if out is None else _check_out(out, shape, problem.result)
    count = None if workers is None else worker_count(workers)
    if not result.size:
        return result
    runner: Runner = plan.runner
    _fill(runner, x, result, count, valid, problem.missing)
    plan.keep_ready(runner)
    return result


def _fill(
    runner: Runner,
    x: NDArray[Any],
    result: NDArray[Any],
    workers: int | None,
    valid: NDArray[Any] | None,
    missing: MissingRule,
) -> None:
    """Fill the result, which may overlap the input."""
    if not (np.may_share_memory(x, result) or (valid is not None and np.may_share_memory(valid, result))):
        runner.run(x, result, workers, valid)
        if missing.keep_nan:
            keep_missing(missing, x, result, valid)
    else:  # the input would be overwritten while it is still read
        target = np.empty_like(result)
        _fill(runner, x, target, workers, valid, missing)
        result[...] = target


def _channel_runner(plan: ChannelPlan) -> Runner:
    from faltung.run.channel_run import ChannelRunner  # its machine code is loaded when there are channels

    return ChannelRunner(plan)


def _phase_runner(plan: PhasePlan) -> Runner:
    from faltung.run.phase_run import PhaseRunner  # as above

    return PhaseRunner(plan)


def _statistic_runner(plan: StatisticPlan) -> Runner:
    from faltung.run.statistic_run import StatisticRunner  # seldom used, and an import should cost little

    return StatisticRunner(plan)


def _axis_runner(plan: AxisPlan) -> Runner:
    from faltung.run.axis_run import AxisRunner  # seldom used, and an import should cost little

    return AxisRunner(plan)


Planned.execute = staticmethod(execute)
Plan.make_runner = KernelRunner
BankPlan.make_runner = BankRunner
ChannelPlan.make_runner = _channel_runner
AxisPlan.make_runner = _axis_runner
PhasePlan.make_runner = _phase_runner
StatisticPlan.make_runner = _statistic_runner


def _check_input(x: Any, plan: Planned) -> NDArray[Any]:
    """Return `x` as the array that the plan was made for."""
    problem, array = plan.problem, as_array(x, "x")
    if array.shape != problem.shape or array.dtype != problem.dtype:
        raise ArgumentError(
            "x",
            f"shape {problem.shape} and dtype {problem.dtype}, for which this plan was made",
            f"shape {array.shape} and dtype {array.dtype}",
            "Make a plan for this array, or use convolve.",
        )
    return array


def _check_out(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return `out` if a result of that shape and dtype can be written into it."""
    array = isinstance(out, np.ndarray) and not carried(out)
    if array and out.shape == shape and out.dtype == dtype and out.flags.writeable and _is_apart(out):
        return out  # type: ignore[no-any-return]
    expected = f"a writable array of shape {shape} and dtype {dtype}"
    remedy = "Omit out= to have one made."
    if not array:
        raise ArgumentTypeError("out", expected, f"a {type(out).__name__}", remedy)
    if out.shape != shape or out.dtype != dtype:
        raise ArgumentError("out", expected, f"shape {out.shape} and dtype {out.dtype}", remedy)
    if not out.flags.writeable:
        raise ArgumentError("out", expected, "an array that is read-only", "Pass a copy of it.")
    raise ArgumentError("out", expected, f"one whose entries overlap in memory, with strides {out.strides}", remedy)


def _is_apart(out: NDArray[Any]) -> bool:
    """Return whether the strides of an array tell that no two of its entries share memory."""
    reach = out.itemsize
    if not out.flags.forc:
        for stride, length in sorted(zip(map(abs, out.strides), out.shape, strict=True)):
            if length > 1 and stride < reach:
                return False
            reach += stride * (length - 1)
    return True
