"""What an AWS account needs before its first `make up`: a template, and the command that applies it."""
