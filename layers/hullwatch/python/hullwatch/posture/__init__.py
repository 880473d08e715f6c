"""Whether a configuration keeps the rules: normalised inventory, controls and verdicts."""
