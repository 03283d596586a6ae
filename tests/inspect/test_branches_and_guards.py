"""Branches that only choose a number or a weight, comparisons without a ratio, and what a card must leave alone."""

from __future__ import annotations

import random
import subprocess
import sys

import torch
from torch import nn
from torch.nn import functional as F

import faltung as fa


def flow(network, *examples):
    return fa.inspect.card(network, *examples, sections=["execution"]).sections["execution"].control_flow


class Choosing(nn.Module):
    def __init__(self, choose):
        super().__init__()
        self.a, self.b, self.choose = nn.Conv1d(1, 1, 3), nn.Conv1d(1, 1, 3), choose

    def forward(self, x):
        return self.choose(self, x, bool(x.mean() > 0))


def test_a_branch_that_chooses_a_number_or_a_weight_is_found():
    up, down = torch.ones(1, 1, 9), -torch.ones(1, 1, 9)
    numbers = Choosing(lambda net, x, positive: net.a(x) * (2 if positive else 3))
    assert "with other arguments (3 in place of 2)" in flow(numbers, up, down)
    weights = Choosing(lambda net, x, positive: F.conv1d(x, net.a.weight if positive else net.b.weight))
    assert "with other arguments" in flow(weights, up, down)
    plain = Choosing(lambda net, x, positive: net.a(x) * 2)
    assert flow(plain, up, down) == ""


def test_sizes_and_numbers_that_are_read_are_no_branches():
    class Scaled(nn.Module):
        def forward(self, x):
            return x.reshape(x.shape[0], -1) / float(x.abs().max())

    assert flow(Scaled(), torch.ones(1, 4), 2 * torch.ones(1, 4)) == ""
    assert flow(Scaled(), torch.ones(1, 4), torch.ones(2, 4)) == ""


def test_figures_that_are_zero_have_no_ratio():
    cards = [fa.inspect.card(nn.Conv2d(1, 2, 3), torch.randn(1, 1, 5, 5), sections=["filters"]) for _ in range(2)]
    comparison = cards[0].compare(cards[1])
    row = next(line for line in str(comparison).splitlines() if line.startswith("near_duplicates"))
    assert row.split() == ["near_duplicates", "0", "0", "-"]
    assert "<table" in comparison._repr_html_()


def test_containers_in_containers_come_back():
    class Noting(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = {"inputs": [1], "more": {"names": {"a"}}}

        def forward(self, x):
            self.seen["inputs"].append(len(self.seen["inputs"]))
            self.seen["more"]["names"].add("b")
            return x * 1

    network = Noting()
    fa.inspect.card(network, torch.ones(1, 2))
    assert network.seen == {"inputs": [1], "more": {"names": {"a"}}}


def test_the_first_card_of_a_process_leaves_the_random_generators_alone():
    program = (
        "import random, numpy as np, torch, faltung as fa\n"
        "import faltung.inspect.report_card\n"  # torch's own imports draw random numbers
        "random.seed(1); state = random.getstate()\n"
        "fa.inspect.card(torch.nn.Conv2d(1, 1, 3), torch.ones(1, 1, 5, 5))\n"
        "print(random.getstate() == state)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    state = random.getstate()
    fa.inspect.card(nn.Linear(1, 1), torch.ones(1, 1), sections=["counts"])
    assert random.getstate() == state


def test_results_that_are_single_numbers():
    class Number(nn.Module):
        def forward(self, x):
            return torch.dot(x[0], x[0]) + torch.zeros(1, 2)

    assert fa.inspect.card(Number(), torch.ones(1, 3)).figures["multiply_adds"] == 3
