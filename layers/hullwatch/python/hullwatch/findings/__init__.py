"""What we say about a track: identity, priority, difference, and the shape Security Hub takes."""
