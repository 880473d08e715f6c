"""The normalised inventory of one snapshot: what the controls look at, whatever it was read from."""
