"""What people look at; shows, decides nothing."""
