"""What is deployed, stack by stack. A stack only declares; the work is in ``lambdas`` and ``layers``."""
