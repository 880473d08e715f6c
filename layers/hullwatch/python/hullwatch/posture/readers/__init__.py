"""From what APIs answer and files hold to the normalised inventory. Nothing here judges."""
