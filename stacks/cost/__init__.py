"""What an environment costs, from what it has in the account."""
