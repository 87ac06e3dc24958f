"""The one door to the internet."""
