"""Where files lie: local or behind a URL, found by patterns, read with patience, remembered in a cache."""
