"""From a spec to a tracked run. Start reading at `fit.py`."""
