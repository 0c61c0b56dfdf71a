"""kag's page beside those of other trackers with the same runs."""
