"""Measurements of quality and speed; each script writes its result file and says which command made it."""
