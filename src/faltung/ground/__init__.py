"""The ground floor: arrays and their borders, checks of arguments, threads, scratch, values computed once."""
