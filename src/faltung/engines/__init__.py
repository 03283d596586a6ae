"""How can a valid correlation be computed? One folder for each engine; no engine knows a boundary mode."""
