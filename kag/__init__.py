"""kag: tracked training and sweeps for gated k-nearest-neighbour aggregation models."""

__version__ = "0.1.0"
