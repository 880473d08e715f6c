"""A layer as a stream: verified, decompressed and walked once, within a budget."""
