"""The exact filter and the filter by gradient: what turns one signal, image or volume into another."""
