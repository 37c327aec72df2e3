"""One task a module: each function here is a sentence of the README."""
