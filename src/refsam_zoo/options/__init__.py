"""How configuration files and command lines are read."""
