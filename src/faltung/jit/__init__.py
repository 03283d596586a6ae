"""How is machine code made? LLVM IR as text, compiled by llvmlite, kept as position-independent images."""
