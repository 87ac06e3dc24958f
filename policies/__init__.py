"""What holds for every resource, whoever writes the program: checked in tests, and by Pulumi before it changes a thing.

Rules have the ids that Checkov gives them; those of this product alone begin with TRANSCRIBER."""
