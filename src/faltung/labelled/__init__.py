"""Arrays with labels."""
