"""Arrays larger than memory."""
