"""Making data: real images get generated siblings, in shards whose files do not tell which is which."""
