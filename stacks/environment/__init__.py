"""The environment: five stacks as five resources of the root project."""
