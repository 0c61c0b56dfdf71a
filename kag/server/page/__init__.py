"""The page of `kag serve`: what a person looks at, in the process that clients log to, with nothing from elsewhere."""
