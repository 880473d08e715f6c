"""What is known to be vulnerable: feeds, version orders, shards and matching."""
