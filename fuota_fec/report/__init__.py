"""What a campaign looks like to people."""
