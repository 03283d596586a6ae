"""Existing code on this operator: modules with the peers' signatures and behaviour."""
