"""The infrastructure: five Pulumi projects that share a contract and a configuration, and the environment they make."""
