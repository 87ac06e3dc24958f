"""Where everything lives: addresses, subnets, ways out."""
