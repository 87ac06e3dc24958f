"""Where recordings and transcripts are kept."""
