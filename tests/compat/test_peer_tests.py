"""The tool that runs a peer's tests with our functions: it replaces them everywhere, and tells what failed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "peer_tests.py"

TESTS = """
import numpy as np
import pytest
from scipy import ndimage
from scipy.ndimage import laplace


def test_by_attribute():
    assert ndimage.sobel.__module__.startswith("faltung.")


def test_by_name():
    assert laplace.__module__.startswith("faltung.")
    assert laplace([0, 5, 0]).tolist() == [5, -10, 5]


@pytest.mark.parametrize("function", [ndimage.correlate])
def test_by_parameter(function):
    assert function.__module__.startswith("faltung.")
    assert function([1.0, 2.0], [np.nan]).tolist() == [0.0, 0.0]


def test_that_fails():
    assert ndimage.laplace([0, 5, 0]).tolist() == [0, 0, 0]
"""


def test_functions_are_replaced_and_failures_are_told(tmp_path):
    (tmp_path / "test_of_a_peer.py").write_text(TESTS)
    command = [sys.executable, str(TOOL), str(tmp_path / "test_of_a_peer.py"), "ndimage"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "3 tests passed, of which 1 called" in done.stdout  # a call that is handed back is not ours
    assert "1 failed, 0 as expected" in done.stdout
    assert "handed back: scipy.ndimage.correlate is not served" in done.stdout
    assert "::test_that_fails\n" in done.stdout
