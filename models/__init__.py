"""Vectors become verdicts: boosting, calibration, bundles."""
