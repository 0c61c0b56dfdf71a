"""What may be compared, and by how much it differs."""
