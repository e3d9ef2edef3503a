"""The command line, `gateway`."""
