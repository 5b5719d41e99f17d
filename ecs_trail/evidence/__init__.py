"""Where records come from: disks, AWS, Arrow; no opinion on what they mean."""
