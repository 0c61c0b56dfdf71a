"""`kag serve`: a tracking server that the unmodified wandb client takes for W&B."""
