"""The simplest network with the same outputs, with a certificate.

- `traced_graph`: which operations a model runs, on what, in which of its modules.
- `layer_steps`: which of them are layers and batch norms, as values. `layer_map` is such a value, with its algebra.
- `rewrites`: the rules, as a table. `block_graph` is the rule for branches.
- `module_edits`: how a model is changed, and changed back.
- `comparing`: how far apart two networks are.
- `simplifier`: the loop: find, apply, check, take back. `certificate` says what was done.
"""
