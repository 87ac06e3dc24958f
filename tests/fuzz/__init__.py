"""Coverage-guided fuzzing of every parser that bytes from outside reach: `make fuzz`."""
