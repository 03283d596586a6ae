"""How is a plan run? Tile by tile, on every worker: read or gather the source, compute, write the output."""
