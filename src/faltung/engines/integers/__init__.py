"""Sums of bytes in whole numbers."""
