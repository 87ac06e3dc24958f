"""A stand-in for Pulumi's `aws` provider: the real engine, an account on disk, and refusals as AWS words them.

`python -m tests.stacks.standin ENGINE_ADDRESS` is the plugin `pulumi-resource-aws`. What it does not refuse although
AWS would is in limits.md.
"""
