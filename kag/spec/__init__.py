"""The run spec: what a run is, how it is loaded, compared and checked. Nothing here reaches torch."""
