"""Bytes in, 16 kHz samples out."""
