"""What several controls need worked out once: rights, isolation, exposure, secrets."""
