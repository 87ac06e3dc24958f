"""What a transport must hold out against: the same app behind the stock stack and behind ours, and who attacks it."""
