"""What times one peer, each in the interpreter of its own environment; only `own` knows the project."""
