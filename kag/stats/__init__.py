"""Numbers about scores: metrics, intervals, selection. numpy alone, so that predictions on disk are enough."""
