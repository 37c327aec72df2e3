"""What fauxface does: one public function a file, each a sentence of the README."""

__all__ = ["__version__"]

__version__ = "0.1.0"
