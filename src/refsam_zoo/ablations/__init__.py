"""Tables of trained variants."""
