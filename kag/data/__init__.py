"""HDF5 file -> `Sites` (arrays) -> batches of indices. Only `tables` and `epochs` need torch."""
