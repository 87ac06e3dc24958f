"""What the service answers to, by URL."""
