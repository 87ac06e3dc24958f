"""Where tasks run: shared by all services of an environment."""
