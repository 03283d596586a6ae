"""How is a plan run? Tiles, on every worker, from where their samples lie to where the results belong."""
