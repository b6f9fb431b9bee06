"""From the files of medical images to pictures."""
