"""The model change log: records -> diff -> findings -> table -> document. Nothing here reaches torch."""
