"""How can it be computed? One file an engine; each computes a valid correlation and knows no boundary."""
