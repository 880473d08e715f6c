"""Reading an account's configuration: answers of AWS as documents, and how well each input was read."""
