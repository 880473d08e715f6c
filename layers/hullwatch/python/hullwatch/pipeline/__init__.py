"""What the Lambda handlers call, one module per step."""
