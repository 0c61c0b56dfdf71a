"""What is known of runs: the record, the run folder, and where records come from. Nothing here reaches torch."""
