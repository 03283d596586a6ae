"""Engines that work along one axis after the other: separable filters, and sums over windows."""
