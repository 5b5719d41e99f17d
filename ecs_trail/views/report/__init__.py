"""Reports to hand on: one self-contained page, its PDF, the JSON document. `registry` knows them by suffix."""
