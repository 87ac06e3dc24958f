"""Utterances in, words out."""
