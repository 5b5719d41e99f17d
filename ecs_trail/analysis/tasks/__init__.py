"""Tasks that depend on an infrastructure role (`lives`), and the services that launch and stop them (`services`)."""
