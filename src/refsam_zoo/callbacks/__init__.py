"""What hangs on a Lightning trainer."""
