"""An image becomes a vector: decoding, measuring, caching."""
