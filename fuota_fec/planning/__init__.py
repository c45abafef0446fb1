"""What to send and when, computed before anything is sent: pure functions of numbers."""
