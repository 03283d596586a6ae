"""The ground floor: arrays and what lies beyond their borders, threads, scratch, values computed once."""
