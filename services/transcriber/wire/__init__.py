"""What clients and the service say to each other, one module per wire format."""
