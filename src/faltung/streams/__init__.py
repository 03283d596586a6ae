"""Signals without an end."""
