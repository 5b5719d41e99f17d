"""Who behaved how: copied session names, secrets read by others, blind spots of the trail, actors behind changes."""
